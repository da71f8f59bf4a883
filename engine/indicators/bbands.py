"""Bollinger bands: simple average and population deviation over the last n closes.

Source: J. Bollinger; the population form, as TA-Lib and charting sites compute it.
"""

import math

from engine._jit import kernel
from engine.domain.values import Floats

NAN = float("nan")
_COUNT, _SUM, _SQUARES, _NEXT, _RING = 0, 1, 2, 3, 4


def width(period: int) -> int:
    """Cells kept: bars seen, running sums of values and squares, place of the next, and the ring."""
    return 4 + period


@kernel
def update(cells: Floats, at: int, close: float, period: int, deviations: float) -> tuple[float, float, float]:
    """(lower, middle, upper) after this close; NaN for the first ``period - 1`` bars."""
    seen = cells[at + _COUNT] + 1.0
    cells[at + _COUNT] = seen
    place = int(cells[at + _NEXT])
    total = cells[at + _SUM] + close
    squares = cells[at + _SQUARES] + close * close
    cells[at + _RING + place] = close
    place += 1
    if place == period:
        place = 0
    cells[at + _NEXT] = place
    if seen < period:
        cells[at + _SUM] = total
        cells[at + _SQUARES] = squares
        return NAN, NAN, NAN
    oldest = cells[at + _RING + place]
    cells[at + _SUM] = total - oldest
    cells[at + _SQUARES] = squares - oldest * oldest
    middle = total / period
    variance = squares / period - middle * middle
    away = deviations * math.sqrt(variance) if variance > 0.0 else 0.0
    return middle - away, middle, middle + away
