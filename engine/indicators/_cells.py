"""Places in the flat array that indicators keep their memory in."""

import numpy as np


def numbers(count: int) -> tuple[np.uint64, ...]:
    """0, 1, 2, ... unsigned: an index that cannot count from the end is not tested for it."""
    return tuple(np.uint64(number) for number in range(count))
