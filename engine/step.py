"""The door: four facts move a bot. A bar closed, a fill arrived, an order ended without one, an exit was asked.

Each fact is answered with a new state, at most one order for each leg, and a record of why. The
kernels below are the only decision path there is: ``run`` drives them over arrays, a live bot calls
the doors, one fact at a time, and both see the same bits.
"""

import numpy as np
from numpy.typing import NDArray

from engine import _jit, aggregation, ledger, orders, sizing
from engine._jit import entry, kernel
from engine.domain.enums import Action, Leg, Reason, Side, Target
from engine.domain.events import DECISION, FILL, ORDER, ROUND_TRIP, Out, Step
from engine.domain.params import Params
from engine.domain.state import State
from engine.domain.values import NOBODY_ELSE, Bars, Others, Signals
from engine.risk import orders as order_risk
from engine.risk import targets

_LONG, _SHORT = int(Side.LONG), int(Side.SHORT)
_MAIN = int(Leg.MAIN)
_HOLD, _CLOSE = int(Action.HOLD), int(Action.CLOSE)
_OK = int(Reason.NONE)
_NO_SIGNAL = int(Reason.NO_SIGNAL)
_HELD = int(Reason.ALREADY_HELD)
_WORKING = int(Reason.ORDER_WORKING)
_NOTHING_TO_CLOSE = int(Reason.NOTHING_TO_CLOSE)
_NO_LONGS, _NO_SHORTS = int(Reason.LONGS_DISABLED), int(Reason.SHORTS_DISABLED)
_ENTER_LONG, _EXIT_LONG = int(Target.ENTER_LONG), int(Target.EXIT_LONG)
_ENTER_SHORT, _EXIT_SHORT = int(Target.ENTER_SHORT), int(Target.EXIT_SHORT)

# The most that one row can write: two entries and two exits, two brackets after each of six fills.
ROOM_PER_ROW = 16


def room(rows: int, *, timestamps: int = 0) -> Out:
    """Buffers with room for the most that ``rows`` rows can write."""
    size = rows * ROOM_PER_ROW
    return Out(
        orders=_jit.records(size, ORDER),
        fills=_jit.records(size, FILL),
        trips=_jit.records(size, ROUND_TRIP),
        decisions=_jit.records(rows * 3 + 2, DECISION),
        equity=np.zeros(timestamps),
        counts=np.zeros(5, np.int64),
    )


def on_bar(state: State, bars: Bars, signals: Signals, params: Params, account: Others = NOBODY_ELSE) -> Step:
    """Bars of one timestamp closed: what the bot asks for now, and why.

    bars: one row for each symbol that has a bar, all with one ``open_ms``, symbols rising; their
    fills must have been given to ``on_fill`` before. signals: as many rows. account: what others
    hold of the account. The state given is not touched.
    """
    _jit.ready()
    mine, out = copied(state), room(len(bars.open_ms))
    said = Signals._make(_jit.read_only(part) for part in signals)
    closed = Bars._make(_jit.read_only(column) for column in bars)
    _on_bars(mine, _floats(account), params, said, closed, out)
    return _answer(mine, out)


def on_fill(state: State, fill: NDArray[np.void], params: Params, *, day: int) -> Step:
    """A fill arrived: the books after it, and the brackets it calls for.

    fill: one FILL record (``realised`` is computed here, not read). day: the trading day it belongs
    to. Raises nothing for an over-fill: facts are booked, checks are the caller's.
    """
    _jit.ready()
    mine, out = copied(state), room(1)
    ledger.roll_day(mine, day)
    fact = fill.item() if fill.ndim == 0 else fill[0].item()
    row, open_ms, symbol, side, leg, _, is_entry, qty, price, fee, _, remaining = fact
    _book(mine, params, out, row, open_ms, symbol, side, leg, is_entry, qty, price, fee, remaining)
    return _answer(mine, out)


