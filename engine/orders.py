"""What exactly do we ask for: orders with their prices on the tick, and the brackets of a position."""

from engine import rounding
from engine._jit import kernel
from engine.domain.enums import Action, Leg, OrderType, Side
from engine.domain.events import Out
from engine.domain.params import Params
from engine.domain.state import State

_LONG = int(Side.LONG)
_BUY, _SELL = int(Action.BUY), int(Action.SELL)
_MAIN, _STOP_LEG, _TARGET_LEG = int(Leg.MAIN), int(Leg.STOP), int(Leg.TARGET)
_MARKET, _STOP, _LIMIT = int(OrderType.MARKET), int(OrderType.STOP), int(OrderType.LIMIT)


@kernel
def on_tick(params: Params, symbol: int, price: float) -> float:
    """The price on the instrument's tick, where the venue rounds."""
    if not params.venue[0].rounding:
        return price
    return rounding.nearest(price, params.instruments[symbol].price_tick)


@kernel
def stop_price(params: Params, symbol: int, side: int, entry_price: float) -> float:
    """Where the loss is cut; 0 where no stop is wanted."""
    fraction = params.sides[symbol, side].stop_fraction
    if not (fraction > 0.0 and params.sides[symbol, side].risk_enabled):
        return 0.0
    away = -fraction if side == _LONG else fraction
    return on_tick(params, symbol, entry_price * (1.0 + away))


@kernel
def target_price(params: Params, symbol: int, side: int, entry_price: float) -> float:
    """Where the profit is taken; 0 where no target is wanted."""
    fraction = params.sides[symbol, side].target_fraction
    if not (fraction > 0.0 and params.sides[symbol, side].risk_enabled):
        return 0.0
    away = fraction if side == _LONG else -fraction
    return on_tick(params, symbol, entry_price * (1.0 + away))


@kernel
def request_entry(
    state: State, out: Out, row: int, open_ms: int, symbol: int, side: int, qty: float, spend: float, price: float
) -> None:
    """Ask to open: a market order in leg MAIN, its notional reserved until it ends."""
    leg = state.legs[symbol, side, _MAIN]
    leg.working = 1
    leg.is_entry = 1
    leg.qty = qty
    leg.price = 0.0
    leg.notional = spend if spend > 0.0 else qty * price
    state.account[0].working += 1
    state.account[0].working_entries += 1
    _write(out, row, open_ms, symbol, side, _MAIN, _MARKET, 1, qty, spend, 0.0)


@kernel
def request_exit(state: State, out: Out, row: int, open_ms: int, symbol: int, side: int) -> None:
    """Ask to close all of a position: a market order in leg MAIN."""
    qty = state.positions[symbol, side].qty
    leg = state.legs[symbol, side, _MAIN]
    leg.working = 1
    leg.is_entry = 0
    leg.qty = qty
    leg.price = 0.0
    leg.notional = 0.0
    state.account[0].working += 1
    _write(out, row, open_ms, symbol, side, _MAIN, _MARKET, 0, qty, 0.0, 0.0)


@kernel
def protect(
    state: State, params: Params, out: Out, row: int, open_ms: int, symbol: int, side: int, entry_price: float
) -> None:
    """Ask for (or replace) the stop and the target of a position, for all that is held.

    entry_price: what the distances are measured from.
    """
    stop = stop_price(params, symbol, side, entry_price)
    if stop > 0.0:
        _bracket(state, out, row, open_ms, symbol, side, _STOP_LEG, _STOP, stop)
    target = target_price(params, symbol, side, entry_price)
    if target > 0.0:
        _bracket(state, out, row, open_ms, symbol, side, _TARGET_LEG, _LIMIT, target)


@kernel
def resize_exits(state: State, out: Out, row: int, open_ms: int, symbol: int, side: int, filled_leg: int) -> None:
    """After part of an exit: the other exits again, at their prices, for what is still held.

    Otherwise a market exit that waits while a stop fills in part would sell more than is held.
    """
    for which in range(3):
        leg = state.legs[symbol, side, which]
        if leg.working and not leg.is_entry and which != filled_leg:
            kind = _STOP if which == _STOP_LEG else (_LIMIT if which == _TARGET_LEG else _MARKET)
            _bracket(state, out, row, open_ms, symbol, side, which, kind, leg.price)


@kernel
def _bracket(
    state: State, out: Out, row: int, open_ms: int, symbol: int, side: int, which: int, order_type: int, price: float
) -> None:
    qty = state.positions[symbol, side].qty
    leg = state.legs[symbol, side, which]
    leg.working = 1
    leg.is_entry = 0
    leg.qty = qty
    leg.price = price
    _write(out, row, open_ms, symbol, side, which, order_type, 0, qty, 0.0, price)


@kernel
def release(state: State, symbol: int, side: int, which: int) -> None:
    """An order ended: its leg is free again and reserves nothing."""
    leg = state.legs[symbol, side, which]
    if not leg.working:
        return
    if which == _MAIN:
        state.account[0].working -= 1
        if leg.is_entry:
            state.account[0].working_entries -= 1
    leg.working = 0
    leg.is_entry = 0
    leg.qty = 0.0
    leg.notional = 0.0
    leg.price = 0.0


@kernel
def _write(
    out: Out,
    row: int,
    open_ms: int,
    symbol: int,
    side: int,
    leg: int,
    order_type: int,
    is_entry: int,
    qty: float,
    spend: float,
    price: float,
) -> None:
    order = out.orders[out.counts[0]]
    out.counts[0] += 1
    order.row = row
    order.open_ms = open_ms
    order.symbol = symbol
    order.side = side
    order.leg = leg
    order.action = _BUY if (side == _LONG) == (is_entry == 1) else _SELL
    order.order_type = order_type
    order.is_entry = is_entry
    order.qty = qty
    order.spend = spend
    order.limit_price = price if order_type == _LIMIT else 0.0
    order.stop_price = price if order_type == _STOP else 0.0
