"""The protocol broken on purpose, one promise at a time: the invariants must notice each.

A mutant replaces functions of the production services while it is applied. Each is played in a weather that brings
what it cannot stand, so that few seeds are needed.
"""

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Q
from django.db.models.functions import Now

from bots import brokers
from bots.brokers.ports import BrokerEvent, BrokerUnsure, OrderReport, OrderRequest
from bots.models import Bot, BrokerAccount, BrokerOrder, Fill, IntentState, OrderIntent
from bots.services import events, feeding, intending, leases, reconciliation, submission, trading
from bots.services.intending import Outcome, Stepped
from bots.services.leases import Lease
from engine.domain.enums import Reason
from tests.simulation import stage
from tests.simulation.world import CALM, Weather

Replaced = tuple[Any, str, Any]


class Mutant(NamedTuple):
    """``seed``, or one of the next few, played in this ``weather``, notices it. ``replaced``: (where, name, by what).

    ``without``: (table, columns) of unique constraints, ``silent``: (table, trigger), which the database does not
    have meanwhile: it would refuse what the mutant does.
    """

    words: str
    seed: int
    weather: Weather
    replaced: Sequence[Replaced]
    without: Sequence[tuple[str, str]] = ()
    silent: Sequence[tuple[str, str]] = ()


@contextmanager
def applied(name: str) -> Iterator[None]:
    """Break the protocol this way, inside the block."""
    mutant = MUTANTS[name]
    with ExitStack() as undo:
        for table, constraint in mutant.without:
            undo.enter_context(_dropped(table, constraint))
        for table, trigger in mutant.silent:
            undo.enter_context(_disabled(table, trigger))
        for where, attribute, value in mutant.replaced:
            undo.callback(setattr, where, attribute, getattr(where, attribute))
            setattr(where, attribute, value)
        yield


@contextmanager
def nothing() -> Iterator[None]:
    """The protocol as it is."""
    yield


@contextmanager
def _dropped(table: str, constraint: str) -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = %s::regclass"
            " AND contype = 'u' AND pg_get_constraintdef(oid) LIKE %s",
            [table, f"%({constraint})"],
        )
        ((name, definition),) = cursor.fetchall()
        cursor.execute(f'ALTER TABLE {table} DROP CONSTRAINT "{name}"')
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            # What the mutant wrote breaks the constraint; the next seed begins with empty tables anyway.
            cursor.execute(f"TRUNCATE {table} CASCADE")
            cursor.execute(f'ALTER TABLE {table} ADD CONSTRAINT "{name}" {definition}')


@contextmanager
def _disabled(table: str, trigger: str) -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER {trigger}")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER {trigger}")


# --- first the order, then the row

_intend = trading._Advance._intend


def _sends_first(self: Any, stepped: Stepped) -> Outcome:
    with transaction.atomic():
        rehearsed = stepped._replace(run=copy.copy(stepped.run), cycle=copy.copy(stepped.cycle))
        outcome = _intend(self, rehearsed)
        waiting = OrderIntent.objects.filter(run=stepped.run, state=IntentState.PENDING).order_by("id")
        requests = [submission._request(intent) for intent in waiting] if outcome.committed else []
        transaction.set_rollback(True)
    for request in requests:
        try:
            brokers.broker_of(stepped.run.account).submit(request)
        except BrokerUnsure:
            continue
    stage.checkpoint("sent first")
    return _intend(self, stepped)


# --- ids

_request = submission._request


def _attempt_in_the_id(intent: OrderIntent) -> OrderRequest:
    request = _request(intent)
    if intent.state == IntentState.PENDING:
        return request
    mark = f"-{intent.misses}"
    children = tuple(child._replace(client_order_id=child.client_order_id + mark) for child in request.bracket)
    return request._replace(client_order_id=request.client_order_id + mark, bracket=children)


# --- doubt


def _timeout_is_no(intent_id: int) -> IntentState:
    with transaction.atomic():
        intent = OrderIntent.objects.select_related("bot").get(id=intent_id)
        if intent.state == IntentState.SUBMITTING:
            reconciliation.end(intent, IntentState.REJECTED, reason=Reason.REJECTED, code="timeout")
    return submission._state_of(intent_id)


# --- leases


def _unfenced(lease: Lease) -> Bot | None:
    return Bot.objects.filter(id=lease.bot_id).select_for_update(no_key=True).first()


def _everybody_takes(bot_id: UUID, token: int, worker: UUID) -> Lease | None:
    Bot.objects.filter(id=bot_id).update(lease_owner=worker, lease_until=Now() + leases.LEASE_LASTS, wake_at=None)
    return Lease(bot_id, token, worker)


_NOTHING_LAPSES = leases._DISPATCH.replace("OR bot.lease_until < statement_timestamp()", "").replace(
    "OR (bot.lease_owner IS NOT NULL AND NOT EXISTS (", "OR (FALSE AND NOT EXISTS ("
)
assert _NOTHING_LAPSES.count("statement_timestamp()") == leases._DISPATCH.count("statement_timestamp()") - 1

# --- reconciliation

_fill, _taken, _take = reconciliation._fill, reconciliation._taken, reconciliation._take


def _counts_again(intent: OrderIntent, order: BrokerOrder, event: BrokerEvent) -> int:
    # As without the key: what is there already does not keep it from being written once more.
    known = Fill.objects.filter(broker_order=order, cum_qty=event.cum_qty)
    with _invisible(known):
        return _fill(intent, order, event)


