"""The simulated exchange: Order + Bar -> Fill.

Conventions (each other one is a flag in params.venue, so that results compare with other engines):
a decision on a bar meets the next bar of its symbol, at the open; stops and targets rest from the
entry on and can fill on the entry bar; a gap through a stop or target fills at the open; the stop
goes before the target when one bar touches both; a market exit fills at the open before stops are
looked at. Fees on notional, slippage against us on market and stop fills, a share of the bar's
volume at most.
"""

from typing import Any

from engine import orders, rounding
from engine._jit import kernel
from engine.domain.enums import Leg, OrderType, Side
from engine.domain.params import Params
from engine.domain.state import Book
from engine.domain.values import Bars

_LONG = int(Side.LONG)
_MAIN, _STOP_LEG, _TARGET_LEG = int(Leg.MAIN), int(Leg.STOP), int(Leg.TARGET)
_MARKET, _STOP = int(OrderType.MARKET), int(OrderType.STOP)
_NOTHING = -1


@kernel
def begin_bar(book: Book, symbol: int) -> None:
    """A new bar of the symbol begins: orders that waited for it may now meet it."""
    for side in range(2):
        for leg in range(3):
            order = book.orders[symbol, side, leg]
            order.wait = max(order.wait - 1, 0)


@kernel
def accept(book: Book, params: Params, request: Any, after_fill: int) -> None:
    """Rest an order, or replace the one in its leg.

    after_fill: 0 for a decision's order (meets the next bar, later with latency), 1 for brackets
    asked by an entry (meet this bar, unless stops_from_next_bar), 2 for exits resized by a part of
    another exit (meet the next bar, or when they would have).
    """
    venue = params.venue[0]
    order = book.orders[request.symbol, request.side, request.leg]
    order.working = 1
    order.is_entry = request.is_entry
    order.order_type = request.order_type
    order.qty = request.qty
    order.remaining = request.qty
    order.spend = request.spend
    order.limit_price = request.limit_price
    order.stop_price = request.stop_price
    order.trail = 0.0
    order.parent_leg = -1 if request.leg == _MAIN else _MAIN
    order.oco_group = 0 if request.leg == _MAIN else 1
    if after_fill == 0:
        order.wait = 1 + venue.latency_bars
    elif after_fill == 1:
        order.wait = 1 if venue.stops_from_next_bar else 0
    else:
        order.wait = max(order.wait, 1)


@kernel
def match(book: Book, params: Params, symbol: int, bar: Bars, row: int) -> tuple[int, int, float, float]:
    """The next fill of this bar as (side, leg, price, quantity); side -1: none is left.

    quantity 0: nothing of it can fill in this bar (no volume left for it), or ever (its money does
    not buy one step: nothing remains of the order). Call until nothing is left: each fill may bring
    or end other orders.
    """
    for side in range(2):
        if params.venue[0].stop_beats_signal and _exit_is_due(book, symbol, side):
            leg, price = _touched(book, params, symbol, side, bar, row)
            if leg != _NOTHING:
                return side, leg, price, _quantity(book, params, symbol, side, leg, price, bar, row)
    side, leg = _due_at_open(book, symbol)
    if side != _NOTHING:
        price = _slipped(params, symbol, side, book.orders[symbol, side, leg].is_entry, bar.open[row])
        return side, leg, price, _quantity(book, params, symbol, side, leg, price, bar, row)
    for side in range(2):
        leg, price = _touched(book, params, symbol, side, bar, row)
        if leg != _NOTHING:
            return side, leg, price, _quantity(book, params, symbol, side, leg, price, bar, row)
    return _NOTHING, 0, 0.0, 0.0


@kernel
def _exit_is_due(book: Book, symbol: int, side: int) -> bool:
    order = book.orders[symbol, side, _MAIN]
    return order.working and not order.is_entry and order.wait == 0


@kernel
def _due_at_open(book: Book, symbol: int) -> tuple[int, int]:
    """(side, leg) of a market order that meets the open, exits before entries; side -1: none."""
    exits, entries = 0, 0
    # Bits instead of branches: this runs for every bar on which anything is due.
    for side in range(2):
        for leg in range(3):
            order = book.orders[symbol, side, leg]
            is_due = (order.working == 1) & (order.wait == 0) & (order.order_type == _MARKET)
            bit = 1 << (3 * side + leg)
            exits |= bit * (is_due & (order.is_entry == 0))
            entries |= bit * (is_due & (order.is_entry == 1))
    due = exits if exits else entries
    if due == 0:
        return _NOTHING, 0
    place = 0
    while not due & (1 << place):
        place += 1
    return place // 3, place % 3


