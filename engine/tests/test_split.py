"""A run may stop anywhere and go on from its saved bytes: crash recovery, progress and cancellation."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import run
from engine.domain.values import Bars, Signals
from engine.tests import scenes, worlds

KINDS = ("orders", "fills", "trips", "decisions")


def joined(results: list[run.Result]) -> run.Result:
    """Stretches of a run as one."""
    parts = {kind: np.concatenate([getattr(each, kind) for each in results]) for kind in KINDS}
    return run.Result(
        results[-1].state,
        np.concatenate([each.equity_ms for each in results]),
        np.concatenate([each.equity for each in results]),
        **parts,
    )


def through_bytes(state: run.RunState) -> run.RunState:
    """What another process would start from."""
    return run.RunState.from_bytes(state.to_bytes())


def in_stretches(bars: Bars, cuts: list[int], plan: run.Plan, signals: Signals | None = None) -> run.Result:
    """The run, saved and loaded at each cut."""
    state, results = run.start(plan), []
    for first, last in zip([0, *cuts], [*cuts, len(bars.open_ms)], strict=True):
        given = None if signals is None else worlds.rows_of(signals, first, last)
        results.append(run.run(worlds.part_of(bars, first, last), plan=plan, state=state, signals=given))
        state = through_bytes(results[-1].state)
    return joined(results)


@pytest.mark.parametrize("scene", scenes.EXTERNAL)
def test_split__every_timestamp_of_a_short_run__equals_the_whole(scene: str) -> None:
    plan, bars, signals = scenes.external(scene, seed=2, count=60)
    whole = run.run(bars, plan=plan, state=run.start(plan), signals=signals)
    borders = (np.flatnonzero(np.diff(bars.open_ms)) + 1).tolist()
    worlds.assert_same_result(in_stretches(bars, borders, plan, signals), whole)


@settings(max_examples=15, deadline=None)
@given(scene=st.sampled_from(sorted(scenes.EXTERNAL)), seed=st.integers(0, 10_000), at=st.floats(0.0, 1.0))
def test_split__any_seed_and_cut__equals_the_whole(scene: str, seed: int, at: float) -> None:
    plan, bars, signals = scenes.external(scene, seed=seed, count=300)
    whole = run.run(bars, plan=plan, state=run.start(plan), signals=signals)
    borders = np.flatnonzero(np.diff(bars.open_ms)) + 1
    cut = int(borders[int(at * (len(borders) - 1))])
    worlds.assert_same_result(in_stretches(bars, [cut], plan, signals), whole)


@pytest.mark.parametrize("scene", scenes.VOTING)
def test_split__indicators_voting__the_indicators_go_on_from_the_bytes(scene: str) -> None:
    plan, bars = scenes.voting(scene, seed=4, count=400)
    whole = run.run(bars, plan=plan, state=run.start(plan))
    borders = np.flatnonzero(np.diff(bars.open_ms)) + 1
    cuts = [int(borders[at]) for at in (2, 30, 111, 300)]
    worlds.assert_same_result(in_stretches(bars, cuts, plan), whole)


def test_chunks__several_symbols__are_cut_between_timestamps_and_equal_the_whole() -> None:
    plan, bars, signals = scenes.external("several_one_way", seed=9, count=500)
    whole = run.run(bars, plan=plan, state=run.start(plan), signals=signals)
    pieces = list(run.chunks(bars, 100))
    # Then: nothing is lost, and no timestamp lies in two pieces
    assert sum(len(piece.open_ms) for piece in pieces) == len(bars.open_ms)
    assert all(a.open_ms[-1] < b.open_ms[0] for a, b in itertools.pairwise(pieces))
    cuts = np.cumsum([len(piece.open_ms) for piece in pieces])[:-1].tolist()
    worlds.assert_same_result(in_stretches(bars, cuts, plan, signals), whole)


def test_state__through_bytes__is_the_same_bits_in_arrays_of_its_own() -> None:
    plan, bars, signals = scenes.external("several_hedge", seed=1, count=80)
    state = run.run(bars, plan=plan, state=run.start(plan), signals=signals).state
    again = through_bytes(state)
    assert again.to_bytes() == state.to_bytes()
    again.state.account["cash"] = 0.0
    again.book.orders["qty"] = -1.0
    assert again.to_bytes() != state.to_bytes()
    assert state.state.account["cash"][0] != 0.0


def test_run__a_state_given__is_not_touched() -> None:
    plan, bars = scenes.voting("long_only", seed=1, count=100)
    state = run.start(plan)
    before = state.to_bytes()
    run.run(bars, plan=plan, state=state)
    assert state.to_bytes() == before


@pytest.mark.slow
def test_split__whole_series_of_minutes_at_five_cuts__equals_the_whole() -> None:
    # Given: 1,091,782 real minutes, the default strategy with brackets and costs
    bars = worlds.bars_from(worlds.market_series("BTCUSD_1m_bitfinex"))
    assert len(bars.open_ms) == 1_091_782
    plan = worlds.voting_plan(worlds.wishes(qty_step=1e-8, **worlds.ONE_WAY, **scenes.BRACKETS, **scenes.COSTS))
    whole = run.run(bars, plan=plan, state=run.start(plan))
    # When: stopped after a bar, within the warm-up, early, in the middle and one bar before the end
    for cut in (1, 33, 100_003, 545_891, 1_091_781):
        # Then
        worlds.assert_same_result(in_stretches(bars, [cut], plan), whole)
    assert len(whole.trips) > 5_000