@contextmanager
def _invisible(known: Any) -> Iterator[None]:
    before = Fill.objects.filter
    Fill.objects.filter = lambda *args, **named: before(*args, **named).none()  # type: ignore[method-assign]
    try:
        yield
    finally:
        del Fill.objects.filter


def _reads_all_again(account_id: UUID, page: Sequence[BrokerEvent]) -> Any:
    # As without the cursor under the lock: whoever read the page takes all of it.
    BrokerAccount.objects.filter(id=account_id).update(cursor=page[0].sequence - 1)
    return _taken(account_id, page)


def _passes_by_what_is_in_doubt(event: BrokerEvent, intent: OrderIntent) -> int:
    own = {*reconciliation.IN_DOUBT, *reconciliation._GIVEN_UP, IntentState.PENDING}
    return 0 if intent.state in own else _take(event, intent)


def _cursor_first(account_id: UUID, page: Sequence[BrokerEvent]) -> Any:
    cursor = BrokerAccount.objects.values_list("cursor", flat=True).get(id=account_id)
    BrokerAccount.objects.filter(id=account_id).update(cursor=page[-1].sequence)
    stage.checkpoint("cursor moved")
    BrokerAccount.objects.filter(id=account_id).update(cursor=cursor)
    return _taken(account_id, page)


def _as_reported(order: BrokerOrder, report: OrderReport) -> None:
    order.status, order.filled_qty = report.status, report.filled_qty
    BrokerOrder.objects.filter(broker_order_id=order.broker_order_id).update(
        status=report.status, filled_qty=report.filled_qty, updated_at=Now()
    )


# --- events

_emit = events.emit


def _emit_later(bot_id: UUID, owner_id: int, told: Sequence[tuple[str, Mapping[str, Any]]]) -> None:
    def after_the_commit() -> None:
        stage.checkpoint("committed")
        _emit(bot_id, owner_id, told)

    transaction.on_commit(after_the_commit)


# --- claims, hearing, the feed


def _never_refuses(intent: OrderIntent, bot: Bot, *args: Any) -> Reason:
    return Reason.NONE


def _forgets_what_it_heard(self: Any) -> None:
    return None


DEATHS: Final = CALM._replace(kill=0.15)
SLEEP: Final = CALM._replace(pause=0.15, jump=0.02, double=0.2)
SILENCE: Final = CALM._replace(unsure=0.6, kill=0.05)
CROWD: Final = CALM._replace(pause=0.1, kill=0.05, double=0.5, late=0.3, feeders=2)
RUIN: Final = CALM._replace(kill=0.12, operate=0.3, pause=0.1)
MEDDLING: Final = CALM._replace(operate=0.4, pause=0.05)

MUTANTS: Final[Mapping[str, Mutant]] = {
    "send_before_commit": Mutant(
        "orders are sent before their intents are committed", 0, DEATHS, [(trading._Advance, "_intend", _sends_first)]
    ),
    "attempt_in_the_id": Mutant(
        "every further attempt has a client order id of its own",
        0,
        SILENCE,
        [(submission, "_request", _attempt_in_the_id)],
    ),
    "timeout_is_rejection": Mutant(
        "an order whose answer is lost counts as rejected", 0, SILENCE, [(submission, "_doubt", _timeout_is_no)]
    ),
    "first_not_found_is_final": Mutant(
        "an order that is not found once is given up",
        0,
        SILENCE,
        [(reconciliation, "GIVEN_UP_MISSES", 1), (reconciliation, "GIVEN_UP_AFTER", timedelta(0))],
    ),
    "no_fence": Mutant("transactions do not ask who holds the lease", 1, SLEEP, [(leases, "locked", _unfenced)]),
    "no_lease_no_fence": Mutant(
        "every message may work, whoever else does",
        0,
        CROWD,
        [(leases, "locked", _unfenced), (leases, "take", _everybody_takes)],
    ),
    "nothing_lapses": Mutant(
        "a lease ends only when it is given back", 0, DEATHS, [(leases, "_DISPATCH", _NOTHING_LAPSES)]
    ),
    "fill_counted_twice": Mutant(
        "a fill that is read again is written again",
        12,
        CROWD,
        [(reconciliation, "_fill", _counts_again), (reconciliation, "_taken", _reads_all_again)],
        [("bots_fill", "broker_order_id, cum_qty"), ("bots_fill", "activity_id")],
    ),
    "no_sweep": Mutant(
        "the account's list is read for orders that are known to work only",
        2,
        RUIN,
        [(reconciliation, "_take", _passes_by_what_is_in_doubt)],
    ),
    "cursor_before_facts": Mutant(
        "the cursor moves in a transaction of its own, before what it passes is written",
        0,
        DEATHS,
        [(reconciliation, "_taken", _cursor_first)],
    ),
    "status_goes_back": Mutant(
        "an order is what was reported last",
        6,
        SLEEP,
        [(reconciliation, "_bring_forward", _as_reported)],
        silent=[("bots_brokerorder", "order_goes_forward")],
    ),
    "event_after_commit": Mutant(
        "events are written after the commit of what they tell", 0, DEATHS, [(events, "emit", _emit_later)]
    ),
    "claim_does_not_look": Mutant(
        "a claim does not ask whether the bot still runs", 9, MEDDLING, [(submission, "_refusal", _never_refuses)]
    ),
    "fact_heard_again": Mutant(
        "facts that were heard are not marked", 0, CALM, [(intending._Writer, "_heard", _forgets_what_it_heard)]
    ),
    "feed_does_not_wait": Mutant(
        "bars are published while bots are behind", 0, CROWD, [(feeding, "_is_behind", lambda feed: Q(pk__isnull=True))]
    ),
}
