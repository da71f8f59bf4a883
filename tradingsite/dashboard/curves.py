"""A run's equity beside what it is compared with: its own last peak, and simply holding the symbols."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import numpy as np

from backtests import selectors as backtests
from backtests.selectors import Backtest
from engine.domain.values import Floats, Ints
from marketdata import selectors as marketdata

LARGEST_CURVE = 3_000


def curve(run: Backtest) -> dict[str, Any]:
    """Columns for the equity chart: times, equity as the API gives it, drawdown in percent, buy and hold in USD."""
    found = backtests.equity(run, max_points=LARGEST_CURVE)
    return {
        "open_ms": found.at_ms.tolist(),
        "equity": found.equity.tolist(),
        "drawdown_percent": drawdown_percent(found.equity, float(run.metrics["start_equity"])).tolist(),
        "benchmark": holding(run, found.at_ms).tolist(),
    }


def recorded(points: Sequence[tuple[datetime, Decimal]], start_equity: float, interval_ms: int) -> dict[str, Any]:
    """Columns for the chart of a bot's run: its (event time, equity) as the opening of each bar, thinned."""
    equity = np.array([value for _, value in points], np.float64)
    open_ms = np.array([round(at.timestamp() * 1000) - interval_ms for at, _ in points], np.int64)
    kept = backtests.thinned(equity, LARGEST_CURVE)
    return {
        "open_ms": open_ms[kept].tolist(),
        "equity": equity[kept].tolist(),
        "drawdown_percent": drawdown_percent(equity, start_equity)[kept].tolist(),
    }


def drawdown_percent(equity: Floats, start_equity: float) -> Floats:
    """How far below its last peak each value is, 0 or negative. Exact on a thinned curve: extremes are kept."""
    peaks = np.maximum(np.maximum.accumulate(equity), start_equity)
    below: Floats = 100.0 * (equity / peaks - 1.0)
    return below.round(4)


def holding(run: Backtest, at_ms: Ints) -> Floats:
    """The bot's capital split evenly over the run's symbols at each one's first close, and held without costs."""
    share = float(run.metrics["start_equity"]) / len(run.request["datasets"])
    total = np.zeros(at_ms.size)
    for one in run.request["datasets"]:
        bars = marketdata.closed_bars(one["id"], start_ms=run.request["start_ms"], end_ms=run.request["end_ms"])
        last = np.searchsorted(bars.open_ms, at_ms, side="right") - 1
        # Before its first bar, a symbol's share waits as cash.
        total += share * np.where(last < 0, 1.0, bars.close[np.maximum(last, 0)] / bars.close[0])
    return total.round(2)
