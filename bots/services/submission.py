"""Send one intent: claim it, post it once, sort the answer, write it down.

At most one broker order for each intent comes from the client order id: it is made of what was
decided, never of an attempt, and the broker refuses one it has ever seen. So an order that nobody
is sure about may be sent again under its id, as long as the bar it was decided on is the newest.
"""

import time
from datetime import timedelta
from typing import NamedTuple

import structlog
from django.db import transaction
from django.db.models.functions import Now

from bots.brokers.ports import DUPLICATE, Broker, BrokerUnsure, Child, OrderReport, OrderRequest, Refused
from bots.models import (
    IN_DOUBT,
    AccountState,
    Bot,
    BotStatus,
    BrokerAccount,
    IntentState,
    OrderIntent,
    Origin,
)
from bots.services import leases, reconciliation
from bots.services.checkpoints import Checkpoint, nowhere
from bots.services.leases import Lease
from engine.domain.enums import Leg, Reason
from marketdata import selectors as marketdata

logger = structlog.get_logger(__name__)

# Half of what a broker call may take (13 s), far below the watchdog (60 s), the lease (90 s) and the
# time after which an order is given up (120 s): each limit ends before the next one's begins.
SEND_WITHIN = timedelta(seconds=5)


class _Claimed(NamedTuple):
    """The right to send one intent until ``deadline`` of this machine's monotonic clock."""

    intent: OrderIntent
    request: OrderRequest
    replaces: str
    deadline: float


def send(intent_id: int, *, lease: Lease, broker: Broker, checkpoint: Checkpoint = nowhere) -> IntentState:
    """Send an intent that is pending or in doubt; the state it is in afterwards.

    ``unknown`` means: look it up, then decide whether to send it again. Never raises BrokerUnsure.
    """
    claimed = _claim(intent_id, lease)
    checkpoint("claimed")
    if claimed is None:
        return _state_of(intent_id)
    if time.monotonic() > claimed.deadline:
        # Whoever was asleep for so long does not know what happened meanwhile.
        return _doubt(intent_id)
    try:
        answer = _post(broker, claimed)
    except BrokerUnsure as unsure:
        logger.warning("order.unsure", client_order_id=claimed.request.client_order_id, message=unsure.message)
        return _doubt(intent_id)
    checkpoint("answered")
    if isinstance(answer, Refused) and answer.code == DUPLICATE:
        return _look_up(intent_id, broker, checkpoint)
    return _record(intent_id, answer)


def _post(broker: Broker, claimed: _Claimed) -> OrderReport | Refused:
    if claimed.replaces:
        return broker.replace(claimed.replaces, claimed.request)
    return broker.submit(claimed.request)


def _claim(intent_id: int, lease: Lease) -> _Claimed | None:
    with transaction.atomic():
        bot = leases.locked(lease)
        if bot is None:
            return None
        intents = OrderIntent.objects.select_for_update(of=("self",), no_key=True)
        intent = intents.select_related("replaces", "bot", "run").get(id=intent_id)
        if intent.state not in (IntentState.PENDING, *IN_DOUBT):
            return None
        refused = _refusal(intent, bot)
        if refused != Reason.NONE:
            _deny(intent, refused)
            return None
        started = time.monotonic()
        OrderIntent.objects.filter(id=intent.id).update(
            state=IntentState.SUBMITTING, claimed_at=Now(), send_by=Now() + SEND_WITHIN
        )
        replaces = intent.replaces.client_order_id if intent.replaces else ""
        return _Claimed(intent, _request(intent), replaces, started + SEND_WITHIN.total_seconds())


def _refusal(intent: OrderIntent, bot: Bot) -> Reason:
    """Why this intent must not leave us now; read under the bot's lock, in the claim's own transaction."""
    account = BrokerAccount.objects.get(id=intent.account_id)
    if account.state == AccountState.HALTED or (account.state == AccountState.REDUCING and intent.is_entry):
        return Reason.DENIED
    # Neither of these opens anything: an operator's close, and a stop or target of what is held.
    if intent.origin == Origin.OPERATOR or intent.leg != Leg.MAIN:
        return Reason.NONE
    if bot.status != BotStatus.RUNNING:
        return Reason.STOPPED
    feed = marketdata.feed(bot.timeframe)
    if intent.open_ms is not None and (feed.epoch, feed.now_ms) != (intent.run.epoch, intent.open_ms):
        return Reason.STALE_BAR
    return Reason.NONE


def _deny(intent: OrderIntent, reason: Reason) -> None:
    # In doubt it may be at the broker: then only looking it up may end it.
    if intent.state == IntentState.PENDING:
        reconciliation.end(intent, IntentState.UNSENT, reason=reason)


def _request(intent: OrderIntent) -> OrderRequest:
    children = intent.children.filter(state=IntentState.HELD, replaces__isnull=True).order_by("leg")
    return OrderRequest(
        client_order_id=intent.client_order_id,
        symbol=intent.symbol,
        side=intent.side,
        leg=intent.leg,
        action=intent.action,
        order_type=intent.order_type,
        is_entry=intent.is_entry,
        qty=intent.qty,
        limit_price=intent.limit_price,
        stop_price=intent.stop_price,
        bracket=tuple(
            Child(child.client_order_id, child.leg, child.order_type, float(child.bracket_fraction or 0.0))
            for child in children
        ),
    )


def _look_up(intent_id: int, broker: Broker, checkpoint: Checkpoint) -> IntentState:
    try:
        return reconciliation.look_up(intent_id, broker, checkpoint=checkpoint)
    except BrokerUnsure:
        return _doubt(intent_id)


def _doubt(intent_id: int) -> IntentState:
    OrderIntent.objects.filter(id=intent_id, state=IntentState.SUBMITTING).update(state=IntentState.UNKNOWN)
    return _state_of(intent_id)


def _record(intent_id: int, answer: OrderReport | Refused) -> IntentState:
    """A fact is written down whoever holds the lease by now."""
    with transaction.atomic():
        bot_id = OrderIntent.objects.values_list("bot", flat=True).get(id=intent_id)
        Bot.objects.select_for_update(no_key=True).get(id=bot_id)
        intent = (
            OrderIntent.objects.select_for_update(of=("self",), no_key=True).select_related("bot").get(id=intent_id)
        )
        if isinstance(answer, OrderReport):
            reconciliation.record(intent, answer)
        elif intent.state in IN_DOUBT:
            logger.warning("order.rejected", client_order_id=intent.client_order_id, code=answer.code)
            reconciliation.end(
                intent, IntentState.REJECTED, reason=Reason.REJECTED, code=answer.code, message=answer.message
            )
        if isinstance(answer, OrderReport) and intent.replaces is not None:
            reconciliation.make_way(intent.replaces)
    return _state_of(intent_id)


def _state_of(intent_id: int) -> IntentState:
    return IntentState(OrderIntent.objects.values_list("state", flat=True).get(id=intent_id))
