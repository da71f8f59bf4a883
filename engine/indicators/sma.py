"""Simple moving average over a ring of the last n values."""

from engine._jit import kernel
from engine.domain.values import Floats

NAN = float("nan")
_COUNT, _SUM, _NEXT, _RING = 0, 1, 2, 3


def width(period: int) -> int:
    """Cells kept: bars seen, running sum, place of the next value, and the ring."""
    return 3 + period


@kernel
def update(cells: Floats, at: int, value: float, period: int) -> float:
    """The average after this value; NaN for the first ``period - 1``."""
    seen = cells[at + _COUNT] + 1.0
    cells[at + _COUNT] = seen
    place = int(cells[at + _NEXT])
    total = cells[at + _SUM] + value
    cells[at + _RING + place] = value
    place += 1
    if place == period:
        place = 0
    cells[at + _NEXT] = place
    if seen < period:
        cells[at + _SUM] = total
        return NAN
    # The oldest value leaves after the average is taken, in this order, as TA-Lib sums.
    cells[at + _SUM] = total - cells[at + _RING + place]
    return total / period
