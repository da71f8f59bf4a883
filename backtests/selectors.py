"""What would have happened: runs, their curves and lists, and one decision explained."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any, NamedTuple
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from backtests import mappers, records
from backtests.errors import BacktestNotCompleted, BacktestNotFound, DecisionNotFound
from backtests.mappers import DecisionRow, FillRow, OrderRow, TripRow
from backtests.models import Backtest, BacktestQuerySet, BacktestStatus, RecordKind
from backtests.records import Keep, Listing, Records, Sliced
from configuration import selectors as configuration
from configuration.selectors import Explained
from engine.domain import reasons
from engine.domain.enums import Action, Reason, Side, Target
from engine.domain.errors import Fault, InputError
from engine.domain.values import Series
from marketdata import selectors as marketdata

__all__ = ["Backtest", "BacktestStatus", "Explained", "Explanation", "backtest", "backtests", "completed"]

LARGEST_CURVE = 5_000
LARGEST_CHART = 5_000
# What round trips can be sorted by, and the packed columns behind it.
TRIP_SORTS: Mapping[str, str] = {
    "entry_row": "entry_row",
    "exit_row": "exit_row",
    "entry_at": "entry_ms",
    "exit_at": "exit_ms",
    "symbol": "symbol",
    "side": "side",
    "cause": "cause",
    "qty": "qty",
    "entry_price": "entry_price",
    "exit_price": "exit_price",
    "fees": "fees",
    "pnl": "pnl",
    "pnl_percent": "",  # computed
}
_LONGS = int(Target.ENTER_LONG | Target.EXIT_LONG)
_SHORTS = int(Target.ENTER_SHORT | Target.EXIT_SHORT)


class Curve(NamedTuple):
    """Equity over time: equal-length arrays. ``points``: how many there were before thinning."""

    at_ms: NDArray[np.int64]
    equity: NDArray[np.float64]
    points: int


class Candles(NamedTuple):
    """Bars of one symbol in a window, merged where there were too many, and the fills on them."""

    series: Series
    bars_per_candle: int
    fills: list[FillRow]


class Bar(NamedTuple):
    """The bar a decision was made on."""

    at: datetime
    open: float
    high: float
    low: float
    close: float
    volume: float


class Explanation(NamedTuple):
    """One row of a run, with everything that led to it.

    ``decisions``: mostly one; an order that ended without a fill adds its own. ``values``: for each
    side concerned ("AAPL/LONG"), what applied there, with origin, who set it and why.
    """

    row: int
    symbol: str
    bar: Bar
    decisions: list[DecisionRow]
    fills: list[FillRow]
    orders: list[OrderRow]
    snapshot: str
    values: Mapping[str, Sequence[Explained]]


def backtests(
    *, owner_id: int | None = None, bot_id: UUID | None = None, status: str | None = None
) -> BacktestQuerySet:
    """Runs, newest first. ``owner_id`` None: everybody's."""
    found = Backtest.objects.newest_first()
    found = found if owner_id is None else found.owned_by(owner_id)
    found = found if bot_id is None else found.filter(bot_id=bot_id)
    return found if status is None else found.filter(status=status)


def backtest(backtest_id: UUID, *, owner_id: int | None = None, lock: bool = False) -> Backtest:
    """One run. ``lock`` holds its row until the transaction ends.

    Raises: BACKTEST_NOT_FOUND, also for another owner's.
    """
    found = backtests(owner_id=owner_id).filter(id=backtest_id)
    one = (found.select_for_update() if lock else found).first()
    if one is None:
        raise BacktestNotFound(f"There is no backtest {backtest_id}.")
    return one


def completed(backtest_id: UUID, *, owner_id: int | None = None) -> Backtest:
    """One run that has a result. Raises: BACKTEST_NOT_FOUND, BACKTEST_NOT_COMPLETED."""
    one = backtest(backtest_id, owner_id=owner_id)
    if one.status != BacktestStatus.COMPLETED:
        reason = f": {one.error_message}" if one.error_message else ""
        raise BacktestNotCompleted(f"The backtest of {one.bot_name} is {one.status}, it has no result{reason}.")
    return one


def symbols(run: Backtest) -> tuple[str, ...]:
    """The run's symbols in the order the engine stepped them."""
    return tuple(one["symbol"] for one in run.request["datasets"])


