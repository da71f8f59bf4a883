"""From the outbox to browsers: at least once, and in order for each bot.

    run -> pump whenever something was committed, a beat every 2 s, a prune now and then

An event is marked sent after the channel layer has taken it. Where that failed, or the process died
in between, it is sent again: browsers drop versions they know. What the layer loses on the way they
miss, and see it by the next version or beat.
"""

import json
import time
from collections.abc import Iterable, Iterator
from threading import Event
from types import TracebackType
from typing import Self

import structlog
from django.db import DEFAULT_DB_ALIAS, Error, close_old_connections, connection, connections, transaction
from django.db.models.functions import Now

from bots import payloads, publishing
from bots.models import Bot, Outbox
from bots.services.events import CHANNEL

logger = structlog.get_logger(__name__)

BATCH = 500
EVENTS_PER_TEXT = 200
BYTES_PER_TEXT = 200_000
BEAT_SECONDS = 2.0
KEPT_SECONDS = 3600

_POLL_SECONDS = 0.2  # notes of commits may get lost; rows do not
_PRUNE_SECONDS = 60.0
_PRUNE_BATCH = 5_000
_LONGEST_PAUSE_SECONDS = 5.0
# Two relays at once would overtake each other. Taken for the transaction, so nobody can forget to release it.
_ONE_RELAY = 0x6C69_7665

_PRUNE = """
    DELETE FROM bots_outbox WHERE id IN (
        SELECT old.id FROM bots_outbox old
        WHERE old.sent_at < now() - make_interval(secs => %s)
          AND EXISTS (SELECT 1 FROM bots_outbox newer WHERE newer.bot_id = old.bot_id AND newer.version > old.version)
        ORDER BY old.sent_at LIMIT %s)
"""


class Bell:
    """A connection of its own that hears commits of events. Not a pooled one: it listens for as long as it lives."""

    def __enter__(self) -> Self:
        self._database = connections[DEFAULT_DB_ALIAS].copy()
        self._database.settings_dict["OPTIONS"].pop("pool", None)
        with self._database.cursor() as cursor:
            cursor.execute(f"LISTEN {CHANNEL}")
        return self

    def wait(self, seconds: float) -> None:
        """Return at the next commit of an event, or when the time is over."""
        with self._database.wrap_database_errors:
            for _ in self._database.connection.notifies(timeout=seconds, stop_after=1):
                pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()


def pump() -> int:
    """Send the oldest unsent events, at most 500; how many.

    None while another relay is at it. Raises: ConnectionError where the channel layer does not
    answer; all of them stay unsent then.
    """
    with transaction.atomic():
        if not _is_the_only_relay():
            return 0
        # In the order of ids: a bot's row is locked while its events are numbered and written, so its ids
        # follow its versions. No row lock beside: skipping a row would put a bot's events out of order.
        rows = list(Outbox.objects.filter(sent_at__isnull=True).order_by("id")[:BATCH])
        if rows:
            publishing.publish(_messages(rows))
            Outbox.objects.filter(id__in=[row.id for row in rows]).update(sent_at=Now())
    return len(rows)


def beat() -> None:
    """Tell every socket how far its bots are. Raises: ConnectionError."""
    versions: dict[str, dict[str, int]] = {}
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        at = payloads.moment(cursor.fetchone()[0])
    for owner, bot, version in Bot.objects.in_service().values_list("owner_id", "id", "event_version"):
        versions.setdefault(str(owner), {})[str(bot)] = version
    publishing.publish([publishing.beat_of(at=at, versions=versions)])


def prune() -> int:
    """Delete events sent more than an hour ago, except each bot's newest; how many."""
    deleted = 0
    while True:
        with connection.cursor() as cursor:
            cursor.execute(_PRUNE, [KEPT_SECONDS, _PRUNE_BATCH])
            found: int = cursor.rowcount
        deleted += found
        if found < _PRUNE_BATCH:
            return deleted


def run(stopped: Event) -> None:
    """Relay until ``stopped`` is set. Waits, ever longer, while the database or the channel layer is away."""
    pause = _POLL_SECONDS
    while not stopped.is_set():
        began = time.monotonic()
        try:
            with Bell() as bell:
                _relay(bell, stopped)
        except (Error, ConnectionError) as error:
            pause = _POLL_SECONDS if time.monotonic() - began > _LONGEST_PAUSE_SECONDS else pause * 2
            logger.warning("relay.waits", error=str(error), seconds=min(pause, _LONGEST_PAUSE_SECONDS))
            connection.close()
            stopped.wait(min(pause, _LONGEST_PAUSE_SECONDS))
    connection.close()


def _relay(bell: Bell, stopped: Event) -> None:
    beat_due = prune_due = time.monotonic()
    while not stopped.is_set():
        close_old_connections()
        sent = pump()
        if time.monotonic() >= beat_due:
            beat()
            beat_due = time.monotonic() + BEAT_SECONDS
        if time.monotonic() >= prune_due:
            prune()
            prune_due = time.monotonic() + _PRUNE_SECONDS
        if sent < BATCH:
            bell.wait(_POLL_SECONDS)


def _is_the_only_relay() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_ONE_RELAY])
        return bool(cursor.fetchone()[0])


def _messages(rows: Iterable[Outbox]) -> Iterator[publishing.Message]:
    """Each owner's events in order, as few texts as the limits allow, for the owner and for superusers."""
    owners: dict[int, list[str]] = {}
    for row in rows:
        owners.setdefault(row.owner_id, []).append(_event(row))
    for owner_id, events in owners.items():
        for text in _texts(events):
            yield publishing.text_for(publishing.group_of(owner_id), text)
            yield publishing.text_for(publishing.EVERYBODY, text)


def _texts(events: Iterable[str]) -> Iterator[str]:
    held: list[str] = []
    size = 0
    for event in events:
        if held and (len(held) == EVENTS_PER_TEXT or size + len(event) > BYTES_PER_TEXT):
            yield _text(held)
            held, size = [], 0
        held.append(event)
        size += len(event)
    yield _text(held)


def _text(events: Iterable[str]) -> str:
    return f'{{"type":"events","events":[{",".join(events)}]}}'


def _event(row: Outbox) -> str:
    # ASCII, so that its length is its size.
    told = {"bot": str(row.bot_id), "version": row.version, "event": row.event, "payload": row.payload}
    return json.dumps(told, separators=(",", ":"))
