"""Tell browsers what happened to a bot, in the transaction in which it happened.

    emit -> the bot's next versions, one row of the outbox each, and a note to the relay at the commit

Payloads come from ``bots.payloads``. What became of the rows: ``bots.services.relaying``.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from bots.errors import BotNotFound
from bots.models import Outbox
from bots.payloads import EventName

CHANNEL = "tradingsite_outbox"
"""Where the commit of an event is notified; the relay listens there."""


def emit(bot_id: UUID, owner_id: int, events: Sequence[tuple[str, Mapping[str, Any]]]) -> None:
    """Store (name, payload) pairs as the bot's next events, in this order. They are sent after the commit.

    The bot's row is locked until the caller's transaction ends: versions are given out in the order
    of the commits, without a gap, and a transaction that is rolled back takes none. One transaction
    that tells of several bots names them in the order of their ids, or two of its kind may deadlock.

    Raises: BOT_NOT_FOUND; ValueError for a name that no browser knows.
    """
    if not events:
        return
    names = [EventName(name) for name, _ in events]
    with transaction.atomic(savepoint=False):
        first = _take_versions(bot_id, len(events))
        Outbox.objects.bulk_create(
            Outbox(bot_id=bot_id, owner_id=owner_id, version=version, event=name, payload=payload)
            for version, (name, (_, payload)) in enumerate(zip(names, events, strict=True), start=first)
        )
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_notify(%s, '')", [CHANNEL])


def _take_versions(bot_id: UUID, count: int) -> int:
    """The first of ``count`` versions that nobody else gets."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE bots_bot SET event_version = event_version + %s WHERE id = %s RETURNING event_version",
            [count, bot_id],
        )
        row = cursor.fetchone()
    if row is None:
        raise BotNotFound(f"There is no bot {bot_id}.")
    return int(row[0]) - count + 1
