"""The first door: may we want this position? Refuses with a Reason, never with an exception.

The bot's own limits bind on its capital; the account's bind over all bots; an override of an
account limit at a symbol or side binds there besides. The tighter one wins, and is named.
Closing is never asked here: it is always allowed.
"""

from engine import ledger, rounding
from engine._jit import kernel
from engine.domain.enums import DailyLossBasis, Reason, Side
from engine.domain.params import Params
from engine.domain.state import State
from engine.domain.values import Others

_LONG = int(Side.LONG)
_REALISED = int(DailyLossBasis.REALISED)

_OK = int(Reason.NONE)
_DISABLED = int(Reason.DISABLED_SCOPE)
_NO_LONGS = int(Reason.LONGS_DISABLED)
_NO_SHORTS = int(Reason.SHORTS_DISABLED)
_CONFIDENCE = int(Reason.LOW_CONFIDENCE)
_LOSS_BOT = int(Reason.MAX_DAILY_LOSS)
_LOSS_ACCOUNT = int(Reason.MAX_DAILY_LOSS_ACCOUNT)
_LOSS_SCOPE = int(Reason.MAX_DAILY_LOSS_SCOPE)
_POSITIONS_BOT = int(Reason.MAX_CONCURRENT_POSITIONS)
_POSITIONS_ACCOUNT = int(Reason.MAX_CONCURRENT_POSITIONS_ACCOUNT)
_POSITIONS_SCOPE = int(Reason.MAX_CONCURRENT_POSITIONS_SCOPE)
_TRADES = int(Reason.MAX_DAILY_TRADES)
_TRADES_SCOPE = int(Reason.MAX_DAILY_TRADES_SCOPE)
_CAPITAL = int(Reason.INSUFFICIENT_CAPITAL)


@kernel
def review(state: State, others: Others, params: Params, symbol: int, side: int, confidence: float) -> int:
    """Reason.NONE if the bot may open this side now, else the first reason against it.

    confidence 0..1: equal to the threshold passes.
    """
    wishes = params.sides[symbol, side]
    if not wishes.enabled:
        return _DISABLED
    if not wishes.side_allowed:
        return _NO_LONGS if side == _LONG else _NO_SHORTS
    if confidence < wishes.min_confidence:
        return _CONFIDENCE
    if not state.account[0].equity + others.equity > 0.0:
        return _CAPITAL
    reason = _daily_loss(state, others, params, symbol, side)
    if reason == _OK:
        reason = _positions(state, others, params, symbol, side)
    if reason == _OK:
        reason = _trades(state, others, params, symbol, side)
    return reason


@kernel
def _daily_loss(state: State, others: Others, params: Params, symbol: int, side: int) -> int:
    account = state.account[0]
    limits = params.limits[0]
    if limits.daily_loss_basis == _REALISED:
        own, account_pnl = account.day_realised, account.day_realised + others.day_realised
    else:
        own = account.equity - account.day_open_equity
        account_pnl = own + others.day_pnl
    if _loses_more(own, limits.capital * limits.bot_daily_loss_fraction):
        return _LOSS_BOT
    wishes = params.sides[symbol, side]
    if not wishes.risk_enabled:
        return _OK
    base = account.day_open_equity + others.day_open_equity
    if _loses_more(account_pnl, base * limits.account_daily_loss_fraction):
        return _LOSS_ACCOUNT
    basis = limits.daily_loss_basis
    symbol_pnl = _day_pnl(state, symbol, 0, basis) + _day_pnl(state, symbol, 1, basis)
    if _loses_more(symbol_pnl, base * wishes.symbol_daily_loss_fraction):
        return _LOSS_SCOPE
    if _loses_more(_day_pnl(state, symbol, side, basis), base * wishes.side_daily_loss_fraction):
        return _LOSS_SCOPE
    return _OK


@kernel
def _loses_more(pnl: float, allowed: float) -> bool:
    """Money against money: what floats add in the last bits must not block a loss of exactly the limit."""
    return rounding.money(pnl) < -rounding.money(allowed)


@kernel
def _day_pnl(state: State, symbol: int, side: int, basis: int) -> float:
    position = state.positions[symbol, side]
    if basis == _REALISED:
        return position.day_realised
    return position.day_realised + ledger.unrealised(state, symbol, side) - position.day_open_value


@kernel
def _held(state: State, symbol: int, side: int) -> int:
    """1 if a position is open on this side or an entry works towards one."""
    if state.positions[symbol, side].qty > 0.0:
        return 1
    return 1 if state.legs[symbol, side, 0].working and state.legs[symbol, side, 0].is_entry else 0


@kernel
def _positions(state: State, others: Others, params: Params, symbol: int, side: int) -> int:
    limits = params.limits[0]
    own = 0
    for each in range(state.slots.shape[0]):
        own += _held(state, each, 0) + _held(state, each, 1)
    if own >= limits.bot_max_positions:
        return _POSITIONS_BOT
    wishes = params.sides[symbol, side]
    if not wishes.risk_enabled:
        return _OK
    if own + others.positions >= limits.account_max_positions:
        return _POSITIONS_ACCOUNT
    if _held(state, symbol, 0) + _held(state, symbol, 1) >= wishes.symbol_max_positions:
        return _POSITIONS_SCOPE
    if _held(state, symbol, side) >= wishes.side_max_positions:
        return _POSITIONS_SCOPE
    return _OK


@kernel
def _trades(state: State, others: Others, params: Params, symbol: int, side: int) -> int:
    wishes = params.sides[symbol, side]
    if not wishes.risk_enabled:
        return _OK
    asked = state.account[0].entries_today
    for each in range(state.slots.shape[0]):
        asked += _entering(state, each, 0) + _entering(state, each, 1)
    if asked + others.entries_today >= params.limits[0].account_max_daily_trades:
        return _TRADES
    on_side = state.positions[symbol, side].entries_today + _entering(state, symbol, side)
    opposite = 1 - side
    on_symbol = on_side + state.positions[symbol, opposite].entries_today + _entering(state, symbol, opposite)
    if on_symbol >= wishes.symbol_max_daily_trades:
        return _TRADES_SCOPE
    if on_side >= wishes.side_max_daily_trades:
        return _TRADES_SCOPE
    return _OK


@kernel
def _entering(state: State, symbol: int, side: int) -> int:
    """1 while an entry works that has not been counted yet: the first of its fills counts it."""
    leg = state.legs[symbol, side, 0]
    return 1 if leg.working and leg.is_entry and state.positions[symbol, side].qty == 0.0 else 0
