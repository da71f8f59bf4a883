"""Bringing whole series in: a CSV file, or the sample. Nothing is stored unless every bar is right."""

import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, BinaryIO, NamedTuple
from uuid import UUID
from zoneinfo import available_timezones

import numpy as np
from django.db import transaction

from engine.domain.errors import Fault, InputError
from engine.domain.values import Series
from marketdata import barstore, calendars, factors, quality
from marketdata.models import SOURCE_PATTERN, Adjustment, AssetClass, Dataset, Instrument
from marketdata.providers import CsvFile, bokeh
from marketdata.providers.ports import Reading
from marketdata.services.instruments import InstrumentDefinition, define_instrument
from marketdata.timeframes import TIMEFRAMES


@dataclass(frozen=True, kw_only=True)
class ImportRequest:
    """What is asked of an import. ``timezone``: for timestamps without a zone. ``adjustment``: what the file holds.

    ``factors``: a factor file for a raw series; the adjusted series is then stored beside it.
    """

    symbol: str
    timeframe: str
    source: str
    adjustment: str = Adjustment.RAW.value
    name: str = ""
    timezone: str | None = None
    factors: BinaryIO | None = None


class Imported(NamedTuple):
    """One dataset an import ended in; ``is_new`` is False when the same bars were there already."""

    dataset_id: UUID
    adjustment: str
    revision: int
    is_new: bool


class _Bars(NamedTuple):
    series: Series
    adjustment: str
    notes: dict[str, Any]


def import_csv(file: BinaryIO, request: ImportRequest, *, now: datetime) -> list[Imported]:
    """Store the file as a dataset, or as the next revision of one; with factors, raw and adjusted.

    Raises: VALIDATION_ERROR with every fault of the request and of the file, by line; nothing is stored then.
    """
    instrument = Instrument.objects.filter(symbol=request.symbol).first()
    faults = _request_faults(request, instrument)
    readable = request.timeframe in TIMEFRAMES and not any(fault.code == "unknown_timezone" for fault in faults)
    if not readable:
        raise InputError("The file cannot be imported.", faults=faults)
    reading = CsvFile(file, timezone=request.timezone).read(timeframe=request.timeframe)
    rules = _rules(instrument, request.timeframe, now)
    faults += quality.faults(reading, rules)
    table, factor_faults = factors.read(request.factors) if request.factors else (None, ())
    faults += factor_faults
    if faults or instrument is None:
        raise InputError("The file cannot be imported.", faults=faults)
    versions = _versions(reading, request.adjustment, instrument, rules, table)
    return _store_all(versions, instrument, request, rules, now)


def import_samples(now: datetime) -> list[Imported]:
    """Store the sample bars (AAPL, GOOG, IBM, MSFT, daily 2000-2013, adjusted); nothing new when they are there."""
    with transaction.atomic():
        return [_import_sample(symbol, series, now) for symbol, series in bokeh.adjusted_series().items()]


def _import_sample(symbol: str, series: Series, now: datetime) -> Imported:
    instrument = Instrument.objects.filter(symbol=symbol).first() or _define_sample(symbol, now)
    rules = _rules(instrument, "1d", now)
    request = ImportRequest(
        symbol=symbol,
        timeframe="1d",
        source=bokeh.NAME,
        adjustment=Adjustment.ADJUSTED.value,
        name=f"Sample: {bokeh.COMPANIES[symbol]}, daily, adjusted",
    )
    reading = Reading(series, np.arange(1, series.open_ms.size + 1))
    if faults := quality.faults(reading, rules):
        raise InputError(f"The sample of {symbol} is damaged; reinstall {bokeh.PACKAGE}.", faults=faults)
    notes = {"adjusted_by": "adjusted close / close; volume divided by the same"}
    rounded, rounding = quality.round_to_tick(series, float(instrument.price_tick))
    bars = _Bars(rounded, request.adjustment, notes | {"rounding": rounding})
    if retired := _retired_with(bars, instrument, request):
        return Imported(retired.id, bars.adjustment, retired.revision, is_new=False)
    return _store_all([bars], instrument, request, rules, now)[0]


def _retired_with(bars: _Bars, instrument: Instrument, request: ImportRequest) -> Dataset | None:
    """Somebody took these very bars out of use: the next start of the platform must not bring them back."""
    key = barstore.sealed_key(barstore.series_hashes(bars.series))
    family = Dataset.objects.filter(instrument=instrument, timeframe=request.timeframe, source=request.source)
    return family.filter(sealed_key=key, retired_at__isnull=False).order_by("-revision").first()


def _define_sample(symbol: str, now: datetime) -> Instrument:
    # A cash account at a US broker: whole shares, no margin; a dollar is the smallest order brokers take. The tick is
    # a hundredth of a cent because the series is adjusted: Apple at 2000's four dollars had traded at 130, where a
    # cent was fine; on the adjusted price a cent would move it by up to half a percent.
    definition = InstrumentDefinition(
        symbol=symbol,
        name=bokeh.COMPANIES[symbol],
        asset_class=AssetClass.EQUITY.value,
        calendar="XNYS",
        price_tick=Decimal("0.0001"),
        min_notional=Decimal(1),
    )
    return Instrument.objects.get(symbol=define_instrument(definition, now=now))


