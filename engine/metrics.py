"""Equity curve and round trips -> statistics. None where a figure is not defined."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.domain.values import Floats, Ints

_MS_PER_YEAR = 365.25 * 86_400_000.0
_NO_LOSSES = 999.99


class Metrics(NamedTuple):
    """Statistics of one run. Fractions, not percent; money in account currency.

    annualised_return: (1 + total_return) ** (1 / years) - 1. volatility, sharpe, sortino: of the
    returns between timestamps, scaled by the square root of ``periods_per_year``; the risk-free
    rate is 0; sortino counts deviations below 0. max_drawdown: the largest fall from a running
    peak, as a positive fraction; max_drawdown_ms from that peak to the end of the fall.
    profit_factor: profits over losses; 999.99 with profits and no losses, 0 with neither.
    exposure: share of timestamps with a position open.
    """

    start_equity: float
    final_equity: float
    total_return: float
    annualised_return: float | None
    volatility: float | None
    sharpe: float | None
    sortino: float | None
    max_drawdown: float
    max_drawdown_ms: int
    calmar: float | None
    trips: int
    wins: int
    losses: int
    win_rate: float | None
    profit_factor: float
    average_win: float | None
    average_loss: float | None
    expectancy: float | None
    best_trip: float | None
    worst_trip: float | None
    average_holding_ms: float | None
    fees: float
    exposure: float
    periods_per_year: float | None


def summarise(
    equity_ms: Ints,
    equity: Floats,
    trips: NDArray[np.void],
    fills: NDArray[np.void],
    *,
    start_equity: float,
    periods_per_year: float | None = None,
) -> Metrics:
    """Statistics of a run.

    equity_ms, equity: (timestamps,), the curve. trips: ROUND_TRIP records closed in it. fills: FILL
    records. start_equity: before the first bar. periods_per_year: timestamps a year holds; measured
    from the curve where None.
    """
    periods = periods_per_year or _periods_per_year(equity_ms)
    final = float(equity[-1]) if len(equity) else start_equity
    returns = _returns(start_equity, equity)
    total = final / start_equity - 1.0
    yearly = _annualised(total, equity_ms)
    fall, fall_ms = _drawdown(equity_ms, equity, start_equity)
    pnl = trips["pnl"]
    wins, losses = pnl[pnl > 0.0], pnl[pnl < 0.0]
    return Metrics(
        start_equity=start_equity,
        final_equity=final,
        total_return=total,
        annualised_return=yearly,
        volatility=_scaled(_deviation(returns), periods),
        sharpe=_ratio(returns, _deviation(returns), periods),
        sortino=_ratio(returns, _downside(returns), periods),
        max_drawdown=fall,
        max_drawdown_ms=fall_ms,
        calmar=yearly / fall if yearly is not None and fall > 0.0 else None,
        trips=len(pnl),
        wins=len(wins),
        losses=len(losses),
        win_rate=len(wins) / len(pnl) if len(pnl) else None,
        profit_factor=_profit_factor(float(wins.sum()), -float(losses.sum())),
        average_win=_mean(wins),
        average_loss=_mean(-losses),
        expectancy=_mean(pnl),
        best_trip=float(pnl.max()) if len(pnl) else None,
        worst_trip=float(pnl.min()) if len(pnl) else None,
        average_holding_ms=_mean(trips["exit_ms"] - trips["entry_ms"]),
        fees=float(fills["fee"].sum()),
        exposure=_exposure(equity_ms, fills),
        periods_per_year=periods,
    )


def _periods_per_year(equity_ms: Ints) -> float | None:
    if len(equity_ms) < 2 or equity_ms[-1] == equity_ms[0]:
        return None
    return (len(equity_ms) - 1) * _MS_PER_YEAR / float(equity_ms[-1] - equity_ms[0])


def _returns(start_equity: float, equity: Floats) -> Floats:
    before = np.concatenate(([start_equity], equity[:-1]))[: len(equity)]
    with np.errstate(divide="ignore", invalid="ignore"):
        steps = equity / before - 1.0
    return steps[np.isfinite(steps)]


def _annualised(total: float, equity_ms: Ints) -> float | None:
    if len(equity_ms) < 2 or total <= -1.0:
        return None
    years = float(equity_ms[-1] - equity_ms[0]) / _MS_PER_YEAR
    if years <= 0.0:
        return None
    growth = math.log1p(total) / years
    # Some minutes of luck scaled to a year say nothing, and overflow.
    return math.expm1(growth) if growth < 50.0 else None


def _drawdown(equity_ms: Ints, equity: Floats, start_equity: float) -> tuple[float, int]:
    if len(equity) == 0:
        return 0.0, 0
    peaks = np.maximum(np.maximum.accumulate(equity), start_equity)
    falls = 1.0 - equity / peaks
    worst = int(np.argmax(falls))
    if falls[worst] <= 0.0:
        return 0.0, 0
    before = equity[: worst + 1]
    peak = int(np.argmax(before)) if before.max() >= start_equity else 0
    return float(falls[worst]), int(equity_ms[worst] - equity_ms[peak])


def _deviation(returns: Floats) -> float | None:
    return float(returns.std(ddof=1)) if len(returns) > 1 else None


def _downside(returns: Floats) -> float | None:
    return float(np.sqrt(np.mean(np.minimum(returns, 0.0) ** 2))) if len(returns) > 1 else None


def _scaled(deviation: float | None, periods: float | None) -> float | None:
    return deviation * math.sqrt(periods) if deviation is not None and periods else None


def _ratio(returns: Floats, deviation: float | None, periods: float | None) -> float | None:
    if not deviation or not periods:
        return None
    return float(returns.mean()) / deviation * math.sqrt(periods)


def _profit_factor(profits: float, losses: float) -> float:
    if losses > 0.0:
        return profits / losses
    return _NO_LOSSES if profits > 0.0 else 0.0


def _mean(values: NDArray[np.float64]) -> float | None:
    return float(values.mean()) if len(values) else None


def _exposure(equity_ms: Ints, fills: NDArray[np.void]) -> float:
    """Share of timestamps at whose close something is held, counted from the fills alone."""
    if len(equity_ms) == 0 or len(fills) == 0:
        return 0.0
    signed = np.where(fills["is_entry"] == 1, fills["qty"], -fills["qty"])
    slots = fills["symbol"].astype(np.int64) * 2 + fills["side"]
    held = np.zeros(len(equity_ms) + 1)
    at = np.searchsorted(equity_ms, fills["open_ms"])
    for slot in np.unique(slots):
        mine = slots == slot
        running = np.cumsum(signed[mine])
        was_open = np.concatenate(([False], running[:-1] > 1e-9))
        is_open = running > 1e-9
        np.add.at(held, at[mine], is_open.astype(int) - was_open.astype(int))
    return float(np.mean(np.cumsum(held[:-1]) > 0.0))
