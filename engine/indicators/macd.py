"""Moving average convergence divergence: fast EMA - slow EMA, its signal line, their difference.

Both averages start on the bar where the slow one can, as TA-Lib does: the fast one is seeded with
the simple average of the closes just before it.
"""

from engine._jit import kernel
from engine.domain.values import Floats
from engine.indicators import ema

NAN = float("nan")
_COUNT, _FAST, _SLOW, _HISTOGRAM, _SIGNAL = 0, 1, 2, 3, 4


def width() -> int:
    """Cells kept: bars seen, both averages, the last histogram, and the signal line's EMA."""
    return 4 + ema.width()


@kernel
def update(cells: Floats, at: int, close: float, fast: float, slow: float, signal: float) -> tuple[float, float]:
    """(histogram, previous histogram) after this close; NaN where not yet defined."""
    seen = cells[at + _COUNT] + 1.0
    cells[at + _COUNT] = seen
    if seen < slow:
        cells[at + _SLOW] += close
        if seen > slow - fast:
            cells[at + _FAST] += close
        return NAN, NAN
    if seen == slow:
        fast_average = (cells[at + _FAST] + close) / fast
        slow_average = (cells[at + _SLOW] + close) / slow
    else:
        fast_average = (close - cells[at + _FAST]) * (2.0 / (fast + 1.0)) + cells[at + _FAST]
        slow_average = (close - cells[at + _SLOW]) * (2.0 / (slow + 1.0)) + cells[at + _SLOW]
    cells[at + _FAST] = fast_average
    cells[at + _SLOW] = slow_average
    line = fast_average - slow_average
    signal_line = ema.update(cells, at + _SIGNAL, line, signal)
    previous = cells[at + _HISTOGRAM] if seen > slow + signal - 1.0 else NAN
    cells[at + _HISTOGRAM] = line - signal_line
    return line - signal_line, previous