def equity(run: Backtest, *, max_points: int = 2_000) -> Curve:
    """The equity curve in at most ``max_points`` (4..5,000), every stretch with its lowest and highest."""
    found = records.everything(run.id, RecordKind.EQUITY)
    kept = thinned(found["equity"], max(4, min(max_points, LARGEST_CURVE)))
    return Curve(found["open_ms"][kept], found["equity"][kept], len(found))


def thinned(values: NDArray[np.float64], most: int) -> NDArray[np.int64]:
    """Rising indices of at most ``most`` values: the first, the last, and each stretch's extremes."""
    count = len(values)
    if count <= most:
        return np.arange(count)
    stretches = (most - 2) // 2
    edges = np.linspace(0, count, stretches + 1).astype(np.int64)
    picked = [0, count - 1]
    for first, last in pairwise(edges.tolist()):
        stretch = values[first:last]
        picked += [int(first + stretch.argmin()), int(first + stretch.argmax())]
    return np.unique(np.array(picked, np.int64))


def trips(run: Backtest, *, symbol: str | None = None, ordering: str = "-exit_row") -> Sequence[TripRow]:
    """All round trips in this order: one of TRIP_SORTS, "-" before it for falling.

    Raises: VALIDATION_ERROR for an ordering or a symbol that is none.
    """
    found = records.everything(run.id, RecordKind.TRIP)
    for keep in _keep_symbol(run, symbol):
        found = found[keep(found)]
    rising = np.argsort(_trip_column(found, ordering.removeprefix("-")), kind="stable")
    known = symbols(run)
    return Sliced(
        found[rising[::-1] if ordering.startswith("-") else rising], make=lambda some: mappers.trip_rows(some, known)
    )


def fills(run: Backtest, *, symbol: str | None = None) -> Listing[FillRow]:
    """All fills in the order they happened; read where it is sliced."""
    known, keep = symbols(run), _all_of(_keep_symbol(run, symbol))
    return Listing(run.id, RecordKind.FILL, make=lambda found: mappers.fill_rows(found, known), keep=keep)


def orders(run: Backtest, *, symbol: str | None = None) -> Listing[OrderRow]:
    """All orders in the order they were asked; read where it is sliced."""
    known, keep = symbols(run), _all_of(_keep_symbol(run, symbol))
    return Listing(run.id, RecordKind.ORDER, make=lambda found: mappers.order_rows(found, known), keep=keep)


def decisions(
    run: Backtest, *, symbol: str | None = None, reason: str | None = None, signal: str | None = None
) -> Listing[DecisionRow]:
    """All decisions in time order, or those with this reason or signal; read where it is sliced.

    Raises: VALIDATION_ERROR for a reason or signal that is none.
    """
    keeps = [
        *_keep_symbol(run, symbol),
        *_keep_word("reason", reason, {reasons.code(one): int(one) for one in Reason}),
        *_keep_word("signal", signal, {one.name.lower(): int(one) for one in Action}),
    ]
    known = symbols(run)
    return Listing(
        run.id, RecordKind.DECISION, make=lambda found: mappers.decision_rows(found, known), keep=_all_of(keeps)
    )


def decision(run: Backtest, row: int) -> Explanation:
    """Everything that led to what happened on one row. Raises: DECISION_NOT_FOUND."""
    made = _on_row(run.id, RecordKind.DECISION, row)
    if not len(made):
        raise DecisionNotFound(f"Nothing was decided on row {row} of this backtest; quiet bars leave no record.")
    known = symbols(run)
    symbol = known[made["symbol"][-1]]
    return Explanation(
        row=row,
        symbol=symbol,
        bar=_bar(run, symbol, int(made["open_ms"][-1])),
        decisions=mappers.decision_rows(made, known),
        fills=mappers.fill_rows(_on_row(run.id, RecordKind.FILL, row), known),
        orders=mappers.order_rows(_on_row(run.id, RecordKind.ORDER, row), known),
        snapshot=run.snapshot_id,
        values=_values(run.snapshot_id, symbol, made),
    )


