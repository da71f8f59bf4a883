"""Stochastic oscillator: where the close lies in the range of the last n bars, smoothed by 3, and %D.

As TA-Lib's STOCH(k, 3, 0, d, 0). A range without height has no place in it: its raw value counts as
0 in the averages, as TA-Lib has it, and ``is_flat`` tells the strategy not to vote on it.
"""

from engine._jit import kernel
from engine.domain.values import Floats
from engine.indicators import sma

NAN = float("nan")
SMOOTHING = 3
_COUNT, _NEXT, _HIGHEST, _LOWEST, _HIGHS = 0, 1, 2, 3, 4


def width(k_period: int, d_period: int) -> int:
    """Cells kept: bars seen, place of the next, extremes, rings of highs and lows, both averages."""
    return _HIGHS + 2 * k_period + sma.width(SMOOTHING) + sma.width(d_period)


@kernel
def update(
    cells: Floats, at: int, high: float, low: float, close: float, k_period: int, d_period: int
) -> tuple[float, float, bool]:
    """(%K, %D, is_flat) after this bar; NaN where not yet defined."""
    seen = cells[at + _COUNT] + 1.0
    cells[at + _COUNT] = seen
    _extremes(cells, at, high, low, k_period, seen == 1.0)
    if seen < k_period:
        return NAN, NAN, False
    lowest = cells[at + _LOWEST]
    span = cells[at + _HIGHEST] - lowest
    raw = 100.0 * ((close - lowest) / span) if span > 0.0 else 0.0
    smooth = at + _HIGHS + 2 * k_period
    k_value = sma.update(cells, smooth, raw, SMOOTHING)
    if seen < k_period + SMOOTHING - 1:
        return NAN, NAN, span <= 0.0
    d_value = sma.update(cells, smooth + 3 + SMOOTHING, k_value, d_period)
    return k_value, d_value, span <= 0.0


@kernel
def _extremes(cells: Floats, at: int, high: float, low: float, length: int, is_first: bool) -> None:
    """Keep the highest high and lowest low of the last bars: looked for again only when one leaves."""
    place = int(cells[at + _NEXT])
    cells[at + _NEXT] = place + 1 if place + 1 < length else 0
    highs, lows = at + _HIGHS, at + _HIGHS + length
    if is_first:
        # Places not yet written must not win: as if every earlier bar had been this one.
        for each in range(length):
            cells[highs + each] = high
            cells[lows + each] = low
    leaving_high, leaving_low = cells[highs + place], cells[lows + place]
    cells[highs + place] = high
    cells[lows + place] = low
    if is_first or leaving_high >= cells[at + _HIGHEST]:
        cells[at + _HIGHEST] = _highest(cells, highs, length)
    else:
        cells[at + _HIGHEST] = max(cells[at + _HIGHEST], high)
    if is_first or leaving_low <= cells[at + _LOWEST]:
        cells[at + _LOWEST] = _lowest(cells, lows, length)
    else:
        cells[at + _LOWEST] = min(cells[at + _LOWEST], low)


@kernel
def _highest(cells: Floats, at: int, length: int) -> float:
    highest = cells[at]
    for each in range(1, length):
        highest = max(highest, cells[at + each])
    return highest


@kernel
def _lowest(cells: Floats, at: int, length: int) -> float:
    lowest = cells[at]
    for each in range(1, length):
        lowest = min(lowest, cells[at + each])
    return lowest
