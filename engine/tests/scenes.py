"""Sets of parameters under which a whole run must keep its promises: each brings other rooms to life."""

from collections.abc import Mapping
from typing import Any

from engine import run
from engine.domain.enums import ConflictRule
from engine.domain.values import Bars, Signals
from engine.tests import worlds

COSTS: Mapping[str, Any] = {"fee_fraction": 0.001, "slippage_fraction": 0.0005}
BRACKETS: Mapping[str, Any] = {"stop_fraction": 0.01, "target_fraction": 0.015}
LIMITS: Mapping[str, Any] = {
    "bot_daily_loss_fraction": 0.01,
    "bot_max_positions": 3,
    "account_max_daily_trades": 6,
    "symbol_exposure_fraction": 0.4,
    "min_confidence": 0.2,
}

# name: (symbols, strategies, parameters)
EXTERNAL: Mapping[str, tuple[int, int, Mapping[str, Any]]] = {
    "long_only": (1, 1, {**worlds.LONG_ONLY, **BRACKETS}),
    "long_only_costs": (1, 1, {**worlds.LONG_ONLY, **BRACKETS, **COSTS}),
    "one_way": (1, 1, {**worlds.ONE_WAY, **BRACKETS, **COSTS}),
    "hedge": (1, 2, {**worlds.HEDGE, **BRACKETS, **COSTS}),
    "partial_fills": (1, 1, {**worlds.ONE_WAY, **BRACKETS, **COSTS, "max_volume_share": 0.05}),
    "latency": (1, 1, {**worlds.ONE_WAY, **BRACKETS, **COSTS, "latency_bars": 2}),
    "late_and_partial": (1, 2, {**worlds.HEDGE, **BRACKETS, "latency_bars": 1, "max_volume_share": 0.1}),
    "peers": (1, 1, {**worlds.ONE_WAY, **BRACKETS, "stops_from_next_bar": 1, "stop_beats_signal": 1, "rounding": 0}),
    "peers_partial": (1, 1, {**worlds.ONE_WAY, **BRACKETS, "stop_beats_signal": 1, "max_volume_share": 0.05}),
    "size_at_fill": (1, 1, {**worlds.LONG_ONLY, **BRACKETS, **COSTS, "size_at_fill": 1, "position_fraction": 0.015}),
    "limits": (1, 1, {**worlds.ONE_WAY, **BRACKETS, **COSTS, **LIMITS}),
    "several_long_only": (3, 1, {**worlds.LONG_ONLY, **BRACKETS, **COSTS, **LIMITS, "position_fraction": 0.3}),
    "several_one_way": (4, 1, {**worlds.ONE_WAY, **BRACKETS, **COSTS, "position_fraction": 0.4}),
    "several_hedge": (2, 2, {**worlds.HEDGE, **BRACKETS, **COSTS, "max_volume_share": 0.1, "latency_bars": 1}),
    "several_spend": (2, 1, {**worlds.ONE_WAY, **BRACKETS, **COSTS, "size_at_fill": 1, "position_fraction": 0.02}),
    "conflicts": (2, 3, {**worlds.ONE_WAY, **BRACKETS, "conflict_rule": ConflictRule.WEIGHTED_AVERAGE}),
}

VOTING: Mapping[str, tuple[int, Mapping[str, Any]]] = {
    "long_only": (1, {**worlds.LONG_ONLY, **BRACKETS, **COSTS}),
    "one_way": (1, {**worlds.ONE_WAY, **BRACKETS, "max_volume_share": 0.1}),
    "several_one_way": (3, {**worlds.ONE_WAY, **BRACKETS, **COSTS, "latency_bars": 1}),
    "several_hedge": (2, {**worlds.HEDGE, **BRACKETS, **COSTS}),
}


def external(name: str, *, seed: int, count: int) -> tuple[run.Plan, Bars, Signals]:
    """A plan of given signals, seeded bars and seeded signals for them."""
    symbols, strategies, fields = EXTERNAL[name]
    plan = worlds.external_plan(worlds.wishes(symbols=symbols, strategies=strategies, **fields))
    bars = worlds.random_bars(seed, count, symbols=symbols)
    return plan, bars, worlds.random_signals(seed, len(bars.open_ms), strategies=strategies)


def voting(name: str, *, seed: int, count: int) -> tuple[run.Plan, Bars]:
    """A plan of quick indicators that vote, and seeded bars."""
    symbols, fields = VOTING[name]
    indicators = ["RSI", "MACD", "SMA", "EMA", "BBANDS", "STOCH", "OBV"]
    plan = worlds.voting_plan(
        worlds.wishes(symbols=symbols, **fields), indicators=indicators, sma_period=9, ema_period=5, rsi_period=5
    )
    return plan, worlds.random_bars(seed, count, symbols=symbols)
