"""How much: the documents' vectors, caps and minimums, and the prices of stop and target."""

import math
from typing import Any

import pytest

from engine import run
from engine.domain.enums import Reason, Side
from engine.tests import kernels, worlds


def sized(price: float, *, held_qty: float = 0.0, mark: float = 0.0, **fields: Any) -> tuple[float, float, Reason]:
    """(quantity, money to spend, reason) of a long entry."""
    params = worlds.wishes(**fields)
    state = run.start(worlds.external_plan(params)).state
    state.positions["qty"][0, 0], state.slots["mark"][0] = held_qty, mark
    qty, spend, reason = kernels.quantity(state, params, 0, 0, price)
    return qty, spend, Reason(reason)


# --- the documents' vectors


def test_quantity__document_002s_vector__is_0_02() -> None:
    # E 10,000 x 0.1 = 1,000 at 50,000
    assert sized(50_000.0, qty_step=0.001) == (0.02, 0.0, Reason.NONE)


def test_quantity__document_003s_vector__is_five_shares() -> None:
    # 10 % of 10,000 at 185.50 is 5.39 shares
    assert sized(185.50) == (5.0, 0.0, Reason.NONE)


def test_quantity__below_the_venues_minimum__is_lifted_to_the_documents_0_003() -> None:
    # Qmin = max(0.001, 100 / 50,000 = 0.002) x 1.05 = 0.0021 -> 0.003; 100 USD would be 0.002
    answer = sized(50_000.0, position_fraction=0.01, qty_step=0.001, min_qty=0.001, min_notional=100.0)
    assert answer == (0.003, 0.0, Reason.NONE)


# --- what the size is a fraction of, and its multiplier


def test_quantity__multiplier__scales_it() -> None:
    assert sized(100.0, quantity_multiplier=2.5)[0] == 25.0


@pytest.mark.parametrize("leverage", [1.0, 10.0])
def test_quantity__leverage__never_multiplies_it(leverage: float) -> None:
    assert sized(100.0, leverage=leverage, max_leverage=20.0)[0] == 10.0


def test_quantity__equity_has_grown__follows_equity_not_capital() -> None:
    params = worlds.wishes()
    state = run.start(worlds.external_plan(params)).state
    state.account["equity"] = 15_000.0
    assert kernels.quantity(state, params, 0, 0, 100.0)[0] == 15.0


# --- caps


@pytest.mark.parametrize("cap", [{"max_position_notional": 450.0}, {"bot_position_fraction": 0.045}])
def test_cap__smaller_than_the_wish__cuts_it(cap: dict[str, float]) -> None:
    assert sized(100.0, **cap) == (4.0, 0.0, Reason.NONE)


def test_cap__what_is_held_already__takes_from_it() -> None:
    # 450 less 2 x 100 leaves 250
    assert sized(100.0, max_position_notional=450.0, held_qty=2.0, mark=100.0)[0] == 2.0


@pytest.mark.parametrize("held", [4.5, 6.0])
def test_cap__used_up__is_refused(held: float) -> None:
    assert sized(100.0, max_position_notional=450.0, held_qty=held, mark=100.0)[2] is Reason.MAX_POSITION_SIZE


def test_cap__one_share_dearer_than_the_position_may_be__is_refused() -> None:
    # 10 % of 10,000 is 1,000: a share at 1,000 fits, one at 1,000.01 does not
    assert sized(1_000.0, bot_position_fraction=0.1) == (1.0, 0.0, Reason.NONE)
    assert sized(1_000.01, bot_position_fraction=0.1)[2] is Reason.SIZE_ROUNDS_TO_ZERO


# --- minimums


def test_minimum_of_the_operator__equal_passes_and_below_is_refused() -> None:
    assert sized(100.0, min_position_notional=1_000.0)[2] is Reason.NONE
    assert sized(100.0, min_position_notional=1_000.01)[2] is Reason.BELOW_MIN_POSITION_SIZE


