"""Small worlds to trade in: parameters, bars and signals, by hand or seeded; real series where they are.

Everything a test does not name is free: no fees, no limits, no brackets, a tick of 0.01, whole shares.
"""

import importlib.util
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from engine import _jit, run
from engine.domain.params import Params
from engine.domain.values import Bars, Floats, Series, Signals
from engine.strategies import DECLARED
from engine.warm import free_params

MINUTE = 60_000
DAY = 86_400_000
_MARKET = Path(__file__).resolve().parents[3] / "shared" / "data" / "market"

LONG_ONLY: Mapping[str, Any] = {"closes_opposite": 1, "position_mode": 1, "side_allowed": [1, 0]}
ONE_WAY: Mapping[str, Any] = {"closes_opposite": 1, "position_mode": 1}
HEDGE: Mapping[str, Any] = {"closes_opposite": 0, "position_mode": 0}


def wishes(*, symbols: int = 1, strategies: int = 1, capital: float = 10_000.0, **fields: Any) -> Params:
    """Free parameters with the named fields set, whichever record holds them, for all symbols and sides."""
    free = free_params(symbols, strategies, capital=capital)
    params = Params(*(_jit.readable(part.copy()) if part.dtype.fields else part.copy() for part in free))
    for name, value in fields.items():
        homes = [part for part in params[:4] if name in (part.dtype.names or ())]
        assert homes, f"no parameter is called {name}"
        homes[0][name] = value
    return params


def external_plan(params: Params) -> run.Plan:
    """A run of strategies that are given their signals, as many as the weights are shaped for."""
    symbols, _, strategies = params.strategy_weights.shape
    names = [f"S{each}" for each in range(symbols)]
    setups = [run.StrategySetup("external", [{}] * symbols)] * strategies
    return run.setup(symbols=names, params=params, strategies=setups)


def voting_plan(params: Params, **values: Any) -> run.Plan:
    """A run of the indicator voting strategy, with the named parameters set."""
    symbols = len(params.instruments)
    mine = {**DECLARED["indicator_voting"].defaults, **values}
    names = [f"S{each}" for each in range(symbols)]
    return run.setup(symbols=names, params=params, strategies=[run.StrategySetup("indicator_voting", [mine] * symbols)])


def bars_of(*prices: tuple[float, float, float, float], volume: float = 1e6, days: Sequence[int] | None = None) -> Bars:
    """One symbol's minute bars from (open, high, low, close) each."""
    table = np.array(prices, np.float64).reshape(-1, 4)
    times = np.arange(len(table), dtype=np.int64) * MINUTE
    one = Series(times, *(table[:, each].copy() for each in range(4)), np.full(len(table), volume))
    return run.merge([one], [np.array(days if days is not None else [0] * len(table), np.int32)])


def flat_bars(count: int, price: float = 100.0) -> Bars:
    """Bars on which nothing moves."""
    return bars_of(*[(price, price, price, price)] * count)


def said(*actions: int, confidence: float = 1.0) -> Signals:
    """One strategy's signals, one for each bar."""
    return Signals(
        np.array(actions, np.int8).reshape(-1, 1),
        np.full((len(actions), 1), confidence),
        np.zeros((len(actions), 1), np.int64),
    )


def said_by_many(rows: Sequence[Sequence[tuple[int, float]]]) -> Signals:
    """Rows of (action, confidence), one for each strategy."""
    table = np.array(rows, np.float64).reshape(len(rows), -1, 2)
    action = table[:, :, 0].astype(np.int8)
    return Signals(action, table[:, :, 1].copy(), np.zeros(action.shape, np.int64))


def random_series(seed: int, count: int, *, price: float = 100.0, missing: float = 0.0) -> Series:
    """A seeded walk on the tick with gaps, flat bars and empty volume; some minutes may be missing."""
    dice = np.random.default_rng(seed)
    closes = price * np.exp(np.cumsum(dice.normal(0.0, 0.004, count)))
    opens = np.roll(closes, 1) * np.exp(dice.normal(0.0, 0.002, count) * (dice.random(count) < 0.3))
    opens[0] = price
    spread = np.abs(dice.normal(0.0, 0.003, (2, count))) * (dice.random(count) < 0.9)
    opens, closes = np.round(opens, 2), np.round(closes, 2)
    highs = np.round(np.maximum(opens, closes) * (1.0 + spread[0]), 2)
    lows = np.round(np.minimum(opens, closes) * (1.0 - spread[1]), 2)
    volumes = np.floor(dice.exponential(60.0, count)) * (dice.random(count) < 0.9)
    keep = dice.random(count) >= missing
    keep[0] = True
    times = np.arange(count, dtype=np.int64) * MINUTE
    return Series(*(column[keep] for column in (times, opens, highs, lows, closes, volumes)))


