"""What every source of bars answers with, whatever it reads from."""

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from engine.domain.errors import Fault
from engine.domain.values import Series


class Reading(NamedTuple):
    """Bars as a source gave them, before the platform's rules: maybe unsorted, maybe wrong.

    ``rows`` int64: where each bar stood in the source (line of the file), for messages. ``faults``: what could not be
    read at all; those rows are absent from ``series``.
    """

    series: Series
    rows: NDArray[np.int64]
    faults: tuple[Fault, ...] = ()


class BarSource(Protocol):
    """One way to get bars: a file now, a broker's history or a replay later."""

    def read(self, *, timeframe: str) -> Reading:
        """All bars of the source. Never raises for bad content: it is in ``faults``."""
        ...
