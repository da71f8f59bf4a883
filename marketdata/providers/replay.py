"""Stored bars, one timestamp at a time, in the order in which they would have arrived.

Answers come from memory-mapped arrays by binary search. Only the datasets' rows are read from the database, in one
query; bars of a live tail are looked up there too.
"""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

import numpy as np

from engine.domain.values import Bars, Series
from marketdata import barstore, calendars
from marketdata.models import Dataset


class _Stored(NamedTuple):
    """One dataset, opened. ``tail_until``: open of the last bar of its live tail, None where it has none."""

    id: UUID
    sealed: Series
    tail_until: int | None
    calendar: str
    timeframe: str


def next_open_ms(dataset_ids: Sequence[UUID], after_ms: int | None) -> int | None:
    """The earliest open after ``after_ms`` (None: of all) in any of the datasets; None when no bar is left.

    Raises: BARS_CORRUPTED when stored bars do not match their checksum.
    """
    found = [_next_of(one, after_ms) for one in _stored(dataset_ids) if one is not None]
    return min((open_ms for open_ms in found if open_ms is not None), default=None)


def bars_at(dataset_ids: Sequence[UUID], open_ms: int) -> Bars | None:
    """All bars that open at ``open_ms``; ``symbol`` is the place in ``dataset_ids``. None where there is none.

    Raises: BARS_CORRUPTED when stored bars do not match their checksum.
    """
    places, rows, days = [], [], []
    for place, one in enumerate(_stored(dataset_ids)):
        row = None if one is None else _bar_of(one, open_ms)
        if one is not None and row is not None:
            places.append(place)
            rows.append(row)
            days.append(calendars.trading_days(np.array([open_ms]), one.calendar, timeframe=one.timeframe)[0])
    if not rows:
        return None
    # As engine.run.merge: venues name their days differently, and a day must not come back.
    day = np.maximum.accumulate(np.array(days, np.int32))
    columns = np.array(rows, np.float64).T.copy()
    return Bars(np.full(len(rows), open_ms, np.int64), np.array(places, np.int32), day, *columns)


def _stored(dataset_ids: Sequence[UUID]) -> list[_Stored | None]:
    """The datasets in the order asked for; None for one that does not exist. One query."""
    rows = Dataset.objects.filter(id__in=set(dataset_ids)).values_list(
        "id", "sealed_key", "sealed_count", "bar_count", "last_open_ms", "instrument__calendar", "timeframe"
    )
    found = {}
    for dataset_id, key, sealed_count, bar_count, last_open_ms, calendar, timeframe in rows:
        sealed = barstore.sealed(dataset_id, key=key, count=sealed_count)
        tail_until = last_open_ms if bar_count > sealed_count else None
        found[dataset_id] = _Stored(dataset_id, sealed, tail_until, calendar, timeframe)
    return [found.get(dataset_id) for dataset_id in dataset_ids]


def _next_of(one: _Stored, after_ms: int | None) -> int | None:
    opens = one.sealed.open_ms
    row = 0 if after_ms is None else int(np.searchsorted(opens, after_ms, side="right"))
    if row < opens.size:
        return int(opens[row])
    if one.tail_until is None or (after_ms is not None and after_ms >= one.tail_until):
        return None
    tail = _tail(one, start_ms=None if after_ms is None else after_ms + 1, end_ms=one.tail_until + 1)
    return int(tail.open_ms[0]) if tail.open_ms.size else None


def _bar_of(one: _Stored, open_ms: int) -> tuple[float, ...] | None:
    """Open, high, low, close and volume of the bar that opens then."""
    bars = one.sealed
    row = int(np.searchsorted(bars.open_ms, open_ms))
    if row == bars.open_ms.size:
        if one.tail_until is None or open_ms > one.tail_until:
            return None
        bars, row = _tail(one, start_ms=open_ms, end_ms=open_ms + 1), 0
    if row == bars.open_ms.size or bars.open_ms[row] != open_ms:
        return None
    return tuple(float(column[row]) for column in bars[1:])


def _tail(one: _Stored, *, start_ms: int | None, end_ms: int) -> Series:
    # Rows of a chunk sealed meanwhile may still be in the tail table; those the arrays have are theirs.
    sealed_until = int(one.sealed.open_ms[-1]) + 1 if one.sealed.open_ms.size else None
    starts = [start for start in (start_ms, sealed_until) if start is not None]
    return barstore.tail(one.id, start_ms=max(starts, default=None), end_ms=end_ms)
