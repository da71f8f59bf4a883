"""The simulated exchange as a broker sees it: orders are placed, bars arrive, fills come back.

It keeps books of its own, in the same records as a bot's, because its brackets depend on them: a
stop rests from the entry's fill on, at a distance from that price. ``run`` drives the kernels below
on the bot's own books instead, which saves it every copy; the fills are the same in every bit.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine import _jit, ledger, orders, rounding, step, venue
from engine._jit import entry, kernel
from engine.domain.enums import Leg, OrderType, Reason
from engine.domain.events import DECISION, FILL, ORDER, ROUND_TRIP, Out
from engine.domain.params import LIMITS, SIDE_PARAMS, Params
from engine.domain.state import Book, State
from engine.domain.values import Bars

_MAIN = int(Leg.MAIN)
_STOP, _LIMIT = int(OrderType.STOP), int(OrderType.LIMIT)
_CANCELLED = int(Reason.CANCELLED)

WHOLE = 1.0
"""The share of itself that an order fills where nobody told the exchange to fail."""


class Turn(NamedTuple):
    """One thing that happened in the course of a bar, and what followed from it.

    fills (1 or 0,) FILL. closed (0 or 1,) DECISION: an order of which nothing remains ended without
    a fill, and ``ended`` is its (symbol, side, leg). orders (k,) ORDER: brackets and other exits the
    fill brought to rest, or changed. trips (0 or 1,) ROUND_TRIP: the position is flat, and whatever
    rested for it ended.
    """

    fills: NDArray[np.void]
    closed: NDArray[np.void]
    orders: NDArray[np.void]
    trips: NDArray[np.void]
    ended: tuple[int, int, int] | None = None


class Met(NamedTuple):
    """What the bars of one timestamp led to: the exchange's books after them, and each turn in order."""

    state: State
    book: Book
    turns: tuple[Turn, ...]

    @property
    def fills(self) -> NDArray[np.void]:
        """(k,) FILL: every fill of the bars."""
        return np.concatenate([np.zeros(0, FILL), *(turn.fills for turn in self.turns)])

    @property
    def orders(self) -> NDArray[np.void]:
        """(k,) ORDER: every order that fills brought to rest, or changed."""
        return np.concatenate([np.zeros(0, ORDER), *(turn.orders for turn in self.turns)])

    @property
    def closed(self) -> NDArray[np.void]:
        """(k,) DECISION: every order that ended without a fill."""
        return np.concatenate([np.zeros(0, DECISION), *(turn.closed for turn in self.turns)])

    @property
    def trips(self) -> NDArray[np.void]:
        """(k,) ROUND_TRIP: every position that was closed."""
        return np.concatenate([np.zeros(0, ROUND_TRIP), *(turn.trips for turn in self.turns)])


def rules(instruments: NDArray[np.void], venue_settings: NDArray[np.void], *, capital: float) -> Params:
    """All an exchange reads of parameters: instruments and venue. It knows nobody's wishes, so no brackets.

    instruments: (symbols,) INSTRUMENT_PARAMS. venue_settings: (1,) VENUE.
    """
    count = len(instruments)
    sides, limits = np.zeros((count, 2), SIDE_PARAMS), np.zeros(1, LIMITS)
    sides["risk_enabled"] = 1
    limits["capital"] = capital
    ones, weights = np.ones(1), np.ones((count, 2, 1))
    return Params(
        sides=_jit.readable(sides),
        instruments=_jit.readable(instruments),
        limits=_jit.readable(limits),
        venue=_jit.readable(venue_settings),
        strategy_weights=weights,
        timeframe_weights=weights,
        timeframe_ranks=ones,
        mode_factors=ones,
        timeframe_mode_factors=ones,
    )


def bracketed(params: Params, *, symbol: int, side: int, stop_fraction: float, target_fraction: float) -> Params:
    """The parameters with the brackets that go with an entry: distances from its fill price, 0 for none."""
    sides = params.sides.copy()
    sides["risk_enabled"][symbol, side] = 1
    sides["stop_fraction"][symbol, side] = stop_fraction
    sides["target_fraction"][symbol, side] = target_fraction
    return params._replace(sides=_jit.readable(sides))


