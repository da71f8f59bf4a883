"""Compile once, at installation, what every process would otherwise compile at its first bar.

Run as ``python -m engine.warm``: prints how long it took and where the code is kept.
"""

import sys
import time

import numpy as np

from engine import _jit, exchange, run, step
from engine.domain.enums import Leg, Reason, Side
from engine.domain.events import FILL, ORDER
from engine.domain.params import INSTRUMENT_PARAMS, LIMITS, NO_LIMIT, SIDE_PARAMS, VENUE, Params
from engine.domain.values import Bars, Series
from engine.strategies import DECLARED


def free_params(symbols: int, strategies: int, *, capital: float = 10_000.0) -> Params:
    """Parameters without any limit: what warming and benchmarks run under."""
    sides = np.zeros((symbols, 2), SIDE_PARAMS)
    for name in ("enabled", "side_allowed", "risk_enabled", "use_exchange_minimums", "leverage"):
        sides[name] = 1
    for name in ("quantity_multiplier", "max_position_notional"):
        sides[name] = NO_LIMIT if name.startswith("max") else 1.0
    sides["position_fraction"] = 0.1
    for name in SIDE_PARAMS.names or ():
        if name.startswith(("symbol_", "side_")) and name != "side_allowed":
            sides[name] = NO_LIMIT
    instruments = np.zeros(symbols, INSTRUMENT_PARAMS)
    instruments["price_tick"], instruments["qty_step"] = 0.01, 1.0
    instruments["max_leverage"] = instruments["filters_known"] = 1
    limits = np.zeros(1, LIMITS)
    for name in LIMITS.names or ():
        limits[name] = 0 if name == "daily_loss_basis" else NO_LIMIT
    limits["capital"] = capital
    venue_settings = np.zeros(1, VENUE)
    venue_settings["rounding"] = 1
    weights = np.ones((symbols, 2, strategies))
    ones = np.ones(strategies)
    return Params(sides, instruments, limits, venue_settings, weights, weights, ones, ones, ones)


def _few_bars() -> Bars:
    times = np.arange(8, dtype=np.int64) * 60_000
    prices = np.full(8, 100.0)
    one = Series(times, prices, prices, prices, prices, prices)
    return run.merge([one], [np.zeros(8, np.int32)])


def main() -> None:
    """Call every door once, with the types they are always called with."""
    began = time.perf_counter()
    setups = [run.StrategySetup("indicator_voting", [DECLARED["indicator_voting"].defaults])]
    plan = run.setup(symbols=["WARM"], params=free_params(1, 1), strategies=setups)
    state = run.run(_few_bars(), plan=plan, state=run.start(plan)).state.state
    one_bar = Bars._make(column[:1] for column in _few_bars())
    said = run.strategy_signals(plan, state, one_bar)
    step.on_bar(state, one_bar, said, plan.params)
    fill = np.zeros((), FILL)
    fill["is_entry"], fill["qty"], fill["price"] = 1, 1.0, 100.0
    step.on_fill(state, fill, plan.params, day=0)
    step.on_order_closed(state, symbol=0, side=Side.LONG, leg=Leg.MAIN, reason=Reason.CANCELLED)
    step.on_exit_asked(state, symbol=0, side=Side.LONG)
    account = run.start(plan)
    placed = exchange.place(account.state, account.book, np.zeros(1, ORDER), plan.params)
    exchange.meet(*placed, one_bar, plan.params)
    exchange.cancel(*placed, symbol=0, side=Side.LONG, leg=Leg.MAIN)
    sys.stdout.write(f"engine {_jit.fingerprint()[:16]} ready in {time.perf_counter() - began:.1f} s\n")


if __name__ == "__main__":
    main()
