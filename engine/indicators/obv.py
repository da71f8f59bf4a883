"""On-balance volume: volume added on a rise, taken off on a fall. Starts at the first volume."""

from engine._jit import kernel
from engine.domain.values import Floats

_COUNT, _PREVIOUS, _TOTAL = 0, 1, 2


def width() -> int:
    """Cells kept: bars seen, last close, running total."""
    return 3


@kernel
def update(cells: Floats, at: int, close: float, volume: float) -> tuple[float, float]:
    """(total, change) after this bar; the change is 0 on the first bar and on an unchanged close."""
    seen = cells[at + _COUNT]
    previous = cells[at + _PREVIOUS]
    cells[at + _COUNT] = seen + 1.0
    cells[at + _PREVIOUS] = close
    change = 0.0
    if seen > 0.0 and close > previous:
        change = volume
    elif seen > 0.0 and close < previous:
        change = -volume
    cells[at + _TOTAL] += volume if seen == 0.0 else change
    return cells[at + _TOTAL], change
