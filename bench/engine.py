"""How fast the engine steps bars, as ratios to a numpy sum over the same arrays in the same process.

    ./platform.sh bench engine            # or: python -m bench.engine [--bars 1000000]

Uses the real minute bars in ../shared/data/market where they are, else a seeded random walk, which
it says. Absolute numbers depend on the machine and on who else uses it: read the ratios.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from engine import _jit, run, step
from engine.domain.enums import Vote
from engine.domain.params import Params
from engine.domain.state import Book
from engine.domain.values import NOBODY_ELSE, Bars, Series, Signals
from engine.indicators import ORDER
from engine.strategies import DECLARED
from engine.warm import free_params

MARKET = Path(__file__).resolve().parent.parent.parent / "shared" / "data" / "market" / "BTCUSD_1m_bitfinex.csv.gz"
REPEATS = 9
FOUR = ["RSI", "MACD", "SMA", "BBANDS"]
SEVEN = [*FOUR, "EMA", "STOCH", "OBV"]


def bars_to_measure(count: int) -> tuple[Bars, str]:
    """The newest ``count`` real minute bars, or a random walk of that length, and which it is."""
    if MARKET.exists():
        import pandas as pd

        frame = pd.read_csv(MARKET).tail(count)
        open_ms = (
            pd.to_datetime(frame["timestamp"]).dt.tz_localize(None).to_numpy().astype("datetime64[ms]").astype(np.int64)
        )
        columns = [frame[name].to_numpy(np.float64) for name in ("open", "high", "low", "close", "volume")]
        source = "real minute bars of BTCUSD"
    else:
        random = np.random.default_rng(7)
        close = 1_000.0 * np.exp(np.cumsum(random.normal(0.0, 0.001, count)))
        opened = np.concatenate(([1_000.0], close[:-1]))
        high, low = np.maximum(opened, close) * 1.0005, np.minimum(opened, close) * 0.9995
        columns = [opened, high, low, close, random.uniform(1.0, 100.0, count)]
        open_ms, source = np.arange(count, dtype=np.int64) * 60_000, "a seeded random walk (no real bars found)"
    days = (open_ms // 86_400_000).astype(np.int32)
    return run.merge([Series(open_ms, *columns)], [days]), source


def params_to_measure() -> Params:
    """As the peers run it: 95 % of equity, stop 1 %, target 2 %, 5 bps each side, long only, no rounding."""
    params = free_params(1, 1, capital=1e18)
    params.sides["position_fraction"], params.sides["closes_opposite"] = 0.95, 1
    params.sides["side_allowed"][:, 1] = 0
    params.sides["stop_fraction"], params.sides["target_fraction"] = 0.01, 0.02
    params.venue["fee_fraction"], params.venue["size_at_fill"], params.venue["rounding"] = 0.0005, 1, 0
    return params


def best_of(work: Callable[[], Any], repeats: int = REPEATS) -> float:
    """Shortest of several runs, in seconds."""
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return min(times)


def four_indicator_signals(bars: Bars) -> Signals:
    """Signals as the peers were given them: at least two of four agree and outnumber the others."""
    plan = voting_plan(FOUR)
    votes = run.strategy_signals(plan, run.start(plan).state, bars).votes
    opinions = [(votes >> (2 * ORDER.index(name))) & 3 for name in FOUR]
    buys = sum((opinion == Vote.BUY).astype(int) for opinion in opinions)
    sells = sum((opinion == Vote.SELL).astype(int) for opinion in opinions)
    action = np.where((buys >= 2) & (buys > sells), 1, np.where((sells >= 2) & (sells > buys), -1, 0))
    return Signals(action.astype(np.int8), np.ones(votes.shape), votes)


def voting_plan(indicators: list[str]) -> run.Plan:
    values = {**DECLARED["indicator_voting"].defaults, "indicators": indicators}
    setup = run.StrategySetup("indicator_voting", [values])
    return run.setup(symbols=["BTCUSD"], params=params_to_measure(), strategies=[setup])


def step_only(bars: Bars, said: Signals, *, record: bool) -> Callable[[], Any]:
    """The compiled driver over buffers made before: what the peers' engine figures measure."""
    plan = run.setup(symbols=["BTCUSD"], params=params_to_measure(), strategies=[run.StrategySetup("external", [{}])])
    whole = run.run(bars, plan=plan, state=run.start(plan), signals=said, record=record)
    rows = max(len(part) for part in (whole.orders, whole.fills, whole.trips, whole.decisions)) // 3 + 4_096
    out, fresh = step.room(rows, timestamps=len(bars.open_ms)), run.start(plan)
    frozen = Signals(*(_jit.read_only(part) for part in said))

    def work() -> None:
        state, book = step.copied(fresh.state), Book(fresh.book.orders.copy())
        out.counts[:] = 0
        at = run.drive(bars, frozen, plan.params, state, book, NOBODY_ELSE, out, 0, len(bars.open_ms), int(record))
        assert at == len(bars.open_ms)

    return work


def kernels_cold_and_cached() -> tuple[float, float]:
    """Seconds of ``python -m engine.warm`` with an empty cache directory, and again with it filled."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "engine.warm"]
        environment = {**os.environ, "ENGINE_CACHE_DIR": folder}
        root = Path(__file__).resolve().parent.parent
        seconds = []
        for _ in range(2):
            began = time.perf_counter()
            subprocess.run(command, check=True, env=environment, cwd=root, stdout=subprocess.DEVNULL)
            seconds.append(time.perf_counter() - began)
    return seconds[0], seconds[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--bars", type=int, default=1_000_000)
    parser.add_argument("--skip-cold", action="store_true", help="do not compile from nothing (half a minute)")
    options = parser.parse_args()

    bars, source = bars_to_measure(options.bars)
    count = len(bars.open_ms)
    said = four_indicator_signals(bars)
    prices = (bars.open, bars.high, bars.low, bars.close)
    floor = best_of(lambda: sum(float(column.sum()) for column in prices))
    four, seven = voting_plan(FOUR), voting_plan(SEVEN)
    rows = [
        ("numpy sum over open, high, low, close", floor),
        (
            "step: fills, trips, stops, targets, fees, equity (the peers' set)",
            best_of(step_only(bars, said, record=False)),
        ),
        (
            "step, and a decision record with reason for each signal (full set)",
            best_of(step_only(bars, said, record=True)),
        ),
        (
            "four indicators and votes",
            best_of(lambda: run.strategy_signals(four, run.start(four).state, bars)),
        ),
        (
            "seven indicators and votes",
            best_of(lambda: run.strategy_signals(seven, run.start(seven).state, bars)),
        ),
        (
            "run(): checks, four indicators, full set, from the Python door",
            best_of(lambda: run.run(bars, plan=four, state=run.start(four))),
        ),
    ]
    print(f"{count:,} bars ({source}); best of {REPEATS}; {os.cpu_count()} cores")
    print(f"{'what':<70} {'ns/bar':>8} {'x numpy sum':>12}")
    for name, seconds in rows:
        print(f"{name:<70} {seconds / count * 1e9:>8.2f} {seconds / floor:>12.2f}")
    if not options.skip_cold:
        cold, cached = kernels_cold_and_cached()
        print(f"kernels: cold {cold:.1f} s, cached on disk {cached:.2f} s (whole process), warm 0 s")


if __name__ == "__main__":
    main()
