"""On-balance volume: volume added on a rise, taken off on a fall. Starts at the first volume."""

from typing import SupportsIndex

import numpy as np

from engine._jit import kernel
from engine.domain.values import Floats
from engine.indicators import _cells

_COUNT, _PREVIOUS, _TOTAL = _cells.numbers(3)


def width() -> int:
    """Cells kept: bars seen, last close, running total."""
    return 3


@kernel
def update(cells: Floats, at: SupportsIndex, close: float, volume: float) -> tuple[float, float]:
    """(total, change) after this bar; the change is 0 on the first bar and on an unchanged close."""
    own = np.uint64(at)
    seen = cells[own + _COUNT]
    previous = cells[own + _PREVIOUS]
    cells[own + _COUNT] = seen + 1.0
    cells[own + _PREVIOUS] = close
    change = 0.0
    if seen > 0.0 and close > previous:
        change = volume
    elif seen > 0.0 and close < previous:
        change = -volume
    cells[own + _TOTAL] += volume if seen == 0.0 else change
    return cells[own + _TOTAL], change
