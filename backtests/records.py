"""A run's records in the database: appended by the run, read back in stretches of bounded size."""

import zlib
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import TypeVar, overload
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from backtests.models import RecordChunk, RecordKind
from engine.domain import events

Records = NDArray[np.void]
Keep = Callable[[Records], NDArray[np.bool_]]

EQUITY = np.dtype([("open_ms", "i8"), ("equity", "f8")])
# ``at_ms``: when the signal was given; the bar it belongs to is found when the run starts.
SIGNAL = np.dtype([("at_ms", "i8"), ("symbol", "i4"), ("action", "i4"), ("confidence", "f8")])

DTYPES: dict[str, np.dtype[np.void]] = {
    RecordKind.SIGNAL: SIGNAL,
    RecordKind.EQUITY: EQUITY,
    RecordKind.ORDER: events.ORDER,
    RecordKind.FILL: events.FILL,
    RecordKind.TRIP: events.ROUND_TRIP,
    RecordKind.DECISION: events.DECISION,
}
# Level 1: the records are mostly repeated fields, and shrink as well as at 6 in a third of the time.
_LEVEL = 1
_AT_ONCE = 4  # chunks fetched together


Row = TypeVar("Row")


class Listing(Sequence[Row]):
    """A long list of records that is only read where somebody looks: has a length, can be sliced.

    ``keep``: a filter over packed records; without it the length comes from the chunks' counts
    alone. ``make`` turns the records of a slice into rows. One chunk is in memory at a time.
    """

    def __init__(
        self, backtest_id: UUID, kind: str, *, make: Callable[[Records], list[Row]], keep: Keep | None = None
    ) -> None:
        self._backtest_id, self._kind, self._make, self._keep = backtest_id, kind, make, keep

    @cached_property
    def _counts(self) -> dict[int, int]:
        """Chunk -> how many of its records are in this list."""
        if self._keep is None:
            return counts(self._backtest_id, self._kind)
        rows = RecordChunk.objects.filter(backtest_id=self._backtest_id, kind=self._kind).order_by("sequence")
        chunks = rows.values_list("sequence", "payload").iterator(chunk_size=_AT_ONCE)
        return {sequence: int(self._keep(_unpacked(self._kind, payload)).sum()) for sequence, payload in chunks}

    def __len__(self) -> int:
        return sum(self._counts.values())

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> list[Row]: ...
    def __getitem__(self, index: int | slice) -> Row | list[Row]:
        if isinstance(index, slice):
            first, last, step = index.indices(len(self))
            return self._make(self._between(first, max(first, last))[::step])
        at = range(len(self))[index]
        return self._make(self._between(at, at + 1))[0]

    def _between(self, first: int, last: int) -> Records:
        wanted: list[int] = []
        skipped = start = 0
        for sequence, count in self._counts.items():
            if start < last and start + count > first:
                skipped = skipped if wanted else start
                wanted.append(sequence)
            start += count
        found = list(stretches(self._backtest_id, self._kind, sequences=wanted))
        kept = [one if self._keep is None else one[self._keep(one)] for one in found]
        records = np.concatenate(kept) if kept else np.zeros(0, DTYPES[self._kind])
        return records[first - skipped : last - skipped]


class Sliced(Sequence[Row]):
    """Records already in memory, turned into rows only where somebody looks."""

    def __init__(self, found: Records, *, make: Callable[[Records], list[Row]]) -> None:
        self._found, self._make = found, make

    def __len__(self) -> int:
        return len(self._found)

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> list[Row]: ...
    def __getitem__(self, index: int | slice) -> Row | list[Row]:
        if isinstance(index, slice):
            return self._make(self._found[index])
        at = range(len(self))[index]
        return self._make(self._found[at : at + 1])[0]


def append(backtest_id: UUID, kind: str, sequence: int, records: Records) -> None:
    """Store what one engine chunk left behind; nothing is stored for nothing."""
    if len(records):
        RecordChunk.objects.create(
            backtest_id=backtest_id, kind=kind, sequence=sequence, count=len(records), payload=_packed(kind, records)
        )


def erase(backtest_id: UUID) -> None:
    """Forget what a run left behind, except the signals it was given."""
    RecordChunk.objects.filter(backtest_id=backtest_id).exclude(kind=RecordKind.SIGNAL).delete()


def counts(backtest_id: UUID, kind: str) -> dict[int, int]:
    """How many records each chunk of a kind holds, in order."""
    rows = RecordChunk.objects.filter(backtest_id=backtest_id, kind=kind).order_by("sequence")
    return dict(rows.values_list("sequence", "count"))


def stretches(backtest_id: UUID, kind: str, *, sequences: Sequence[int] | None = None) -> Iterator[Records]:
    """Records of a kind in the order written, one stored chunk at a time; all chunks, or those named."""
    rows = RecordChunk.objects.filter(backtest_id=backtest_id, kind=kind).order_by("sequence")
    rows = rows if sequences is None else rows.filter(sequence__in=sequences)
    for payload in rows.values_list("payload", flat=True).iterator(chunk_size=_AT_ONCE):
        yield _unpacked(kind, payload)


def everything(backtest_id: UUID, kind: str) -> Records:
    """Every record of a kind in one array."""
    found = list(stretches(backtest_id, kind))
    return np.concatenate(found) if found else np.zeros(0, DTYPES[kind])


def _packed(kind: str, records: Records) -> bytes:
    return zlib.compress(np.ascontiguousarray(records, dtype=DTYPES[kind]).tobytes(), _LEVEL)


def _unpacked(kind: str, payload: bytes | memoryview) -> Records:
    return np.frombuffer(zlib.decompress(payload), dtype=DTYPES[kind])
