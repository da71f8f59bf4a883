"""Who works on which bot: one worker at a time, found dead by its heartbeat, fenced by its token.

    dispatch  -> bots that are due get a new token; a message carries it to a worker
    take      -> the worker that got the message owns the bot, if nobody was faster
    locked    -> each transaction of the cycle asks again, with the row locked
    release   -> free again, with the time it is due next

A lease in three columns of the bot: ``lease_until`` empty means free; ``lease_until`` without
``lease_owner`` means that a message travels; with it, that this worker works. A lease lapses when
its time has passed, or when its owner has not been heard of for ten seconds. A lapsed lease is the
only trace a lost message or a dead worker leaves, and all that the next dispatch needs.

All times are the database's, so that clocks of machines do not matter. Rows are locked with NO KEY:
inserts that refer to a bot (facts, events) then need not wait for whoever works on it.
"""

import time
from collections.abc import Iterable
from datetime import timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.db import Error as DatabaseFailure
from django.db import connection, connections, transaction
from django.db.models import Q
from django.db.models.functions import Least, Now

from bots.models import Bot, CycleState, Worker

DISPATCH_LIMIT: Final = 500
MESSAGE_LIVES: Final = timedelta(seconds=10)
"""How long a message may travel; then the bot is dispatched again, under the next token."""
LEASE_LASTS: Final = timedelta(seconds=90)
"""Longer than any cycle: a worker whose cycle is older than 60 s ends itself."""
SILENT_AFTER: Final = timedelta(seconds=10)
"""A worker that has not been heard of for so long is dead: five heartbeats missed."""
_TRY_AGAIN_SECONDS: Final = 0.5
FORGOTTEN_AFTER: Final = timedelta(hours=1)

# Each statement is a transaction of its own or part of the caller's; statement_timestamp() goes on inside one,
# as Django's Now() does. An unfinished cycle counts where nothing else says when: a failed one waits for its wake_at.
_DISPATCH = """
WITH due AS (
    SELECT bot.id FROM bots_bot AS bot
    WHERE bot.retired_at IS NULL
      AND (
        bot.wake_at <= statement_timestamp()
        OR bot.lease_until IS NOT NULL
        OR (bot.wake_at IS NULL AND EXISTS (
            SELECT FROM bots_cycle AS cycle WHERE cycle.bot_id = bot.id AND cycle.state IN (%(open)s, %(decided)s)))
      )
      AND (
        bot.lease_until IS NULL
        OR bot.lease_until < statement_timestamp()
        OR (bot.lease_owner IS NOT NULL AND NOT EXISTS (
            SELECT FROM bots_worker AS worker
            WHERE worker.id = bot.lease_owner AND worker.heartbeat_at >= statement_timestamp() - %(silent)s))
      )
    ORDER BY bot.wake_at NULLS FIRST, bot.id
    LIMIT %(limit)s
    FOR NO KEY UPDATE OF bot SKIP LOCKED
), dispatched AS (
    UPDATE bots_bot AS bot
    SET lease_token = bot.lease_token + 1, lease_owner = NULL, lease_until = statement_timestamp() + %(travels)s
    FROM due WHERE bot.id = due.id
    RETURNING bot.id, bot.lease_token, bot.wake_at
)
SELECT id, lease_token FROM dispatched ORDER BY wake_at NULLS FIRST, id
"""


class Lease(NamedTuple):
    """The right to work on a bot, for as long as nobody holds a higher token."""

    bot_id: UUID
    token: int
    worker: UUID


def dispatch(limit: int = DISPATCH_LIMIT) -> list[tuple[UUID, int]]:
    """Bots to work on now, each with the token that allows it; those due longest first.

    A bot is due when its ``wake_at`` has come, when its lease has lapsed, or when it has an
    unfinished cycle and no ``wake_at``. Retired bots never are. However many dispatchers run, each
    bot is given once: a row that another one holds is skipped, and a lease that travels is no longer free.
    """
    facts: dict[str, Any] = {
        "open": CycleState.OPEN,
        "decided": CycleState.DECIDED,
        "silent": SILENT_AFTER,
        "travels": MESSAGE_LIVES,
        "limit": limit,
    }
    with connection.cursor() as cursor:
        cursor.execute(_DISPATCH, facts)
        return [(bot_id, token) for bot_id, token in cursor.fetchall()]


