"""The engine's kernels, each as a door that tests can call, compiled as the engine is and kept beside it."""

from collections.abc import Callable
from typing import Any

import numpy as np

from engine import _jit, aggregation, ledger, orders, rounding, sizing, venue
from engine.domain.values import Floats
from engine.indicators import bbands, ema, macd, obv, rsi, sma, stoch
from engine.risk import orders as order_risk
from engine.risk import targets
from engine.strategies import indicator_voting

_jit.ready()


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function as the engine compiles its own; as it stands where nothing is compiled."""
    if _jit.is_interpreted():
        return function
    import numba

    return numba.njit(error_model="numpy", nogil=True, cache=True, _nrt=False)(function)  # type: ignore[no-any-return]


@compiled
def combine(signals, row, params, symbol):
    return aggregation.combine(signals, row, params, symbol)


@compiled
def strength(params, symbol, strategy, action, confidence):
    return aggregation.strength(params, symbol, strategy, action, confidence)


@compiled
def timeframe_strength(params, symbol, strategy, action, confidence):
    return aggregation.timeframe_strength(params, symbol, strategy, action, confidence)


@compiled
def target(action, closes_long, closes_short, long_qty, short_qty):
    return aggregation.target(action, closes_long, closes_short, long_qty, short_qty)


@compiled
def review_target(state, others, params, symbol, side, confidence):
    return targets.review(state, others, params, symbol, side, confidence)


@compiled
def review_order(state, others, params, symbol, side, qty, spend, price):
    return order_risk.review(state, others, params, symbol, side, qty, spend, price)


@compiled
def quantity(state, params, symbol, side, price):
    return sizing.quantity(state, params, symbol, side, price)


@compiled
def stop_price(params, symbol, side, entry_price):
    return orders.stop_price(params, symbol, side, entry_price)


@compiled
def target_price(params, symbol, side, entry_price):
    return orders.target_price(params, symbol, side, entry_price)


@compiled
def settle(state, symbol, side, is_entry, qty, price, fee):
    return ledger.settle(state, symbol, side, is_entry, qty, price, fee)


@compiled
def begin_bar(book, symbol):
    venue.begin_bar(book, symbol)


@compiled
def accept(book, params, requests, which, after_fill):
    venue.accept(book, params, requests[which], after_fill)


@compiled
def match(book, params, symbol, bars, row):
    return venue.match(book, params, symbol, bars, row)


@compiled
def take_fill(book, symbol, side, leg, qty):
    return venue.fill(book, symbol, side, leg, qty)


@compiled
def cancel_side(book, symbol, side):
    venue.cancel_side(book, symbol, side)


@compiled
def fee(params, qty, price):
    return venue.fee(params, qty, price)


@compiled
def money(amount):
    return rounding.money(amount)


@compiled
def nearest(value, step):
    return rounding.nearest(value, step)


@compiled
def down(value, step):
    return rounding.down(value, step)


@compiled
def up(value, step):
    return rounding.up(value, step)


@compiled
def rsi_vote(value, oversold, overbought):
    return indicator_voting.rsi_vote(value, oversold, overbought)


@compiled
def macd_vote(now, before, close):
    return indicator_voting.macd_vote(now, before, close)


@compiled
def average_vote(close, average):
    return indicator_voting.average_vote(close, average)


@compiled
def bbands_vote(close, lower, upper):
    return indicator_voting.bbands_vote(close, lower, upper)


@compiled
def stoch_vote(k_value, d_value, is_flat):
    return indicator_voting.stoch_vote(k_value, d_value, is_flat)


@compiled
def obv_vote(change):
    return indicator_voting.obv_vote(change)


@compiled
def majority(votes, least):
    return indicator_voting._majority(votes, least)


@compiled
def _rsi(cells, close, period, into):
    for row in range(close.shape[0]):
        into[row] = rsi.update(cells, 0, close[row], period)


@compiled
def _macd(cells, close, fast, slow, signal, histogram, before):
    for row in range(close.shape[0]):
        histogram[row], before[row] = macd.update(cells, 0, close[row], fast, slow, signal)


@compiled
def _sma(cells, close, period, into):
    for row in range(close.shape[0]):
        into[row] = sma.update(cells, 0, close[row], period)


@compiled
def _ema(cells, close, period, into):
    for row in range(close.shape[0]):
        into[row] = ema.update(cells, 0, close[row], period)


@compiled
def _bbands(cells, close, period, deviations, lower, middle, upper):
    for row in range(close.shape[0]):
        lower[row], middle[row], upper[row] = bbands.update(cells, 0, close[row], period, deviations)


@compiled
def _stoch(cells, high, low, close, k_period, d_period, k_line, d_line, flat):
    for row in range(close.shape[0]):
        k_line[row], d_line[row], flat[row] = stoch.update(
            cells, 0, high[row], low[row], close[row], k_period, d_period
        )


@compiled
def _obv(cells, close, volume, total, change):
    for row in range(close.shape[0]):
        total[row], change[row] = obv.update(cells, 0, close[row], volume[row])


def rsi_line(close: Floats, period: int = 14) -> Floats:
    """RSI after each close."""
    line = np.empty(len(close))
    _rsi(np.zeros(rsi.width()), close, float(period), line)
    return line


def macd_lines(close: Floats, fast: int = 12, slow: int = 26, signal: int = 9) -> tuple[Floats, Floats]:
    """(histogram, previous histogram) after each close."""
    histogram, before = np.empty(len(close)), np.empty(len(close))
    _macd(np.zeros(macd.width()), close, float(fast), float(slow), float(signal), histogram, before)
    return histogram, before


def sma_line(close: Floats, period: int = 50) -> Floats:
    """Simple average after each close."""
    line = np.empty(len(close))
    _sma(np.zeros(sma.width(period)), close, period, line)
    return line


def ema_line(close: Floats, period: int = 20) -> Floats:
    """Exponential average after each close."""
    line = np.empty(len(close))
    _ema(np.zeros(ema.width()), close, float(period), line)
    return line


def bbands_lines(close: Floats, period: int = 20, deviations: float = 2.0) -> tuple[Floats, Floats, Floats]:
    """(lower, middle, upper) after each close."""
    lower, middle, upper = (np.empty(len(close)) for _ in range(3))
    _bbands(np.zeros(bbands.width(period)), close, period, deviations, lower, middle, upper)
    return lower, middle, upper


def stoch_lines(
    high: Floats, low: Floats, close: Floats, k_period: int = 14, d_period: int = 3
) -> tuple[Floats, Floats, Floats]:
    """(%K, %D, 1 where the range is flat) after each bar."""
    k_line, d_line, flat = (np.empty(len(close)) for _ in range(3))
    _stoch(np.zeros(stoch.width(k_period, d_period)), high, low, close, k_period, d_period, k_line, d_line, flat)
    return k_line, d_line, flat


def obv_lines(close: Floats, volume: Floats) -> tuple[Floats, Floats]:
    """(total, change) after each bar."""
    total, change = np.empty(len(close)), np.empty(len(close))
    _obv(np.zeros(obv.width()), close, volume, total, change)
    return total, change
