"""Money is conserved: cash + positions at cost + fees - realised is what the bot started with."""

from decimal import Decimal, localcontext

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine import ledger, run, step
from engine.domain.events import FILL
from engine.domain.state import State
from engine.tests import kernels, scenes, worlds

START = 10_000.0

# The very lines that the compiled ledger runs, as Python, so that Decimals can go through them.
entries = getattr(ledger.entries, "py_func", ledger.entries)

decimals = st.decimals(min_value="0.000000001", max_value="1000000", places=9, allow_nan=False)
fills = st.lists(
    st.tuples(
        st.booleans(),  # long?
        st.booleans(),  # opens? (an exit of nothing is left out)
        decimals,  # quantity; of an exit: the part of what is held, as a share of a million
        decimals,  # price
        decimals,  # fee
    ),
    max_size=40,
)


@given(fills=fills)
def test_entries__any_sequence_of_fills__conserve_exactly_in_decimal(fills: list) -> None:
    with localcontext() as context:
        context.prec = 400  # products of 40 shares of 15 digits: enough for every one to stay exact
        cash, fees, income = Decimal("10000"), Decimal(0), Decimal(0)
        cost, held = {1: Decimal(0), -1: Decimal(0)}, {1: Decimal(0), -1: Decimal(0)}
        for is_long, opens, size, price, fee in fills:
            direction = 1 if is_long else -1
            if not opens and held[direction] == 0:
                continue
            share = size / 1_000_000
            qty = size if opens else held[direction] * share
            removed = Decimal(0) if opens else cost[direction] * share
            moves = entries(Decimal(direction), int(opens), qty * price, removed, fee)
            # Each fill's entries sum to zero, exactly.
            assert sum(moves) == 0
            cash, fees, income = cash + moves[0], fees + moves[2], income + moves[3]
            cost[direction] += moves[1]
            held[direction] += qty if opens else -qty
        # cash + positions at cost + fees - realised; income is the negative of what was realised.
        assert cash + cost[1] + cost[-1] + fees + income == Decimal("10000")


def test_entries__long_and_short__by_hand() -> None:
    # Buy 10 at 5 for a fee of 1: cash -51, position 50, fees 1.
    assert entries(1.0, 1, 50.0, 0.0, 1.0) == (-51.0, 50.0, 1.0, 0.0)
    # Sell them at 7, fee 2: cash +68, position -50, fees 2, a gain of 20 (negative, as income is).
    assert entries(1.0, 0, 70.0, 50.0, 2.0) == (68.0, -50.0, 2.0, -20.0)
    # Sell short 10 at 5: cash +49, position -50. Buy back at 7: cash -72, position +50, a loss of 20.
    assert entries(-1.0, 1, 50.0, 0.0, 1.0) == (49.0, -50.0, 1.0, 0.0)
    assert entries(-1.0, 0, 70.0, 50.0, 2.0) == (-72.0, 50.0, 2.0, 20.0)


def books(state: State) -> float:
    """cash + positions at cost + fees - realised."""
    account = state.account[0]
    at_cost = state.positions["cost"][:, 0].sum() - state.positions["cost"][:, 1].sum()
    return float(account["cash"] + at_cost + account["fees"] - account["realised"])


def assert_sound(state: State) -> None:
    """What holds after every fact, whatever happened."""
    scale = max(START, float(np.abs(state.positions["cost"]).sum()), abs(float(state.account["cash"][0])))
    assert books(state) == pytest.approx(START, abs=1e-9 * scale)
    assert (state.positions["qty"] >= 0.0).all()
    flat = state.positions["qty"] == 0.0
    assert (state.positions["cost"][flat] == 0.0).all()
    assert state.account["open_positions"][0] == np.count_nonzero(~flat)
    main = state.legs[:, :, 0]
    assert state.account["working"][0] == np.count_nonzero(main["working"])
    assert state.account["working_entries"][0] == np.count_nonzero(main["working"] * main["is_entry"])


