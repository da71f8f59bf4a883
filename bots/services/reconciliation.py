"""Make our books say what the broker's say: orders, fills, and the orders nobody was sure about.

The account-wide list of events is read from where we stopped; every order on it is matched by its
client order id, whatever we believed of it. A fact is never refused: an order that was given up is
adopted, one that nobody of us placed is kept as external. Running it twice changes nothing.
"""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q
from django.db.models.functions import Now

from bots import brokers, payloads
from bots.brokers.ports import Broker, BrokerEvent, OrderReport
from bots.mappers import moment_of
from bots.models import (
    IN_DOUBT,
    Bot,
    BrokerAccount,
    BrokerOrder,
    EngineRun,
    FactKind,
    Fill,
    IntentState,
    OrderFact,
    OrderIntent,
    OrderStatus,
    Origin,
)
from bots.services import events, leases, lifecycle
from bots.services.checkpoints import Checkpoint, nowhere
from engine.domain.enums import Reason
from engine.domain.errors import PlatformError

logger = structlog.get_logger(__name__)

PAGE = 500
# An order that the broker did not know five times over two minutes never reached it.
GIVEN_UP_AFTER = timedelta(seconds=120)
GIVEN_UP_MISSES = 5
_NOTED_EVERY = timedelta(seconds=5)

_RANK = {OrderStatus.HELD: 1, OrderStatus.WORKING: 2, OrderStatus.PARTIALLY_FILLED: 3}
_ENDS = 4
_STATE_OF = {
    OrderStatus.HELD: IntentState.HELD,
    OrderStatus.WORKING: IntentState.WORKING,
    OrderStatus.PARTIALLY_FILLED: IntentState.WORKING,
    OrderStatus.FILLED: IntentState.FILLED,
    OrderStatus.CANCELED: IntentState.CANCELED,
    OrderStatus.EXPIRED: IntentState.EXPIRED,
    OrderStatus.REJECTED: IntentState.REJECTED,
}
_REASON_OF = {
    IntentState.CANCELED: Reason.CANCELLED,
    IntentState.EXPIRED: Reason.EXPIRED,
    IntentState.REJECTED: Reason.REJECTED,
    IntentState.ABANDONED: Reason.NEVER_ARRIVED,
}
_GIVEN_UP = (IntentState.REJECTED, IntentState.ABANDONED, IntentState.UNSENT)


class Found(NamedTuple):
    """What one pass brought: new facts, and client ids of adopted orders that were cancelled at the broker."""

    facts: int
    adopted: tuple[str, ...]


def reconcile(account_id: UUID, *, checkpoint: Checkpoint = nowhere) -> Found:
    """Read the account's list of events to its end and write down what is new in it.

    Raises: BrokerUnsure when the broker does not answer; what was read before is kept.
    """
    account = BrokerAccount.objects.get(id=account_id)
    broker = brokers.broker_of(account)
    facts, cursor = 0, account.cursor
    while page := broker.events(after=cursor, limit=PAGE):
        checkpoint("events_read")
        facts += _taken(account_id, page)
        checkpoint("events_taken")
        cursor = page[-1].sequence
        if len(page) < PAGE:
            break
    is_long_ago = _looked(account_id)
    adopted = _adopted(account_id) if is_long_ago or cursor != account.cursor else ()
    for client_order_id in adopted:
        broker.cancel(client_order_id)
    return Found(facts, adopted)


def reconcile_due(*, checkpoint: Checkpoint = nowhere) -> list[UUID]:
    """Reconcile the accounts that have anything alive and were not looked at for a while; those with news.

    The beat calls it: for bots that do not run, and for orders whose sender died. Bots with unheard news are woken.
    """
    alive = OrderIntent.objects.filter(
        account=OuterRef("pk"), state__in=[*IN_DOUBT, IntentState.WORKING, IntentState.HELD, IntentState.ADOPTED]
    )
    stale = Q(reconciled_at__isnull=True) | Q(reconciled_at__lt=Now() - timedelta(seconds=10))
    # Also of runs that ended: an order nobody was sure about may turn up, and be cancelled, after the end.
    due = BrokerAccount.objects.filter(stale, Exists(alive))
    with_news = []
    for account_id in due.order_by("id").values_list("id", flat=True):
        try:
            if reconcile(account_id, checkpoint=checkpoint).facts:
                with_news.append(account_id)
        except PlatformError as broken:
            # One account that cannot be read must not hold up the others.
            logger.warning("account.not_reconciled", account_id=str(account_id), error_code=broken.specific_code)
    # Old news as well: whoever wrote them down may have died before anybody was woken. A bot with a wake-up has one.
    unheard = OrderFact.objects.filter(cycle__isnull=True, run__ended_at__isnull=True, bot__wake_at__isnull=True)
    leases.wake(list(unheard.order_by("bot").values_list("bot", flat=True).distinct()))
    return with_news


