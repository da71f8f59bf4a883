"""What the market did, for every other room: bars as arrays, what is known of datasets and instruments."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

import numpy as np
from django.conf import settings
from django.db.models import BinaryField, Case, F, Func, IntegerField, QuerySet, Value, When
from django.db.models.functions import Now
from numpy.typing import NDArray

from engine.domain.errors import Fault, NotFound
from engine.domain.values import Instrument as EngineInstrument
from engine.domain.values import Ints, Series
from marketdata import barstore, calendars, mappers, quality, studies
from marketdata.models import Adjustment, Dataset, Instrument, ReplayClock, Study, StudyColumn
from marketdata.timeframes import DURATION_MS

LARGEST_PAGE = 5_000
_EARLIEST_MS = -(1 << 62)


class DatasetInfo(NamedTuple):
    """What others need to know of a dataset; times are bar opens in UTC milliseconds, None while it is empty.

    ``marks``: codes other rooms act on, such as ``unadjusted_split_suspected``. ``is_current``: neither superseded
    by a later revision nor retired.
    """

    id: UUID
    symbol: str
    timeframe: str
    source: str
    adjustment: str
    name: str
    revision: int
    calendar: str
    first_open_ms: int | None
    last_open_ms: int | None
    bar_count: int
    fingerprint: str
    marks: tuple[str, ...]
    is_current: bool
    created_at: datetime


class Coverage(NamedTuple):
    """From when to when there are bars, and how many the quality report found missing."""

    first_open_ms: int | None
    last_open_ms: int | None
    bar_count: int
    missing_bars: int
    missing_sessions: int


class Page(NamedTuple):
    """A window of bars for a chart. ``bars_per_point``: bars each point stands for; 1 when nothing was merged.

    ``start_row``: the window's first row in the dataset; ``bar_count``: bars in the window before merging.
    """

    series: Series
    bars_per_point: int
    start_row: int
    bar_count: int


class StudyInfo(NamedTuple):
    """A study without its values."""

    id: UUID
    dataset_id: UUID
    symbol: str
    timeframe: str
    name: str
    parameters: dict[str, Any]
    status: str
    error_code: str
    error_message: str
    bar_count: int
    columns: tuple[str, ...]
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class Feed(NamedTuple):
    """How far the replay of one timeframe is. Event time is the close of the newest published bar.

    ``now_ms``: open of that bar; ``due_ms``: event time; both None at the start of an epoch. ``advanced_at``: when it
    last moved, ``read_at``: when it was read, both by the database's clock and None while it has no row. ``is_open``:
    whether bars flow.
    """

    timeframe: str
    epoch: int
    now_ms: int | None
    due_ms: int | None
    is_running: bool
    bars_per_second: Decimal
    advanced_at: datetime | None
    is_open: bool = False
    read_at: datetime | None = None


def closed_bars(dataset_id: UUID | str, *, start_ms: int | None = None, end_ms: int | None = None) -> Series:
    """The closed bars with ``start_ms <= open_ms < end_ms``: read-only arrays over memory-mapped files.

    Only a window that reaches into the live tail is copied. An empty window gives empty arrays.
    Raises: NOT_FOUND for an unknown dataset; BARS_CORRUPTED when stored bars do not match their checksum.
    """
    return _bars(_row(dataset_id), start_ms, end_ms)


def several_closed_bars(
    dataset_ids: Sequence[UUID | str], *, start_ms: int | None = None, end_ms: int | None = None
) -> list[Series]:
    """``closed_bars`` of each dataset, in their order; one query while no live tail is in the window.

    Raises: as ``closed_bars``.
    """
    wanted = [_uuid(value) for value in dataset_ids]
    rows = Dataset.objects.select_related("instrument").in_bulk([found for found in wanted if found])
    missing = [str(given) for given, found in zip(dataset_ids, wanted, strict=True) if found not in rows]
    if missing:
        raise NotFound(f"There is no dataset {', '.join(missing)}.")
    return [_bars(rows[found], start_ms, end_ms) for found in wanted if found]


def dataset(dataset_id: UUID | str) -> DatasetInfo:
    """One dataset, whatever its state. Raises: NOT_FOUND."""
    return info_of(_row(dataset_id))


def datasets(
    *, symbol: str | None = None, timeframe: str | None = None, source: str | None = None, current: bool = True
) -> list[DatasetInfo]:
    """The datasets that match, by symbol, timeframe, newest first; ``current`` leaves superseded and retired out."""
    return [info_of(row) for row in dataset_rows(symbol=symbol, timeframe=timeframe, source=source, current=current)]


def datasets_by_id(dataset_ids: Iterable[UUID | str]) -> dict[UUID, DatasetInfo]:
    """Those of the named datasets that exist, in one query."""
    rows = Dataset.objects.filter(id__in=[found for value in dataset_ids if (found := _uuid(value))])
    return {row.id: info_of(row) for row in rows.select_related("instrument")}


def dataset_rows(
    *, symbol: str | None = None, timeframe: str | None = None, source: str | None = None, current: bool = True
) -> "QuerySet[Dataset]":
    """The rows behind ``datasets``, for a paginator."""
    rows = Dataset.objects.select_related("instrument")
    if current:
        rows = rows.filter(superseded_by__isnull=True, retired_at__isnull=True)
    if symbol:
        rows = rows.filter(instrument__symbol=symbol.upper())
    if timeframe:
        rows = rows.filter(timeframe=timeframe)
    if source:
        rows = rows.filter(source=source)
    return rows.order_by("instrument__symbol", "timeframe", "-created_at", "id")


def info_of(row: Dataset) -> DatasetInfo:
    """The public face of a dataset's row, for pages of ``dataset_rows``."""
    return DatasetInfo(
        id=row.id,
        symbol=row.instrument.symbol,
        timeframe=row.timeframe,
        source=row.source,
        adjustment=row.adjustment,
        name=row.name,
        revision=row.revision,
        calendar=row.instrument.calendar,
        first_open_ms=row.first_open_ms,
        last_open_ms=row.last_open_ms,
        bar_count=row.bar_count,
        fingerprint=row.fingerprint,
        marks=tuple(row.quality.get("marks", ())),
        is_current=row.superseded_by_id is None and row.retired_at is None,
        created_at=row.created_at,
    )


