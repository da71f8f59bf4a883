"""Collects faults of many rows: the first fifty of a kind in full, the rest as a count."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.domain.errors import Fault

FULL_REPORTS = 50


class FaultLog:
    """What is wrong with one file, bounded whatever its size."""

    def __init__(self, pointer: str = "/file") -> None:
        self._pointer = pointer
        self._counts: Counter[str] = Counter()
        self._faults: dict[str, list[Fault]] = {}

    def add(self, code: str, message: str, *, row: int | None = None, got: Any = None, allowed: Any = None) -> None:
        """Note one fault; ``row`` is the line in the file, counted from 1."""
        self._counts[code] += 1
        kept = self._faults.setdefault(code, [])
        if len(kept) < FULL_REPORTS:
            pointer = self._pointer if row is None else f"{self._pointer}/rows/{row}"
            kept.append(Fault(code, pointer, message if row is None else f"Line {row}: {message}", allowed, got))

    def add_rows(
        self,
        code: str,
        message: str,
        wrong: NDArray[np.bool_],
        rows: NDArray[np.int64],
        *got: NDArray[Any],
        show: Callable[[Any], Any] = lambda value: value,
    ) -> None:
        """Note one fault per row where ``wrong``; ``message`` is a format for the row's values of ``got``."""
        places = np.flatnonzero(wrong)
        for place in places[:FULL_REPORTS].tolist():
            values = [show(array[place].item()) for array in got]
            self.add(code, message.format(*values), row=int(rows[place]), got=str(values[0]))
        self._counts[code] += max(0, places.size - FULL_REPORTS)

    def faults(self) -> tuple[Fault, ...]:
        """All kept faults, and for each kind with more, one that counts the rest."""
        found: list[Fault] = []
        for code, kept in self._faults.items():
            found += kept
            rest = self._counts[code] - len(kept)
            if rest:
                message = f"{rest} more rows have {code}; {self._counts[code]} in all."
                found.append(Fault(code, self._pointer, message, got=self._counts[code]))
        return tuple(found)
