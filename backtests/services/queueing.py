"""Ask for a backtest and take it back: everything that can be wrong is told now, not by a worker."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID

import numpy as np
from django.db import transaction

from backtests import mappers, ports, publishing, records, requests, selectors, signals
from backtests.errors import BacktestFinished
from backtests.models import ENDED, Backtest, BacktestStatus, RecordKind
from backtests.ports import BotDefinition
from backtests.requests import GivenSignal, Request
from configuration import selectors as configuration
from configuration import services as configuration_services
from engine.domain.errors import Fault, InputError, NotFound
from engine.domain.values import Ints
from engine.strategies import DECLARED
from marketdata import selectors as marketdata
from marketdata.selectors import DatasetInfo

# The one fault of data that a person may wave through, having looked at the chart.
SPLIT_SUSPECTED = "unadjusted_split_suspected"


class _Series(NamedTuple):
    """The bars a run takes of one symbol: ``open_ms`` those inside the window."""

    symbol: str
    dataset: DatasetInfo
    open_ms: Ints


def queue(*, form: Mapping[str, Any], owner_id: int, bots_of: int | None, now: datetime) -> Backtest:
    """Store a backtest and tell a worker once the transaction is committed.

    form: as ``backtests.requests`` reads it. bots_of: whose bots may be run; None: everybody's.
    Raises: VALIDATION_ERROR with every fault; nothing was stored then.
    """
    with transaction.atomic():
        backtest = record(form=form, owner_id=owner_id, bots_of=bots_of, now=now)
        # A broker that is away must not take the answer with it: the beat repeats the hint.
        transaction.on_commit(partial(publishing.announce, backtest.id), robust=True)
    return backtest


def record(*, form: Mapping[str, Any], owner_id: int, bots_of: int | None, now: datetime) -> Backtest:
    """Store a backtest without telling anybody, for whoever runs it at once. Raises as ``queue``."""
    request, faults = requests.request_of(form)
    definition, bot_faults = _definition(request, bots_of)
    series, data_faults = _series(request, definition)
    found = [*faults, *bot_faults, *data_faults, *_signal_faults(request, definition, series)]
    if found or definition is None:
        raise InputError("The backtest was not queued.", faults=found)
    with transaction.atomic():
        return _stored(request, definition, series, owner_id=owner_id, now=now)


def cancel(*, backtest_id: UUID, now: datetime, owner_id: int | None = None) -> Backtest:
    """End a run: at once while it waits, else after the chunk that is being computed.

    ``owner_id``: only a run of this owner; None for everybody's.
    Raises: BACKTEST_NOT_FOUND, BACKTEST_FINISHED.
    """
    with transaction.atomic():
        backtest = selectors.backtest(backtest_id, owner_id=owner_id, lock=True)
        if backtest.status in ENDED:
            raise BacktestFinished(f"The backtest of {backtest.bot_name} is already {backtest.status}.")
        backtest.cancel_requested_at = backtest.cancel_requested_at or now
        if backtest.status == BacktestStatus.QUEUED:
            backtest.status, backtest.finished_at = BacktestStatus.CANCELLED, now
        backtest.save(update_fields=["cancel_requested_at", "status", "finished_at"])
    return backtest


# --- what is wrong with a request


def _definition(request: Request, bots_of: int | None) -> tuple[BotDefinition | None, list[Fault]]:
    if request.bot_id is None:
        return None, []
    try:
        definition = ports.bot_definitions().definition_of(request.bot_id, owner_id=bots_of)
    except NotFound as absent:
        return None, [Fault("unknown_bot", "/bot", absent.message, None, str(request.bot_id))]
    if request.symbols is None:
        return definition, []
    faults = [
        _foreign(f"/symbols/{place}", symbol, definition.symbols)
        for place, symbol in enumerate(request.symbols)
        if symbol not in definition.symbols
    ]
    chosen = tuple(symbol for symbol in definition.symbols if symbol in request.symbols)
    return definition._replace(symbols=chosen, scope=definition.scope._replace(symbols=chosen)), faults


def _foreign(pointer: str, symbol: str, symbols: Sequence[str]) -> Fault:
    message = f"{symbol or 'a blank symbol'} is not a symbol of this run ({', '.join(symbols)})."
    return Fault("unknown_symbol", pointer, message, list(symbols), symbol)


def _series(request: Request, definition: BotDefinition | None) -> tuple[list[_Series], list[Fault]]:
    """The bars the run would take, and what is wrong with them."""
    if definition is None:
        return [], []
    usual = marketdata.default_datasets(definition.symbols, definition.timeframe)
    found: list[_Series] = []
    faults = [
        _foreign(f"/datasets/{symbol}", symbol, definition.symbols)
        for symbol in request.datasets
        if symbol not in definition.symbols
    ]
    for symbol in definition.symbols:
        dataset, wrong = _dataset(request, symbol, definition.timeframe, usual)
        faults += wrong
        if dataset is not None:
            series, wrong = _bars(request, symbol, dataset)
            faults += wrong
            found.append(series)
    return found, faults


def _dataset(
    request: Request, symbol: str, timeframe: str, usual: Mapping[str, DatasetInfo]
) -> tuple[DatasetInfo | None, list[Fault]]:
    chosen = request.datasets.get(symbol)
    pointer = f"/datasets/{symbol}"
    if chosen is None:
        message = f"There are no {timeframe} bars of {symbol}: import some, or change the bot's timeframe."
        found = usual.get(symbol)
        return found, [] if found else [Fault("no_dataset", pointer, message, None, symbol)]
    try:
        found = marketdata.dataset(chosen)
    except NotFound as absent:
        return None, [Fault("unknown_dataset", pointer, absent.message, None, str(chosen))]
    if (found.symbol, found.timeframe) != (symbol, timeframe):
        message = f"That dataset holds {found.timeframe} bars of {found.symbol}, not {timeframe} bars of {symbol}."
        return None, [Fault("wrong_dataset", pointer, message, f"{symbol} {timeframe}", str(chosen))]
    return found, []


def _bars(request: Request, symbol: str, dataset: DatasetInfo) -> tuple[_Series, list[Fault]]:
    bars = marketdata.closed_bars(dataset.id, start_ms=request.start_ms, end_ms=request.end_ms)
    series = _Series(symbol, dataset, bars.open_ms)
    told = marketdata.backtest_faults([dataset.id], request.start_ms, request.end_ms)
    faults = [
        fault._replace(pointer=f"/datasets/{symbol}")
        for fault in told
        # The window's own fault was told once, and says nothing about this symbol.
        if fault.code != "end_before_start" and not (request.accept_suspected_splits and fault.code == SPLIT_SUSPECTED)
    ]
    if not told and not len(series.open_ms):
        message = f"{symbol} has no bars in this window: it falls into a gap of the dataset."
        faults.append(Fault("no_bars_in_window", f"/datasets/{symbol}", message))
    return series, faults


def _signal_faults(request: Request, definition: BotDefinition | None, series: Sequence[_Series]) -> list[Fault]:
    if definition is None or definition.strategy not in DECLARED:
        return []
    needs = DECLARED[definition.strategy].needs_signals
    if needs and request.signals is None:
        return [Fault("signals_required", "/signals", f"{definition.strategy} trades given signals; give some.")]
    if request.signals is not None and not needs:
        message = f"{definition.strategy} makes its own signals; only an external strategy takes given ones."
        return [Fault("signals_not_taken", "/signals", message)]
    return requests.shortened(list(_misplaced(request.signals or (), definition, series)))


def _misplaced(given: Sequence[GivenSignal], definition: BotDefinition, series: Sequence[_Series]) -> Iterable[Fault]:
    for signal in given:
        if signal.symbol not in definition.symbols:
            yield _foreign(f"{signal.pointer}/symbol", signal.symbol, definition.symbols)
    for one in series:
        yield from _crowded([signal for signal in given if signal.symbol == one.symbol], one)


def _crowded(given: Sequence[GivenSignal], series: _Series) -> Iterable[Fault]:
    """Signals outside the bars, and all but the first on one bar."""
    at_ms = np.array([signal.at_ms for signal in given], np.int64)
    taken: dict[int, str] = {}
    for signal, bar in zip(
        given, signals.bar_of(at_ms, series.open_ms, series.dataset.timeframe).tolist(), strict=True
    ):
        if bar == len(series.open_ms) or signal.at_ms < series.open_ms[0]:
            moment = mappers.at(signal.at_ms).isoformat()
            message = f"{moment} is outside the bars of {signal.symbol} in this window."
            yield Fault("outside_window", f"{signal.pointer}/at", message, None, moment)
        elif bar in taken:
            message = f"{taken[bar]} belongs to the same bar of {signal.symbol}; a bar takes one signal."
            yield Fault("two_signals_on_a_bar", f"{signal.pointer}/at", message, 1, 2)
        else:
            taken[bar] = signal.pointer


# --- storing it


def _stored(
    request: Request, definition: BotDefinition, series: Sequence[_Series], *, owner_id: int, now: datetime
) -> Backtest:
    frozen = configuration.snapshot_for(definition.scope)
    backtest = Backtest(
        owner_id=owner_id,
        bot_id=definition.id,
        bot_name=definition.name,
        request=_pinned(request, definition, series),
        snapshot_id=configuration_services.keep(frozen),
        rows_total=sum(len(one.open_ms) for one in series),
        created_at=now,
        enqueued_at=now,
    )
    backtest.full_clean(exclude=["owner", "snapshot"])
    backtest.save(force_insert=True)
    if request.signals:
        records.append(backtest.id, RecordKind.SIGNAL, 0, signals.packed(request.signals, definition.symbols))
    return backtest


def _pinned(request: Request, definition: BotDefinition, series: Sequence[_Series]) -> dict[str, Any]:
    """What the run will do, with nothing left to be looked up: bars appended later do not belong to it."""
    return {
        "strategy": definition.strategy,
        "timeframe": definition.timeframe,
        "start_ms": int(min(one.open_ms[0] for one in series)),
        "end_ms": int(max(one.open_ms[-1] for one in series)) + 1,
        "datasets": [
            {
                "symbol": one.symbol,
                "id": str(one.dataset.id),
                "name": one.dataset.name,
                "calendar": one.dataset.calendar,
                "bars": len(one.open_ms),
            }
            for one in series
        ],
        "venue": request.venue._asdict(),
        "accept_suspected_splits": request.accept_suspected_splits,
        "signals": len(request.signals or ()),
    }
