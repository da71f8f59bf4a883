"""Who may run a backtest: one worker at a time, found dead by its heartbeat, fenced by its token.

Time here is the database's, so that workers on machines whose clocks differ agree on it.
"""

from datetime import timedelta
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from backtests import records
from backtests.errors import WorkerLost
from backtests.models import ENDED, Backtest, BacktestStatus, SavedState

# A worker beats after each chunk, which takes well under a second; the slack is for compiling an
# engine nobody has warmed (close to a minute) and for filling a cold bar cache.
LAPSES_AFTER = timedelta(minutes=2)
# How long a queued run may wait before its hint is repeated: a repeated hint does no harm.
REPEAT_HINT_AFTER = timedelta(minutes=5)
# Workers that may die in a row without storing one chunk (out of memory, say) before we give up.
MOST_ATTEMPTS = 3


class Lease(NamedTuple):
    """The right to run one backtest, for as long as ``token`` is the one in its row."""

    backtest_id: UUID
    token: UUID


def claim(backtest_id: UUID, *, worker: str) -> Lease | None:
    """Take the lease of a queued run, or of one whose worker is dead; None: nothing to do here."""
    lease = Lease(backtest_id, uuid4())
    with transaction.atomic():
        backtest = _free(Backtest.objects.filter(id=backtest_id)).select_for_update(skip_locked=True).first()
        if backtest is None:
            return None
        Backtest.objects.filter(id=backtest_id).update(
            status=BacktestStatus.RUNNING,
            started_at=backtest.started_at or Now(),
            heartbeat_at=Now(),
            lease_token=lease.token,
            lease_owner=worker[:200],
            attempts=backtest.attempts + 1,
        )
        if backtest.cancel_requested_at is not None:
            end(lease, BacktestStatus.CANCELLED)
            return None
        if backtest.attempts >= MOST_ATTEMPTS:
            message = f"{backtest.attempts} workers died in a row without getting further; the last was {worker}."
            end(lease, BacktestStatus.FAILED, error_code=WorkerLost.code, error_message=message)
            return None
    return lease


def held(lease: Lease) -> Backtest | None:
    """The row, locked until the transaction ends; None once somebody else holds the lease."""
    return Backtest.objects.select_for_update().filter(id=lease.backtest_id, lease_token=lease.token).first()


def end(lease: Lease, status: BacktestStatus, **facts: Any) -> str | None:
    """Write how the run ended and let go of it. Only a completed run keeps its records."""
    with transaction.atomic():
        if held(lease) is None:
            return None
        Backtest.objects.filter(id=lease.backtest_id).update(
            status=status, finished_at=Now(), lease_token=None, heartbeat_at=None, **facts
        )
        SavedState.objects.filter(backtest_id=lease.backtest_id).delete()
        if status != BacktestStatus.COMPLETED:
            records.erase(lease.backtest_id)
    return str(status)


def requeue_lost() -> list[UUID]:
    """Runs that wait without a hint or whose worker is dead; the hint is to be sent again."""
    with transaction.atomic():
        waiting = Q(status=BacktestStatus.QUEUED, enqueued_at__lt=Now() - REPEAT_HINT_AFTER)
        dead = Q(status=BacktestStatus.RUNNING, heartbeat_at__lt=Now() - LAPSES_AFTER)
        stale_hint = Q(enqueued_at__lt=Now() - LAPSES_AFTER)
        lost = Backtest.objects.unfinished().filter(waiting | (dead & stale_hint)).order_by("created_at")
        found = list(lost.select_for_update(skip_locked=True).values_list("id", flat=True))
        Backtest.objects.filter(id__in=found).update(enqueued_at=Now())
    return found


def _free(backtests: QuerySet[Backtest]) -> QuerySet[Backtest]:
    dead = Q(status=BacktestStatus.RUNNING, heartbeat_at__lt=Now() - LAPSES_AFTER)
    return backtests.exclude(status__in=ENDED).filter(Q(status=BacktestStatus.QUEUED) | dead)
