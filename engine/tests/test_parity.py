"""Stepping bar by bar from Python equals ``run`` over the array: every column, every bit."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine import run
from engine.domain.values import Others
from engine.tests import scenes, worlds
from engine.tests.stepping import stepped

seeds = st.integers(min_value=0, max_value=10_000)


@pytest.mark.parametrize("scene", scenes.EXTERNAL)
def test_parity__given_signals__stepping_equals_run(scene: str) -> None:
    plan, bars, signals = scenes.external(scene, seed=11, count=500)
    whole = run.run(bars, plan=plan, state=run.start(plan), signals=signals)
    walked = stepped(bars, plan=plan, state=run.start(plan), signals=signals)
    worlds.assert_same_result(walked, whole)
    assert len(whole.trips) > 5  # the scene is alive


@settings(max_examples=12, deadline=None)
@given(scene=st.sampled_from(sorted(scenes.EXTERNAL)), seed=seeds)
@example(scene="late_and_partial", seed=36)  # a cancelled order once left its wait in the state's bytes
def test_parity__any_seed__stepping_equals_run(scene: str, seed: int) -> None:
    plan, bars, signals = scenes.external(scene, seed=seed, count=200)
    whole = run.run(bars, plan=plan, state=run.start(plan), signals=signals)
    worlds.assert_same_result(stepped(bars, plan=plan, state=run.start(plan), signals=signals), whole)


@pytest.mark.parametrize("scene", scenes.VOTING)
def test_parity__indicators_voting__stepping_equals_run(scene: str) -> None:
    plan, bars = scenes.voting(scene, seed=23, count=500)
    whole = run.run(bars, plan=plan, state=run.start(plan))
    worlds.assert_same_result(stepped(bars, plan=plan, state=run.start(plan)), whole)
    assert len(whole.trips) > 5
    assert whole.decisions["votes"].any()


def test_parity__other_bots_in_the_account__stepping_equals_run() -> None:
    others = Others(equity=5_000.0, day_open_equity=5_100.0, exposure=2_000.0, positions=1.0, entries_today=2.0)
    plan, bars, signals = scenes.external("limits", seed=3, count=300)
    whole = run.run(bars, plan=plan, state=run.start(plan), signals=signals, others=others)
    walked = stepped(bars, plan=plan, state=run.start(plan), signals=signals, others=others)
    worlds.assert_same_result(walked, whole)


def test_parity__shipped_daily_bars_of_four_stocks__stepping_equals_run() -> None:
    # Given: four real series with one capital, 3,000 bars, the default strategy, long only
    series = [worlds.shipped_series(symbol) for symbol in ("AAPL", "GOOG", "IBM", "MSFT")]
    series = [one._make(column[-750:] for column in one) for one in series]
    bars = run.merge(series, [(one.open_ms // worlds.DAY).astype("int32") for one in series])
    fields = {**worlds.LONG_ONLY, **scenes.COSTS, "stop_fraction": 0.05, "target_fraction": 0.1}
    plan = worlds.voting_plan(worlds.wishes(symbols=4, **fields))
    whole = run.run(bars, plan=plan, state=run.start(plan))
    worlds.assert_same_result(stepped(bars, plan=plan, state=run.start(plan)), whole)
    assert len(whole.trips) > 20


def test_parity__real_minutes__stepping_equals_run() -> None:
    bars = worlds.bars_from(worlds.market_series("BTCUSD_1m_bitfinex", last=4_000))
    plan = worlds.voting_plan(worlds.wishes(qty_step=1e-8, **worlds.ONE_WAY, **scenes.BRACKETS, **scenes.COSTS))
    whole = run.run(bars, plan=plan, state=run.start(plan))
    worlds.assert_same_result(stepped(bars, plan=plan, state=run.start(plan)), whole)
    assert len(whole.trips) > 20


@pytest.mark.parametrize("scene", scenes.EXTERNAL)
def test_record_off__any_scene__gives_the_same_trades_and_curve(scene: str) -> None:
    plan, bars, signals = scenes.external(scene, seed=5, count=800)
    told = run.run(bars, plan=plan, state=run.start(plan), signals=signals)
    silent = run.run(bars, plan=plan, state=run.start(plan), signals=signals, record=False)
    worlds.assert_same_result(silent, told, but=["decisions"])
    assert len(silent.decisions) == 0
