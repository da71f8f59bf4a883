"""The second door of risk: is this order allowed? Exposure, capital and margin, with what already works."""

import pytest

from engine import run
from engine.domain.enums import Reason, Side
from engine.domain.params import Params
from engine.domain.state import State
from engine.domain.values import NOBODY_ELSE, Others
from engine.tests import kernels, worlds

LONG, SHORT = Side.LONG, Side.SHORT


def fresh(params: Params) -> State:
    """A bot with 10,000 in cash and nothing held."""
    return run.start(worlds.external_plan(params)).state


def review(
    state: State,
    params: Params,
    *,
    notional: float = 0.0,
    qty: float | None = None,
    spend: float = 0.0,
    price: float = 100.0,
    symbol: int = 0,
    side: Side = LONG,
    others: Others = NOBODY_ELSE,
) -> Reason:
    quantity = notional / price if qty is None else qty
    others = Others(*(float(value) for value in others))
    return Reason(kernels.review_order(state, others, params, symbol, int(side), quantity, spend, price))


@pytest.mark.parametrize("price", [0.0, -1.0, float("nan"), float("inf")])
def test_price__not_positive_and_finite__is_refused(price: float) -> None:
    params = worlds.wishes()
    assert review(fresh(params), params, qty=1.0, price=price) is Reason.BAD_PRICE


@pytest.mark.parametrize("qty", [0.0, -1.0, float("nan"), float("inf")])
def test_quantity__not_positive_and_finite__is_refused(qty: float) -> None:
    params = worlds.wishes()
    assert review(fresh(params), params, qty=qty) is Reason.BAD_QUANTITY


# --- exposure: what is held, what works, and this order, against equity


def test_exposure__the_order_that_would_cross_the_line__is_refused() -> None:
    # 80 % of 10,000 is 8,000: 50 shares at 100 are held, 3,000 more fit exactly.
    params = worlds.wishes(symbols=2, account_exposure_fraction=0.8)
    state = fresh(params)
    state.positions["qty"][0, LONG], state.slots["mark"][0] = 50.0, 100.0
    assert review(state, params, symbol=1, notional=3_000.0) is Reason.NONE
    assert review(state, params, symbol=1, notional=3_000.01) is Reason.MAX_PORTFOLIO_EXPOSURE


def test_exposure__shorts_and_working_entries__count_gross() -> None:
    params = worlds.wishes(symbols=2, account_exposure_fraction=0.8)
    state = fresh(params)
    state.positions["qty"][0, SHORT], state.slots["mark"][0] = 30.0, 100.0  # 3,000 short
    state.legs["notional"][1, SHORT, 0] = 2_000.0  # 2,000 asked for
    assert review(state, params, notional=3_000.0) is Reason.NONE
    assert review(state, params, notional=3_000.01) is Reason.MAX_PORTFOLIO_EXPOSURE


def test_exposure__other_bots__bring_their_equity_and_their_exposure() -> None:
    # 80 % of 30,000 is 24,000, of which 20,000 are theirs.
    params = worlds.wishes(account_exposure_fraction=0.8)
    others = Others(equity=20_000.0, exposure=20_000.0)
    assert review(fresh(params), params, notional=4_000.0, others=others) is Reason.NONE
    assert review(fresh(params), params, notional=4_000.01, others=others) is Reason.MAX_PORTFOLIO_EXPOSURE


def test_exposure_of_a_symbol__both_its_sides__count() -> None:
    params = worlds.wishes(symbols=2, symbol_exposure_fraction=0.3)
    state = fresh(params)
    state.positions["qty"][0, SHORT], state.slots["mark"][:] = 20.0, 100.0
    assert review(state, params, notional=1_000.0) is Reason.NONE
    assert review(state, params, notional=1_000.01) is Reason.MAX_PORTFOLIO_EXPOSURE_SCOPE
    assert review(state, params, symbol=1, notional=3_000.0) is Reason.NONE


def test_exposure_of_a_side__only_it__counts() -> None:
    params = worlds.wishes(side_exposure_fraction=0.3)
    state = fresh(params)
    state.positions["qty"][0, SHORT], state.slots["mark"][0] = 20.0, 100.0
    assert review(state, params, side=LONG, notional=3_000.0) is Reason.NONE
    assert review(state, params, side=SHORT, notional=1_000.01) is Reason.MAX_PORTFOLIO_EXPOSURE_SCOPE


