"""Stochastic oscillator: where the close lies in the range of the last n bars, smoothed by 3, and %D.

As TA-Lib's STOCH(k, 3, 0, d, 0). A range without height has no place in it: its raw value counts as
0 in the averages, as TA-Lib has it, and ``is_flat`` tells the strategy not to vote on it.
"""

from typing import SupportsIndex

import numpy as np

from engine._jit import kernel
from engine.domain.values import Floats
from engine.indicators import _cells, sma

NAN = float("nan")
SMOOTHING = 3
_SMOOTHING_WIDTH = sma.width(SMOOTHING)
_COUNT, _NEXT, _HIGHEST, _LOWEST, _HIGHS = _cells.numbers(5)


def width(k_period: int, d_period: int) -> int:
    """Cells kept: bars seen, place of the next, extremes, rings of highs and lows, both averages."""
    return int(_HIGHS) + 2 * k_period + sma.width(SMOOTHING) + sma.width(d_period)


@kernel
def update(
    cells: Floats, at: SupportsIndex, high: float, low: float, close: float, k_period: int, d_period: int
) -> tuple[float, float, bool]:
    """(%K, %D, is_flat) after this bar; NaN where not yet defined."""
    own = np.uint64(at)
    seen = cells[own + _COUNT] + 1.0
    cells[own + _COUNT] = seen
    _extremes(cells, own, high, low, k_period, seen == 1.0)
    if seen < k_period:
        return NAN, NAN, False
    lowest = cells[own + _LOWEST]
    span = cells[own + _HIGHEST] - lowest
    raw = 100.0 * ((close - lowest) / span) if span > 0.0 else 0.0
    smooth = own + _HIGHS + np.uint64(2 * k_period)
    k_value = sma.update(cells, smooth, raw, SMOOTHING)
    if seen < k_period + SMOOTHING - 1:
        return NAN, NAN, span <= 0.0
    d_value = sma.update(cells, smooth + np.uint64(_SMOOTHING_WIDTH), k_value, d_period)
    return k_value, d_value, span <= 0.0


@kernel
def _extremes(cells: Floats, own: np.uint64, high: float, low: float, length: int, is_first: bool) -> None:
    """Keep the highest high and lowest low of the last bars: looked for again only when one leaves."""
    place = np.uint64(cells[own + _NEXT])
    following = cells[own + _NEXT] + 1.0
    cells[own + _NEXT] = following if following < length else 0.0
    highs = own + _HIGHS
    lows = highs + np.uint64(length)
    if is_first:
        # Places not yet written must not win: as if every earlier bar had been this one.
        for each in range(length):
            cells[highs + np.uint64(each)] = high
            cells[lows + np.uint64(each)] = low
    leaving_high, leaving_low = cells[highs + place], cells[lows + place]
    cells[highs + place] = high
    cells[lows + place] = low
    if is_first or leaving_high >= cells[own + _HIGHEST]:
        cells[own + _HIGHEST] = _highest(cells, highs, length)
    else:
        cells[own + _HIGHEST] = max(cells[own + _HIGHEST], high)
    if is_first or leaving_low <= cells[own + _LOWEST]:
        cells[own + _LOWEST] = _lowest(cells, lows, length)
    else:
        cells[own + _LOWEST] = min(cells[own + _LOWEST], low)


@kernel
def _highest(cells: Floats, first: np.uint64, length: int) -> float:
    highest = cells[first]
    for each in range(1, length):
        highest = max(highest, cells[first + np.uint64(each)])
    return highest


@kernel
def _lowest(cells: Floats, first: np.uint64, length: int) -> float:
    lowest = cells[first]
    for each in range(1, length):
        lowest = min(lowest, cells[first + np.uint64(each)])
    return lowest
