"""Relative strength index after Wilder, seeded with simple averages.

Source: J. Welles Wilder, New Concepts in Technical Trading Systems (1978); seeding as TA-Lib's RSI.
"""

from engine._jit import kernel
from engine.domain.values import Floats

NAN = float("nan")
_COUNT, _PREVIOUS, _GAIN, _LOSS = 0, 1, 2, 3
# A series that has not moved at all favours neither side.
_NO_MOVEMENT = 50.0


def width() -> int:
    """Cells kept: bars seen, last close, average gain, average loss."""
    return 4


@kernel
def update(cells: Floats, at: int, close: float, period: float) -> float:
    """RSI 0..100 after this close; NaN for the first ``period`` bars."""
    seen = cells[at + _COUNT]
    change = close - cells[at + _PREVIOUS]
    cells[at + _COUNT] = seen + 1.0
    cells[at + _PREVIOUS] = close
    if seen == 0.0:
        return NAN
    gain = change if change > 0.0 else 0.0
    loss = -change if change < 0.0 else 0.0
    if seen < period:
        cells[at + _GAIN] += gain
        cells[at + _LOSS] += loss
        return NAN
    share = 1.0 / period
    kept = 1.0 if seen == period else period - 1.0
    average_gain = (cells[at + _GAIN] * kept + gain) * share
    average_loss = (cells[at + _LOSS] * kept + loss) * share
    cells[at + _GAIN] = average_gain
    cells[at + _LOSS] = average_loss
    total = average_gain + average_loss
    return 100.0 * (average_gain / total) if total > 0.0 else _NO_MOVEMENT