def on_order_closed(
    state: State,
    *,
    symbol: int,
    side: int,
    leg: int,
    reason: Reason,
    row: int | None = None,
    open_ms: int | None = None,
) -> Step:
    """An order ended without a (further) fill: its leg is free, and the record says why.

    row, open_ms: the bar it ended on; the last one stepped where they are not given.
    """
    _jit.ready()
    mine, out = copied(state), room(1)
    number, at_ms = _moment(mine, row, open_ms)
    _closed(mine, out, number, at_ms, int(symbol), int(side), int(leg), int(reason))
    return _answer(mine, out)


def on_exit_asked(state: State, *, symbol: int, side: int, row: int | None = None, open_ms: int | None = None) -> Step:
    """An operator wants a position closed: the order for all of it, or the reason why there is none.

    The record is a decision with signal CLOSE, without votes. row, open_ms: the bar after which it
    was asked; the last one stepped where they are not given.
    """
    _jit.ready()
    mine, out = copied(state), room(1)
    number, at_ms = _moment(mine, row, open_ms)
    _exit_asked(mine, out, number, at_ms, int(symbol), int(side))
    return _answer(mine, out)


def copied(state: State) -> State:
    """The state as arrays of its own."""
    return State._make(part.copy() for part in state)


def _moment(state: State, row: int | None, open_ms: int | None) -> tuple[int, int]:
    account = state.account[0]
    number = int(account["rows"]) if row is None else row
    return number, int(account["last_open_ms"]) if open_ms is None else open_ms


def _floats(others: Others) -> Others:
    return Others(*(float(value) for value in others))


def _answer(state: State, out: Out) -> Step:
    asked, fills, trips, decisions, _ = out.counts
    return Step(state, out.orders[:asked], out.decisions[:decisions], out.trips[:trips], out.fills[:fills])


@entry
def _on_bars(state: State, others: Others, params: Params, signals: Signals, bars: Bars, out: Out) -> None:
    ledger.roll_day(state, bars.day[0])
    close_rows(state, others, params, signals, bars, 0, bars.open_ms.shape[0], out, 1)


@entry
def _book(
    state: State,
    params: Params,
    out: Out,
    row: int,
    open_ms: int,
    symbol: int,
    side: int,
    leg: int,
    is_entry: int,
    qty: float,
    price: float,
    fee: float,
    remaining: float,
) -> None:
    book_fill(state, params, out, row, open_ms, symbol, side, leg, is_entry, qty, price, fee, remaining)


@entry
def _closed(state: State, out: Out, row: int, open_ms: int, symbol: int, side: int, leg: int, reason: int) -> None:
    order_closed(state, out, row, open_ms, symbol, side, leg, reason)


@entry
def _exit_asked(state: State, out: Out, row: int, open_ms: int, symbol: int, side: int) -> None:
    wanted, reason, asked = 0, _NOTHING_TO_CLOSE, out.counts[0]
    if state.positions[symbol, side].qty > 0.0:
        wanted = _EXIT_LONG if side == _LONG else _EXIT_SHORT
        reason = _exit(state, out, row, open_ms, symbol, side)
    _write_told(state, out, row, open_ms, symbol, _CLOSE, wanted, out.counts[0] - asked, reason)


@kernel
def close_rows(
    state: State,
    others: Others,
    params: Params,
    signals: Signals,
    bars: Bars,
    first: int,
    last: int,
    out: Out,
    record: int,
) -> None:
    """Rows first..last-1 of one timestamp closed: value everything, then decide symbol by symbol."""
    account = state.account[0]
    for row in range(first, last):
        ledger.mark(state, bars.symbol[row], bars.close[row])
    account.equity = ledger.equity(state)
    for row in range(first, last):
        decide(state, others, params, signals, bars, row, account.rows + row - first, out, record)
    account.last_open_ms = bars.open_ms[first]
    account.rows += last - first


@kernel
def decide(
    state: State,
    others: Others,
    params: Params,
    signals: Signals,
    bars: Bars,
    row: int,
    number: int,
    out: Out,
    record: int,
) -> None:
    """One symbol's bar closed: signals -> target -> risk -> size -> risk -> orders, and the record."""
    symbol = bars.symbol[row]
    slot = state.slots[symbol]
    action, strategy, other, reason = aggregation.combine(signals, row, params, symbol)
    if action == _HOLD and reason == _OK and slot.fills == 0:
        return
    asked_before = out.counts[0]
    wanted = 0
    if action != _HOLD:
        wanted, reason = _act(state, others, params, signals, bars, row, number, out, action, strategy)
        if other >= 0:
            more, _ = _act(state, others, params, signals, bars, row, number, out, -action, other)
            wanted |= more
    elif reason == _OK:
        reason = _NO_SIGNAL
    if record:
        asked = out.counts[0] - asked_before
        _record(state, signals, bars, row, number, out, action, strategy, wanted, reason, asked)
    slot.fills = 0


