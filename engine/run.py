"""The other door: the same step over arrays of bars, as far as they go, from any state.

``run`` over a million bars, over its halves, or bar by bar from Python gives the same bits. Buffers
for records grow as needed: the kernel stops where a row might not fit, the driver makes room and
goes on. Most bars change nothing but the value of what is held: those are skipped in one tight loop.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine import _jit, exchange, ledger, step, venue
from engine._jit import entry, kernel
from engine.domain.enums import Action, Leg, OrderType
from engine.domain.errors import DataError, Fault, InputError
from engine.domain.events import Out
from engine.domain.params import Params
from engine.domain.state import ACCOUNT, LEG, POSITION, RESTING, SLOT, Book, State
from engine.domain.values import NOBODY_ELSE, Bars, Floats, Ints, Others, Series, Signals
from engine.strategies import indicator_voting

_HOLD, _BUY, _SELL = int(Action.HOLD), int(Action.BUY), int(Action.SELL)
_STOP_LEG, _TARGET_LEG = int(Leg.STOP), int(Leg.TARGET)
_STOP = int(OrderType.STOP)
_NO_DAY = -(2**62)

# Strategies that compute their signals; all others are given theirs.
_COMPUTED: Mapping[str, ModuleType] = {"indicator_voting": indicator_voting}

_FIRST_ROOM = 4096


class StrategySetup(NamedTuple):
    """A strategy and its resolved parameters, one mapping for each symbol of the run."""

    name: str
    values: Sequence[Mapping[str, Any]]


class Plan(NamedTuple):
    """All that a run needs beside bars: symbols, parameters, packed strategies and where they scratch."""

    symbols: tuple[str, ...]
    params: Params
    names: tuple[str, ...]
    packed: tuple[Any, ...]
    bases: tuple[int, ...]
    scratch: int


class RunState(NamedTuple):
    """A bot's books and the simulated venue's: all that is needed to go on later."""

    state: State
    book: Book

    def to_bytes(self) -> bytes:
        """Header (shapes and record sizes) and raw arrays, little-endian; ``from_bytes`` gives the same bits."""
        parts = (*self.state, *self.book)
        header = json.dumps([[part.dtype.itemsize, *part.shape] for part in parts]).encode()
        return b"%d\n" % len(header) + header + b"".join(part.tobytes() for part in parts)

    @staticmethod
    def from_bytes(data: bytes) -> "RunState":
        """The state that ``to_bytes`` saved, in arrays of its own.

        Raises:
            DataError: saved by an engine whose records have other sizes (``STATE_UNREADABLE``).
        """
        size, _, rest = data.partition(b"\n")
        header, at = rest[: int(size)], int(size)
        parts = []
        dtypes = (ACCOUNT, SLOT, POSITION, LEG, np.dtype("f8"), RESTING)
        for (size_of_one, *shape), dtype in zip(json.loads(header), dtypes, strict=True):
            if size_of_one != dtype.itemsize:
                raise DataError("This state was saved by another engine; start again.", code="STATE_UNREADABLE")
            count = int(np.prod(shape))
            part = np.frombuffer(rest, dtype, count, at).reshape(shape).copy()
            parts.append(_jit.readable(part) if dtype.fields else part)
            at += count * dtype.itemsize
        return RunState(State._make(parts[:5]), Book._make(parts[5:]))


class Result(NamedTuple):
    """What a stretch of bars led to. Row numbers count from the start of the whole run.

    equity_ms, equity: one value for each timestamp. The others are record arrays of
    ``domain.events``.
    """

    state: RunState
    equity_ms: Ints
    equity: Floats
    orders: NDArray[np.void]
    fills: NDArray[np.void]
    trips: NDArray[np.void]
    decisions: NDArray[np.void]


def fingerprint() -> str:
    """Which engine this is: SHA-256 over its sources."""
    return _jit.fingerprint()


def setup(*, symbols: Sequence[str], params: Params, strategies: Sequence[StrategySetup]) -> Plan:
    """Check and pack what a run needs.

    Raises:
        InputError: no symbols, no strategies, or parameters of another shape (``bad_plan``).
    """
    faults = _plan_faults(symbols, params, strategies)
    if faults:
        raise InputError("The run cannot be set up.", faults=faults)
    packed, bases, cells = [], [], 0
    for strategy in strategies:
        module = _COMPUTED.get(strategy.name)
        mine = module.pack(strategy.values) if module else None
        packed.append(mine)
        bases.append(cells)
        cells += mine.width * len(symbols) if mine else 0
    names = tuple(strategy.name for strategy in strategies)
    params = params._replace(
        sides=_jit.readable(params.sides),
        instruments=_jit.readable(params.instruments),
        limits=_jit.readable(params.limits),
        venue=_jit.readable(params.venue),
    )
    return Plan(tuple(symbols), params, names, tuple(packed), tuple(bases), cells)


def _plan_faults(symbols: Sequence[str], params: Params, strategies: Sequence[StrategySetup]) -> list[Fault]:
    faults = []
    if not symbols:
        faults.append(Fault("bad_plan", "/symbols", "A run needs at least one symbol."))
    if not strategies:
        faults.append(Fault("bad_plan", "/strategies", "A run needs at least one strategy."))
    if params.sides.shape != (len(symbols), 2) or params.instruments.shape != (len(symbols),):
        faults.append(Fault("bad_plan", "/params", f"Parameters are not shaped for {len(symbols)} symbols."))
    if params.strategy_weights.shape != (len(symbols), 2, len(strategies)):
        faults.append(Fault("bad_plan", "/params", f"Weights are not shaped for {len(strategies)} strategies."))
    return faults


def start(plan: Plan) -> RunState:
    """A bot that has seen nothing: all its capital in cash, nothing held, nothing asked."""
    count = len(plan.symbols)
    account = _jit.records(1, ACCOUNT)
    for name in ("cash", "start_cash", "equity", "day_open_equity"):
        account[name] = plan.params.limits["capital"][0]
    account["day"] = _NO_DAY
    state = State(
        account=account,
        slots=_jit.records(count, SLOT),
        positions=_jit.records((count, 2), POSITION),
        legs=_jit.records((count, 2, 3), LEG),
        scratch=np.zeros(plan.scratch),
    )
    return RunState(state, Book(_jit.records((count, 2, 3), RESTING)))


def merge(series: Sequence[Series], days: Sequence[NDArray[np.int32]]) -> Bars:
    """Several symbols' series as one, in the order they are stepped: by time, then by symbol.

    days: the trading day of each bar of each series.
    """
    if len(series) == 1:
        only = series[0]
        return _frozen(Bars(only.open_ms, np.zeros(len(only.open_ms), np.int32), days[0], *only[1:]))
    symbol = np.concatenate([np.full(len(one.open_ms), at, np.int32) for at, one in enumerate(series)])
    columns = [np.concatenate([one[place] for one in series]) for place in range(6)]
    order = np.lexsort((symbol, columns[0]))
    ordered = [column[order] for column in (*columns, symbol, np.concatenate(days))]
    # Venues name their days differently; a day that came back would begin twice.
    day = np.maximum.accumulate(ordered[7])
    return _frozen(Bars(ordered[0], ordered[6], day, *ordered[1:6]))


def chunks(bars: Bars, rows: int) -> Iterator[Bars]:
    """The bars in stretches of about ``rows``, never cut within a timestamp."""
    first, total = 0, len(bars.open_ms)
    while first < total:
        last = min(first + rows, total)
        if last < total:
            last = int(np.searchsorted(bars.open_ms, bars.open_ms[last - 1], side="right"))
        yield Bars._make(column[first:last] for column in bars)
        first = last


def check(bars: Bars, symbols: int) -> None:
    """Refuse bars that kernels must not see.

    Raises:
        InputError: times or days out of order, a symbol beyond the run's, a price that is not positive
            and finite, a low above a high, an open or close outside them (``bad_bars``; every kind of
            fault found, its first row named).
    """
    same_time = bars.open_ms[1:] == bars.open_ms[:-1]
    disorder = (bars.open_ms[1:] < bars.open_ms[:-1]) | (same_time & (bars.symbol[1:] <= bars.symbol[:-1]))
    lowest = np.minimum(np.minimum(bars.open, bars.close), np.minimum(bars.low, bars.high))
    # One comparison finds NaN as well: it is neither above zero nor below infinity.
    good = (lowest > 0.0) & (np.maximum(bars.high, bars.low) < np.inf) & (bars.low <= bars.high)
    good &= (bars.volume >= 0.0) & (bars.volume < np.inf)
    inside = (lowest >= bars.low) & (np.maximum(bars.open, bars.close) <= bars.high)
    checks = (
        (disorder, "bars must rise by time, then by symbol"),
        ((bars.symbol < 0) | (bars.symbol >= symbols), f"symbols must lie in 0..{symbols - 1}"),
        (~good, "prices must be positive and finite, low at most high, volume finite and not negative"),
        (good & ~inside, "open and close must lie between low and high"),
        (bars.day[1:] < bars.day[:-1], "trading days must not go back"),
    )
    faults = [
        Fault("bad_bars", f"/bars/{int(np.argmax(wrong))}", f"Row {int(np.argmax(wrong))}: {rule}.")
        for wrong, rule in checks
        if wrong.any()
    ]
    if faults:
        raise InputError("These bars cannot be stepped.", faults=faults)


def strategy_signals(plan: Plan, state: State, bars: Bars, given: Signals | None = None) -> Signals:
    """What each strategy says on each row; indicators in ``state.scratch`` move on, in place.

    given: signals for the rows, whose columns stand for the strategies that compute none.
    """
    _jit.ready()
    rows, count = len(bars.open_ms), len(plan.names)
    if given is not None and count == 1 and plan.packed[0] is None:
        return Signals(*(_jit.read_only(part) for part in given))
    matrix = Signals(np.zeros((rows, count), np.int8), np.zeros((rows, count)), np.zeros((rows, count), np.int64))
    for column, name in enumerate(plan.names):
        if name in _COMPUTED:
            _COMPUTED[name].signals(state.scratch, plan.bases[column], plan.packed[column], bars, matrix, column)
        elif given is not None:
            matrix.action[:, column] = given.action[:, column]
            matrix.confidence[:, column] = given.confidence[:, column]
            matrix.votes[:, column] = given.votes[:, column]
    return Signals(*(_jit.read_only(part) for part in matrix))


def masked(signals: Signals, tradable: NDArray[np.bool_]) -> Signals:
    """The signals with HOLD on every row that may not be acted on."""
    action = np.where(tradable[:, np.newaxis], signals.action, np.int8(_HOLD)).astype(np.int8)
    return signals._replace(action=_jit.read_only(action))


def run(
    bars: Bars,
    *,
    plan: Plan,
    state: RunState,
    signals: Signals | None = None,
    others: Others = NOBODY_ELSE,
    tradable: NDArray[np.bool_] | None = None,
    record: bool = True,
) -> Result:
    """Step a bot over the bars, filled by the simulated venue.

    signals: for strategies that are given theirs, one row for each bar. tradable: False for rows on
    which no signal is acted on (indicators move on, orders and positions live on). record: without it no
    decisions are written (fills, trips, orders and equity are the same). The state given is not
    touched. Raises InputError (``bad_bars``, ``bad_signals``).
    """
    _jit.ready()
    check(bars, len(plan.symbols))
    _check_signals(signals, (len(bars.open_ms), len(plan.names)))
    bars = _frozen(bars)
    mine = RunState(step.copied(state.state), Book(state.book.orders.copy()))
    said = strategy_signals(plan, mine.state, bars, signals)
    if tradable is not None:
        said = masked(said, tradable)
    timestamps = _distinct(bars.open_ms)
    out = step.room(_FIRST_ROOM, timestamps=len(timestamps))
    others = Others(*(float(value) for value in others))
    at, total = 0, len(bars.open_ms)
    while True:
        at = drive(bars, said, plan.params, mine.state, mine.book, others, out, at, total, int(record))
        if at == total:
            return _result(mine, timestamps, out)
        out = _grown(out, rows=_group_rows(bars, at))


def _check_signals(signals: Signals | None, shape: tuple[int, int]) -> None:
    """Kernels do not look where a matrix ends: a row too few would be read from somebody else's memory."""
    if signals is None:
        return
    faults = []
    if any(part.shape != shape for part in signals):
        message = f"Signals must have {shape[0]} rows and {shape[1]} columns, one for each bar and strategy."
        faults.append(Fault("bad_signals", "/signals", message, shape, [list(part.shape) for part in signals]))
    if not np.isin(signals.action, [int(action) for action in Action]).all():
        faults.append(Fault("bad_signals", "/signals", "Actions must be -1, 0, 1 or 2.", [-1, 0, 1, 2]))
    # Written so that NaN fails it.
    if not ((signals.confidence >= 0.0) & (signals.confidence <= 1.0)).all():
        faults.append(Fault("bad_signals", "/signals", "Confidences must lie in 0..1.", [0, 1]))
    if faults:
        raise InputError("These signals cannot be stepped.", faults=faults)