@settings(max_examples=40, deadline=None)
@given(
    facts=st.lists(
        st.tuples(
            st.integers(0, 1),  # symbol
            st.integers(0, 1),  # side
            st.booleans(),  # opens?
            st.integers(1, 100_000),  # thousandths of a share; of an exit: of what is held, all above 90,000
            st.integers(1, 50_000_000),  # price in hundred-thousandths
            st.integers(0, 10_000),  # fee in thousandths
        ),
        max_size=30,
    )
)
def test_on_fill__any_sequence_of_fills__conserves_to_a_billionth(facts: list) -> None:
    plan = worlds.external_plan(worlds.wishes(symbols=2, capital=START, **scenes.BRACKETS))
    state = run.start(plan).state
    for row, (symbol, side, opens, size, price, fee) in enumerate(facts):
        held = float(state.positions["qty"][symbol, side])
        qty = size / 1000
        if not opens:
            qty = held if size > 90_000 else min(held, round(held * size / 90_000, 3))
        if qty <= 0.0:
            continue
        fill = np.zeros((), FILL)
        fill["row"], fill["symbol"], fill["side"], fill["is_entry"] = row, symbol, side, opens
        fill["qty"], fill["price"], fill["fee"] = qty, price / 100_000, fee / 1000
        state = step.on_fill(state, fill, plan.params, day=row // 7).state
        assert_sound(state)


@settings(max_examples=20, deadline=None)
@given(scene=st.sampled_from(sorted(scenes.EXTERNAL)), seed=st.integers(0, 10_000))
@example(scene="late_and_partial", seed=61)  # once sold more than was held
def test_run__any_scene_and_seed__conserves_and_keeps_its_books_sound(scene: str, seed: int) -> None:
    plan, bars, signals = scenes.external(scene, seed=seed, count=200)
    told = run.run(bars, plan=plan, state=run.start(plan), signals=signals)
    assert_sound(told.state.state)
    # The curve's last value is cash and what is held at its last close.
    state = told.state.state
    net = state.positions["qty"][:, 0] - state.positions["qty"][:, 1]
    worth = float(state.account["cash"][0] + (net * state.slots["mark"]).sum())
    assert told.equity[-1] == pytest.approx(worth, rel=1e-12)
    # What the trips and the open positions say they earned is what the account has earned.
    earned = told.trips["pnl"].sum() + (state.positions["realised"] - state.positions["fees"]).sum()
    assert earned == pytest.approx(state.account["realised"][0] - state.account["fees"][0], abs=1e-6)
    assert told.fills["fee"].sum() == pytest.approx(state.account["fees"][0], abs=1e-6)
    assert told.fills["realised"].sum() == pytest.approx(state.account["realised"][0], abs=1e-6)


def test_settle__over_an_average_price__by_hand() -> None:
    # Given: 10 bought at 100 and 30 at 120: cost 4,600, average 115; fees 1 + 3
    state = run.start(worlds.external_plan(worlds.wishes(capital=START))).state
    assert kernels.settle(state, 0, 0, 1, 10.0, 100.0, 1.0) == 0.0
    assert kernels.settle(state, 0, 0, 1, 30.0, 120.0, 3.0) == 0.0
    # When: 20 are sold at 125 for 2, the rest at 110 for 2
    first = kernels.settle(state, 0, 0, 0, 20.0, 125.0, 2.0)
    second = kernels.settle(state, 0, 0, 0, 20.0, 110.0, 2.0)
    # Then: (125 - 115) x 20 = 200 and (110 - 115) x 20 = -100; cash 10,000 + 100 - 8
    assert (first, second) == (200.0, -100.0)
    assert state.account["cash"][0] == 10_092.0
    assert state.account["realised"][0] == 100.0
    assert state.account["fees"][0] == 8.0
    assert state.account["open_positions"][0] == 0
    assert state.account["entries_today"][0] == 1


def test_settle__short__by_hand() -> None:
    # Sold short 4 at 50, bought back at 45: (50 - 45) x 4 = 20.
    state = run.start(worlds.external_plan(worlds.wishes(capital=START))).state
    kernels.settle(state, 0, 1, 1, 4.0, 50.0, 0.5)
    assert state.account["cash"][0] == 10_199.5
    assert kernels.settle(state, 0, 1, 0, 4.0, 45.0, 0.5) == 20.0
    assert state.account["cash"][0] == 10_019.0