def default_dataset(symbol: str, timeframe: str) -> DatasetInfo | None:
    """The dataset to use when nobody chose one: adjusted before raw, then the one with most bars; None if none."""
    return default_datasets([symbol], timeframe).get(symbol)


def default_datasets(symbols: Iterable[str], timeframe: str) -> dict[str, DatasetInfo]:
    """``default_dataset`` of several symbols in one query; symbols without one are absent."""
    adjusted_first = Case(
        When(adjustment=Adjustment.ADJUSTED, then=Value(1)), default=Value(0), output_field=IntegerField()
    )
    rows = Dataset.objects.filter(
        instrument__symbol__in=list(symbols),
        timeframe=timeframe,
        bar_count__gt=0,
        superseded_by__isnull=True,
        retired_at__isnull=True,
    )
    best_last = rows.select_related("instrument").order_by(adjusted_first, "bar_count", "created_at", "id")
    return {row.instrument.symbol: info_of(row) for row in best_last}


def fingerprint(dataset_id: UUID | str) -> str:
    """The hash that names the dataset's bars: equal hashes, equal bars. Raises: NOT_FOUND."""
    return _row(dataset_id).fingerprint


def quality_report(dataset_id: UUID | str) -> dict[str, Any]:
    """What was found in the bars at import: warnings with examples, marks, rounding. Raises: NOT_FOUND."""
    return dict(_row(dataset_id).quality)


