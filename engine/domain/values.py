"""What comes in: instruments, bars, signals, and the shares of an account that others hold."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Instrument(NamedTuple):
    """What the venue demands of orders in one symbol.

    ``price_tick`` and ``qty_step`` are positive; each, or its inverse, is a whole number, so that
    a rounded float is the nearest float to the decimal a database row holds.
    ``min_qty`` and ``min_notional`` are 0 where the venue has none. ``filters_known`` is False
    while the venue's minimums could not be read.
    """

    symbol: str
    price_tick: float = 0.01
    qty_step: float = 1.0
    min_qty: float = 0.0
    min_notional: float = 0.0
    max_leverage: float = 1.0
    filters_known: bool = True


class Series(NamedTuple):
    """Closed bars of one symbol: equal-length columns, ``open_ms`` strictly rising, UTC."""

    open_ms: Ints
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats


class Bars(NamedTuple):
    """Closed bars of several symbols in the order they are stepped.

    Equal-length columns sorted by (``open_ms``, ``symbol``). ``symbol`` int32: index into the
    run's symbols. ``day`` int32: the venue's trading day, any rising number. Times are the bar's
    open, UTC milliseconds. Prices are finite, positive and on the instrument's tick.
    """

    open_ms: Ints
    symbol: NDArray[np.int32]
    day: NDArray[np.int32]
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats


class Signals(NamedTuple):
    """What each strategy said at each row of Bars: three matrices of shape (rows, strategies).

    ``action`` int8: an ``enums.Action``. ``confidence`` float64, 0..1. ``votes`` int64: two bits
    for each indicator in the order of ``indicators.ORDER``, an ``enums.Vote`` each; 0 where the
    strategy does not vote.
    """

    action: NDArray[np.int8]
    confidence: Floats
    votes: Ints


class Others(NamedTuple):
    """What the account holds beside this bot, so that limits of the account bind over all bots.

    In a backtest nobody else is there, and all are zero. Money in account currency; ``positions``
    and ``entries_today`` are counts; ``day_pnl`` and ``day_realised`` since the day's open;
    ``day_open_equity`` is the others' equity at the day's open.
    """

    equity: float = 0.0
    day_open_equity: float = 0.0
    exposure: float = 0.0
    day_pnl: float = 0.0
    day_realised: float = 0.0
    positions: float = 0.0
    entries_today: float = 0.0


NOBODY_ELSE = Others()
