"""Relative strength index after Wilder, seeded with simple averages.

Source: J. Welles Wilder, New Concepts in Technical Trading Systems (1978); seeding as TA-Lib's RSI.
"""

from typing import SupportsIndex

import numpy as np

from engine._jit import kernel
from engine.domain.values import Floats
from engine.indicators import _cells

NAN = float("nan")
_COUNT, _PREVIOUS, _GAIN, _LOSS = _cells.numbers(4)
# A series that has not moved at all favours neither side.
_NO_MOVEMENT = 50.0


def width() -> int:
    """Cells kept: bars seen, last close, average gain, average loss."""
    return 4


@kernel
def update(cells: Floats, at: SupportsIndex, close: float, period: float) -> float:
    """RSI 0..100 after this close; NaN for the first ``period`` bars."""
    own = np.uint64(at)
    seen = cells[own + _COUNT]
    change = close - cells[own + _PREVIOUS]
    cells[own + _COUNT] = seen + 1.0
    cells[own + _PREVIOUS] = close
    if seen == 0.0:
        return NAN
    gain = change if change > 0.0 else 0.0
    loss = -change if change < 0.0 else 0.0
    if seen < period:
        cells[own + _GAIN] += gain
        cells[own + _LOSS] += loss
        return NAN
    share = 1.0 / period
    kept = 1.0 if seen == period else period - 1.0
    average_gain = (cells[own + _GAIN] * kept + gain) * share
    average_loss = (cells[own + _LOSS] * kept + loss) * share
    cells[own + _GAIN] = average_gain
    cells[own + _LOSS] = average_loss
    total = average_gain + average_loss
    return 100.0 * (average_gain / total) if total > 0.0 else _NO_MOVEMENT
