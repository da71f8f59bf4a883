"""Exponential moving average, alpha = 2 / (n + 1), seeded with the simple average of the first n."""

from typing import SupportsIndex

import numpy as np

from engine._jit import kernel
from engine.domain.values import Floats
from engine.indicators import _cells

NAN = float("nan")
_COUNT, _VALUE = _cells.numbers(2)


def width() -> int:
    """Cells kept: bars seen, the sum while seeding and the average afterwards."""
    return 2


@kernel
def update(cells: Floats, at: SupportsIndex, value: float, period: float) -> float:
    """The average after this value; NaN for the first ``period - 1``."""
    own = np.uint64(at)
    seen = cells[own + _COUNT] + 1.0
    cells[own + _COUNT] = seen
    if seen < period:
        cells[own + _VALUE] += value
        return NAN
    previous = cells[own + _VALUE]
    average = (value - previous) * (2.0 / (period + 1.0)) + previous
    if seen == period:
        average = (previous + value) / period
    cells[own + _VALUE] = average
    return average
