"""A series that grows live: bars arrive one by one, and are sealed into a chunk when there are enough."""

import re
import uuid
from datetime import datetime
from uuid import UUID

import numpy as np
from django.db import transaction

from engine.domain.errors import Fault, InputError, NotFound, WrongState
from engine.domain.values import Ints, Series
from marketdata import barstore, quality
from marketdata.models import SOURCE_PATTERN, Adjustment, BarChunk, Dataset, Instrument, TailBar
from marketdata.providers.ports import Reading
from marketdata.timeframes import TIMEFRAMES


def open_dataset(*, symbol: str, timeframe: str, source: str, name: str = "", now: datetime) -> UUID:
    """The current raw dataset of this series, made empty when there is none yet; its id.

    Raises: VALIDATION_ERROR for an unknown symbol or timeframe, or a bad source.
    """
    with transaction.atomic():
        instrument = Instrument.objects.select_for_update(no_key=True).filter(symbol=symbol).first()
        faults = _open_faults(symbol, instrument, timeframe, source)
        if faults or instrument is None:
            raise InputError("The dataset cannot be opened.", faults=faults)
        family = Dataset.objects.filter(
            instrument=instrument, timeframe=timeframe, source=source, adjustment=Adjustment.RAW
        )
        current = family.filter(superseded_by__isnull=True, retired_at__isnull=True).first()
        return current.id if current else _create_empty(family.count() + 1, instrument, timeframe, source, name, now)


def append_bars(dataset_id: UUID, bars: Series, *, now: datetime) -> int:
    """Add closed bars at the end; how many were new.

    A bar that is there already with the same values is skipped; with other values it corrects the bar while that is
    in the tail. Prices are rounded to the tick.
    Raises: NOT_FOUND; VALIDATION_ERROR for bars that contradict themselves; WRONG_STATE for a dataset that is retired
    or superseded, and for bars before the end of the tail or inside a sealed chunk.
    """
    with transaction.atomic():
        row = Dataset.objects.select_for_update(of=("self",)).select_related("instrument").filter(id=dataset_id).first()
        if row is None:
            raise NotFound(f"There is no dataset {dataset_id}.")
        if row.superseded_by_id or row.retired_at:
            raise WrongState(f"{row} is superseded or retired; append to the current revision.")
        checked = _checked(row, bars, now)
        fresh = _correct(row, checked)
        _extend(row, fresh)
        _seal_full_chunks(row)
        _save(row)
    return fresh.open_ms.size


def retire_dataset(dataset_id: UUID, *, now: datetime) -> None:
    """Take the dataset out of every choice; its bars stay for the results that used them. Raises: NOT_FOUND."""
    if not Dataset.objects.filter(id=dataset_id).exists():
        raise NotFound(f"There is no dataset {dataset_id}.")
    Dataset.objects.filter(id=dataset_id, retired_at__isnull=True).update(retired_at=now)


def _open_faults(symbol: str, instrument: Instrument | None, timeframe: str, source: str) -> list[Fault]:
    faults = []
    if instrument is None:
        faults.append(Fault("unknown_symbol", "/symbol", f'There is no instrument "{symbol}".', got=symbol))
    if timeframe not in TIMEFRAMES:
        message = f'timeframe is "{timeframe}", allowed {", ".join(TIMEFRAMES)}.'
        faults.append(Fault("unknown_timeframe", "/timeframe", message, allowed=TIMEFRAMES, got=timeframe))
    if not re.fullmatch(SOURCE_PATTERN, source):
        faults.append(Fault("invalid_source", "/source", f'source is "{source}".', SOURCE_PATTERN, source))
    return faults


def _create_empty(revision: int, instrument: Instrument, timeframe: str, source: str, name: str, now: datetime) -> UUID:
    row = Dataset.objects.create(
        id=uuid.uuid4(),
        instrument=instrument,
        timeframe=timeframe,
        source=source,
        adjustment=Adjustment.RAW,
        name=name,
        revision=revision,
        sealed_key=barstore.EMPTY_KEY,
        fingerprint=barstore.EMPTY_KEY,
        created_at=now,
    )
    return row.id


