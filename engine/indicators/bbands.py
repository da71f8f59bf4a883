"""Bollinger bands: simple average and population deviation over the last n closes.

Source: J. Bollinger; the population form, as TA-Lib and charting sites compute it.
"""

import math

from engine._jit import kernel
from engine.domain.values import Floats

NAN = float("nan")
_COUNT, _ANCHOR, _SUM, _SQUARES, _NEXT, _RING = 0, 1, 2, 3, 4, 5


def width(period: int) -> int:
    """Cells kept: bars seen, the anchor, running sums of distances from it, place of the next, the ring."""
    return 5 + period


@kernel
def update(cells: Floats, at: int, close: float, period: int, deviations: float) -> tuple[float, float, float]:
    """(lower, middle, upper) after this close; NaN for the first ``period - 1`` bars."""
    seen = cells[at + _COUNT] + 1.0
    cells[at + _COUNT] = seen
    if seen == 1.0:
        cells[at + _ANCHOR] = close
    anchor = cells[at + _ANCHOR]
    place = int(cells[at + _NEXT])
    total = cells[at + _SUM] + (close - anchor)
    squares = cells[at + _SQUARES] + (close - anchor) * (close - anchor)
    cells[at + _RING + place] = close
    place += 1
    if place == period:
        place = 0
    cells[at + _NEXT] = place
    if seen < period:
        cells[at + _SUM] = total
        cells[at + _SQUARES] = squares
        return NAN, NAN, NAN
    if place == 0:
        anchor, total, squares = _anchored_anew(cells, at, period)
    oldest = cells[at + _RING + place] - anchor
    cells[at + _SUM] = total - oldest
    cells[at + _SQUARES] = squares - oldest * oldest
    shift = total / period
    variance = squares / period - shift * shift
    away = deviations * math.sqrt(variance) if variance > 0.0 else 0.0
    middle = anchor + shift
    return middle - away, middle, middle + away


@kernel
def _anchored_anew(cells: Floats, at: int, period: int) -> tuple[float, float, float]:
    """(anchor, sum, squares) from the ring alone, once a turn.

    A sum of squared prices loses the deviation's digits to the square of the price, and keeps every
    error it ever made: 1e-8 of the price after a million bars. Distances from a recent close do not.
    """
    anchor = cells[at + _RING + period - 1]
    total, squares = 0.0, 0.0
    for each in range(period):
        distance = cells[at + _RING + each] - anchor
        total += distance
        squares += distance * distance
    cells[at + _ANCHOR] = anchor
    return anchor, total, squares