def candles(
    run: Backtest, symbol: str, *, start_ms: int | None = None, end_ms: int | None = None, max_candles: int = 2_000
) -> Candles:
    """The bars one symbol was run over, in at most ``max_candles`` (1..5,000), with the fills among them.

    Raises: VALIDATION_ERROR for a symbol that was not in the run.
    """
    place = _place(run, symbol)
    first = max(run.request["start_ms"], start_ms if start_ms is not None else run.request["start_ms"])
    last = min(run.request["end_ms"], end_ms if end_ms is not None else run.request["end_ms"])
    page = marketdata.bars_page(
        run.request["datasets"][place]["id"],
        start_ms=first,
        end_ms=last,
        max_points=max(1, min(max_candles, LARGEST_CHART)),
    )

    def keep(found: Records) -> NDArray[np.bool_]:
        inside = (found["open_ms"] >= first) & (found["open_ms"] < last)
        mine: NDArray[np.bool_] = inside & (found["symbol"] == place)
        return mine

    known = symbols(run)
    marked = Listing(run.id, RecordKind.FILL, make=lambda found: mappers.fill_rows(found, known), keep=keep)
    return Candles(page.series, page.bars_per_point, marked[:LARGEST_CHART])


def _trip_column(found: Records, name: str) -> NDArray[Any]:
    if name not in TRIP_SORTS:
        allowed = list(TRIP_SORTS)
        message = f"ordering is {name!r}, allowed {', '.join(allowed)}, each with - for falling."
        faults = [Fault("not_a_choice", "/ordering", message, allowed, name)]
        raise InputError("The list cannot be sorted so.", faults=faults)
    if name == "pnl_percent":
        share: NDArray[Any] = found["pnl"] / (found["qty"] * found["entry_price"])
        return share
    return found[TRIP_SORTS[name]]


def _place(run: Backtest, symbol: str) -> int:
    known = symbols(run)
    if symbol in known:
        return known.index(symbol)
    message = f"{symbol} was not in this run ({', '.join(known)})."
    raise InputError("There is nothing to show.", faults=[Fault("unknown_symbol", "/symbol", message, known, symbol)])


def _keep_symbol(run: Backtest, symbol: str | None) -> list[Keep]:
    if symbol is None:
        return []
    place = _place(run, symbol)
    return [lambda found: found["symbol"] == place]


def _keep_word(column: str, word: str | None, values: Mapping[str, int]) -> list[Keep]:
    if word is None:
        return []
    if word not in values:
        message = f"{column} is {word!r}, allowed {', '.join(values)}."
        faults = [Fault("not_a_choice", f"/{column}", message, list(values), word)]
        raise InputError("There is nothing to show.", faults=faults)
    value = values[word]
    return [lambda found: found[column] == value]


def _all_of(keeps: Sequence[Keep]) -> Keep | None:
    if not keeps:
        return None
    return lambda found: np.logical_and.reduce([keep(found) for keep in keeps])


def _on_row(backtest_id: UUID, kind: str, row: int) -> Records:
    """Records of one row. Within a timestamp fills come before decisions, so rows rise only from chunk to chunk."""
    found = [np.zeros(0, records.DTYPES[kind])]
    for stretch in records.stretches(backtest_id, kind):
        if stretch["row"].min() > row:
            break
        found.append(stretch[stretch["row"] == row])
    return np.concatenate(found)


def _bar(run: Backtest, symbol: str, open_ms: int) -> Bar:
    dataset_id = run.request["datasets"][_place(run, symbol)]["id"]
    bars = marketdata.closed_bars(dataset_id, start_ms=open_ms, end_ms=open_ms + 1)
    return Bar(mappers.at(open_ms), *(float(column[0]) for column in bars[1:]))


def _values(snapshot: str, symbol: str, made: Records) -> dict[str, list[Explained]]:
    """For each side: the bot's own values, the strategy's at the symbol, the trading ones at the side."""
    explained = configuration.explain_snapshot(snapshot)
    around = [value for value in explained if (value.node, value.namespace) == ("", "bot")]
    around += [value for value in explained if value.node == symbol and value.namespace not in ("trading", "bot")]
    nodes = [f"{symbol}/{side.name}" for side in _sides(made)]
    return {node: around + [value for value in explained if value.node == node] for node in nodes}


def _sides(made: Records) -> list[Side]:
    """Which side's values decided: those it wanted to change, else the one its signal points to."""
    wanted = int(np.bitwise_or.reduce(made["target"]))
    sides = [side for side, bits in ((Side.LONG, _LONGS), (Side.SHORT, _SHORTS)) if wanted & bits]
    if sides:
        return sides
    return [Side.SHORT] if Action.SELL in made["signal"] else [Side.LONG]
