"""Fill -> cash, position, realised P&L. The only place where money moves.

Long and short are booked alike: opening moves money into (or, short, out of) the position at cost,
closing moves the cost back and the difference is realised. Each fill's four entries sum to zero.
"""

from decimal import Decimal
from typing import Any

from engine import rounding
from engine._jit import kernel
from engine.domain.enums import Side
from engine.domain.state import State

_LONG = int(Side.LONG)


@kernel
def entries[Number: (float, Decimal)](
    direction: Number, is_entry: int, notional: Number, removed_cost: Number, fee: Number
) -> tuple[Number, Number, Number, Number]:
    """The four entries of one fill: cash, position at cost, fees, realised. They sum to zero.

    ``direction`` is 1 for a long position, -1 for a short one. ``removed_cost``: the cost of what an
    exit gave back; 0 for an entry. Only + - * are used, so that tests run it in Decimal, exactly.
    Realised profit has the sign of an income account: a gain is negative.
    """
    if is_entry:
        return (-direction * notional - fee, direction * notional, fee, notional - notional)
    return (
        direction * notional - fee,
        -direction * removed_cost,
        fee,
        direction * (removed_cost - notional),
    )


@kernel
def roll_day(state: State, day: int) -> None:
    """Start a trading day: what is held and owned now is what losses are counted from."""
    account = state.account[0]
    if day == account.day:
        return
    account.day = day
    account.day_open_equity = account.equity
    account.day_realised = 0.0
    account.entries_today = 0
    for symbol in range(state.slots.shape[0]):
        for side in range(2):
            position = state.positions[symbol, side]
            position.entries_today = 0
            position.day_realised = 0.0
            position.day_open_value = unrealised(state, symbol, side)


@kernel
def unrealised(state: State, symbol: int, side: int) -> float:
    """What the position would realise at the last close, before fees."""
    position = state.positions[symbol, side]
    if position.qty == 0.0:
        return 0.0
    value = position.qty * state.slots[symbol].mark
    return value - position.cost if side == _LONG else position.cost - value


@kernel
def settle(state: State, symbol: int, side: int, is_entry: int, qty: float, price: float, fee: float) -> float:
    """Book one fill. Returns what it realised, without fees.

    qty > 0, at most the held quantity for an exit; price > 0; fee >= 0, in account currency.
    """
    position = state.positions[symbol, side]
    account = state.account[0]
    direction = 1.0 if side == _LONG else -1.0
    notional = rounding.money(qty * price)
    removed = 0.0
    if not is_entry:
        removed = position.cost if qty == position.qty else rounding.money(position.cost * (qty / position.qty))
    cash, cost, _, income = entries(direction, is_entry, notional, removed, fee)
    account.cash = rounding.money(account.cash + cash)
    account.fees = rounding.money(account.fees + fee)
    position.fees = rounding.money(position.fees + fee)
    position.cost = rounding.money(position.cost + direction * cost)
    if is_entry:
        _opened(position, account, qty, notional)
        return 0.0
    _closed(position, account, qty, notional, -income)
    return -income


@kernel
def _opened(position: Any, account: Any, qty: float, notional: float) -> None:
    if position.qty == 0.0:
        account.open_positions += 1
        account.entries_today += 1
        position.entries_today += 1
    position.qty = rounding.money(position.qty + qty)
    position.entered_qty = rounding.money(position.entered_qty + qty)
    position.entered_notional = rounding.money(position.entered_notional + notional)


@kernel
def _closed(position: Any, account: Any, qty: float, notional: float, realised: float) -> None:
    account.realised = rounding.money(account.realised + realised)
    account.day_realised = rounding.money(account.day_realised + realised)
    position.realised = rounding.money(position.realised + realised)
    position.day_realised = rounding.money(position.day_realised + realised)
    position.exited_qty = rounding.money(position.exited_qty + qty)
    position.exited_notional = rounding.money(position.exited_notional + notional)
    position.qty = rounding.money(position.qty - qty)
    if position.qty == 0.0:
        account.open_positions -= 1


@kernel
def forget_round_trip(state: State, symbol: int, side: int) -> None:
    """Clear what was gathered over a round trip, once it has been written down."""
    position = state.positions[symbol, side]
    position.cost = 0.0
    position.fees = 0.0
    position.entered_qty = 0.0
    position.entered_notional = 0.0
    position.exited_qty = 0.0
    position.exited_notional = 0.0
    position.realised = 0.0


@kernel
def mark(state: State, symbol: int, close: float) -> None:
    """Value the symbol at its last close from now on."""
    state.slots[symbol].mark = close


@kernel
def equity(state: State) -> float:
    """Cash and every position at its last close, in the fixed order of symbols, long before short."""
    total = state.account[0].cash
    for symbol in range(state.slots.shape[0]):
        close = state.slots[symbol].mark
        total += state.positions[symbol, 0].qty * close
        total -= state.positions[symbol, 1].qty * close
    return total


@kernel
def exposure(state: State) -> float:
    """Gross value of all positions, and of entries that still work."""
    total = 0.0
    for symbol in range(state.slots.shape[0]):
        total += symbol_exposure(state, symbol)
    return total


@kernel
def symbol_exposure(state: State, symbol: int) -> float:
    """Gross value of one symbol's positions and working entries, both sides."""
    return side_exposure(state, symbol, 0) + side_exposure(state, symbol, 1)


@kernel
def side_exposure(state: State, symbol: int, side: int) -> float:
    """Gross value of one side's position and working entry."""
    held = state.positions[symbol, side].qty * state.slots[symbol].mark
    return held + state.legs[symbol, side, 0].notional