@kernel
def _touched(book: Book, params: Params, symbol: int, side: int, bar: Bars, row: int) -> tuple[int, float]:
    """(leg, price) of the stop or target this bar reaches; leg -1: neither."""
    stop = book.orders[symbol, side, _STOP_LEG]
    target = book.orders[symbol, side, _TARGET_LEG]
    has_stop = (stop.working == 1) & (stop.wait == 0) & (stop.order_type == _STOP)
    has_target = (target.working == 1) & (target.wait == 0)
    if not (has_stop | has_target):
        return _NOTHING, 0.0
    opened = bar.open[row]
    if side == _LONG:
        stop_at_open, stop_inside = opened <= stop.stop_price, bar.low[row] <= stop.stop_price
        target_at_open, target_inside = opened >= target.limit_price, bar.high[row] >= target.limit_price
    else:
        stop_at_open, stop_inside = opened >= stop.stop_price, bar.high[row] >= stop.stop_price
        target_at_open, target_inside = opened <= target.limit_price, bar.low[row] <= target.limit_price
    # The stop goes first even where the bar opens beyond the target: what a bar does inside is not
    # known, and the less favourable reading is the one that does not flatter a backtest.
    if has_stop and stop_inside:
        return _STOP_LEG, _slipped(params, symbol, side, 0, opened if stop_at_open else stop.stop_price)
    if has_target and target_inside:
        return _TARGET_LEG, orders.on_tick(params, symbol, opened) if target_at_open else target.limit_price
    return _NOTHING, 0.0


@kernel
def _slipped(params: Params, symbol: int, side: int, is_entry: int, price: float) -> float:
    """The price moved against us by the slippage, on the tick."""
    slippage = params.venue[0].slippage_fraction
    buys = (side == _LONG) == (is_entry == 1)
    return orders.on_tick(params, symbol, price * (1.0 + slippage if buys else 1.0 - slippage))


@kernel
def _quantity(book: Book, params: Params, symbol: int, side: int, leg: int, price: float, bar: Bars, row: int) -> float:
    """What this bar fills of the order: all, or its share of the bar's volume in whole steps."""
    order = book.orders[symbol, side, leg]
    venue = params.venue[0]
    step = params.instruments[symbol].qty_step
    if order.spend > 0.0:
        order.qty = rounding.money(order.spend / (price * (1.0 + venue.fee_fraction)))
        if venue.rounding:
            order.qty = rounding.down(order.qty, step)
        order.remaining = order.qty
        order.spend = 0.0
    if venue.max_volume_share == 0.0:
        return order.remaining
    available = venue.max_volume_share * bar.volume[row]
    if venue.rounding:
        available = rounding.down(available, step)
    if available >= order.remaining:
        return order.remaining
    return available


@kernel
def fee(params: Params, qty: float, price: float) -> float:
    """What the venue takes of a fill, in account currency, at most nine decimals."""
    return rounding.money(rounding.money(qty * price) * params.venue[0].fee_fraction)


@kernel
def fill(book: Book, symbol: int, side: int, leg: int, qty: float) -> float:
    """Take a fill off its order; returns what remains. A stop that filled in part goes on at market."""
    order = book.orders[symbol, side, leg]
    order.remaining = rounding.money(order.remaining - qty)
    if order.remaining > 0.0:
        order.wait = 1
        if leg == _STOP_LEG:
            order.order_type = _MARKET
    else:
        order.working = 0
    return order.remaining


@kernel
def cancel(book: Book, symbol: int, side: int, leg: int) -> None:
    """End an order without a fill. It leaves no wait behind: a book's bytes tell what works, nothing else."""
    book.orders[symbol, side, leg].working = 0
    book.orders[symbol, side, leg].wait = 0


@kernel
def cancel_side(book: Book, symbol: int, side: int) -> None:
    """The position is flat: everything resting for it ends with it (one cancels the other)."""
    for leg in range(3):
        cancel(book, symbol, side, leg)