def _result(state: RunState, timestamps: Ints, out: Out) -> Result:
    asked, fills, trips, decisions, _ = out.counts
    return Result(
        state,
        timestamps,
        out.equity,
        out.orders[:asked],
        out.fills[:fills],
        out.trips[:trips],
        out.decisions[:decisions],
    )


def _grown(out: Out, *, rows: int) -> Out:
    """Buffers of twice the size, at least for one more timestamp, with what was written."""
    bigger = step.room(2 * (len(out.orders) // step.ROOM_PER_ROW) + rows)
    for old, new in zip(out[:4], bigger[:4], strict=True):
        new[: len(old)] = old
    return bigger._replace(equity=out.equity, counts=out.counts)


def _group_rows(bars: Bars, at: int) -> int:
    return int(np.searchsorted(bars.open_ms, bars.open_ms[at], side="right")) - at


def _distinct(open_ms: Ints) -> Ints:
    is_first = np.ones(len(open_ms), np.bool_)
    is_first[1:] = open_ms[1:] != open_ms[:-1]
    return open_ms[is_first]


def _frozen(bars: Bars) -> Bars:
    return Bars._make(_jit.read_only(column) for column in bars)


@entry
def drive(
    bars: Bars,
    signals: Signals,
    params: Params,
    state: State,
    book: Book,
    others: Others,
    out: Out,
    first: int,
    last: int,
    record: int,
) -> int:
    """Step rows first..last-1. Returns the row it stopped at: last, or one that may not fit ``out``."""
    alone = state.slots.shape[0] == 1
    row = first
    while row < last:
        if alone:
            row = _skip_quiet(bars, signals, params, state, book, out, row, last, record)
            if row == last:
                break
        end = row + 1
        while end < last and bars.open_ms[end] == bars.open_ms[row]:
            end += 1
        if not _fits(out, end - row):
            return row
        ledger.roll_day(state, bars.day[row])
        for each in range(row, end):
            exchange.meet_row(bars, params, state, book, out, each, state.account[0].rows + each - row, record)
        asked = out.counts[0]
        step.close_rows(state, others, params, signals, bars, row, end, out, record)
        for each in range(asked, out.counts[0]):
            venue.accept(book, params, out.orders[each], 0)
        out.equity[out.counts[4]] = state.account[0].equity
        out.counts[4] += 1
        row = end
    return row


@kernel
def _fits(out: Out, rows: int) -> bool:
    need = rows * step.ROOM_PER_ROW
    return (
        out.counts[0] + need <= out.orders.shape[0]
        and out.counts[1] + need <= out.fills.shape[0]
        and out.counts[2] + need <= out.trips.shape[0]
        and out.counts[3] + 3 * rows <= out.decisions.shape[0]
    )


@kernel
def _skip_quiet(
    bars: Bars, signals: Signals, params: Params, state: State, book: Book, out: Out, first: int, last: int, record: int
) -> int:
    """Pass over bars of a lone symbol on which nothing can happen but a new value of what is held.

    Such a bar has no order due at its open, does not reach a stop or target, begins no trading day,
    and carries no signal (or, unrecorded, one that asks for what is already so). Returns the first
    row that is not such a bar. Exactly what ``close_rows`` would do with them, many times faster.
    """
    account = state.account[0]
    if account.working > 0 or state.slots[0].fills > 0 or signals.action.shape[1] != 1:
        return first
    below, above, settled = _reach(book, 0, 0)
    short_above, short_below, short_settled = _reach(book, 0, 1)
    if not (settled and short_settled):
        return first
    below, above = max(below, short_below), min(above, short_above)
    long_qty, short_qty, cash, day = state.positions[0, 0].qty, state.positions[0, 1].qty, account.cash, account.day
    idle = _HOLD if record else _idle_action(params, long_qty, short_qty)
    written = out.counts[4] - first
    row = first
    while row < last:
        # Unsigned, so that no index is tested for counting from the end.
        at = np.uint64(row)
        action = signals.action[at, 0]
        if (
            (action != _HOLD and action != idle)
            or bars.low[at] <= below
            or bars.high[at] >= above
            or bars.day[at] != day
        ):
            break
        close = bars.close[at]
        out.equity[np.uint64(written + row)] = cash + long_qty * close - short_qty * close
        row += 1
    if row > first:
        state.slots[0].mark = bars.close[row - 1]
        account.equity = out.equity[written + row - 1]
        account.last_open_ms = bars.open_ms[row - 1]
        account.rows += row - first
        out.counts[4] += row - first
    return row


@kernel
def _idle_action(params: Params, long_qty: float, short_qty: float) -> int:
    """The action that asks for what is already so, or for what this bot never does; HOLD if none."""
    if short_qty > 0.0:
        return _HOLD
    if long_qty > 0.0:
        return _BUY
    return _HOLD if params.sides[0, 1].side_allowed else _SELL


@kernel
def _reach(book: Book, symbol: int, side: int) -> tuple[float, float, bool]:
    """(stop price, target price, settled): what a bar must reach to fill; settled: nothing else is due."""
    stop = book.orders[symbol, side, _STOP_LEG]
    target = book.orders[symbol, side, _TARGET_LEG]
    settled = True
    stop_price = -np.inf if side == 0 else np.inf
    target_price = np.inf if side == 0 else -np.inf
    if stop.working:
        settled = stop.wait == 0 and stop.order_type == _STOP
        stop_price = stop.stop_price
    if target.working:
        settled = settled and target.wait == 0
        target_price = target.limit_price
    return stop_price, target_price, settled
