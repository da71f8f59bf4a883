"""Is this a market? Errors that refuse an import, and warnings that are kept with the dataset and shown.

Errors are contradictions (a high below the low); nothing is stored. Warnings are oddities that real markets also
produce (a missing minute, a jump); they are counted, with up to fifty examples each.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.domain.errors import Fault
from engine.domain.values import Floats, Ints, Series
from marketdata import calendars
from marketdata.faultlog import FaultLog
from marketdata.providers.ports import Reading
from marketdata.timeframes import DAY_MS, DURATION_MS, HOUR_MS, is_session_based

EXAMPLES = 50
LARGEST_PRICE = 1e15  # numeric(24, 9) holds fifteen digits before the point
SPLIT_SUSPECTED = "unadjusted_split_suspected"
SPLIT_RATIOS = (1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 10.0, 15.0, 20.0, 30.0, 50.0)
SPLIT_JUMP = 1.35
# AAPL's splits opened within 2.2 % of their ratio; its crash of 2000-09-29 missed 2:1 by 5.1 %.
SPLIT_TOLERANCE = 0.035
JUMP_LOG = float(np.log(1.35))
WEEKEND_MS = 50 * HOUR_MS


class Rules(NamedTuple):
    """What the checks need to know about the series."""

    timeframe: str
    calendar: str
    asset_class: str
    now_ms: int


def faults(reading: Reading, rules: Rules) -> tuple[Fault, ...]:
    """Every contradiction in what was read, by line; empty when the bars may be stored."""
    log, series, rows = FaultLog(), reading.series, reading.rows
    if not rows.size and not reading.faults:
        log.add("no_rows", "The file has a header but no bars.")
    _check_numbers(log, series, rows)
    _check_order(log, series.open_ms, rows)
    _check_closed(log, series.open_ms, rows, rules)
    return (*reading.faults, *log.faults())


def report(series: Series, rules: Rules) -> dict[str, Any]:
    """The quality report of valid bars: counts, warnings with examples, and marks other rooms act on."""
    splits = suspected_splits(series, rules)
    warnings = [
        *_coverage_warnings(series, rules),
        _warning("zero_volume", "bars without volume", series.open_ms[series.volume == 0]),
        _warning("split_suspected", "overnight ratio near a simple one", series.open_ms[splits]),
        *_jump_warnings(series, splits),
        _warning("off_grid", "bars that do not open on the timeframe's grid", _off_grid(series.open_ms, rules)),
    ]
    return {
        "rows": series.open_ms.size,
        "warnings": [warning for warning in warnings if warning["count"]],
        "marks": [SPLIT_SUSPECTED] if splits.size else [],
        "splits": [_split(series, place) for place in splits.tolist()],
    }


def suspected_splits(series: Series, rules: Rules) -> NDArray[np.intp]:
    """Rows of an equity that open, on a new day, beyond 35 % from the last close and near a simple ratio of it.

    The close must stay there: a wrong first print (IBM, 2002-12-23: twice the price, back within the day) is no split.
    """
    if rules.asset_class != "equity" or series.open_ms.size < 2:
        return np.empty(0, np.intp)
    day = calendars.trading_days(series.open_ms, rules.calendar, timeframe=rules.timeframe)
    before, opened, closed = series.close[:-1], series.open[1:], series.close[1:]
    ratio = np.maximum(before / opened, opened / before)
    stays = np.maximum(before / closed, closed / before) > SPLIT_JUMP
    near = np.min(np.abs(ratio[:, None] / np.array(SPLIT_RATIOS) - 1), axis=1) <= SPLIT_TOLERANCE
    return np.flatnonzero(near & stays & (ratio > SPLIT_JUMP) & (day[1:] != day[:-1])) + 1


def on_tick(prices: Floats, price_tick: float) -> Floats:
    """Prices on the instrument's tick, halves to even; unchanged bits where they already are.

    ``price_tick`` or its inverse is whole, so the result is the nearest float to the decimal meant.
    """
    if price_tick >= 1:
        return np.rint(prices / price_tick) * price_tick
    inverse = round(1 / price_tick)
    # Beyond 2**53 ticks a float has no such digit any more, and rounding could only damage it.
    rounded: Floats = np.where(prices * inverse < 2**53, np.rint(prices * inverse) / inverse, prices)
    return rounded


def round_to_tick(series: Series, price_tick: float) -> tuple[Series, dict[str, Any]]:
    """The bars with prices on the tick, and what that changed. Rounding is monotone: the high stays the highest."""
    rounded = [on_tick(column, price_tick) for column in series[1:5]]
    moved = [np.abs(new - old) / old for new, old in zip(rounded, series[1:5], strict=True)]
    summary = {
        "price_tick": price_tick,
        "prices": int(sum(np.count_nonzero(change) for change in moved)),
        "largest_fraction": float(max((change.max(initial=0.0) for change in moved), default=0.0)),
    }
    opened, high, low, close = rounded
    return Series(series.open_ms, opened, high, low, close, series.volume), summary


def zero_price_faults(series: Series, rows: NDArray[np.int64], price_tick: float) -> tuple[Fault, ...]:
    """A fault for each bar whose price the tick rounds away."""
    log = FaultLog()
    message = f"low is {{}} once rounded to the tick {price_tick:g}; the instrument's price_tick is too coarse."
    log.add_rows("price_below_tick", message, series.low <= 0, rows, series.low)
    return log.faults()


def moment(open_ms: int) -> str:
    """ISO-8601 UTC, for people. Out-of-range instants are shown as their number."""
    try:
        return datetime.fromtimestamp(open_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return str(open_ms)


def _check_numbers(log: FaultLog, series: Series, rows: NDArray[np.int64]) -> None:
    finite = np.ones(rows.size, bool)
    for name, column in zip(Series._fields[1:], series[1:], strict=True):
        log.add_rows("not_finite", f"{name} is {{}}; a finite number is expected.", ~np.isfinite(column), rows, column)
        finite &= np.isfinite(column)
    for name, column in zip(Series._fields[1:5], series[1:5], strict=True):
        wrong = finite & ((column <= 0) | (column >= LARGEST_PRICE))
        message = f"{name} is {{}}; a price is above 0 and below {LARGEST_PRICE:g}."
        log.add_rows("price_out_of_range", message, wrong, rows, column)
    low, high, volume = series.low, series.high, series.volume
    log.add_rows("high_below_low", "high {} is below low {}.", finite & (high < low), rows, high, low)
    for name, column in (("open", series.open), ("close", series.close)):
        wrong = finite & (high >= low) & ((column < low) | (column > high))
        log.add_rows(f"{name}_outside_range", f"{name} {{}} is outside {{}}-{{}}.", wrong, rows, column, low, high)
    log.add_rows("negative_volume", "volume is {}; 0 or more is expected.", finite & (volume < 0), rows, volume)


def _check_order(log: FaultLog, open_ms: Ints, rows: NDArray[np.int64]) -> None:
    if not open_ms.size:
        return
    highest = np.maximum.accumulate(open_ms)
    late = np.concatenate([[False], open_ms[1:] < highest[:-1]])
    _, first = np.unique(open_ms, return_index=True)
    repeated = np.ones(open_ms.size, bool)
    repeated[first] = False
    late &= ~repeated
    log.add_rows("duplicate_timestamp", "timestamp {} occurs a second time.", repeated, rows, open_ms, show=moment)
    log.add_rows("out_of_order", "timestamp {} is before an earlier line's.", late, rows, open_ms, show=moment)


def _check_closed(log: FaultLog, open_ms: Ints, rows: NDArray[np.int64], rules: Rules) -> None:
    future = open_ms > rules.now_ms
    # A month's own length is enough to close it; 31 days would refuse February until March 3rd.
    length_ms = 28 * DAY_MS if rules.timeframe == "1M" else DURATION_MS[rules.timeframe]
    unclosed = ~future & (open_ms + length_ms > rules.now_ms)
    now = moment(rules.now_ms)
    message = f"timestamp {{}} is in the future; it is {now}."
    log.add_rows("future_timestamp", message, future, rows, open_ms, show=moment)
    message = f"the bar opened at {{}} has not closed; it is {now}."
    log.add_rows("bar_not_closed", message, unclosed, rows, open_ms, show=moment)


def _warning(code: str, message: str, open_ms: Ints, extra: Sequence[dict[str, Any]] = ()) -> dict[str, Any]:
    examples = [{"open_ms": int(value), "at": moment(int(value))} for value in open_ms[:EXAMPLES]]
    for example, more in zip(examples, extra, strict=False):
        example.update(more)
    return {"code": code, "message": message, "count": int(open_ms.size), "examples": examples}


def _split(series: Series, place: int) -> dict[str, Any]:
    open_ms = int(series.open_ms[place])
    ratio = float(series.close[place - 1] / series.open[place])
    return {"open_ms": open_ms, "at": moment(open_ms), "ratio": round(ratio, 4)}


def _jump_warnings(series: Series, splits: NDArray[np.intp]) -> list[dict[str, Any]]:
    step = np.concatenate([[0.0], np.diff(np.log(series.close))])
    step[splits] = 0.0
    large = np.abs(step) > JUMP_LOG
    back = np.concatenate([large[1:] & (step[1:] * step[:-1] < 0), [False]]) if step.size else large
    spike = (large & back) | _wicks(series)
    after_spike = np.concatenate([[False], (large & back)[:-1]]) if step.size else large
    jump = large & ~spike & ~after_spike
    return [
        _warning("spike", "prices beyond 35 % from the closes before and after", series.open_ms[spike]),
        _warning("price_jump", "closes beyond 35 % from the last", series.open_ms[jump]),
    ]


def _wicks(series: Series) -> NDArray[np.bool_]:
    before = np.concatenate([series.close[:1], series.close[:-1]])
    above = series.high > SPLIT_JUMP * np.maximum(before, series.close)
    below = series.low * SPLIT_JUMP < np.minimum(before, series.close)
    wicks: NDArray[np.bool_] = above | below
    return wicks


def _off_grid(open_ms: Ints, rules: Rules) -> Ints:
    if is_session_based(rules.timeframe):
        return _where(open_ms, open_ms % DAY_MS != 0)
    grid_ms = DURATION_MS[rules.timeframe]
    if rules.calendar not in (calendars.ALWAYS, calendars.FOREX):
        grid_ms = min(grid_ms, HOUR_MS // 2)  # sessions open on the half hour
    return _where(open_ms, open_ms % grid_ms != 0)


def _where(open_ms: Ints, chosen: NDArray[np.bool_]) -> Ints:
    found: Ints = open_ms[chosen]
    return found


def _coverage_warnings(series: Series, rules: Rules) -> list[dict[str, Any]]:
    if rules.timeframe in ("3d", "1w", "1M"):
        return []
    if rules.calendar in (calendars.ALWAYS, calendars.FOREX):
        return [_grid_gaps(series.open_ms, rules)]
    return _session_warnings(series.open_ms, rules)


def _grid_gaps(open_ms: Ints, rules: Rules) -> dict[str, Any]:
    length_ms = DURATION_MS[rules.timeframe]
    steps = np.diff(open_ms)
    gap = steps > length_ms
    if rules.calendar == calendars.FOREX:
        weekday = (open_ms[:-1] // DAY_MS + 4) % 7  # 0 is Sunday; the first of January 1970 was a Thursday
        gap &= ~((weekday >= 5) & (steps <= WEEKEND_MS + length_ms))
    return _gap_warning(open_ms, gap, length_ms)


def _gap_warning(open_ms: Ints, gap: NDArray[np.bool_], length_ms: int) -> dict[str, Any]:
    places = np.flatnonzero(gap)
    missing = (open_ms[places + 1] - open_ms[places]) // length_ms - 1
    extra = [{"missing_bars": int(count)} for count in missing[:EXAMPLES]]
    warning = _warning("gap", "the next bar is later than the timeframe says", open_ms[places], extra)
    return warning | {"missing_bars": int(missing.sum()), "longest_missing_bars": int(missing.max(initial=0))}


def _session_warnings(open_ms: Ints, rules: Rules) -> list[dict[str, Any]]:
    day = calendars.trading_days(open_ms, rules.calendar, timeframe=rules.timeframe)
    present = np.unique(day).astype(np.int64)
    expected = calendars.sessions(rules.calendar, int(present[0]), int(present[-1]))
    missing, foreign = np.setdiff1d(expected, present), np.setdiff1d(present, expected)
    found = [
        _warning("missing_session", "the exchange was open and no bar is there", missing * DAY_MS),
        _warning("unexpected_session", "the exchange was closed and a bar is there", foreign * DAY_MS),
    ]
    if not is_session_based(rules.timeframe):
        length_ms = DURATION_MS[rules.timeframe]
        found.append(_gap_warning(open_ms, (np.diff(open_ms) > length_ms) & (day[1:] == day[:-1]), length_ms))
    return found