def coverage(dataset_id: UUID | str) -> Coverage:
    """From when to when, how many bars, and how many are known to be missing. Raises: NOT_FOUND."""
    row = _row(dataset_id)
    counts = {warning["code"]: warning for warning in row.quality.get("warnings", [])}
    return Coverage(
        row.first_open_ms,
        row.last_open_ms,
        row.bar_count,
        counts.get("gap", {}).get("missing_bars", 0),
        counts.get("missing_session", {}).get("count", 0),
    )


def stored_faults(dataset_id: UUID | str) -> list[str]:
    """What is wrong with the stored chunks and this machine's cache; empty when sound. Raises: NOT_FOUND."""
    row = _row(dataset_id)
    return [
        *barstore.faults_of_chunks(row.id, key=row.sealed_key),
        *barstore.faults_of_cache(row.id, key=row.sealed_key, count=row.sealed_count),
    ]


def trading_days(open_ms: Ints, calendar: str, *, timeframe: str | None = None) -> NDArray[np.int32]:
    """The trading day of each bar, int32 days since 1970-01-01. See ``calendars.trading_days``."""
    return calendars.trading_days(open_ms, calendar, timeframe=timeframe)


def inside_window(open_ms: Ints, window: tuple[int, int], *, timeframe: str) -> NDArray[np.bool_]:
    """Which bars close inside a trading window. See ``calendars.inside_window``."""
    return calendars.inside_window(open_ms, window, timeframe=timeframe)


def instruments(symbols: Iterable[str]) -> dict[str, EngineInstrument]:
    """The engine's instruments of those symbols that are defined, in one query."""
    return {row.symbol: mappers.engine_instrument(row) for row in Instrument.objects.filter(symbol__in=list(symbols))}


def instrument_rows() -> "QuerySet[Instrument]":
    """All instruments by symbol, for a paginator."""
    return Instrument.objects.order_by("symbol")


def known_symbols() -> list[str]:
    """Every defined symbol, sorted."""
    return list(Instrument.objects.order_by("symbol").values_list("symbol", flat=True))


def backtest_faults(
    dataset_ids: Sequence[UUID | str], start_ms: int | None, end_ms: int | None, *, pointer: str = "/datasets"
) -> list[Fault]:
    """Why these datasets cannot be backtested over ``[start_ms, end_ms)``; all faults, empty when they can.

    An open end is None. Retired and superseded datasets stay usable: results must be repeatable.
    """
    if start_ms is not None and end_ms is not None and end_ms <= start_ms:
        message = f"end {quality.moment(end_ms)} is not after start {quality.moment(start_ms)}."
        return [Fault("end_before_start", "/end", message, got=end_ms)]
    rows = Dataset.objects.select_related("instrument").in_bulk([found for i in dataset_ids if (found := _uuid(i))])
    faults: list[Fault] = []
    for place, dataset_id in enumerate(dataset_ids):
        row, where = rows.get(_uuid(dataset_id) or UUID(int=0)), f"{pointer}/{place}"
        if row is None:
            faults.append(Fault("unknown_dataset", where, f"There is no dataset {dataset_id}.", got=str(dataset_id)))
        else:
            faults += _window_faults(row, start_ms, end_ms, where)
    return faults