def look_up(intent_id: int, broker: Broker, *, checkpoint: Checkpoint = nowhere) -> IntentState:
    """Ask the broker for one order that nobody is sure about, and write down the answer.

    Not found is final only after ``GIVEN_UP_MISSES`` times and ``GIVEN_UP_AFTER``.
    Raises: BrokerUnsure.
    """
    intent = OrderIntent.objects.get(id=intent_id)
    report = broker.find(intent.client_order_id)
    checkpoint("looked_up")
    with transaction.atomic():
        _lock(intent.account_id)
        intent.refresh_from_db()
        if report is not None:
            record(intent, report)
        elif intent.state in IN_DOUBT:
            _missed(intent)
    return IntentState(intent.state)


def record(intent: OrderIntent, report: OrderReport, *, event: BrokerEvent | None = None) -> BrokerOrder:
    """Write down that the broker has this order, and in which state. Call with the bot's row locked.

    Never refuses: an intent that was given up is adopted. ``event``: what told us, where one did.
    """
    if event is None:
        report = _as_accepted(report)
    order, _ = BrokerOrder.objects.get_or_create(
        intent=intent,
        defaults={
            "broker_order_id": report.order_id,
            "account_id": intent.account_id,
            "status": report.status,
            "qty": report.qty,
            "limit_price": report.limit_price,
            "stop_price": report.stop_price,
            "submitted_at": report.submitted_at,
        },
    )
    _bring_forward(order, report)
    _follow(intent, OrderStatus(order.status), event)
    children = {child.leg: child for child in intent.children.filter(replaces__isnull=True)} if report.legs else {}
    for leg in report.legs:
        if leg.leg in children:
            record(children[leg.leg], leg, event=event)
    return order


def _as_accepted(report: OrderReport) -> OrderReport:
    """What an answer or a look-up proves: that the broker has the order, and its children.

    How they ended, and after which fills, only the list of events tells in its order; an end heard
    before the fill that caused it would be another history than the broker's.
    """
    if report.status == OrderStatus.REJECTED:
        return report
    legs = tuple(
        leg if leg.status in (OrderStatus.HELD, OrderStatus.WORKING) else leg._replace(status=OrderStatus.HELD)
        for leg in report.legs
    )
    status = report.status if report.status == OrderStatus.HELD else OrderStatus.WORKING
    return report._replace(status=status, filled_qty=Decimal(0), legs=legs)


def end(intent: OrderIntent, state: IntentState, *, reason: Reason, code: str = "", message: str = "") -> None:
    """Write down that an intent ended without an order at the broker. Call with the bot's row locked.

    The engine hears of it in the next cycle; held children end with it.
    """
    _set_state(intent, state, reason=int(reason), broker_code=code[:64], broker_message=message[:500])
    _tell_engine(intent, reason, at_ms=_bar_of(intent), sequence=_LATE)
    for child in intent.children.filter(state=IntentState.HELD):
        _set_state(child, IntentState.CANCELED, reason=int(reason))


def make_way(intent: OrderIntent) -> None:
    """Write down that another order took this one's place at the broker. Call with the bot's row locked."""
    if intent.state == IntentState.WORKING:
        _set_state(intent, IntentState.CANCELED, reason=int(Reason.CANCELLED))


def _taken(account_id: UUID, page: Sequence[BrokerEvent]) -> int:
    with transaction.atomic():
        account = _lock(account_id)
        fresh = [event for event in page if event.sequence > account.cursor]
        intents = _intents(account, fresh)
        facts = sum(_take(event, intents[event.order.client_order_id]) for event in fresh)
        account.cursor = fresh[-1].sequence if fresh else account.cursor
        BrokerAccount.objects.filter(id=account_id).update(cursor=account.cursor)
    return facts


