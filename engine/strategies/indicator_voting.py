"""Several indicators vote on each closed bar; a majority of those that have a value decides.

Two right implementations must agree on flat prices, where a comparison hangs on the last bit: every
comparison therefore has a dead band of one part in a billion. An exact tie is a HOLD.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from engine._jit import entry, kernel
from engine.domain.declarations import STRATEGY_SCOPES, Kind, Parameter, StrategyDeclaration
from engine.domain.enums import Action, Vote
from engine.domain.values import Bars, Floats, Ints, Signals
from engine.indicators import ORDER, bbands, ema, macd, obv, rsi, sma, stoch


def _parameter(
    name: str, kind: Kind, default: float, unit: str, low: float, high: float, description: str, when: str
) -> Parameter:
    return Parameter(
        name=name,
        kind=kind,
        default=default,
        unit=unit,
        group=name.partition("_")[0].upper(),
        description=description,
        impact="Changes when this indicator votes, and so how often the bot trades.",
        when_to_change=when,
        example=default,
        minimum=low,
        maximum=high,
        scopes=STRATEGY_SCOPES,
    )


DECLARATION = StrategyDeclaration(
    name="indicator_voting",
    title="Indicator voting",
    description="Each chosen indicator votes buy, sell or hold; the majority of those with a value decides.",
    parameters=(
        Parameter(
            name="indicators",
            kind="list",
            default=["RSI", "MACD", "SMA"],
            unit="names",
            group="Voting",
            description="Which indicators vote.",
            impact="Fewer indicators trade more often on less agreement.",
            when_to_change="When an indicator does not suit the market traded.",
            example=["RSI", "MACD", "SMA", "BBANDS"],
            choices=ORDER,
            scopes=STRATEGY_SCOPES,
        ),
        Parameter(
            name="voting",
            kind="str",
            default="majority",
            unit="",
            group="Voting",
            description="majority: more than half of the votes and at least two agree. single: one indicator decides.",
            impact="single lets one indicator trade alone.",
            when_to_change="Only for a bot meant to follow exactly one indicator.",
            example="majority",
            choices=("majority", "single"),
            scopes=STRATEGY_SCOPES,
        ),
        _parameter("rsi_period", "int", 14, "bars", 2, 100, "Length of Wilder's averages.", "Shorter reacts faster."),
        _parameter("rsi_oversold", "float", 30.0, "points", 0, 100, "Below this RSI votes buy.", "In strong trends."),
        _parameter(
            "rsi_overbought", "float", 70.0, "points", 0, 100, "Above this RSI votes sell.", "In strong trends."
        ),
        _parameter("macd_fast", "int", 12, "bars", 2, 100, "Length of the fast average.", "Shorter reacts faster."),
        _parameter("macd_slow", "int", 26, "bars", 2, 200, "Length of the slow average.", "Longer filters noise."),
        _parameter("macd_signal", "int", 9, "bars", 2, 100, "Length of the signal line.", "Longer filters noise."),
        _parameter("sma_period", "int", 50, "bars", 2, 500, "Length of the simple average.", "To the trend traded."),
        _parameter(
            "ema_period", "int", 20, "bars", 2, 500, "Length of the exponential average.", "To the trend traded."
        ),
        _parameter("bbands_period", "int", 20, "bars", 2, 200, "Length of the bands' average.", "To the swing traded."),
        _parameter("bbands_deviations", "float", 2.0, "deviations", 0.5, 5, "Width of the bands.", "Wider votes less."),
        _parameter("stoch_k_period", "int", 14, "bars", 2, 100, "Range the close is placed in.", "Shorter is noisier."),
        _parameter("stoch_d_period", "int", 3, "bars", 2, 100, "Smoothing of %D.", "Longer filters noise."),
    ),
)

# Columns of Packed.values.
_MASK, _LEAST, _RSI, _RSI_LOW, _RSI_HIGH, _MACD_FAST, _MACD_SLOW, _MACD_SIGNAL = 0, 1, 2, 3, 4, 5, 6, 7
_SMA, _EMA, _BBANDS, _DEVIATIONS, _STOCH_K, _STOCH_D = 8, 9, 10, 11, 12, 13
_NUMBERS = (
    "rsi_period",
    "rsi_oversold",
    "rsi_overbought",
    "macd_fast",
    "macd_slow",
    "macd_signal",
    "sma_period",
    "ema_period",
    "bbands_period",
    "bbands_deviations",
    "stoch_k_period",
    "stoch_d_period",
)

_HAS_RSI, _HAS_MACD, _HAS_SMA, _HAS_EMA, _HAS_BBANDS, _HAS_STOCH, _HAS_OBV = 1, 2, 4, 8, 16, 32, 64

_NO_VOTE, _HOLD, _BUY, _SELL = int(Vote.NONE), int(Vote.HOLD), int(Vote.BUY), int(Vote.SELL)
_ACTION_BUY, _ACTION_SELL, _ACTION_HOLD = int(Action.BUY), int(Action.SELL), int(Action.HOLD)

# The lower bit of each indicator's two.
_LOW_BITS = 0x1555

_DEAD_BAND = 1e-9
_OSCILLATOR_BAND = 100.0 * _DEAD_BAND
_AVERAGE_BAND = 0.001
_STOCH_LOW, _STOCH_HIGH = 20.0, 80.0
_FEWEST_BARS = 5.0


# An index that cannot count from the end, and is not tested for it.
type Row = int | np.uint64


class Packed(NamedTuple):
    """The parameters as kernels read them.

    values (symbols, 14) float64; offsets (symbols, 7) int64, where each indicator's cells begin
    within the symbol's stretch of ``width`` cells. The first cell counts bars.
    """

    values: Floats
    offsets: Ints
    width: int


def pack(values: Sequence[Mapping[str, Any]]) -> Packed:
    """Resolved parameters, one mapping for each symbol, made ready for ``fill``."""
    rows = [_packed_row(each) for each in values]
    widths = [_widths(each) for each in values]
    offsets = [1 + np.concatenate(([0], np.cumsum(each)[:-1])) for each in widths]
    return Packed(np.array(rows), np.array(offsets, np.int64), 1 + max(sum(each) for each in widths))


def _packed_row(values: Mapping[str, Any]) -> list[float]:
    mask = sum(1 << place for place, name in enumerate(ORDER) if name in values["indicators"])
    least = 1 if values["voting"] == "single" else 2
    return [float(mask), float(least), *(float(values[name]) for name in _NUMBERS)]


def _widths(values: Mapping[str, Any]) -> list[int]:
    """Cells of each indicator, in the order of ORDER."""
    return [
        rsi.width(),
        macd.width(),
        sma.width(int(values["sma_period"])),
        ema.width(),
        bbands.width(int(values["bbands_period"])),
        stoch.width(int(values["stoch_k_period"]), int(values["stoch_d_period"])),
        obv.width(),
    ]


def signals(scratch: Floats, base: int, packed: Packed, bars: Bars, into: Signals, column: int) -> None:
    """Step the indicators over the bars and write this strategy's column of the signal matrix.

    scratch: the whole state's, of which ``base`` on is this strategy's. Both are changed in place.
    """
    fill(scratch, base, packed.values, packed.offsets, packed.width, bars, into, column)


@entry
def fill(
    scratch: Floats, base: int, values: Floats, offsets: Ints, width: int, bars: Bars, into: Signals, column: int
) -> None:
    """One pass over the bars: update, vote, count."""
    for each in range(bars.open_ms.shape[0]):
        row = np.uint64(each)
        symbol = np.uint64(bars.symbol[row])
        at = base + bars.symbol[row] * width
        votes = _votes(scratch, at, values, offsets, symbol, bars, row)
        action, confidence = _majority(votes, values[symbol, _LEAST])
        into.action[row, column] = action
        into.confidence[row, column] = confidence
        into.votes[row, column] = votes


@kernel
def _majority(votes: int, least: float) -> tuple[int, float]:
    """(action, confidence): more than half of those that voted and at least ``least`` of them agree.

    confidence: the share that agrees; 0 for a hold.
    """
    high, low = (votes >> 1) & _LOW_BITS, votes & _LOW_BITS
    total, buys, sells = _ones(high | low), _ones(high & ~low), _ones(high & low)
    agreed = max(buys, sells)
    if 2 * agreed <= total or agreed < least:
        return _ACTION_HOLD, 0.0
    return _ACTION_BUY if buys > sells else _ACTION_SELL, agreed / total


@kernel
def _ones(bits: int) -> int:
    """How many of the seven even bits are set: pairs are added, then fours, then all."""
    bits = (bits & 0x1111) + ((bits >> 2) & 0x1111)
    return (bits + (bits >> 4) + (bits >> 8) + (bits >> 12)) & 0xF


@kernel
def _votes(cells: Floats, at: int, values: Floats, offsets: Ints, symbol: Row, bars: Bars, row: Row) -> int:
    """Two bits for each indicator, in the order of ORDER."""
    close = bars.close[row]
    mask = int(values[symbol, _MASK])
    votes = 0
    if mask & _HAS_RSI:
        value = rsi.update(cells, at + offsets[symbol, 0], close, values[symbol, _RSI])
        votes |= rsi_vote(value, values[symbol, _RSI_LOW], values[symbol, _RSI_HIGH])
    if mask & _HAS_MACD:
        fast, slow, smooth = values[symbol, _MACD_FAST], values[symbol, _MACD_SLOW], values[symbol, _MACD_SIGNAL]
        now, before = macd.update(cells, at + offsets[symbol, 1], close, fast, slow, smooth)
        votes |= macd_vote(now, before, close) << 2
    if mask & _HAS_SMA:
        value = sma.update(cells, at + offsets[symbol, 2], close, int(values[symbol, _SMA]))
        votes |= average_vote(close, value) << 4
    if mask & _HAS_EMA:
        value = ema.update(cells, at + offsets[symbol, 3], close, values[symbol, _EMA])
        votes |= average_vote(close, value) << 6
    if mask & _HAS_BBANDS:
        period, deviations = int(values[symbol, _BBANDS]), values[symbol, _DEVIATIONS]
        lower, _, upper = bbands.update(cells, at + offsets[symbol, 4], close, period, deviations)
        votes |= bbands_vote(close, lower, upper) << 8
    if mask & (_HAS_STOCH | _HAS_OBV):
        votes |= _range_and_volume_votes(cells, at, values, offsets, symbol, bars, row, mask)
    bars_seen = np.uint64(at)
    cells[bars_seen] += 1.0
    return votes if cells[bars_seen] >= _FEWEST_BARS else 0


@kernel
def _range_and_volume_votes(
    cells: Floats, at: int, values: Floats, offsets: Ints, symbol: Row, bars: Bars, row: Row, mask: int
) -> int:
    votes = 0
    close = bars.close[row]
    if mask & _HAS_STOCH:
        length, smooth = int(values[symbol, _STOCH_K]), int(values[symbol, _STOCH_D])
        place = at + offsets[symbol, 5]
        k_value, d_value, is_flat = stoch.update(cells, place, bars.high[row], bars.low[row], close, length, smooth)
        votes |= stoch_vote(k_value, d_value, is_flat) << 10
    if mask & _HAS_OBV:
        place = at + offsets[symbol, 6]
        seen = cells[place]
        _, change = obv.update(cells, place, close, bars.volume[row])
        votes |= (obv_vote(change) if seen > 0.0 else _NO_VOTE) << 12
    return votes


@kernel
def _opinion(buys: bool, sells: bool) -> int:
    """HOLD, BUY or SELL. Arithmetic, because a processor cannot guess such a branch."""
    return _HOLD + (_BUY - _HOLD) * buys + (_SELL - _HOLD) * sells


@kernel
def rsi_vote(value: float, oversold: float, overbought: float) -> int:
    """Buy below oversold, sell above overbought; exactly on either holds."""
    if math.isnan(value):
        return _NO_VOTE
    return _opinion(value < oversold - _OSCILLATOR_BAND, value > overbought + _OSCILLATOR_BAND)


@kernel
def macd_vote(now: float, before: float, close: float) -> int:
    """Buy where the histogram crosses up through zero, sell where it crosses down."""
    if math.isnan(before):
        return _NO_VOTE
    band = _DEAD_BAND * close
    return _opinion((before <= band) & (now > band), (before >= -band) & (now < -band))


@kernel
def average_vote(close: float, average: float) -> int:
    """Buy more than 0.1 % above the average, sell more than 0.1 % below it."""
    if math.isnan(average):
        return _NO_VOTE
    return _opinion(close > average * (1.0 + _AVERAGE_BAND), close < average * (1.0 - _AVERAGE_BAND))


@kernel
def bbands_vote(close: float, lower: float, upper: float) -> int:
    """Buy below the lower band, sell above the upper; on a band, or between bands without width, hold."""
    if math.isnan(lower):
        return _NO_VOTE
    band = _DEAD_BAND * close
    if upper - lower <= band:
        return _HOLD
    return _opinion(close <= lower - band, close >= upper + band)


@kernel
def stoch_vote(k_value: float, d_value: float, is_flat: bool) -> int:
    """Buy with both lines below 20, sell with both above 80; a flat range has no opinion."""
    if is_flat or math.isnan(d_value):
        return _NO_VOTE
    low, high = _STOCH_LOW - _OSCILLATOR_BAND, _STOCH_HIGH + _OSCILLATOR_BAND
    return _opinion((k_value < low) & (d_value < low), (k_value > high) & (d_value > high))


@kernel
def obv_vote(change: float) -> int:
    """Buy where volume came in on a rise, sell where it left on a fall."""
    return _opinion(change > 0.0, change < 0.0)
