"""Statistics of a run, by hand, and against a slow and plain oracle."""

import itertools
import math

import numpy as np
import pytest

from engine import metrics, run
from engine.domain.events import FILL, ROUND_TRIP
from engine.metrics import Metrics
from engine.tests import scenes, worlds

DAY = worlds.DAY
NO_FILLS = np.zeros(0, FILL)


def trips(*pnl: float, held_ms: int = 60_000) -> np.ndarray:
    """Round trips of these profits."""
    rows = np.zeros(len(pnl), ROUND_TRIP)
    rows["pnl"], rows["exit_ms"] = pnl, held_ms
    return rows


def of_curve(*equity: float, start: float = 100.0, every_ms: int = DAY, periods: float | None = None) -> Metrics:
    times = np.arange(len(equity), dtype=np.int64) * every_ms
    return metrics.summarise(
        times, np.array(equity, np.float64), trips(), NO_FILLS, start_equity=start, periods_per_year=periods
    )


def of_trips(*pnl: float) -> Metrics:
    return metrics.summarise(np.array([0]), np.array([100.0]), trips(*pnl), NO_FILLS, start_equity=100.0)


# --- round trips


@pytest.mark.parametrize(
    ("pnl", "factor"),
    [
        ((30.0, -10.0, -5.0), 2.0),
        ((30.0, 10.0), 999.99),  # profits and no losses
        ((-30.0,), 0.0),
        ((0.0,), 0.0),  # neither
        ((), 0.0),
        ((5.0, 0.0, -10.0), 0.5),
    ],
)
def test_profit_factor__profits_over_losses__has_edges(pnl: tuple[float, ...], factor: float) -> None:
    assert of_trips(*pnl).profit_factor == factor


def test_trips__wins_losses_and_a_draw__by_hand() -> None:
    told = of_trips(30.0, 10.0, -20.0, 0.0)
    assert (told.trips, told.wins, told.losses, told.win_rate) == (4, 2, 1, 0.5)
    assert (told.average_win, told.average_loss, told.expectancy) == (20.0, 20.0, 5.0)
    assert (told.best_trip, told.worst_trip, told.average_holding_ms) == (30.0, -20.0, 60_000.0)


def test_trips__none__have_no_averages() -> None:
    told = of_trips()
    assert (told.trips, told.win_rate, told.average_win, told.expectancy, told.best_trip) == (0, None, None, None, None)
    assert told.average_holding_ms is None


# --- the curve


def test_return__by_hand() -> None:
    told = of_curve(101.0, 99.0, 120.0)
    assert (told.start_equity, told.final_equity) == (100.0, 120.0)
    assert told.total_return == pytest.approx(0.2, rel=1e-12)


def test_return_a_year__two_years_of_44_percent__is_20_percent() -> None:
    times = np.array([0, int(2 * 365.25 * DAY)], np.int64)
    told = metrics.summarise(times, np.array([100.0, 144.0]), trips(), NO_FILLS, start_equity=100.0)
    assert told.annualised_return == pytest.approx(0.2, rel=1e-9)


def test_return_a_year__one_timestamp_or_everything_lost__is_not_defined() -> None:
    assert of_curve(110.0).annualised_return is None
    assert of_curve(100.0, 0.0).annualised_return is None


def test_drawdown__largest_fall_from_a_peak__and_how_long_it_took() -> None:
    # 120 -> 90 is a quarter, in two days; 130 -> 110 later is less
    told = of_curve(110.0, 120.0, 100.0, 90.0, 130.0, 110.0)
    assert told.max_drawdown == pytest.approx(0.25, rel=1e-12)
    assert told.max_drawdown_ms == 2 * DAY


def test_drawdown__below_the_start_from_the_first_bar__counts_from_the_start() -> None:
    assert of_curve(80.0, 90.0).max_drawdown == pytest.approx(0.2, rel=1e-12)


def test_drawdown__only_rising__is_none() -> None:
    told = of_curve(100.0, 101.0, 102.0)
    assert (told.max_drawdown, told.max_drawdown_ms, told.calmar) == (0.0, 0, None)