def _request_faults(request: ImportRequest, instrument: Instrument | None) -> list[Fault]:
    faults = []
    if instrument is None:
        message = f'There is no instrument "{request.symbol}"; define it first, with its calendar and tick.'
        faults.append(Fault("unknown_symbol", "/symbol", message, got=request.symbol))
    if request.timeframe not in TIMEFRAMES:
        message = f'timeframe is "{request.timeframe}", allowed {", ".join(TIMEFRAMES)}.'
        faults.append(Fault("unknown_timeframe", "/timeframe", message, allowed=TIMEFRAMES, got=request.timeframe))
    if not re.fullmatch(SOURCE_PATTERN, request.source):
        message = f'source is "{request.source}", must be 1-32 of a-z, 0-9, "_", "-", first a letter or digit.'
        faults.append(Fault("invalid_source", "/source", message, got=request.source))
    if request.adjustment not in Adjustment.values:
        message = f'adjustment is "{request.adjustment}", allowed raw, adjusted.'
        faults.append(Fault("unknown_adjustment", "/adjustment", message, Adjustment.values, request.adjustment))
    if request.factors is not None and request.adjustment == Adjustment.ADJUSTED:
        message = "Factors are for raw bars; these are said to be adjusted already."
        faults.append(Fault("factors_need_raw", "/factors", message))
    if request.timezone is not None and request.timezone not in available_timezones():
        message = f'timezone is "{request.timezone}"; an IANA name such as America/New_York is expected.'
        faults.append(Fault("unknown_timezone", "/timezone", message, got=request.timezone))
    if len(request.name) > 120:
        faults.append(Fault("too_long", "/name", f"name has {len(request.name)} characters, allowed 120.", 120))
    return faults


def _rules(instrument: Instrument | None, timeframe: str, now: datetime) -> quality.Rules:
    calendar = instrument.calendar if instrument else calendars.ALWAYS
    asset_class = instrument.asset_class if instrument else ""
    return quality.Rules(timeframe, calendar, asset_class, int(now.timestamp() * 1000))


def _versions(
    reading: Reading, adjustment: str, instrument: Instrument, rules: quality.Rules, table: factors.Factors | None
) -> list[_Bars]:
    """What will be stored: the series, and the adjusted one where there are factors. All on the tick."""
    found: list[tuple[Series, str, dict[str, Any]]] = [(reading.series, adjustment, {})]
    if table is not None:
        day = calendars.trading_days(reading.series.open_ms, rules.calendar, timeframe=rules.timeframe)
        notes = {"adjusted_by": "factor file: price and split factors; volume divided by the split factor"}
        found.append((factors.adjust(reading.series, table, day), Adjustment.ADJUSTED.value, notes))
    faults: list[Fault] = []
    versions = []
    for series, kind, notes in found:
        rounded, rounding = quality.round_to_tick(series, float(instrument.price_tick))
        faults += quality.zero_price_faults(rounded, reading.rows, float(instrument.price_tick))
        versions.append(_Bars(rounded, kind, notes | {"rounding": rounding}))
    if faults:
        raise InputError("The file cannot be imported.", faults=faults)
    return versions


@transaction.atomic
def _store_all(
    versions: Sequence[_Bars], instrument: Instrument, request: ImportRequest, rules: quality.Rules, now: datetime
) -> list[Imported]:
    # One import of a symbol at a time: revisions are counted, and two must not take the same number.
    Instrument.objects.select_for_update(no_key=True).get(pk=instrument.pk)
    return [_store(bars, instrument, request, rules, now) for bars in versions]


def _store(
    bars: _Bars, instrument: Instrument, request: ImportRequest, rules: quality.Rules, now: datetime
) -> Imported:
    family = Dataset.objects.filter(
        instrument=instrument, timeframe=request.timeframe, source=request.source, adjustment=bars.adjustment
    )
    current = family.filter(superseded_by__isnull=True, retired_at__isnull=True).first()
    key = barstore.sealed_key(barstore.series_hashes(bars.series))
    if current is not None and current.sealed_key == key:  # bars that arrived live since then are no reason
        return Imported(current.id, bars.adjustment, current.revision, is_new=False)
    dataset_id = uuid.uuid4()
    if current is not None:
        Dataset.objects.filter(pk=current.pk).update(superseded_by=dataset_id)  # the row follows in this transaction
    last = family.order_by("-revision").values_list("revision", flat=True).first() or 0
    Dataset.objects.create(
        id=dataset_id,
        instrument=instrument,
        timeframe=request.timeframe,
        source=request.source,
        adjustment=bars.adjustment,
        name=request.name,
        revision=last + 1,
        first_open_ms=int(bars.series.open_ms[0]),
        last_open_ms=int(bars.series.open_ms[-1]),
        bar_count=bars.series.open_ms.size,
        sealed_count=bars.series.open_ms.size,
        sealed_key=key,
        fingerprint=key,
        quality=quality.report(bars.series, rules) | bars.notes,
        created_at=now,
    )
    barstore.write(dataset_id, bars.series)
    return Imported(dataset_id, bars.adjustment, last + 1, is_new=True)
