"""Stochastic oscillator: where the close lies in the range of the last n bars, smoothed by 3, and %D.

As TA-Lib's STOCH(k, 3, 0, d, 0). A range without height has no place in it: its raw value counts as
0 in the averages, as TA-Lib has it, and ``is_flat`` tells the strategy not to vote on it.
"""

from engine._jit import kernel
from engine.domain.values import Floats
from engine.indicators import sma

NAN = float("nan")
SMOOTHING = 3
_COUNT, _NEXT, _HIGHS = 0, 1, 2


def width(k_period: int, d_period: int) -> int:
    """Cells kept: bars seen, place of the next, rings of highs and lows, and both averages."""
    return 2 + 2 * k_period + sma.width(SMOOTHING) + sma.width(d_period)


@kernel
def update(
    cells: Floats, at: int, high: float, low: float, close: float, k_period: int, d_period: int
) -> tuple[float, float, bool]:
    """(%K, %D, is_flat) after this bar; NaN where not yet defined."""
    seen = cells[at + _COUNT] + 1.0
    cells[at + _COUNT] = seen
    place = int(cells[at + _NEXT])
    highs = at + _HIGHS
    lows = highs + k_period
    cells[highs + place] = high
    cells[lows + place] = low
    cells[at + _NEXT] = place + 1 if place + 1 < k_period else 0
    if seen < k_period:
        return NAN, NAN, False
    highest, lowest = high, low
    for each in range(k_period):
        highest = max(highest, cells[highs + each])
        lowest = min(lowest, cells[lows + each])
    span = highest - lowest
    raw = 100.0 * ((close - lowest) / span) if span > 0.0 else 0.0
    smooth = lows + k_period
    k_value = sma.update(cells, smooth, raw, SMOOTHING)
    if seen < k_period + SMOOTHING - 1:
        return NAN, NAN, span <= 0.0
    d_value = sma.update(cells, smooth + 3 + SMOOTHING, k_value, d_period)
    return k_value, d_value, span <= 0.0