def test_sharpe_and_sortino__returns_of_plus_10_and_minus_5_percent__by_hand() -> None:
    # returns 0.1, -0.05, 0.1; mean 0.05; sample deviation sqrt((2 x 0.05^2 + 0.1^2) / 2) = 0.0866025
    # sharpe with 4 periods a year: 0.05 / 0.0866025 x 2 = 1.154701
    # downside sqrt(0.05^2 / 3) = 0.0288675; sortino 0.05 / 0.0288675 x 2 = 3.464102
    told = of_curve(110.0, 104.5, 114.95, periods=4.0)
    assert told.volatility == pytest.approx(0.0866025404 * 2.0, rel=1e-8)
    assert told.sharpe == pytest.approx(1.1547005384, rel=1e-8)
    assert told.sortino == pytest.approx(3.4641016151, rel=1e-8)


def test_ratios__a_curve_that_never_moves__are_not_defined() -> None:
    told = of_curve(100.0, 100.0, 100.0)
    assert (told.sharpe, told.sortino, told.calmar) == (None, None, None)


def test_periods_a_year__daily_timestamps__are_365_and_a_quarter() -> None:
    assert of_curve(100.0, 101.0, 102.0).periods_per_year == pytest.approx(365.25)
    assert of_curve(100.0).periods_per_year is None


def test_curve__empty__stands_at_the_start() -> None:
    told = of_curve()
    assert (told.final_equity, told.total_return, told.max_drawdown, told.exposure) == (100.0, 0.0, 0.0, 0.0)


# --- exposure


def test_exposure__held_at_the_close_of_two_bars_of_four__is_a_half() -> None:
    bars = worlds.flat_bars(4)
    plan = worlds.external_plan(worlds.wishes(**worlds.LONG_ONLY))
    told = run.run(bars, plan=plan, state=run.start(plan), signals=worlds.said(1, 0, 2, 0))
    # bought on bar 1, sold on bar 3
    assert summarised(told).exposure == 0.5


# --- against an oracle


def summarised(told: run.Result, start: float = 10_000.0) -> Metrics:
    return metrics.summarise(told.equity_ms, told.equity, told.trips, told.fills, start_equity=start)


def oracle(told: run.Result, start: float) -> dict[str, float]:
    """The same figures, one bar and one fill at a time."""
    curve, peak, fall, returns = [start, *told.equity.tolist()], start, 0.0, []
    for before, after in itertools.pairwise(curve):
        returns.append(after / before - 1.0)
        peak = max(peak, after)
        fall = max(fall, 1.0 - after / peak)
    mean = sum(returns) / len(returns)
    deviation = math.sqrt(sum((one - mean) ** 2 for one in returns) / (len(returns) - 1))
    span_years = (told.equity_ms[-1] - told.equity_ms[0]) / (365.25 * DAY)
    yearly = math.sqrt((len(curve) - 2) / span_years)
    held: dict[tuple[int, int], float] = {}
    open_bars, place = 0, 0
    for now in told.equity_ms.tolist():
        while place < len(told.fills) and told.fills["open_ms"][place] == now:
            fill = told.fills[place]
            key = (int(fill["symbol"]), int(fill["side"]))
            held[key] = held.get(key, 0.0) + (1 if fill["is_entry"] else -1) * float(fill["qty"])
            place += 1
        open_bars += any(qty > 1e-6 for qty in held.values())
    return {
        "total_return": curve[-1] / start - 1.0,
        "max_drawdown": fall,
        "sharpe": mean / deviation * yearly,
        "volatility": deviation * yearly,
        "exposure": open_bars / len(told.equity_ms),
        "fees": sum(told.fills["fee"].tolist()),
        "expectancy": sum(told.trips["pnl"].tolist()) / len(told.trips),
    }


@pytest.mark.parametrize("scene", ["one_way", "several_one_way", "partial_fills", "several_hedge"])
def test_summarise__whole_runs__agrees_with_the_oracle(scene: str) -> None:
    plan, bars, signals = scenes.external(scene, seed=12, count=400)
    told = run.run(bars, plan=plan, state=run.start(plan), signals=signals)
    ours = summarised(told)._asdict()
    for name, value in oracle(told, 10_000.0).items():
        assert ours[name] == pytest.approx(value, rel=1e-9), name
