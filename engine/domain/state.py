"""What a bot is at one moment, as flat arrays: copied at the Python door, mutated in kernels."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.domain.values import Floats

ACCOUNT = np.dtype(
    [
        ("cash", "f8"),
        ("start_cash", "f8"),
        ("realised", "f8"),
        ("fees", "f8"),
        ("equity", "f8"),  # cash and positions at their last close
        ("day_open_equity", "f8"),
        ("day_realised", "f8"),
        ("entries_today", "i8"),
        ("open_positions", "i8"),
        ("day", "i8"),
        ("last_open_ms", "i8"),
        ("rows", "i8"),  # rows stepped so far: the number of the next one
        ("working", "i8"),  # orders working in leg MAIN
        ("working_entries", "i8"),  # of them, those that would open a position
    ],
    align=True,
)

SLOT = np.dtype(
    [
        ("mark", "f8"),  # last close; 0 before the first bar
        ("fills", "i8"),  # since the symbol's last decision
    ],
    align=True,
)

POSITION = np.dtype(
    [
        ("qty", "f8"),  # >= 0; the side says which way
        ("cost", "f8"),  # what the held quantity was bought (or sold short) for, without fees
        ("fees", "f8"),  # paid for this round trip so far
        ("entered_qty", "f8"),  # all bought (or sold short) in this round trip
        ("entered_notional", "f8"),
        ("exited_qty", "f8"),
        ("exited_notional", "f8"),
        ("realised", "f8"),  # of this round trip, without fees
        ("entry_row", "i8"),
        ("entry_ms", "i8"),
        ("entries_today", "i8"),
        ("day_realised", "f8"),
        ("day_open_value", "f8"),  # unrealised at the day's open
    ],
    align=True,
)

LEG = np.dtype(
    [
        ("working", "i8"),
        ("is_entry", "i8"),
        ("qty", "f8"),
        ("notional", "f8"),  # reserved for exposure and margin while an entry works
        ("price", "f8"),  # stop or target price; 0 for market
    ],
    align=True,
)

RESTING = np.dtype(
    [
        ("working", "i8"),
        ("is_entry", "i8"),
        ("order_type", "i8"),  # enums.OrderType
        ("qty", "f8"),
        ("remaining", "f8"),
        ("spend", "f8"),  # money to spend, fee included; 0 where qty is given
        ("limit_price", "f8"),
        ("stop_price", "f8"),
        ("trail", "f8"),
        ("wait", "i8"),  # bars of its symbol that must still begin before it can meet one
        ("parent_leg", "i8"),  # -1: none
        ("oco_group", "i8"),  # 0: none
    ],
    align=True,
)


class State(NamedTuple):
    """The bot's books and memory.

    account (1,), slots (symbols,), positions (symbols, 2), legs (symbols, 2, 3), and scratch:
    float64, one flat stretch for each (strategy, symbol), owned by the strategies.
    """

    account: NDArray[np.void]
    slots: NDArray[np.void]
    positions: NDArray[np.void]
    legs: NDArray[np.void]
    scratch: Floats


class Book(NamedTuple):
    """The simulated venue's memory: resting orders (symbols, 2, 3), an order in each leg at most."""

    orders: NDArray[np.void]