def random_bars(seed: int, count: int, *, symbols: int = 1, bars_a_day: int = 97) -> Bars:
    """Seeded bars of one symbol, or of several with one price scale each and minutes missing."""
    prices = (100.0, 37.5, 412.0, 5.25)
    missing = 0.0 if symbols == 1 else 0.2
    series = [random_series(seed * 31 + each, count, price=prices[each], missing=missing) for each in range(symbols)]
    return run.merge(series, [(one.open_ms // (bars_a_day * MINUTE)).astype(np.int32) for one in series])


def random_signals(seed: int, rows: int, *, strategies: int = 1, density: float = 0.2) -> Signals:
    """Seeded buys, sells and a few closes."""
    dice = np.random.default_rng(seed + 7)
    shape = (rows, strategies)
    action = dice.choice(np.array([1, -1, 2], np.int8), shape, p=[0.45, 0.45, 0.1])
    action = np.where(dice.random(shape) < density, action, 0).astype(np.int8)
    return Signals(action, np.round(dice.random(shape), 3), np.zeros(shape, np.int64))


def rows_of(signals: Signals, first: int, last: int) -> Signals:
    """The signals of rows first..last-1."""
    return Signals._make(part[first:last] for part in signals)


def part_of(bars: Bars, first: int, last: int) -> Bars:
    """Rows first..last-1."""
    return Bars._make(column[first:last] for column in bars)


def market_series(name: str, *, last: int | None = None) -> Series:
    """A real series that lies beside the project while it is developed; skips the test where it does not."""
    path = _MARKET / f"{name}.csv.gz"
    if not path.exists():
        pytest.skip(f"the real series {name} is not beside this project")
    table = _table(path)
    return _series(table if last is None else table.iloc[-last:])


def shipped_series(symbol: str) -> Series:
    """Real daily bars that every installation has: the samples of the bokeh_sampledata wheel."""
    spec = importlib.util.find_spec("bokeh_sampledata")
    assert spec is not None
    assert spec.origin is not None
    table = _table(Path(spec.origin).parent / "_data" / "stocks.csv.gz")
    return _series(table[table["ticker"] == symbol].rename(columns={"date": "timestamp"}))


@cache
def _table(path: Path) -> Any:
    pandas = pytest.importorskip("pandas")  # by name: the engine itself must not know data frames
    return pandas.read_csv(path).rename(columns=str.lower)


def _series(table: Any) -> Series:
    pandas = pytest.importorskip("pandas")
    stamps = pandas.to_datetime(table["timestamp"], utc=True).dt.tz_localize(None).astype("datetime64[ms]")
    columns = [np.ascontiguousarray(table[name].to_numpy(np.float64)) for name in ("open", "high", "low", "close")]
    return Series(
        stamps.astype(np.int64).to_numpy(), *columns, np.ascontiguousarray(table["volume"].to_numpy(np.float64))
    )


def bars_from(series: Series) -> Bars:
    """One real series as bars, its trading days those of UTC."""
    return run.merge([series], [(series.open_ms // DAY).astype(np.int32)])


def differing(first: NDArray[np.void], second: NDArray[np.void]) -> list[str]:
    """Which columns of two record arrays are not equal in every bit."""
    if len(first) != len(second):
        return [f"lengths {len(first)} and {len(second)}"]
    names = first.dtype.names or ()
    return [name for name in names if not np.array_equal(first[name], second[name])]


def assert_same_result(one: run.Result, other: run.Result, *, but: Sequence[str] = ()) -> None:
    """Every column of every record, the equity curve and the final state's bytes are equal."""
    for kind in ("orders", "fills", "trips", "decisions"):
        if kind not in but:
            assert differing(getattr(one, kind), getattr(other, kind)) == [], kind
    assert np.array_equal(one.equity_ms, other.equity_ms)
    assert np.array_equal(one.equity, other.equity)
    assert one.state.to_bytes() == other.state.to_bytes()


def floats(*values: float) -> Floats:
    """An array of floats."""
    return np.array(values, np.float64)
