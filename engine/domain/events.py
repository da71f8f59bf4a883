"""What goes out: orders, fills, round trips and decisions, as fixed-size records."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.domain.state import State
from engine.domain.values import Floats, Ints

ORDER = np.dtype(
    [
        ("row", "i8"),  # of the decision that asked
        ("open_ms", "i8"),
        ("symbol", "i4"),
        ("side", "i1"),  # enums.Side of the position
        ("leg", "i1"),  # enums.Leg
        ("action", "i1"),  # BUY or SELL
        ("order_type", "i1"),
        ("is_entry", "i8"),
        ("qty", "f8"),
        ("spend", "f8"),  # money to spend instead of a quantity; 0: qty holds
        ("limit_price", "f8"),
        ("stop_price", "f8"),
    ],
    align=True,
)

FILL = np.dtype(
    [
        ("row", "i8"),
        ("open_ms", "i8"),
        ("symbol", "i4"),
        ("side", "i1"),
        ("leg", "i1"),
        ("action", "i1"),
        ("is_entry", "u1"),
        ("qty", "f8"),
        ("price", "f8"),
        ("fee", "f8"),
        ("realised", "f8"),  # of this fill, without fees
        ("remaining", "f8"),  # of its order
    ],
    align=True,
)

ROUND_TRIP = np.dtype(
    [
        ("symbol", "i4"),
        ("side", "i2"),
        ("cause", "i2"),  # enums.ExitCause
        ("entry_row", "i8"),
        ("exit_row", "i8"),
        ("entry_ms", "i8"),
        ("exit_ms", "i8"),
        ("qty", "f8"),
        ("entry_price", "f8"),  # average
        ("exit_price", "f8"),  # average
        ("fees", "f8"),
        ("pnl", "f8"),  # after fees
    ],
    align=True,
)

DECISION = np.dtype(
    [
        ("row", "i8"),
        ("open_ms", "i8"),
        ("symbol", "i4"),
        ("signal", "i1"),  # enums.Action after aggregation
        ("target", "i1"),  # bits of enums.Target
        ("strategy", "i1"),  # index of the strategy whose signal prevailed; -1: none
        ("fills", "i1"),  # on this row, before the decision
        ("orders", "i4"),  # asked by this decision
        ("reason", "i4"),  # enums.Reason: what was refused; an exit may have been asked all the same
        ("confidence", "f8"),
        ("votes", "i8"),
        ("price", "f8"),  # close
        ("equity", "f8"),
        ("long_qty", "f8"),  # held after the fills of this row
        ("short_qty", "f8"),
    ],
    align=True,
)


class Step(NamedTuple):
    """What one fact led to: the new state, at most one order for each leg, and the record.

    orders (k,) ORDER, decisions (k,) DECISION, trips (k,) ROUND_TRIP closed by the fact, fills (k,)
    FILL as booked, with what each realised.
    """

    state: State
    orders: NDArray[np.void]
    decisions: NDArray[np.void]
    trips: NDArray[np.void]
    fills: NDArray[np.void]


class Out(NamedTuple):
    """Where kernels write. counts: orders, fills, trips, decisions, timestamps written so far."""

    orders: NDArray[np.void]
    fills: NDArray[np.void]
    trips: NDArray[np.void]
    decisions: NDArray[np.void]
    equity: Floats
    counts: Ints
