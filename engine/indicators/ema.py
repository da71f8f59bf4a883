"""Exponential moving average, alpha = 2 / (n + 1), seeded with the simple average of the first n."""

from engine._jit import kernel
from engine.domain.values import Floats

NAN = float("nan")
_COUNT, _VALUE = 0, 1


def width() -> int:
    """Cells kept: bars seen, the sum while seeding and the average afterwards."""
    return 2


@kernel
def update(cells: Floats, at: int, value: float, period: float) -> float:
    """The average after this value; NaN for the first ``period - 1``."""
    seen = cells[at + _COUNT] + 1.0
    cells[at + _COUNT] = seen
    if seen < period:
        cells[at + _VALUE] += value
        return NAN
    previous = cells[at + _VALUE]
    average = (value - previous) * (2.0 / (period + 1.0)) + previous
    if seen == period:
        average = (previous + value) / period
    cells[at + _VALUE] = average
    return average