@kernel
def _act(
    state: State,
    others: Others,
    params: Params,
    signals: Signals,
    bars: Bars,
    row: int,
    number: int,
    out: Out,
    action: int,
    strategy: int,
) -> tuple[int, int]:
    """(target, reason): carry one action out as far as risk allows."""
    symbol, open_ms, price = bars.symbol[row], bars.open_ms[row], bars.close[row]
    held_long = state.positions[symbol, _LONG].qty
    held_short = state.positions[symbol, _SHORT].qty
    closes_long = params.sides[symbol, _SHORT].closes_opposite
    closes_short = params.sides[symbol, _LONG].closes_opposite
    wanted = aggregation.target(action, closes_long, closes_short, held_long, held_short)
    if wanted == 0:
        return wanted, _NOTHING_TO_CLOSE
    reason = _OK
    if wanted & _EXIT_LONG:
        reason = _exit(state, out, number, open_ms, symbol, _LONG)
    if wanted & _EXIT_SHORT:
        reason = _exit(state, out, number, open_ms, symbol, _SHORT)
    if wanted & (_ENTER_LONG | _ENTER_SHORT):
        side = _LONG if wanted & _ENTER_LONG else _SHORT
        # Read only where somebody asks: on most bars this column stays out of the caches.
        confidence = signals.confidence[row, strategy] if params.sides[symbol, side].min_confidence > 0.0 else 1.0
        refused = _enter(state, others, params, out, number, open_ms, symbol, side, price, confidence)
        closed_instead = wanted & (_EXIT_LONG | _EXIT_SHORT) and (refused in (_NO_LONGS, _NO_SHORTS))
        if not closed_instead:
            reason = refused
    return wanted, reason


@kernel
def _exit(state: State, out: Out, number: int, open_ms: int, symbol: int, side: int) -> int:
    if state.legs[symbol, side, _MAIN].working:
        return _WORKING
    orders.request_exit(state, out, number, open_ms, symbol, side)
    return _OK


@kernel
def _enter(
    state: State,
    others: Others,
    params: Params,
    out: Out,
    number: int,
    open_ms: int,
    symbol: int,
    side: int,
    price: float,
    confidence: float,
) -> int:
    if state.positions[symbol, side].qty > 0.0:
        return _HELD
    if state.legs[symbol, side, _MAIN].working:
        return _WORKING
    reason = targets.review(state, others, params, symbol, side, confidence)
    if reason != _OK:
        return reason
    qty, spend, reason = sizing.quantity(state, params, symbol, side, price)
    if reason != _OK:
        return reason
    reason = order_risk.review(state, others, params, symbol, side, qty, spend, price)
    if reason != _OK:
        return reason
    orders.request_entry(state, out, number, open_ms, symbol, side, qty, spend, price)
    return _OK


@kernel
def _record(
    state: State,
    signals: Signals,
    bars: Bars,
    row: int,
    number: int,
    out: Out,
    action: int,
    strategy: int,
    wanted: int,
    reason: int,
    asked: int,
) -> None:
    symbol = bars.symbol[row]
    decision = out.decisions[out.counts[3]]
    out.counts[3] += 1
    decision.row = number
    decision.open_ms = bars.open_ms[row]
    decision.symbol = symbol
    decision.signal = action
    decision.target = wanted
    decision.strategy = strategy
    decision.fills = state.slots[symbol].fills
    decision.orders = asked
    decision.reason = reason
    said = strategy if strategy >= 0 else 0
    decision.confidence = signals.confidence[row, said]
    decision.votes = signals.votes[row, said]
    decision.price = bars.close[row]
    decision.equity = state.account[0].equity
    decision.long_qty = state.positions[symbol, _LONG].qty
    decision.short_qty = state.positions[symbol, _SHORT].qty


