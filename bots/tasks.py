"""What the bots' workers do: dispatch what is due, advance one bot, look after accounts, tidy up.

There is no start-up code. A bot that was running when everything went down still says so in its row;
its lease has lapsed, so the first dispatch after the start gives it to a worker, which finishes what
the unfinished cycle left and reads the broker's account before it decides anything. Recovery after a
crash and a start are the same thing, and so is going on after a stop: nothing needs to be stopped.

Messages carry a bot and a token, nothing that could be out of date; the schedule is in the bots' rows.
They are acknowledged before the work: a worker that dies leaves a lapsed lease, not a second copy.
"""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from celery import Celery, current_app, shared_task
from django.conf import settings

from bots import hints
from bots.services import checking, leases, reconciliation, relaying, trading, working

DISPATCH_SECONDS = 1
RECONCILE_SECONDS = 10
CHECK_SECONDS = 60
TIDY_SECONDS = 3600


@shared_task(name="bots.dispatch")  # type: ignore[untyped-decorator]  # Celery has no types
def dispatch(**_later: Any) -> int:
    """Send every bot that is due to a worker. The beat calls it each second."""
    return dispatch_due()


@shared_task(name=hints.ADVANCE, acks_late=False, max_retries=0)  # type: ignore[untyped-decorator]
def advance(*, bot_id: str, token: int, **_later: Any) -> str | None:
    """Do what is due for one bot. Delivered twice or too late, it does nothing: the token decides."""
    with working.cycle(UUID(bot_id)):
        return trading.advance_bot(bot_id=UUID(bot_id), token=token, worker=working.identity())


@shared_task(name="bots.reconcile_accounts")  # type: ignore[untyped-decorator]
def reconcile_accounts(**_later: Any) -> None:
    """Compare the accounts in use with their brokers, also of bots that do not trade."""
    reconciliation.reconcile_due()


@shared_task(name="bots.check_ledger")  # type: ignore[untyped-decorator]
def check_ledger(**_later: Any) -> int:
    """Compare the books of every open run with themselves and with its broker; how much is wrong."""
    return len(checking.stop_broken())


@shared_task(name="bots.forget_events")  # type: ignore[untyped-decorator]
def forget_events(**_later: Any) -> None:
    """Drop events that everybody has been told of long ago."""
    relaying.prune()


@shared_task(name="bots.forget_workers")  # type: ignore[untyped-decorator]
def forget_workers(**_later: Any) -> None:
    """Drop workers that ended long ago."""
    leases.forget_silent_workers()


def dispatch_due() -> int:
    """Send every bot that is due to a worker, in the order in which they became due; how many.

    While no worker lives nothing is sent: messages would pile up, and none could be in time.
    """
    sent = 0
    while leases.is_anybody_alive() and (due := leases.dispatch()):
        told = hint(due)
        sent += told
        if told < len(due):
            leases.recall(due[told:])
            break  # Redis is away; the next tick tries again
    return sent


def hint(due: Iterable[tuple[UUID, int]]) -> int:
    """Tell workers of bots that were dispatched; how many could be told. Never raises for an absent Redis."""
    return hints.send(due)


@current_app.on_after_finalize.connect  # type: ignore[untyped-decorator]
def schedule(sender: Celery, **_rest: Any) -> None:
    """Put the bots' work into the beat's schedule, where somebody serves their queue.

    Each expires when the next one comes: after a silence of the beat or of Redis there is no burst.
    """
    if settings.STARTUP_MODE != "live":
        return
    for task, seconds in (
        (dispatch, DISPATCH_SECONDS),
        (reconcile_accounts, RECONCILE_SECONDS),
        (check_ledger, CHECK_SECONDS),
        (forget_events, TIDY_SECONDS),
        (forget_workers, TIDY_SECONDS),
    ):
        sender.add_periodic_task(seconds, task.s(), name=task.name, queue=hints.QUEUE, expires=seconds, retry=False)