def _adopted(account_id: UUID) -> tuple[str, ...]:
    """Orders of ours that we had given up and that live at the broker. Asked again until it says they ended."""
    alive = OrderIntent.objects.filter(account=account_id, state=IntentState.ADOPTED).exclude(origin=Origin.EXTERNAL)
    return tuple(alive.order_by("id").values_list("client_order_id", flat=True))


def _looked(account_id: UUID) -> bool:
    """When the broker was last heard; to the nearest seconds, so that a quiet cycle writes nothing here.

    True where the time before was longer ago than that.
    """
    stale = Q(reconciled_at__isnull=True) | Q(reconciled_at__lt=Now() - _NOTED_EVERY)
    return bool(BrokerAccount.objects.filter(stale, id=account_id).update(reconciled_at=Now()))


def _lock(account_id: UUID) -> BrokerAccount:
    """The account, its bots' rows locked first: every writer locks in this order."""
    bots = Bot.objects.filter(runs__account=account_id, runs__ended_at__isnull=True)
    list(Bot.objects.filter(id__in=bots.values("id")).order_by("id").select_for_update(no_key=True).values_list("id"))
    return BrokerAccount.objects.select_for_update(no_key=True).get(id=account_id)


def _intents(account: BrokerAccount, page: Sequence[BrokerEvent]) -> dict[str, OrderIntent]:
    wanted = {event.order.client_order_id: event.order for event in page}
    known = OrderIntent.objects.filter(client_order_id__in=list(wanted)).select_related("bot")
    found = {intent.client_order_id: intent for intent in known}
    for client_order_id, order in wanted.items():
        if client_order_id not in found:
            found[client_order_id] = _external(account, order)
    return found


def _external(account: BrokerAccount, order: OrderReport) -> OrderIntent:
    """An order somebody else placed: shown and counted, not managed."""
    engine_run = EngineRun.objects.filter(account=account).order_by("-id")[:1].get()
    logger.warning("order.external", account_id=str(account.id), client_order_id=order.client_order_id)
    return OrderIntent.objects.create(
        bot_id=engine_run.bot_id,
        run=engine_run,
        account=account,
        origin=Origin.EXTERNAL,
        symbol=order.symbol,
        side=order.side,
        leg=order.leg,
        action=order.action,
        order_type=order.order_type,
        is_entry=order.is_entry,
        qty=order.qty,
        limit_price=order.limit_price,
        stop_price=order.stop_price,
        asked_at=order.submitted_at or engine_run.started_at,
        client_order_id=order.client_order_id,
        # No row of ours holds its slot: a constraint must not refuse what the broker already has.
        state=IntentState.ADOPTED,
    )


def _take(event: BrokerEvent, intent: OrderIntent) -> int:
    order = record(intent, event.order, event=event)
    return _fill(intent, order, event) if event.is_fill else 0


def _fill(intent: OrderIntent, order: BrokerOrder, event: BrokerEvent) -> int:
    fill = Fill(
        broker_order=order,
        bot_id=intent.bot_id,
        run_id=intent.run_id,
        symbol=intent.symbol,
        cum_qty=event.cum_qty,
        qty=event.qty,
        price=event.price,
        fee=event.fee,
        bar_open_ms=event.at_ms,
        executed_at=moment_of(event.at_ms),
        activity_id=f"{intent.account_id}:{event.sequence}",
        broker_sequence=event.sequence,
    )
    known = Fill.objects.filter(broker_order=order, cum_qty=event.cum_qty).exists()
    if known:
        return 0
    fill.save(force_insert=True)
    if intent.origin == Origin.EXTERNAL:
        return 0
    OrderFact.objects.create(
        bot_id=intent.bot_id,
        run_id=intent.run_id,
        intent=intent,
        kind=FactKind.FILLED,
        fill=fill,
        at_ms=event.at_ms,
        broker_sequence=event.sequence,
    )
    return 1


def _bring_forward(order: BrokerOrder, report: OrderReport) -> None:
    """Statuses and quantities never go back: lists may be read late or twice."""
    changed: dict[str, Any] = {}
    if _rank(report.status) > _rank(order.status):
        changed["status"] = report.status
    if report.filled_qty > order.filled_qty:
        changed["filled_qty"] = report.filled_qty
    # A held child learns its prices when its parent fills; a resized one its quantity.
    for name in ("qty", "limit_price", "stop_price"):
        value = getattr(report, name)
        if value is not None and value != getattr(order, name) and _rank(report.status) >= _rank(order.status):
            changed[name] = value
    if changed:
        for name, value in changed.items():
            setattr(order, name, value)
        BrokerOrder.objects.filter(broker_order_id=order.broker_order_id).update(**changed, updated_at=Now())


