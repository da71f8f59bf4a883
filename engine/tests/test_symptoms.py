"""Defects that were seen once, each under the name of what one saw."""

import numpy as np
import pytest

from engine import metrics, rounding, run, step
from engine.domain.enums import ConflictRule, Reason
from engine.domain.errors import DataError, InputError
from engine.domain.events import FILL, ROUND_TRIP
from engine.domain.values import Series, Signals
from engine.tests import worlds
from engine.tests.worlds import ONE_WAY, external_plan, said, said_by_many, wishes


def two_symbols(days: tuple[list[int], list[int]] = ([0, 0, 0], [0, 0, 0])) -> run.Bars:
    """Three minutes of two symbols, the second ten times as dear from its second bar on."""
    times = np.arange(3, dtype=np.int64) * worlds.MINUTE
    cheap = np.full(3, 100.0)
    dear = np.array([100.0, 1_000.0, 1_000.0])
    volume = np.full(3, 1e6)
    series = [Series(times, one, one, one, one, volume) for one in (cheap, dear)]
    return run.merge(series, [np.array(day, np.int32) for day in days])


def test_money_that_buys_no_step__two_symbols__is_recorded_on_the_bar_it_met() -> None:
    # Given: 300 to spend on a whole share of the second symbol, asked at 100, met at 1,000
    plan = external_plan(wishes(symbols=2, position_fraction=0.03, size_at_fill=1, **ONE_WAY))
    bars = two_symbols()
    asked = said(0, 1, 0, 0, 0, 0)  # rows: S0, S1 at minute 0, then minute 1, then minute 2

    told = run.run(bars, plan=plan, state=run.start(plan), signals=asked)

    cancelled = told.decisions[told.decisions["reason"] == Reason.CANCELLED]
    assert [tuple(one) for one in cancelled[["row", "open_ms", "symbol"]]] == [(3, worlds.MINUTE, 1)]


def test_weighted_average__third_strategy_of_the_newcomers_mind__has_no_voice() -> None:
    # Given: buy 1.0, sell 0.8, buy 0.5 as the newcomer, with weights 1. "Opposing and new" only:
    # sell 0.8 is strong, S = 0.8 x 1.5 = 1.2; buy 0.5 is medium, S = 0.5; V = (0.5 - 1.2) / 1.7 = -0.41
    params = wishes(strategies=3, conflict_rule=ConflictRule.WEIGHTED_AVERAGE, **ONE_WAY)
    plan = external_plan(params)
    bars = worlds.flat_bars(2)

    told = run.run(
        bars,
        plan=plan,
        state=run.start(plan),
        signals=said_by_many([[(1, 1.0), (-1, 0.8), (1, 0.5)], [(0, 0.0)] * 3]),
    )

    # Then: the sell is carried out, and it is the seller who is named
    assert (told.decisions["signal"][0], told.decisions["strategy"][0]) == (-1, 1)


def test_trading_day__two_calendars__never_goes_back() -> None:
    # Given: the second venue is a day behind at the same instants
    bars = two_symbols(days=([1, 1, 2], [0, 1, 1]))

    assert bars.day.tolist() == [1, 1, 1, 1, 2, 2]


def test_bars__trading_day_goes_back__are_refused() -> None:
    bars = worlds.flat_bars(2)._replace(day=np.array([1, 0], np.int32))

    with pytest.raises(InputError, match="days must not go back"):
        run.check(bars, 1)


def test_bars__close_above_the_high__are_refused() -> None:
    with pytest.raises(InputError, match="between low and high"):
        run.check(worlds.bars_of((100.0, 101.0, 99.0, 102.0)), 1)


@pytest.mark.parametrize("confidence", [float("nan"), -0.1, 1.1])
def test_signals__confidence_outside_0_to_1__are_refused(confidence: float) -> None:
    plan = external_plan(wishes())

    with pytest.raises(InputError, match=r"Confidences must lie in 0\.\.1"):
        run.run(worlds.flat_bars(1), plan=plan, state=run.start(plan), signals=said(1, confidence=confidence))


def test_signals__unknown_action__are_refused() -> None:
    plan = external_plan(wishes())

    with pytest.raises(InputError, match="Actions must be"):
        run.run(worlds.flat_bars(1), plan=plan, state=run.start(plan), signals=said(3))


def test_step_without_a_whole_inverse__multiple__is_the_product() -> None:
    # 1 / 0.003 = 333.33: counted as 333 steps to one, ten steps were 0.03003
    assert rounding.multiple(10.0, 0.003) == 0.03


def test_on_fill__an_exit__tells_what_it_realised() -> None:
    # Given: ten shares bought at 100
    params = wishes()
    plan = external_plan(params)
    fill = np.zeros((), FILL)
    fill["is_entry"], fill["action"], fill["qty"], fill["price"] = 1, 1, 10.0, 100.0
    held = step.on_fill(run.start(plan).state, fill, params, day=0).state

    # When: four of them are sold at 103
    fill["is_entry"], fill["action"], fill["qty"], fill["price"] = 0, -1, 4.0, 103.0
    answer = step.on_fill(held, fill, params, day=0)

    # Then: 4 x (103 - 100) = 12
    assert answer.fills["realised"].tolist() == [12.0]


def test_on_bar__arrays_that_can_be_written__are_taken_as_they_are() -> None:
    # Given: what a live bot has at hand, fresh arrays; they used to be compiled for once more
    plan = external_plan(wishes(position_fraction=0.1))
    bars = worlds.flat_bars(1)
    fresh = bars._make(column.copy() for column in bars)
    signals = Signals._make(part.copy() for part in said(1))

    answer = step.on_bar(run.start(plan).state, fresh, signals, plan.params)

    # 10 % of 10,000 at 100
    assert answer.orders["qty"].tolist() == [10.0]


def test_state__saved_by_an_engine_with_other_records__is_not_read() -> None:
    plan = external_plan(wishes())
    saved = run.start(plan).to_bytes()
    size, _, rest = saved.partition(b"\n")
    header = rest[: int(size)].replace(b"[[112,", b"[[104,")  # ACCOUNT as it might have been
    assert header != rest[: int(size)]

    with pytest.raises(DataError, match="another engine"):
        run.RunState.from_bytes(size + b"\n" + header + rest[int(size) :])


def test_drawdown__start_was_the_peak__is_counted_from_the_first_bar() -> None:
    # Given: never above the 100 it started with; the deepest point, 80, comes on the third day
    days = np.arange(3, dtype=np.int64) * worlds.DAY
    told = metrics.summarise(
        days, np.array([90.0, 95.0, 80.0]), np.zeros(0, ROUND_TRIP), np.zeros(0, FILL), start_equity=100.0
    )

    assert told.max_drawdown == pytest.approx(0.2)
    assert told.max_drawdown_ms == 2 * worlds.DAY
