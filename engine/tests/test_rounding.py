"""A rounded float must be the very float of the decimal that a database row holds."""

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.tests import kernels

STEPS = ["0.00000001", "0.0001", "0.001", "0.005", "0.01", "0.05", "0.1", "0.125", "0.25", "0.5", "1", "5", "100"]

steps = st.sampled_from(STEPS)
values = st.floats(min_value=1e-6, max_value=200_000.0, allow_nan=False)


@given(value=values, step=steps)
def test_nearest__any_value__is_the_float_of_a_decimal_at_most_half_a_step_away(value: float, step: str) -> None:
    rounded = kernels.nearest(value, float(step))
    count = (Decimal(rounded) / Decimal(step)).to_integral_value()
    assert rounded == float(count * Decimal(step))
    # A quotient of 2e13 steps is itself only good to 2 ** -8 of one.
    assert abs(count * Decimal(step) - Decimal(value)) <= Decimal(step) * Decimal("0.51")


@given(value=values, step=steps)
def test_down__any_value__is_the_float_of_the_last_grid_point_below(value: float, step: str) -> None:
    rounded = kernels.down(value, float(step))
    exact = (Decimal(value) / Decimal(step)).to_integral_value(ROUND_FLOOR) * Decimal(step)
    # A value within float noise below a grid point counts as on it.
    assert rounded in (float(exact), float(exact + Decimal(step)))
    if rounded != float(exact):
        assert Decimal(rounded) - Decimal(value) <= max(Decimal(step), Decimal(value)) * Decimal("2e-9")


@given(value=values, step=steps)
def test_up__any_value__is_the_float_of_the_first_grid_point_above(value: float, step: str) -> None:
    rounded = kernels.up(value, float(step))
    exact = (Decimal(value) / Decimal(step)).to_integral_value(ROUND_CEILING) * Decimal(step)
    assert rounded in (float(exact), float(exact - Decimal(step)))
    if rounded != float(exact):
        assert Decimal(value) - Decimal(rounded) <= max(Decimal(step), Decimal(value)) * Decimal("2e-9")


@given(count=st.integers(min_value=0, max_value=10**9), step=steps)
def test_every_way__a_value_on_the_grid__stays_where_it_is(count: int, step: str) -> None:
    on_grid = float(count * Decimal(step))
    if on_grid <= 1e9:
        assert kernels.nearest(on_grid, float(step)) == on_grid
        assert kernels.down(on_grid, float(step)) == on_grid
        assert kernels.up(on_grid, float(step)) == on_grid


@given(amount=st.floats(min_value=-4e6, max_value=4e6, allow_nan=False))
def test_money__any_amount__is_the_float_of_a_decimal_with_nine_places(amount: float) -> None:
    rounded = kernels.money(amount)
    exact = Decimal(rounded).quantize(Decimal("1e-9"))
    assert rounded == float(exact)
    # 4e6 x 1e9 has its last bit at one half: half a unit of the ninth place, and that bit.
    assert abs(exact - Decimal(amount)) <= Decimal("1.01e-9")


@pytest.mark.parametrize(
    ("value", "step", "below", "near", "above"),
    [
        (0.3, 0.1, 0.3, 0.3, 0.3),  # 0.1 + 0.1 + 0.1 would be 0.30000000000000004
        (2.676, 0.01, 2.67, 2.68, 2.68),
        (85375.881, 0.001, 85375.881, 85375.881, 85375.881),  # 85,375,881 steps, two bits short of it
        (185.499999, 0.01, 185.49, 185.5, 185.5),
        (0.0201999, 0.001, 0.02, 0.02, 0.021),
        (7.9, 1.0, 7.0, 8.0, 8.0),
        (123.0, 5.0, 120.0, 125.0, 125.0),
    ],
)
def test_every_way__by_hand(value: float, step: float, below: float, near: float, above: float) -> None:
    assert (kernels.down(value, step), kernels.nearest(value, step), kernels.up(value, step)) == (below, near, above)