def bars_page(
    dataset_id: UUID | str,
    *,
    start_ms: int | None = None,
    end_ms: int | None = None,
    max_points: int = LARGEST_PAGE,
) -> Page:
    """A window for a chart: at most ``max_points`` (1-5000) candles, each the exact merge of as many bars as needed."""
    row = _row(dataset_id)
    series = _bars(row, start_ms, end_ms)
    count = series.open_ms.size
    merged = -(-count // min(max(max_points, 1), LARGEST_PAGE)) or 1
    return Page(_merge(series, merged), merged, _start_row(row, series), count)


def study_catalogue() -> list[studies.StudyDeclaration]:
    """Every study that can be asked for, by name."""
    return list(studies.catalogue().values())


def study(study_id: UUID | str) -> StudyInfo:
    """One study without its values. Raises: NOT_FOUND."""
    return _study_info(_study_row(study_id))


def study_rows() -> "QuerySet[Study]":
    """All studies, newest first, for a paginator."""
    return Study.objects.select_related("dataset__instrument").order_by("-created_at", "id")


def study_values(study_id: UUID | str, page: Page) -> dict[str, NDArray[np.float64]]:
    """A study's columns over a page of its dataset's bars: one value per point, the last of the bars it stands for.

    NaN where the study has no value, also for bars that arrived after it was computed. Raises: NOT_FOUND.
    """
    row = _study_row(study_id)
    columns = {}
    for ordinal, name in row.columns.order_by("ordinal").values_list("ordinal", "name"):
        values = np.full(page.bar_count, np.nan)
        stored = _study_slice(row, ordinal, page)
        values[: stored.size] = stored
        last = np.minimum(np.arange(1, page.series.open_ms.size + 1) * page.bars_per_point, page.bar_count) - 1
        columns[name] = values[last] if page.bar_count else values
    return columns


def feed(timeframe: str) -> Feed:
    """The replay of one timeframe; one that never ran stands at the start of epoch 1. One query."""
    row = ReplayClock.objects.annotate(read_at=Now()).filter(timeframe=timeframe).first()
    if row is None:
        return Feed(timeframe, 1, None, None, True, settings.REPLAY_BARS_PER_SECOND, None)
    return _feed(row, row.read_at)


def feeds() -> dict[str, Feed]:
    """Every replay that ever ran, by timeframe, the shortest first. One query."""
    rows = {row.timeframe: _feed(row, row.read_at) for row in ReplayClock.objects.annotate(read_at=Now())}
    return {timeframe: rows[timeframe] for timeframe in DURATION_MS if timeframe in rows}


def _feed(row: ReplayClock, read_at: datetime) -> Feed:
    return Feed(
        timeframe=row.timeframe,
        epoch=row.epoch,
        now_ms=row.now_ms,
        due_ms=None if row.now_ms is None else row.now_ms + DURATION_MS[row.timeframe],
        is_running=row.is_running,
        bars_per_second=row.bars_per_second,
        advanced_at=row.advanced_at,
        is_open=row.is_open,
        read_at=read_at,
    )


def _row(dataset_id: UUID | str) -> Dataset:
    found = _uuid(dataset_id)
    row = Dataset.objects.select_related("instrument").filter(id=found).first() if found else None
    if row is None:
        raise NotFound(f"There is no dataset {dataset_id}.")
    return row


def _study_row(study_id: UUID | str) -> Study:
    found = _uuid(study_id)
    row = Study.objects.select_related("dataset__instrument").filter(id=found).first() if found else None
    if row is None:
        raise NotFound(f"There is no study {study_id}.")
    return row


def _uuid(value: UUID | str) -> UUID | None:
    try:
        return value if isinstance(value, UUID) else UUID(value)
    except ValueError:
        return None


def _study_info(row: Study) -> StudyInfo:
    return StudyInfo(
        id=row.id,
        dataset_id=row.dataset_id,
        symbol=row.dataset.instrument.symbol,
        timeframe=row.dataset.timeframe,
        name=row.name,
        parameters=row.parameters,
        status=row.status,
        error_code=row.error_code,
        error_message=row.error_message,
        bar_count=row.bar_count,
        columns=tuple(row.columns.order_by("ordinal").values_list("name", flat=True)),
        created_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
    )


def _bars(row: Dataset, start_ms: int | None, end_ms: int | None) -> Series:
    sealed = barstore.sealed(row.id, key=row.sealed_key, count=row.sealed_count)
    series = _window(sealed, start_ms, end_ms)
    if row.bar_count == row.sealed_count or (end_ms is not None and _first_of_tail(sealed) >= end_ms):
        return series
    # Bounded by what the row said: bars that arrive, or are sealed, while we read belong to the next reader.
    first = max(_first_of_tail(sealed), _EARLIEST_MS if start_ms is None else start_ms)
    last = row.last_open_ms if row.last_open_ms is not None else first
    tail = barstore.tail(row.id, start_ms=first, end_ms=last + 1 if end_ms is None else min(end_ms, last + 1))
    joined = Series._make(np.concatenate(pair) for pair in zip(series, tail, strict=True))
    for column in joined:
        column.flags.writeable = False
    return joined


def _first_of_tail(sealed: Series) -> int:
    return int(sealed.open_ms[-1]) + 1 if sealed.open_ms.size else _EARLIEST_MS


def _window(series: Series, start_ms: int | None, end_ms: int | None) -> Series:
    start = 0 if start_ms is None else int(np.searchsorted(series.open_ms, start_ms, side="left"))
    stop = series.open_ms.size if end_ms is None else int(np.searchsorted(series.open_ms, end_ms, side="left"))
    return barstore.cut(series, start, max(start, stop))


def _start_row(row: Dataset, series: Series) -> int:
    if not series.open_ms.size:
        return 0
    sealed = barstore.sealed(row.id, key=row.sealed_key, count=row.sealed_count)
    place = int(np.searchsorted(sealed.open_ms, series.open_ms[0], side="left"))
    if place < sealed.open_ms.size:
        return place
    tail = barstore.tail(row.id, start_ms=_first_of_tail(sealed), end_ms=int(series.open_ms[0]))
    return place + int(tail.open_ms.size)


def _merge(series: Series, bars_per_point: int) -> Series:
    if bars_per_point == 1:
        return series
    count = series.open_ms.size
    starts = np.arange(0, count, bars_per_point)
    ends = np.minimum(starts + bars_per_point, count) - 1
    return Series(
        series.open_ms[starts],
        series.open[starts],
        np.maximum.reduceat(series.high, starts),
        np.minimum.reduceat(series.low, starts),
        series.close[ends],
        np.add.reduceat(series.volume, starts),
    )


def _window_faults(row: Dataset, start_ms: int | None, end_ms: int | None, where: str) -> list[Fault]:
    first, last = row.first_open_ms, row.last_open_ms
    if first is None or last is None:
        return [Fault("no_bars", where, f"{row} holds no bars.")]
    if (end_ms is not None and end_ms <= first) or (start_ms is not None and start_ms > last):
        span = f"{quality.moment(first)} to {quality.moment(last)}"
        return [Fault("no_bars_in_window", where, f"{row} has bars from {span}, none in the window asked for.", span)]
    if row.adjustment != Adjustment.RAW:
        return []
    inside = [
        split
        for split in row.quality.get("splits", [])
        if (start_ms is None or split["open_ms"] > start_ms) and (end_ms is None or split["open_ms"] < end_ms)
    ]
    return [_split_fault(row, inside, where)] if inside else []


def _split_fault(row: Dataset, splits: list[dict[str, Any]], where: str) -> Fault:
    seen = ", ".join(f"{split['at'][:10]} ({split['ratio']:g}:1)" for split in splits[:5])
    message = (
        f"{row} looks split and is not adjusted: {seen}. A stop would fire on a price nobody saw; "
        "import it adjusted, or with a factor file, and use that dataset, or choose a window without the split."
    )
    return Fault(quality.SPLIT_SUSPECTED, where, message, got=len(splits))


def _study_slice(row: Study, ordinal: int, page: Page) -> NDArray[np.float64]:
    count = max(0, min(page.bar_count, row.bar_count - page.start_row))
    if not count:
        return np.empty(0)
    # Cut in the database: a chart of 5,000 bars must not fetch eight megabytes for a million.
    piece = Func(F("data"), page.start_row * 8 + 1, count * 8, function="substring", output_field=BinaryField())
    column = StudyColumn.objects.filter(study=row, ordinal=ordinal).annotate(piece=piece)
    return np.frombuffer(bytes(column.values_list("piece", flat=True).get()), "<f8")