def recall(offers: Iterable[tuple[UUID, int]]) -> None:
    """Take back what ``dispatch`` gave and no message carried: due at once, instead of when the offer lapses."""
    for bot_id, token in offers:
        offered = Bot.objects.filter(id=bot_id, lease_token=token, lease_owner__isnull=True)
        # wake_at as well: a bot that was due only because its lease had lapsed would be forgotten without.
        offered.update(lease_until=None, wake_at=Least("wake_at", Now()))


def take(bot_id: UUID, token: int, worker: UUID) -> Lease | None:
    """The lease that a message offers; None where it is another's, over, or replaced by a newer one.

    From here on a ``wake_at`` means that somebody woke the bot during its cycle.
    """
    offered = Bot.objects.in_service().filter(
        id=bot_id, lease_token=token, lease_owner__isnull=True, lease_until__isnull=False
    )
    taken = offered.update(lease_owner=worker, lease_until=Now() + LEASE_LASTS, wake_at=None)
    return Lease(bot_id, token, worker) if taken else None


def locked(lease: Lease) -> Bot | None:
    """The bot, its row locked until the transaction ends; None once the lease is no longer ours.

    Whoever was paused past its lease learns it here, before anything is written.
    """
    return Bot.objects.filter(_held(lease)).select_for_update(no_key=True).first()


def release(lease: Lease, *, wake_after: timedelta | None) -> None:
    """Give the bot back, due again after ``wake_after``; None: only when somebody wakes it.

    A wake-up that came during the cycle stays: the cycle may have looked before it.
    """
    due = {} if wake_after is None else {"wake_at": Least("wake_at", Now() + wake_after)}
    Bot.objects.filter(_held(lease)).update(lease_owner=None, lease_until=None, **due)


def is_cut_off(failure: DatabaseFailure) -> bool:
    """Whether the connection is gone, or there was none to be had; not: the server refused a statement."""
    # What the client library says itself has no code; 08 and 57P are the server's words for it.
    # Source: https://www.postgresql.org/docs/current/errcodes-appendix.html
    code = getattr(failure.__cause__, "sqlstate", None)
    return code is None or code.startswith(("08", "57P"))


def give_back(lease: Lease) -> None:
    """Release a bot, due at once, as soon as the database answers again: for a cycle that was cut off from it.

    Its worker lives, so nobody would take the bot away from it before the lease is over. Waits that long at most.
    """
    until = time.monotonic() + LEASE_LASTS.total_seconds()
    while time.monotonic() < until:
        connections.close_all()  # this thread's; what was cut off may not know it yet
        try:
            release(lease, wake_after=timedelta(0))
            return
        except DatabaseFailure as failure:
            if not is_cut_off(failure):
                raise
        time.sleep(_TRY_AGAIN_SECONDS)


def wake(bot_ids: Iterable[UUID]) -> None:
    """Make bots due now. One that works already is due again as soon as it is released."""
    # Rows that are due already are locked as well: the cycle must not begin before the caller's facts are committed.
    # In the order of ids, so that two who wake the same bots wait for each other and never deadlock.
    asked = Bot.objects.in_service().filter(id__in=list(bot_ids)).order_by("id")
    with transaction.atomic():
        found = list(asked.select_for_update(no_key=True).values_list("id", flat=True))
        Bot.objects.filter(id__in=found).update(wake_at=Least("wake_at", Now()))


def beat(worker: UUID, *, name: str) -> None:
    """``worker`` is alive now. ``name``: machine and process, for people."""
    Worker.objects.bulk_create(
        [Worker(id=worker, name=name)],
        update_conflicts=True,
        unique_fields=["id"],
        update_fields=["name", "heartbeat_at"],
    )


def is_anybody_alive() -> bool:
    """Whether a worker was heard of within the last ten seconds."""
    return Worker.objects.filter(heartbeat_at__gte=Now() - SILENT_AFTER).exists()


def forget_silent_workers() -> int:
    """Drop workers not heard of for an hour; how many. One that comes back enters itself again."""
    gone, _of_each_model = Worker.objects.filter(heartbeat_at__lt=Now() - FORGOTTEN_AFTER).delete()
    return gone


def _held(lease: Lease) -> Q:
    return Q(id=lease.bot_id, lease_token=lease.token, lease_owner=lease.worker)
