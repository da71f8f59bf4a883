"""Moving average convergence divergence: fast EMA - slow EMA, its signal line, their difference.

Both averages start on the bar where the slow one can, as TA-Lib does: the fast one is seeded with
the simple average of the closes just before it.
"""

from typing import SupportsIndex

import numpy as np

from engine._jit import kernel
from engine.domain.values import Floats
from engine.indicators import _cells, ema

NAN = float("nan")
_COUNT, _FAST, _SLOW, _HISTOGRAM, _SIGNAL = _cells.numbers(5)


def width() -> int:
    """Cells kept: bars seen, both averages, the last histogram, and the signal line's EMA."""
    return 4 + ema.width()


@kernel
def update(
    cells: Floats, at: SupportsIndex, close: float, fast: float, slow: float, signal: float
) -> tuple[float, float]:
    """(histogram, previous histogram) after this close; NaN where not yet defined."""
    own = np.uint64(at)
    seen = cells[own + _COUNT] + 1.0
    cells[own + _COUNT] = seen
    if seen < slow:
        cells[own + _SLOW] += close
        if seen > slow - fast:
            cells[own + _FAST] += close
        return NAN, NAN
    if seen == slow:
        fast_average = (cells[own + _FAST] + close) / fast
        slow_average = (cells[own + _SLOW] + close) / slow
    else:
        fast_average = (close - cells[own + _FAST]) * (2.0 / (fast + 1.0)) + cells[own + _FAST]
        slow_average = (close - cells[own + _SLOW]) * (2.0 / (slow + 1.0)) + cells[own + _SLOW]
    cells[own + _FAST] = fast_average
    cells[own + _SLOW] = slow_average
    line = fast_average - slow_average
    signal_line = ema.update(cells, own + _SIGNAL, line, signal)
    previous = cells[own + _HISTOGRAM] if seen > slow + signal - 1.0 else NAN
    cells[own + _HISTOGRAM] = line - signal_line
    return line - signal_line, previous
