"""Nothing knows the future: what was decided at a bar stands, whatever comes after it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from engine import run
from engine.domain.values import Bars
from engine.tests import scenes, worlds


def poisoned(bars: Bars, after: int, *, factor: float) -> Bars:
    """The same bars up to ``after - 1``; from there on other prices and volumes, by a constant or by dice."""
    dice = np.random.default_rng(after)
    columns = {name: getattr(bars, name).copy() for name in ("open", "high", "low", "close", "volume")}
    rest = len(bars.open_ms) - after
    wild = np.sort(np.exp(dice.normal(np.log(factor), 1.0, (4, rest))), axis=0)
    columns["low"][after:] *= wild[0]
    columns["open"][after:] = columns["low"][after:] * wild[1] / wild[0]
    columns["close"][after:] = columns["low"][after:] * wild[2] / wild[0]
    columns["high"][after:] = np.maximum(columns["low"][after:] * wild[3] / wild[0], columns["close"][after:])
    columns["high"] = np.maximum(columns["high"], np.maximum(columns["open"], columns["close"]))
    columns["volume"][after:] = dice.integers(0, 3, rest).astype(np.float64)
    return bars._replace(**columns)


def until(records: NDArray[np.void], rows: int) -> NDArray[np.void]:
    """Records of rows before ``rows``."""
    name = "exit_row" if "exit_row" in (records.dtype.names or ()) else "row"
    return records[records[name] < rows]


def assert_same_past(one: run.Result, other: run.Result, rows: int, timestamps: int) -> None:
    for kind in ("orders", "fills", "trips", "decisions"):
        assert worlds.differing(until(getattr(one, kind), rows), until(getattr(other, kind), rows)) == [], kind
    assert np.array_equal(one.equity[:timestamps], other.equity[:timestamps])


@settings(max_examples=15, deadline=None)
@given(
    scene=st.sampled_from(sorted(scenes.EXTERNAL)),
    seed=st.integers(0, 10_000),
    at=st.floats(0.05, 0.95),
    factor=st.sampled_from([1e-3, 0.5, 1.0, 50.0, 1e4]),
)
def test_future__poisoned_after_a_bar__changes_nothing_up_to_it(
    scene: str, seed: int, at: float, factor: float
) -> None:
    plan, bars, signals = scenes.external(scene, seed=seed, count=300)
    borders = np.flatnonzero(np.diff(bars.open_ms)) + 1
    which = int(at * len(borders))
    after = int(borders[which])
    real = run.run(bars, plan=plan, state=run.start(plan), signals=signals)
    feigned = run.run(poisoned(bars, after, factor=factor), plan=plan, state=run.start(plan), signals=signals)
    assert_same_past(real, feigned, after, which + 1)


@pytest.mark.parametrize("scene", scenes.VOTING)
def test_future__poisoned_under_indicators__changes_no_vote_before(scene: str) -> None:
    plan, bars = scenes.voting(scene, seed=8, count=400)
    borders = np.flatnonzero(np.diff(bars.open_ms)) + 1
    real = run.run(bars, plan=plan, state=run.start(plan))
    for which in (40, 200, 350):
        after = int(borders[which])
        feigned = run.run(poisoned(bars, after, factor=3.0), plan=plan, state=run.start(plan))
        assert_same_past(real, feigned, after, which + 1)
        # and the poison was strong enough to change what follows
        assert not np.array_equal(real.equity, feigned.equity)


def test_future__poisoned_real_minutes__changes_nothing_before() -> None:
    bars = worlds.bars_from(worlds.market_series("BTCUSD_1m_bitfinex", last=20_000))
    plan = worlds.voting_plan(worlds.wishes(qty_step=1e-8, **worlds.ONE_WAY, **scenes.BRACKETS, **scenes.COSTS))
    real = run.run(bars, plan=plan, state=run.start(plan))
    for after in (500, 9_999, 19_999):
        feigned = run.run(poisoned(bars, after, factor=1.0), plan=plan, state=run.start(plan))
        assert_same_past(real, feigned, after, after)


@pytest.mark.parametrize("scene", scenes.EXTERNAL)
def test_order__decided_on_a_bar__never_fills_before_its_symbols_next_one(scene: str) -> None:
    plan, bars, signals = scenes.external(scene, seed=6, count=400)
    told = run.run(bars, plan=plan, state=run.start(plan), signals=signals)
    venue = plan.params.venue[0]
    # An exit asked again for less, after a stop filled in part, has served its latency already.
    waits = 1 if venue["max_volume_share"] else 1 + int(venue["latency_bars"])
    rows_of_symbol = [np.flatnonzero(bars.symbol == symbol) for symbol in range(len(plan.symbols))]
    main = told.fills[told.fills["leg"] == 0]
    asked = told.orders[told.orders["leg"] == 0]
    assert len(main) > 5
    for fill in main:
        mine = asked[
            (asked["symbol"] == fill["symbol"])
            & (asked["side"] == fill["side"])
            & (asked["is_entry"] == fill["is_entry"])
            & (asked["row"] < fill["row"])
        ]
        rows = rows_of_symbol[fill["symbol"]]
        # Bars of the symbol from the decision's to the fill's: at least one, and the latency more.
        began = np.searchsorted(rows, mine["row"][-1])
        assert np.searchsorted(rows, fill["row"]) - began >= waits
