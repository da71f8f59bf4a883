"""The second door: is this order allowed? Exposure, capital and margin, with what already works."""

import math

from engine import ledger
from engine._jit import kernel
from engine.domain.enums import Reason
from engine.domain.params import Params
from engine.domain.state import State
from engine.domain.values import Others

_OK = int(Reason.NONE)
_BAD_PRICE = int(Reason.BAD_PRICE)
_BAD_QUANTITY = int(Reason.BAD_QUANTITY)
_EXPOSURE = int(Reason.MAX_PORTFOLIO_EXPOSURE)
_EXPOSURE_SCOPE = int(Reason.MAX_PORTFOLIO_EXPOSURE_SCOPE)
_CAPITAL = int(Reason.INSUFFICIENT_CAPITAL)
_MARGIN = int(Reason.INSUFFICIENT_MARGIN)

# Sums of prices times quantities carry rounding in the last bits; a limit met exactly must pass.
_SLACK = 1e-9


@kernel
def review(
    state: State, others: Others, params: Params, symbol: int, side: int, qty: float, spend: float, price: float
) -> int:
    """Reason.NONE if the entry may be sent, else the first reason against it.

    Either ``qty`` (quantity at ``price``) or ``spend`` (money, fee included) is positive.
    """
    if not (math.isfinite(price) and price > 0.0):
        return _BAD_PRICE
    notional = spend if spend > 0.0 else qty * price
    if not (math.isfinite(notional) and notional > 0.0):
        return _BAD_QUANTITY
    if params.sides[symbol, side].risk_enabled:
        reason = _exposure(state, others, params, symbol, side, notional)
        if reason != _OK:
            return reason
    return _margin(state, params, symbol, side, notional, spend > 0.0)


@kernel
def _exposure(state: State, others: Others, params: Params, symbol: int, side: int, notional: float) -> int:
    equity = (state.account[0].equity + others.equity) * (1.0 + _SLACK)
    wishes = params.sides[symbol, side]
    total = ledger.exposure(state) + others.exposure + notional
    if total > equity * params.limits[0].account_exposure_fraction:
        return _EXPOSURE
    if ledger.symbol_exposure(state, symbol) + notional > equity * wishes.symbol_exposure_fraction:
        return _EXPOSURE_SCOPE
    if ledger.side_exposure(state, symbol, side) + notional > equity * wishes.side_exposure_fraction:
        return _EXPOSURE_SCOPE
    return _OK


@kernel
def leverage_in_force(params: Params, symbol: int, side: int) -> float:
    """What the operator wants, as far as the venue offers it; at least 1."""
    return max(1.0, min(params.sides[symbol, side].leverage, params.instruments[symbol].max_leverage))


@kernel
def _margin(state: State, params: Params, symbol: int, side: int, notional: float, fee_included: bool) -> int:
    used = 0.0
    for each in range(state.slots.shape[0]):
        for way in range(2):
            used += ledger.side_exposure(state, each, way) / leverage_in_force(params, each, way)
    leverage = leverage_in_force(params, symbol, side)
    fee = 0.0 if fee_included else notional * params.venue[0].fee_fraction
    free = state.account[0].equity * (1.0 + _SLACK) - used
    if notional / leverage + fee > free:
        return _CAPITAL if leverage == 1.0 else _MARGIN
    return _OK
