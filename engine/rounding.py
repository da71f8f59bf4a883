"""Numbers put on a grid so that the float is the nearest one to a decimal a database row holds.

A whole multiple of 0.01 computed as ``k * 0.01`` is often one bit off the float of the decimal;
``k / 100`` never is. Steps below one are therefore applied through their whole inverse.
"""

import math

from engine._jit import kernel

# Beyond this a float cannot hold nine decimals anyway: 2**53 / 1e9 is about 9.0e6.
_NINE_DECIMALS_FIT = 4.0e6
# A quotient a few bits under a whole number means that whole number. Above eight million steps a bit
# is more than the fixed slack: there the bits themselves count.
_SLACK = 1e-9
_BITS = 4.0 * 2.0**-52


@kernel
def money(amount: float) -> float:
    """The amount at nine decimals, as ``numeric(24,9)`` stores it."""
    if abs(amount) > _NINE_DECIMALS_FIT:
        return amount
    return round(amount * 1e9) / 1e9


@kernel
def multiple(count: float, step: float) -> float:
    """``count`` whole steps, as the nearest float to the exact decimal."""
    if step >= 1.0:
        return count * step
    inverse = round(1.0 / step)
    # 0.003 has no whole inverse: a multiple of it is as near as a product gets.
    return count / inverse if abs(inverse * step - 1.0) < _SLACK else count * step


@kernel
def nearest(value: float, step: float) -> float:
    """The grid point nearest to the value."""
    return multiple(round(value / step), step)


@kernel
def down(value: float, step: float) -> float:
    """The largest grid point not above the value."""
    count = value / step
    return multiple(math.floor(count + max(_SLACK, count * _BITS)), step)


@kernel
def up(value: float, step: float) -> float:
    """The smallest grid point not below the value."""
    count = value / step
    return multiple(math.ceil(count - max(_SLACK, count * _BITS)), step)