@kernel
def book_fill(
    state: State,
    params: Params,
    out: Out,
    row: int,
    open_ms: int,
    symbol: int,
    side: int,
    leg: int,
    is_entry: int,
    qty: float,
    price: float,
    fee: float,
    remaining: float,
) -> None:
    """Settle a fill and ask for what follows from it: brackets, or the end of the round trip."""
    position = state.positions[symbol, side]
    was_flat = position.qty == 0.0
    realised = ledger.settle(state, symbol, side, is_entry, qty, price, fee)
    state.slots[symbol].fills += 1
    _write_fill(out, row, open_ms, symbol, side, leg, is_entry, qty, price, fee, realised, remaining)
    if remaining == 0.0:
        orders.release(state, symbol, side, leg)
    if is_entry:
        if remaining > 0.0:
            state.legs[symbol, side, leg].notional = remaining * price
        if was_flat:
            position.entry_row = row
            position.entry_ms = open_ms
        entry_price = price if was_flat else position.cost / position.qty
        orders.protect(state, params, out, row, open_ms, symbol, side, entry_price)
    elif position.qty == 0.0:
        _write_trip(state, out, row, open_ms, symbol, side, leg)
        ledger.forget_round_trip(state, symbol, side)
        for each in range(3):
            orders.release(state, symbol, side, each)
    else:
        orders.resize_exits(state, out, row, open_ms, symbol, side, leg)


@kernel
def _write_fill(
    out: Out,
    row: int,
    open_ms: int,
    symbol: int,
    side: int,
    leg: int,
    is_entry: int,
    qty: float,
    price: float,
    fee: float,
    realised: float,
    remaining: float,
) -> None:
    fill = out.fills[out.counts[1]]
    out.counts[1] += 1
    fill.row = row
    fill.open_ms = open_ms
    fill.symbol = symbol
    fill.side = side
    fill.leg = leg
    fill.action = 1 if (side == _LONG) == (is_entry == 1) else -1
    fill.is_entry = is_entry
    fill.qty = qty
    fill.price = price
    fill.fee = fee
    fill.realised = realised
    fill.remaining = remaining


@kernel
def _write_trip(state: State, out: Out, row: int, open_ms: int, symbol: int, side: int, leg: int) -> None:
    position = state.positions[symbol, side]
    trip = out.trips[out.counts[2]]
    out.counts[2] += 1
    trip.symbol = symbol
    trip.side = side
    trip.cause = leg
    trip.entry_row = position.entry_row
    trip.exit_row = row
    trip.entry_ms = position.entry_ms
    trip.exit_ms = open_ms
    trip.qty = position.entered_qty
    trip.entry_price = position.entered_notional / position.entered_qty
    trip.exit_price = position.exited_notional / position.exited_qty
    trip.fees = position.fees
    trip.pnl = position.realised - position.fees


@kernel
def order_closed(state: State, out: Out, row: int, open_ms: int, symbol: int, side: int, leg: int, reason: int) -> None:
    """Free the leg of an order that ended, and write down why."""
    orders.release(state, symbol, side, leg)
    _write_told(state, out, row, open_ms, symbol, _HOLD, 0, 0, reason)


@kernel
def _write_told(
    state: State, out: Out, row: int, open_ms: int, symbol: int, signal: int, wanted: int, asked: int, reason: int
) -> None:
    """The record of what did not come from a bar: no strategy, no votes, the last close and equity."""
    decision = out.decisions[out.counts[3]]
    out.counts[3] += 1
    decision.row = row
    decision.open_ms = open_ms
    decision.symbol = symbol
    decision.signal = signal
    decision.target = wanted
    decision.strategy = -1
    decision.fills = 0
    decision.orders = asked
    decision.reason = reason
    decision.confidence = 0.0
    decision.votes = 0
    decision.price = state.slots[symbol].mark
    decision.equity = state.account[0].equity
    decision.long_qty = state.positions[symbol, _LONG].qty
    decision.short_qty = state.positions[symbol, _SHORT].qty