def _rank(status: str) -> int:
    return _RANK.get(OrderStatus(status), _ENDS)


def _follow(intent: OrderIntent, status: OrderStatus, event: BrokerEvent | None) -> None:
    """Bring the intent to the state its order's status stands for, by steps the state machine has."""
    wanted = _STATE_OF[status]
    if intent.state in (wanted, *_FINAL) or (wanted == IntentState.HELD and intent.state != IntentState.HELD):
        return
    if intent.state in _GIVEN_UP:
        _adopt(intent)
    if intent.state == IntentState.PENDING:
        _claim_afterwards(intent)
        _set_state(intent, IntentState.SUBMITTING)
    if intent.state == IntentState.ADOPTED and wanted not in _FINAL:
        return
    reason = _REASON_OF.get(wanted, Reason.NONE)
    _set_state(intent, wanted, reason=int(reason))
    if reason != Reason.NONE and event is not None:
        _tell_engine(intent, reason, at_ms=event.at_ms, sequence=event.sequence)
    elif reason != Reason.NONE:
        _tell_engine(intent, reason, at_ms=_bar_of(intent), sequence=_LATE)


def _adopt(intent: OrderIntent) -> None:
    """The broker has an order that we had given up: what it fills counts, and its bot trades no more.

    Somebody else may have asked for the same thing meanwhile: only a person can tell what is wanted now.
    """
    was = intent.state
    _claim_afterwards(intent)
    _set_state(intent, IntentState.ADOPTED)
    message = f"The broker has {intent.client_order_id}, which was {was} here: it is cancelled, its fills count."
    lifecycle.fail(Bot.objects.get(id=intent.bot_id), code="ORDER_ADOPTED", message=message)


_FINAL = (IntentState.FILLED, IntentState.CANCELED, IntentState.EXPIRED)


def _claim_afterwards(intent: OrderIntent) -> None:
    """The broker has it, so it was sent, whatever we remember: a constraint must not refuse that."""
    OrderIntent.objects.filter(id=intent.id, claimed_at__isnull=True).update(claimed_at=Now())


def _set_state(intent: OrderIntent, state: IntentState, **facts: int | str) -> None:
    for name, value in {"state": state, **facts}.items():
        setattr(intent, name, value)
    OrderIntent.objects.filter(id=intent.id).update(state=state, **facts)
    events.emit(intent.bot_id, intent.bot.owner_id, [("order_updated", payloads.order_payload(intent))])


def _tell_engine(intent: OrderIntent, reason: Reason, *, at_ms: int, sequence: int) -> None:
    """The engine waits for this order: tell it that it ended. Only of orders it has asked for itself."""
    if intent.origin == Origin.EXTERNAL or intent.replaces_id is not None:
        return
    fact = OrderFact(
        bot_id=intent.bot_id,
        run_id=intent.run_id,
        intent=intent,
        kind=FactKind.ENDED,
        reason=int(reason),
        at_ms=at_ms,
        broker_sequence=sequence,
    )
    # Told once: a list may be read twice.
    OrderFact.objects.bulk_create([fact], ignore_conflicts=True)


# Ends that we know ourselves come after everything the broker told of the same bar.
_LATE = 2**62


def _bar_of(intent: OrderIntent) -> int:
    """The bar it was asked on. An operator's order may end before the engine has heard that it was asked."""
    if intent.open_ms is not None:
        return intent.open_ms
    asked = OrderFact.objects.filter(intent=intent, kind=FactKind.ASKED).values_list("at_ms", flat=True).first()
    return asked or 0


def _missed(intent: OrderIntent) -> None:
    OrderIntent.objects.filter(id=intent.id).update(misses=F("misses") + 1)
    is_late = OrderIntent.objects.filter(
        id=intent.id, misses__gte=GIVEN_UP_MISSES, claimed_at__lt=Now() - GIVEN_UP_AFTER
    ).exists()
    if intent.state == IntentState.SUBMITTING:
        _set_state(intent, IntentState.UNKNOWN)
    if is_late:
        end(intent, IntentState.ABANDONED, reason=Reason.NEVER_ARRIVED)