def place(state: State, book: Book, order: NDArray[np.void], params: Params) -> tuple[State, Book]:
    """An order arrived: it rests, or replaces the one in its leg, and meets the next bar of its symbol.

    order: (1,) ORDER; its leg must be free, or held by what it replaces. Exchange and bot agree on
    what is legal before: nothing is checked here. The books given are not touched.
    """
    _jit.ready()
    mine, rests = step.copied(state), Book(book.orders.copy())
    _place(mine, rests, params, _jit.readable(order.reshape(1).copy()))
    return mine, rests


def cancel(state: State, book: Book, *, symbol: int, side: int, leg: int) -> tuple[State, Book]:
    """An order ends without a (further) fill: its leg is free. The books given are not touched."""
    _jit.ready()
    mine, rests = step.copied(state), Book(book.orders.copy())
    _cancel(mine, rests, int(symbol), int(side), int(leg))
    return mine, rests


def is_idle(state: State) -> bool:
    """True where no bar can lead to anything: nothing is held and nothing works."""
    return int(state.account["working"][0]) == 0 and not state.positions["qty"].any()


def meet(state: State, book: Book, bars: Bars, params: Params, *, share: float = WHOLE) -> Met:
    """Bars of one timestamp closed: what rests meets them, symbol by symbol.

    bars: as for ``step.on_bar``. params: with the brackets of every entry that works. share: how
    much of itself, in whole steps, the first order that fills does fill; an exchange that was told
    to fail. 0: it waits one more bar (a stop that was reached goes on at market). The books given
    are not touched.
    """
    _jit.ready()
    mine, rests, out = step.copied(state), Book(book.orders.copy()), step.room(len(bars.open_ms))
    closed = Bars._make(_jit.read_only(column) for column in bars)
    turns: list[Turn] = []
    begins, row, told = 1, 0, float(share)
    while row < len(closed.open_ms):
        before, worked = out.counts.copy(), mine.legs["working"] == 1
        if _take_turn(closed, params, mine, rests, out, row, begins, told):
            turns.append(_turn(out, before, worked & (mine.legs["working"] == 0)))
            begins, told = 0, WHOLE
        else:
            begins, row = 1, row + 1
    _close(mine, closed)
    return Met(mine, rests, tuple(turns))


def _turn(out: Out, before: NDArray[np.int64], released: NDArray[np.bool_]) -> Turn:
    asked, filled, tripped, told = (slice(*edges) for edges in zip(before[:4], out.counts[:4], strict=True))
    closed = out.decisions[told]
    symbol, side, leg = np.argwhere(released)[0].tolist() if len(closed) else (0, 0, 0)
    ended = (symbol, side, leg) if len(closed) else None
    return Turn(out.fills[filled], closed, out.orders[asked], out.trips[tripped], ended)


@entry
def _place(state: State, book: Book, params: Params, placed: NDArray[np.void]) -> None:
    rest(state, book, params, placed[0])


@entry
def _cancel(state: State, book: Book, symbol: int, side: int, leg: int) -> None:
    orders.release(state, symbol, side, leg)
    venue.cancel(book, symbol, side, leg)


@entry
def _take_turn(
    bars: Bars, params: Params, state: State, book: Book, out: Out, row: int, begins: int, share: float
) -> bool:
    """The next turn of a row. False: there is none (left)."""
    if begins:
        if row == 0:
            ledger.roll_day(state, bars.day[0])
        if is_quiet(state, bars.symbol[row]):
            return False
        venue.begin_bar(book, bars.symbol[row])
    return take_turn(bars, params, state, book, out, row, state.account[0].rows + row, 1, share)


