"""Target + equity + instrument -> quantity.

``position_size_pct`` fixes the notional; leverage never multiplies it. Caps cut the size down, the
operator's minimum refuses it, the venue's minimum lifts it, unless that would pass a cap.
"""

import math

from engine import rounding
from engine._jit import kernel
from engine.domain.enums import Reason
from engine.domain.params import Params
from engine.domain.state import State

_OK = int(Reason.NONE)
_CAP = int(Reason.MAX_POSITION_SIZE)
_BELOW_MIN = int(Reason.BELOW_MIN_POSITION_SIZE)
_MIN_OVER_CAP = int(Reason.EXCHANGE_MIN_EXCEEDS_CAP)
_NO_FILTERS = int(Reason.EXCHANGE_FILTERS_UNAVAILABLE)
_ZERO = int(Reason.SIZE_ROUNDS_TO_ZERO)
_BAD_PRICE = int(Reason.BAD_PRICE)

# The venue's minimum is met with 5 % to spare, so that a small move before the fill keeps it met.
_MINIMUM_MARGIN = 1.05


@kernel
def quantity(state: State, params: Params, symbol: int, side: int, price: float) -> tuple[float, float, int]:
    """(quantity, money to spend, reason): one of the first two is positive, or a reason says why not.

    price: the close the decision was made on. Money to spend is used where the venue sizes at the
    fill (params.venue.size_at_fill) and includes the fee.
    """
    if not (math.isfinite(price) and price > 0.0):
        return 0.0, 0.0, _BAD_PRICE
    wishes = params.sides[symbol, side]
    limits = params.limits[0]
    held = state.positions[symbol, side].qty * state.slots[symbol].mark
    cap = min(wishes.max_position_notional, limits.capital * limits.bot_position_fraction) - held
    if not cap > 0.0:
        return 0.0, 0.0, _CAP
    wanted = state.account[0].equity * wishes.position_fraction * wishes.quantity_multiplier
    notional = min(wanted, cap)
    if notional < wishes.min_position_notional:
        return 0.0, 0.0, _BELOW_MIN
    if params.venue[0].size_at_fill:
        return 0.0, notional, _OK
    return _on_step(params, symbol, side, notional, cap, price)


@kernel
def _on_step(
    params: Params, symbol: int, side: int, notional: float, cap: float, price: float
) -> tuple[float, float, int]:
    step, min_qty, min_notional, reason = _filters(params, symbol, side)
    if reason != _OK:
        return 0.0, 0.0, reason
    if not params.venue[0].rounding:
        return rounding.money(notional / price), 0.0, _OK
    qty = rounding.down(notional / price, step)
    least = _venue_minimum(min_qty, min_notional, step, price)
    if qty < least:
        qty = least
        if qty * price > cap:
            return 0.0, 0.0, _MIN_OVER_CAP
    if not qty > 0.0:
        return 0.0, 0.0, _ZERO
    return qty, 0.0, _OK


@kernel
def _venue_minimum(min_qty: float, min_notional: float, step: float, price: float) -> float:
    if min_qty <= 0.0 and min_notional <= 0.0:
        return 0.0
    least = rounding.up(max(min_qty, min_notional / price) * _MINIMUM_MARGIN, step)
    if price * least < min_notional:
        least = rounding.nearest(least + step, step)
    return least


@kernel
def _filters(params: Params, symbol: int, side: int) -> tuple[float, float, float, int]:
    """(step, minimum quantity, minimum notional, reason)."""
    venue = params.instruments[symbol]
    wishes = params.sides[symbol, side]
    if wishes.use_exchange_minimums:
        reason = _OK if venue.filters_known else _NO_FILTERS
        return venue.qty_step, venue.min_qty, venue.min_notional, reason
    # NaN, "not set", spreads through a sum: one comparison finds any of the three.
    if math.isnan(wishes.override_step + wishes.override_min_qty + wishes.override_min_notional):
        return venue.qty_step, 0.0, 0.0, _NO_FILTERS
    return wishes.override_step, wishes.override_min_qty, wishes.override_min_notional, _OK
