"""Bollinger bands: simple average and population deviation over the last n closes.

Source: J. Bollinger; the population form, as TA-Lib and charting sites compute it.
"""

import math
from typing import SupportsIndex

import numpy as np

from engine._jit import kernel
from engine.domain.values import Floats
from engine.indicators import _cells

NAN = float("nan")
_COUNT, _ANCHOR, _SUM, _SQUARES, _NEXT, _RING = _cells.numbers(6)


def width(period: int) -> int:
    """Cells kept: bars seen, the anchor, running sums of distances from it, place of the next, the ring."""
    return 5 + period


@kernel
def update(
    cells: Floats, at: SupportsIndex, close: float, period: int, deviations: float
) -> tuple[float, float, float]:
    """(lower, middle, upper) after this close; NaN for the first ``period - 1`` bars."""
    own = np.uint64(at)
    seen = cells[own + _COUNT] + 1.0
    cells[own + _COUNT] = seen
    if seen == 1.0:
        cells[own + _ANCHOR] = close
    anchor = cells[own + _ANCHOR]
    place = np.uint64(cells[own + _NEXT])
    following = cells[own + _NEXT] + 1.0
    if following == period:
        following = 0.0
    cells[own + _NEXT] = following
    total = cells[own + _SUM] + (close - anchor)
    squares = cells[own + _SQUARES] + (close - anchor) * (close - anchor)
    cells[own + _RING + place] = close
    if seen < period:
        cells[own + _SUM] = total
        cells[own + _SQUARES] = squares
        return NAN, NAN, NAN
    if place == 0:
        anchor, total, squares = _anchored_anew(cells, own + _RING, period)
        cells[own + _ANCHOR] = anchor
    oldest = cells[own + _RING + np.uint64(following)] - anchor
    cells[own + _SUM] = total - oldest
    cells[own + _SQUARES] = squares - oldest * oldest
    share = 1.0 / period
    shift = total * share
    variance = squares * share - shift * shift
    away = deviations * math.sqrt(variance) if variance > 0.0 else 0.0
    middle = anchor + shift
    return middle - away, middle, middle + away


@kernel
def _anchored_anew(cells: Floats, ring: np.uint64, period: int) -> tuple[float, float, float]:
    """(anchor, sum, squares) from the ring alone, once a turn.

    A sum of squared prices loses the deviation's digits to the square of the price, and keeps every
    error it ever made: 1e-8 of the price after a million bars. Distances from a recent close do not.
    """
    anchor = cells[ring + np.uint64(period - 1)]
    total, squares = 0.0, 0.0
    for each in range(period):
        distance = cells[ring + np.uint64(each)] - anchor
        total += distance
        squares += distance * distance
    return anchor, total, squares