@entry
def _close(state: State, bars: Bars) -> None:
    """The bars are over: everything is valued at their closes."""
    account = state.account[0]
    for row in range(bars.open_ms.shape[0]):
        ledger.mark(state, bars.symbol[row], bars.close[row])
        state.slots[bars.symbol[row]].fills = 0
    account.equity = ledger.equity(state)
    account.last_open_ms = bars.open_ms[0]
    account.rows += bars.open_ms.shape[0]


@kernel
def rest(state: State, book: Book, params: Params, order: Any) -> None:
    """Mark the order's leg as working in the exchange's books, and rest it in the book.

    Exactly as ``orders.request_entry`` and ``request_exit`` leave the bot's; an entry's notional is
    taken at the last close, on which it was decided.
    """
    symbol, side, which = order.symbol, order.side, order.leg
    orders.release(state, symbol, side, which)
    leg = state.legs[symbol, side, which]
    leg.working = 1
    leg.is_entry = order.is_entry
    leg.qty = order.qty
    leg.price = 0.0
    leg.notional = 0.0
    if order.order_type == _STOP:
        leg.price = order.stop_price
    elif order.order_type == _LIMIT:
        leg.price = order.limit_price
    if order.is_entry:
        leg.notional = order.spend if order.spend > 0.0 else order.qty * state.slots[symbol].mark
    if which == _MAIN:
        state.account[0].working += 1
        state.account[0].working_entries += 1 if order.is_entry else 0
    venue.accept(book, params, order, 0 if which == _MAIN else 2)


@kernel
def meet_row(
    bars: Bars, params: Params, state: State, book: Book, out: Out, row: int, number: int, record: int
) -> None:
    """A bar meets what rests in the book; every fill is booked, and what it calls for rests too."""
    if is_quiet(state, bars.symbol[row]):
        return
    venue.begin_bar(book, bars.symbol[row])
    while take_turn(bars, params, state, book, out, row, number, record, 1.0):
        pass


@kernel
def is_quiet(state: State, symbol: int) -> bool:
    """True where a bar of the symbol meets nothing: no order works, and the symbol is not held."""
    return state.account[0].working == 0 and state.positions[symbol, 0].qty + state.positions[symbol, 1].qty == 0.0


@kernel
def take_turn(
    bars: Bars,
    params: Params,
    state: State,
    book: Book,
    out: Out,
    row: int,
    number: int,
    record: int,
    share: float,
) -> bool:
    """One fill of the bar is booked, or one order of which nothing remains ends. False: nothing is left."""
    symbol = bars.symbol[row]
    side, leg, price, qty = venue.match(book, params, symbol, bars, row)
    if side < 0:
        return False
    if share < 1.0:
        qty = _part(params, symbol, qty, share)
    if qty > 0.0:
        _take_fill(bars, params, state, book, out, row, number, side, leg, price, qty)
    elif venue.fill(book, symbol, side, leg, 0.0) == 0.0:
        step.order_closed(state, out, number, bars.open_ms[row], symbol, side, leg, _CANCELLED)
        if not record:
            out.counts[3] -= 1
    return True


@kernel
def _part(params: Params, symbol: int, qty: float, share: float) -> float:
    if params.venue[0].rounding:
        return rounding.down(qty * share, params.instruments[symbol].qty_step)
    return rounding.money(qty * share)


@kernel
def _take_fill(
    bars: Bars,
    params: Params,
    state: State,
    book: Book,
    out: Out,
    row: int,
    number: int,
    side: int,
    leg: int,
    price: float,
    qty: float,
) -> None:
    symbol = bars.symbol[row]
    is_entry = book.orders[symbol, side, leg].is_entry
    remaining = venue.fill(book, symbol, side, leg, qty)
    fee = venue.fee(params, qty, price)
    asked = out.counts[0]
    open_ms = bars.open_ms[row]
    step.book_fill(state, params, out, number, open_ms, symbol, side, leg, is_entry, qty, price, fee, remaining)
    if state.positions[symbol, side].qty == 0.0:
        venue.cancel_side(book, symbol, side)
    for each in range(asked, out.counts[0]):
        venue.accept(book, params, out.orders[each], 1 if is_entry else 2)
