"""Stepping facts and bars in the order of time: each fact before its bar is decided on, stale orders told to be so.

One symbol and one voter, an average over two closes: from the fifth bar on, a rise is a BUY, a fall a SELL.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from bots.services import stepping
from bots.services.stepping import Fact, Walk
from engine import run
from engine.domain.enums import Reason
from engine.domain.state import State
from engine.domain.values import NOBODY_ELSE, Bars
from engine.run import Plan
from engine.tests import worlds
from engine.tests.worlds import MINUTE

# BUY on bar 5, SELL on bar 7.
CLOSES = (100, 100, 100, 100, 100, 101, 102, 100)


@pytest.fixture(scope="module")
def plan() -> Plan:
    params = worlds.wishes(**worlds.LONG_ONLY, position_fraction=0.1, risk_enabled=1, stop_fraction=0.1)
    return worlds.voting_plan(params, indicators=["SMA"], sma_period=2, voting="single")


def bars(first: int, last: int) -> Bars:
    """Bars first..last-1 of the series."""
    every = worlds.bars_of(*[(close, close, close, close) for close in CLOSES])
    return worlds.part_of(every, first, last)


def walked(
    plan: Plan, state: State | None = None, *, first: int, last: int, facts: Sequence[Fact] = (), **rest: Any
) -> Walk:
    return stepping.walk(
        plan=plan,
        state=run.start(plan).state if state is None else state,
        facts=facts,
        bars=bars(first, last),
        others=NOBODY_ELSE,
        newest_ms=rest.pop("newest_ms", (last - 1) * MINUTE),
        **rest,
    )


def a_fact(bar: int, **changes: Any) -> Fact:
    """Ten shares bought at 101, in that bar."""
    fact = Fact(
        id=1, intent_id=1, kind="filled", at_ms=bar * MINUTE, symbol=0, side=0, leg=0, is_entry=True, is_current=True,
        qty=10.0, price=101.0,
    )  # fmt: skip
    return fact._replace(**changes)


def told(walk: Walk) -> list[tuple[int, str]]:
    """(bar, reason) of each decision."""
    return [(int(one["open_ms"]) // MINUTE, Reason(int(one["reason"])).name) for one in walk.records("decisions")]


def test_walk__no_facts_no_bars__changes_nothing(plan: Plan) -> None:
    state = run.start(plan).state
    walk = walked(plan, state, first=0, last=0)
    assert walk.said == ()
    assert len(walk.records("orders")) == 0
    assert stepping.to_bytes(walk.state, plan) == stepping.to_bytes(state, plan)


def test_walk__in_one_piece_or_in_many__is_the_same(plan: Plan) -> None:
    whole = walked(plan, first=0, last=5)
    state = run.start(plan).state
    for number in range(5):
        state = walked(plan, state, first=number, last=number + 1).state
    assert stepping.sha256(state, plan) == stepping.sha256(whole.state, plan)


def test_walk__does_not_touch_the_state_it_is_given(plan: Plan) -> None:
    state = walked(plan, first=0, last=6).state
    before = stepping.to_bytes(state, plan)
    walked(plan, state, first=6, last=8, facts=[a_fact(6)])
    assert stepping.to_bytes(state, plan) == before


def test_walk__a_fill__is_booked_before_its_bar_is_decided_on(plan: Plan) -> None:
    # Given: the order of bar 5 works
    state = walked(plan, first=0, last=6).state
    assert state.legs["working"][0, 0, 0]
    # When: it fills in bar 6, which says BUY again; bar 7 says SELL
    walk = walked(plan, state, first=6, last=8, facts=[a_fact(6)])
    # Then
    assert [one.fact is not None for one in walk.said] == [True, False, False]
    assert told(walk) == [(6, "ALREADY_HELD"), (7, "NONE")]
    assert [(int(one["row"]), int(one["leg"]), float(one["qty"])) for one in walk.records("orders")] == [
        (6, 1, 10.0),
        (7, 0, 10.0),
    ]
    # 10 % below 101
    assert walk.records("orders")["stop_price"][0] == 90.9


def test_walk__a_fill_of_the_later_bar__waits_for_it(plan: Plan) -> None:
    state = walked(plan, first=0, last=6).state
    walk = walked(plan, state, first=6, last=8, facts=[a_fact(7)])
    assert [one.fact is not None for one in walk.said] == [False, True, False]
    assert told(walk) == [(6, "ORDER_WORKING"), (7, "NONE")]
    assert int(walk.records("fills")["row"][0]) == 7


def test_walk__a_fact_after_the_last_bar__is_heard_at_the_end(plan: Plan) -> None:
    state = walked(plan, first=0, last=6).state
    walk = walked(plan, state, first=6, last=6, facts=[a_fact(5)])
    assert len(walk.said) == 1
    assert float(walk.state.positions["qty"][0, 0]) == 10.0


def test_walk__orders_of_a_bar_that_is_not_the_newest__have_ended_at_once(plan: Plan) -> None:
    walk = walked(plan, first=0, last=7)
    # bar 5 orders and is told that it was too late; bar 6, the newest, orders again
    assert told(walk) == [(5, "NONE"), (5, "STALE_BAR"), (6, "NONE")]
    assert [(one.is_stale, len(one.orders)) for one in walk.said if len(one.orders)] == [(True, 1), (False, 1)]
    # without a newest bar nothing is late
    assert told(walked(plan, first=0, last=7, newest_ms=None)) == [(5, "NONE"), (6, "ORDER_WORKING")]


def test_walk__an_order_that_ended__frees_its_leg(plan: Plan) -> None:
    state = walked(plan, first=0, last=6).state
    ended = a_fact(5, kind="ended", reason=int(Reason.REJECTED))
    walk = walked(plan, state, first=6, last=7, facts=[ended])
    assert told(walk) == [(5, "REJECTED"), (6, "NONE")]


def test_walk__an_order_that_ended_and_was_replaced_meanwhile__is_not_told(plan: Plan) -> None:
    state = walked(plan, first=0, last=6).state
    ended = a_fact(5, kind="ended", reason=int(Reason.CANCELLED), is_current=False)
    walk = walked(plan, state, first=6, last=7, facts=[ended])
    assert told(walk) == [(6, "ORDER_WORKING")]


def test_walk__outside_the_trading_window__says_nothing_but_goes_on_counting(plan: Plan) -> None:
    tradable = np.array([True] * 5 + [False] + [True], np.bool_)
    walk = walked(plan, first=0, last=7, tradable=tradable, newest_ms=None)
    assert told(walk) == [(6, "NONE")]


def test_walk__an_operator_asks_for_an_exit__is_an_order_for_all_that_is_held(plan: Plan) -> None:
    state = walked(plan, first=0, last=6).state
    facts = [a_fact(5), a_fact(5, kind="asked", id=2, intent_id=2, is_entry=False)]
    walk = walked(plan, state, first=6, last=6, facts=facts)
    order = walk.said[-1].orders[0]
    assert (int(order["leg"]), int(order["action"]), float(order["qty"]), bool(order["is_entry"])) == (
        0,
        -1,
        10.0,
        False,
    )


def test_bytes__read_again__are_the_same_state(plan: Plan) -> None:
    state = walked(plan, first=0, last=6).state
    again = stepping.from_bytes(stepping.to_bytes(state, plan))
    assert stepping.sha256(again, plan) == stepping.sha256(state, plan)
    assert stepping.sha256(run.start(plan).state, plan) != stepping.sha256(state, plan)
    assert [one.tobytes() for one in again] == [one.tobytes() for one in state]
