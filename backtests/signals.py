"""Signals given from outside: which bar each belongs to, and the matrix the engine reads.

A signal given at a moment belongs to the first bar that closes after it, and is acted upon at that
close: never earlier than it was given, never on a bar that had already closed.
"""

from collections.abc import Sequence

import numpy as np

from backtests.records import SIGNAL, Records
from backtests.requests import GivenSignal
from engine.domain.values import Bars, Ints, Signals
from marketdata.timeframes import DURATION_MS


def packed(signals: Sequence[GivenSignal], symbols: Sequence[str]) -> Records:
    """Signals as packed records, in time order; ``symbol`` becomes the index into ``symbols``."""
    places = {symbol: place for place, symbol in enumerate(symbols)}
    rows = [(one.at_ms, places[one.symbol], one.action, one.confidence) for one in signals]
    records: Records = np.array(rows, dtype=SIGNAL)
    in_order: Records = records[np.lexsort((records["symbol"], records["at_ms"]))]
    return in_order


def bar_of(at_ms: Ints, open_ms: Ints, timeframe: str) -> Ints:
    """Index of the bar each signal belongs to; ``len(open_ms)`` where no bar closes after it."""
    return np.searchsorted(open_ms + DURATION_MS[timeframe], at_ms, side="right").astype(np.int64)


def part(given: Signals, first: int, rows: int) -> Signals:
    """The signals of ``rows`` rows from ``first`` on."""
    last = first + rows
    return Signals(given.action[first:last], given.confidence[first:last], given.votes[first:last])


def matrix(given: Records, bars: Bars, timeframe: str) -> Signals:
    """One column of signals over all rows of the run: HOLD where none was given.

    given: packed signals, no two of them on one bar.
    """
    rows = len(bars.open_ms)
    action, confidence = np.zeros((rows, 1), np.int8), np.zeros((rows, 1))
    for symbol in np.unique(given["symbol"]):
        mine = given[given["symbol"] == symbol]
        own_rows = np.flatnonzero(bars.symbol == symbol)
        places = bar_of(mine["at_ms"], bars.open_ms[own_rows], timeframe)
        inside = places < len(own_rows)
        action[own_rows[places[inside]], 0] = mine["action"][inside]
        confidence[own_rows[places[inside]], 0] = mine["confidence"][inside]
    return Signals(action, confidence, np.zeros((rows, 1), np.int64))