def _checked(row: Dataset, bars: Series, now: datetime) -> Series:
    tick = float(row.instrument.price_tick)
    rules = quality.Rules(
        row.timeframe, row.instrument.calendar, row.instrument.asset_class, int(now.timestamp() * 1000)
    )
    reading = Reading(barstore.as_series(*bars), np.arange(1, len(bars.open_ms) + 1))
    faults = quality.faults(reading, rules)
    if not faults:
        rounded, _ = quality.round_to_tick(reading.series, tick)
        faults = quality.zero_price_faults(rounded, reading.rows, tick)
    if faults:
        raise InputError(f"The bars cannot be appended to {row}.", faults=faults)
    return rounded


def _sealed_until(row: Dataset) -> int | None:
    last = BarChunk.objects.filter(dataset=row).order_by("-ordinal").values_list("last_open_ms", flat=True).first()
    return None if last is None else last + 1


def _whole_tail(row: Dataset) -> Series:
    return barstore.tail(row.id, start_ms=_sealed_until(row))


def _correct(row: Dataset, bars: Series) -> Series:
    """Bring known bars up to date; those of ``bars`` that are new. Raises: WRONG_STATE when some are neither."""
    first = max(int(bars.open_ms[0]), _sealed_until(row) or int(bars.open_ms[0]))
    overlap = barstore.tail(row.id, start_ms=first)
    known = np.isin(bars.open_ms, overlap.open_ms)
    fresh = bars.open_ms > row.last_open_ms if row.last_open_ms is not None else np.ones(known.size, bool)
    if not np.all(known | fresh):
        raise WrongState("The bars are out of order.", faults=[_late_fault(row, bars.open_ms[~(known | fresh)])])
    place = np.searchsorted(overlap.open_ms, bars.open_ms[known])
    differs = np.zeros(place.size, bool)
    for old, new in zip(overlap, bars, strict=True):
        differs |= old[place] != new[known]
    if differs.any():
        changed = Series._make(column[known][differs] for column in bars)
        prices = list(Series._fields[1:])
        TailBar.objects.bulk_create(
            _rows(row, changed), update_conflicts=True, unique_fields=["dataset", "open_ms"], update_fields=prices
        )
        row.tail_digest = barstore.extend_digest("", _whole_tail(row))
    return Series._make(column[fresh] for column in bars)


def _late_fault(row: Dataset, late: Ints) -> Fault:
    message = (
        f"{late.size} bars, the first at {quality.moment(int(late[0]))}, open at or before the last bar of {row}, "
        f"{quality.moment(row.last_open_ms or 0)}, and are not in its tail; correct sealed bars by a new import."
    )
    return Fault("out_of_order", "/bars", message)


def _extend(row: Dataset, fresh: Series) -> None:
    if not fresh.open_ms.size:
        return
    # Rows of chunks sealed by an earlier append go now, not then: a reader may still have been between the two.
    if (sealed_until := _sealed_until(row)) is not None:
        TailBar.objects.filter(dataset=row, open_ms__lt=sealed_until).delete()
    TailBar.objects.bulk_create(_rows(row, fresh), batch_size=2_000)
    row.tail_digest = barstore.extend_digest(row.tail_digest, fresh)
    row.bar_count += fresh.open_ms.size
    row.first_open_ms = int(fresh.open_ms[0]) if row.first_open_ms is None else row.first_open_ms
    row.last_open_ms = int(fresh.open_ms[-1])


def _rows(row: Dataset, bars: Series) -> list[TailBar]:
    values = zip(*(column.tolist() for column in bars), strict=True)
    return [TailBar(dataset=row, **dict(zip(Series._fields, bar, strict=True))) for bar in values]


def _seal_full_chunks(row: Dataset) -> None:
    full = (row.bar_count - row.sealed_count) // barstore.CHUNK_BARS * barstore.CHUNK_BARS
    if not full:
        return
    tail = _whole_tail(row)
    ordinal = BarChunk.objects.filter(dataset=row).count()
    barstore.write(row.id, barstore.cut(tail, 0, full), first_ordinal=ordinal)
    hashes = BarChunk.objects.filter(dataset=row).order_by("ordinal").values_list("sha256", flat=True)
    row.sealed_key = barstore.sealed_key(hashes)
    row.sealed_count += full
    row.tail_digest = barstore.extend_digest("", barstore.cut(tail, full, tail.open_ms.size))


def _save(row: Dataset) -> None:
    row.fingerprint = barstore.fingerprint(row.sealed_key, row.tail_digest)
    changing = [
        "tail_digest",
        "bar_count",
        "sealed_count",
        "sealed_key",
        "fingerprint",
        "first_open_ms",
        "last_open_ms",
    ]
    row.save(update_fields=changing)
