"""Simple moving average over a ring of the last n values."""

from typing import SupportsIndex

import numpy as np

from engine._jit import kernel
from engine.domain.values import Floats
from engine.indicators import _cells

NAN = float("nan")
_COUNT, _SUM, _NEXT, _RING = _cells.numbers(4)


def width(period: int) -> int:
    """Cells kept: bars seen, running sum, place of the next value, and the ring."""
    return 3 + period


@kernel
def update(cells: Floats, at: SupportsIndex, value: float, period: int) -> float:
    """The average after this value; NaN for the first ``period - 1``."""
    own = np.uint64(at)
    seen = cells[own + _COUNT] + 1.0
    cells[own + _COUNT] = seen
    place = np.uint64(cells[own + _NEXT])
    following = cells[own + _NEXT] + 1.0
    if following == period:
        following = 0.0
    cells[own + _NEXT] = following
    total = cells[own + _SUM] + value
    cells[own + _RING + place] = value
    if seen < period:
        cells[own + _SUM] = total
        return NAN
    # The oldest value leaves after the average is taken, in this order, as TA-Lib sums.
    cells[own + _SUM] = total - cells[own + _RING + np.uint64(following)]
    # Multiplied: a processor divides while nothing waits for it, long before the sum is known.
    return total * (1.0 / period)
