"""Run a backtest chunk by chunk: compute, store, look whether somebody wants it cancelled, go on.

Each chunk's records and the engine's state after it are stored in one transaction, under the lease.
Whoever takes over after a crash goes on from that state; the engine gives the same bits as an
uninterrupted run (split invariance).
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple
from uuid import UUID

import numpy as np
import structlog
from django.db import transaction
from django.db.models.functions import Now
from numpy.typing import NDArray

from backtests import mappers, records, signals
from backtests.errors import RunBroke
from backtests.models import Backtest, BacktestStatus, RecordKind, SavedState
from backtests.records import EQUITY
from backtests.requests import venue_settings
from backtests.services import leases
from backtests.services.leases import Lease
from configuration import mappers as configuration_mappers
from configuration import selectors as configuration
from engine import metrics, run
from engine.domain.errors import PlatformError
from engine.domain.values import Bars, Instrument, Series, Signals
from engine.run import Plan, Result, RunState, StrategySetup
from marketdata import selectors as marketdata

logger = structlog.get_logger(__name__)

# Small enough that a person sees progress and a cancel is heard, large enough that storing a chunk
# costs little beside computing it.
_PARTS = 20
_FEWEST_ROWS = 2_000
_MOST_ROWS = 65_536

Checkpoint = Callable[[str], None]


class _Work(NamedTuple):
    """Everything a run computes with; the same for whoever runs it, first or after a crash."""

    bars: Bars
    plan: Plan
    given: Signals | None
    tradable: NDArray[np.bool_]
    engine_fingerprint: str
    data_fingerprint: str


class _Point(NamedTuple):
    """How far a run has come: rows stepped, chunks stored, the state after them."""

    rows_done: int
    sequence: int
    state: RunState


def _nowhere(name: str) -> None:
    """Production passes by every checkpoint; tests stop at them."""


def run_chunked(*, backtest_id: UUID, worker: str, checkpoint: Checkpoint = _nowhere) -> str | None:
    """Run a queued backtest, or go on with one whose worker died.

    worker: who runs it, for people. checkpoint: called as "claimed", then "computed" before and
    "stored" after each chunk's transaction. Returns the status the run ended in; None when there was
    nothing to do or the lease was lost to another worker. What nobody foresaw is raised on, after the
    row says that the run failed.
    """
    lease = leases.claim(backtest_id, worker=worker)
    if lease is None:
        return None
    try:
        checkpoint("claimed")
        ended = _run(lease, checkpoint)
    except PlatformError as broken:
        logger.warning("backtest.failed", backtest_id=str(backtest_id), error_code=broken.specific_code)
        ended = leases.end(lease, BacktestStatus.FAILED, error_code=broken.specific_code, error_message=str(broken))
    except Exception as unforeseen:
        # The row must say that the run failed, or its owner waits until three workers have tried.
        message = f"The run broke on our side ({type(unforeseen).__name__}); the log tells more."
        leases.end(lease, BacktestStatus.FAILED, error_code=RunBroke.code, error_message=message)
        raise
    logger.info("backtest.ended", backtest_id=str(backtest_id), status=ended, worker=worker)
    return ended


def _run(lease: Lease, checkpoint: Checkpoint) -> str | None:
    backtest = Backtest.objects.get(id=lease.backtest_id)
    work = _prepared(backtest)
    point = _resumed(lease, backtest, work)
    if point is None:
        return None
    for chunk in _rest(work, point):
        rows = len(chunk.open_ms)
        given = signals.part(work.given, point.rows_done, rows) if work.given else None
        tradable = work.tradable[point.rows_done : point.rows_done + rows]
        result = run.run(chunk, plan=work.plan, state=point.state, signals=given, tradable=tradable)
        point = _Point(point.rows_done + rows, point.sequence + 1, result.state)
        checkpoint("computed")
        if not _stored(lease, point, result, total=len(work.bars.open_ms)):
            return leases.end(lease, BacktestStatus.CANCELLED)
        checkpoint("stored")
    return leases.end(lease, BacktestStatus.COMPLETED, progress=1.0, metrics=_metrics(lease.backtest_id, work.plan))


# --- what it computes with


def _prepared(backtest: Backtest) -> _Work:
    request = backtest.request
    symbols = tuple(one["symbol"] for one in request["datasets"])
    known = marketdata.instruments(symbols)
    instruments = [known[symbol] for symbol in symbols]
    bars = _bars(request)
    content = configuration.snapshot(backtest.snapshot_id)
    params = configuration_mappers.engine_params(
        content, instruments=instruments, venue=venue_settings(request["venue"])
    )
    strategy = StrategySetup(request["strategy"], configuration_mappers.strategy_values(content))
    given = records.everything(backtest.id, RecordKind.SIGNAL)
    return _Work(
        bars=bars,
        plan=run.setup(symbols=symbols, params=params, strategies=[strategy]),
        given=signals.matrix(given, bars, request["timeframe"]) if len(given) else None,
        tradable=marketdata.inside_window(
            bars.open_ms, configuration_mappers.trading_window(content), timeframe=request["timeframe"]
        ),
        engine_fingerprint=run.fingerprint(),
        data_fingerprint=_data_fingerprint(request, instruments, given),
    )


def _bars(request: Mapping[str, Any]) -> Bars:
    series: list[Series] = []
    days: list[NDArray[np.int32]] = []
    for one in request["datasets"]:
        found = marketdata.closed_bars(one["id"], start_ms=request["start_ms"], end_ms=request["end_ms"])
        series.append(found)
        days.append(marketdata.trading_days(found.open_ms, one["calendar"], timeframe=request["timeframe"]))
    return run.merge(series, days)


def _data_fingerprint(request: Mapping[str, Any], instruments: list[Instrument], given: NDArray[np.void]) -> str:
    """SHA-256 over all that went in beside the snapshot: which bars, which window, ticks and steps, signals."""
    facts = {
        "datasets": [marketdata.fingerprint(one["id"]) for one in request["datasets"]],
        "window": [request["start_ms"], request["end_ms"]],
        "instruments": instruments,
        "signals": hashlib.sha256(given.tobytes()).hexdigest(),
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _rest(work: _Work, point: _Point) -> Iterator[Bars]:
    total = len(work.bars.open_ms)
    rows = min(max(total // _PARTS, _FEWEST_ROWS), _MOST_ROWS)
    rest: Any = (column[point.rows_done :] for column in work.bars)
    return run.chunks(Bars(*rest), rows)


# --- how far it is


def _resumed(lease: Lease, backtest: Backtest, work: _Work) -> _Point | None:
    """Where to go on: after the last stored chunk, if the same engine and bars made it; else at the start."""
    pins = {"engine_fingerprint": work.engine_fingerprint, "data_fingerprint": work.data_fingerprint}
    with transaction.atomic():
        if leases.held(lease) is None:
            return None
        saved = SavedState.objects.filter(backtest_id=lease.backtest_id).first()
        if saved and all(getattr(backtest, name) == value for name, value in pins.items()):
            return _Point(saved.rows_done, saved.sequence, RunState.from_bytes(bytes(saved.payload)))
        records.erase(lease.backtest_id)
        SavedState.objects.filter(backtest_id=lease.backtest_id).delete()
        Backtest.objects.filter(id=lease.backtest_id).update(
            **pins, rows_total=len(work.bars.open_ms), rows_done=0, progress=0.0, heartbeat_at=Now()
        )
    return _Point(0, 0, run.start(work.plan))


def _stored(lease: Lease, point: _Point, result: Result, *, total: int) -> bool:
    """Keep a chunk's records and the state after it; False: the lease is lost, or a cancel was asked for."""
    with transaction.atomic():
        backtest = leases.held(lease)
        if backtest is None or backtest.cancel_requested_at is not None:
            return False
        for kind, found in _left_behind(result).items():
            records.append(lease.backtest_id, kind, point.sequence, found)
        SavedState.objects.update_or_create(
            backtest_id=lease.backtest_id,
            defaults={"rows_done": point.rows_done, "sequence": point.sequence, "payload": point.state.to_bytes()},
        )
        Backtest.objects.filter(id=lease.backtest_id).update(
            rows_done=point.rows_done, progress=point.rows_done / total, heartbeat_at=Now(), attempts=0
        )
    return True


def _left_behind(result: Result) -> dict[str, NDArray[np.void]]:
    equity = np.zeros(len(result.equity), EQUITY)
    equity["open_ms"], equity["equity"] = result.equity_ms, result.equity
    return {
        RecordKind.EQUITY: equity,
        RecordKind.ORDER: result.orders,
        RecordKind.FILL: result.fills,
        RecordKind.TRIP: result.trips,
        RecordKind.DECISION: result.decisions,
    }


def _metrics(backtest_id: UUID, plan: Plan) -> dict[str, str | int | None]:
    """Computed from what is stored, so that a result says the same of itself ever after."""
    equity = records.everything(backtest_id, RecordKind.EQUITY)
    found = metrics.summarise(
        np.ascontiguousarray(equity["open_ms"]),
        np.ascontiguousarray(equity["equity"]),
        records.everything(backtest_id, RecordKind.TRIP),
        records.everything(backtest_id, RecordKind.FILL),
        start_equity=float(plan.params.limits["capital"][0]),
    )
    return mappers.stored_metrics(found)