def test_minimum_of_the_venue__larger_than_the_cap__is_refused() -> None:
    # 12 x 1.05 = 12.6 -> 13 shares cost 1,300, the cap is 1,200
    assert sized(100.0, min_qty=12.0, max_position_notional=1_200.0)[2] is Reason.EXCHANGE_MIN_EXCEEDS_CAP
    assert sized(100.0, min_qty=12.0, max_position_notional=1_300.0) == (13.0, 0.0, Reason.NONE)


def test_minimum_of_the_venue__already_met__changes_nothing() -> None:
    assert sized(100.0, min_qty=1.0, min_notional=10.0)[0] == 10.0


def test_filters_of_the_venue__unknown__are_refused() -> None:
    assert sized(100.0, filters_known=0)[2] is Reason.EXCHANGE_FILTERS_UNAVAILABLE


OVERRIDES = {"use_exchange_minimums": 0, "override_step": 0.5, "override_min_qty": 0.0, "override_min_notional": 0.0}


def test_overrides__all_three_set__replace_the_venues_filters() -> None:
    # 1,000 / 185.50 = 5.39 on steps of a half, although the venue has whole shares and its filters are unknown
    assert sized(185.50, filters_known=0, **OVERRIDES)[0] == 5.0
    assert sized(175.0, filters_known=0, **OVERRIDES)[0] == 5.5
    assert sized(175.0, **{**OVERRIDES, "override_min_qty": 8.0})[0] == 8.5


@pytest.mark.parametrize("missing", ["override_step", "override_min_qty", "override_min_notional"])
def test_overrides__one_not_set__are_refused(missing: str) -> None:
    assert sized(100.0, **{**OVERRIDES, missing: math.nan})[2] is Reason.EXCHANGE_FILTERS_UNAVAILABLE


# --- other ways


def test_quantity__no_rounding__is_the_plain_quotient() -> None:
    assert sized(185.50, rounding=0)[0] == pytest.approx(1000.0 / 185.50, abs=1e-9)


def test_size_at_fill__gives_money_instead_of_a_quantity() -> None:
    assert sized(185.50, size_at_fill=1) == (0.0, 1_000.0, Reason.NONE)


@pytest.mark.parametrize("price", [0.0, -5.0, math.nan, math.inf])
def test_price__not_positive_and_finite__is_refused(price: float) -> None:
    assert sized(price)[2] is Reason.BAD_PRICE


# --- stop and target


def brackets(entry: float, side: Side, **fields: Any) -> tuple[float, float]:
    """(stop, target) of a position entered at a price."""
    params = worlds.wishes(**fields)
    return kernels.stop_price(params, 0, int(side), entry), kernels.target_price(params, 0, int(side), entry)


def test_brackets__the_documents_vector__are_98_and_105() -> None:
    assert brackets(100.0, Side.LONG, stop_fraction=0.02, target_fraction=0.05) == (98.0, 105.0)


def test_brackets__short__are_mirrored() -> None:
    assert brackets(100.0, Side.SHORT, stop_fraction=0.02, target_fraction=0.05) == (102.0, 95.0)


def test_brackets__off_the_tick__are_rounded_to_it() -> None:
    # 33.33 x 0.98 = 32.6634, x 1.05 = 34.9965
    assert brackets(33.33, Side.LONG, stop_fraction=0.02, target_fraction=0.05) == (32.66, 35.0)
    assert brackets(33.33, Side.LONG, stop_fraction=0.02, target_fraction=0.05, price_tick=0.25) == (32.75, 35.0)


def test_brackets__not_configured__there_are_none() -> None:
    assert brackets(100.0, Side.LONG) == (0.0, 0.0)


def test_brackets__risk_management_switched_off__there_are_none() -> None:
    assert brackets(100.0, Side.LONG, stop_fraction=0.02, target_fraction=0.05, risk_enabled=0) == (0.0, 0.0)


def test_brackets__sides_with_their_own_fractions__use_them() -> None:
    fields = {"stop_fraction": [0.02, 0.03], "target_fraction": [0.05, 0.0]}
    assert brackets(100.0, Side.LONG, **fields) == (98.0, 105.0)
    assert brackets(100.0, Side.SHORT, **fields) == (103.0, 0.0)