def test_exposure__risk_management_switched_off__does_not_bind() -> None:
    params = worlds.wishes(account_exposure_fraction=0.1, risk_enabled=0)
    assert review(fresh(params), params, notional=5_000.0) is Reason.NONE


# --- capital and margin


def test_capital__all_of_it__may_be_used_and_not_a_cent_more() -> None:
    params = worlds.wishes()
    assert review(fresh(params), params, notional=10_000.0) is Reason.NONE
    assert review(fresh(params), params, notional=10_000.01) is Reason.INSUFFICIENT_CAPITAL


def test_capital__the_fee__must_be_paid_too() -> None:
    # 1 % of 9,900.99 is 99.0099: together 10,000; one dollar more and they are not.
    params = worlds.wishes(fee_fraction=0.01)
    assert review(fresh(params), params, notional=9_900.99) is Reason.NONE
    assert review(fresh(params), params, notional=9_901.99) is Reason.INSUFFICIENT_CAPITAL
    # money to spend holds the fee already
    assert review(fresh(params), params, spend=10_000.0) is Reason.NONE


def test_capital__what_is_held_and_asked_for__is_not_free() -> None:
    params = worlds.wishes(symbols=2)
    state = fresh(params)
    state.positions["qty"][0, LONG], state.slots["mark"][0] = 50.0, 100.0
    state.legs["notional"][0, SHORT, 0] = 2_000.0
    assert review(state, params, symbol=1, notional=3_000.0) is Reason.NONE
    assert review(state, params, symbol=1, notional=3_000.01) is Reason.INSUFFICIENT_CAPITAL


def test_capital__risk_management_switched_off__still_binds() -> None:
    params = worlds.wishes(risk_enabled=0)
    assert review(fresh(params), params, notional=10_000.01) is Reason.INSUFFICIENT_CAPITAL


@pytest.mark.parametrize(
    ("wanted", "offered", "most"),
    [(5.0, 10.0, 50_000.0), (5.0, 2.0, 20_000.0), (0.5, 10.0, 10_000.0), (10.0, 1.0, 10_000.0)],
)
def test_margin__leverage_in_force__is_the_smaller_of_wanted_and_offered_and_at_least_one(
    wanted: float, offered: float, most: float
) -> None:
    params = worlds.wishes(leverage=wanted, max_leverage=offered)
    assert review(fresh(params), params, notional=most) is Reason.NONE
    reason = Reason.INSUFFICIENT_CAPITAL if most == 10_000.0 else Reason.INSUFFICIENT_MARGIN
    assert review(fresh(params), params, notional=most + 0.1) is reason


def test_sells_of_what_is_held__without_any_free_capital__are_never_refused() -> None:
    # Given: everything is invested and has fallen; the bot could not buy one more share
    plan = worlds.external_plan(worlds.wishes(position_fraction=1.0, **worlds.LONG_ONLY))
    bars = worlds.bars_of((100.0,) * 4, (100.0,) * 4, (50.0,) * 4, (50.0,) * 4)
    told = run.run(bars, plan=plan, state=run.start(plan), signals=worlds.said(1, 0, -1, 0))
    assert told.trips["pnl"].tolist() == [-5_000.0]


def test_buy__no_free_capital__is_refused_with_the_reason_in_the_record() -> None:
    # Given: the first symbol takes 60 % of the capital, the second wants as much
    plan = worlds.external_plan(worlds.wishes(symbols=2, position_fraction=0.6, **worlds.LONG_ONLY))
    one = worlds.bars_of(*[(100.0,) * 4] * 3)
    series = [run.Series(one.open_ms, *one[3:])] * 2
    bars = run.merge(series, [one.day, one.day])
    told = run.run(bars, plan=plan, state=run.start(plan), signals=worlds.said(1, 1, 0, 0, 0, 0))
    assert [Reason(int(reason)) for reason in told.decisions["reason"][:2]] == [
        Reason.NONE,
        Reason.INSUFFICIENT_CAPITAL,
    ]
