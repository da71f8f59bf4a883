"""What was decided, on which facts, and what followed."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.db.models import Q, QuerySet

from bots.errors import BotDecisionNotFound
from bots.models import Decision, Fill, OrderIntent
from configuration import selectors as configuration
from configuration.selectors import Explained
from engine.domain import reasons
from engine.domain.enums import Reason

REASONS = {reasons.code(one): int(one) for one in Reason}
# Packed records of the engine, large and of no use to a reader.
_PACKED = ("orders", "fills", "trips", "decided", "checkpoint")


class Followed(NamedTuple):
    """One decision, the orders it asked for (their stops and targets too) and what was got for them."""

    decision: Decision
    orders: Sequence[OrderIntent]
    fills: Sequence[Fill]


def matching(
    *,
    owner_id: int | None = None,
    bot_id: UUID | None = None,
    symbol: str | None = None,
    reason: str | None = None,
    has_order: bool | None = None,
    after: datetime | None = None,
    before: datetime | None = None,
) -> QuerySet[Decision]:
    """Decisions, the newest first. ``reason``: a key of REASONS. ``after`` <= the bar's open < ``before``."""
    found = Decision.objects.all()
    if owner_id is not None:
        found = found.filter(bot__owner_id=owner_id)
    if bot_id is not None:
        found = found.filter(bot_id=bot_id)
    if symbol is not None:
        found = found.filter(symbol=symbol)
    if reason is not None:
        found = found.filter(reason=REASONS[reason])
    if has_order is not None:
        found = found.filter(orders__gt=0) if has_order else found.filter(orders=0)
    if after is not None:
        found = found.filter(at__gte=after)
    if before is not None:
        found = found.filter(at__lt=before)
    return found.order_by("-id")


def one(decision_id: int, *, owner_id: int | None = None) -> Followed:
    """One decision with its cycle and what followed. Raises: BOT_DECISION_NOT_FOUND, also for another owner's."""
    found = matching(owner_id=owner_id).select_related("cycle").defer(*(f"cycle__{name}" for name in _PACKED))
    decision = found.filter(id=decision_id).first()
    if decision is None:
        raise BotDecisionNotFound(f"There is no decision {decision_id}.")
    asked = OrderIntent.objects.filter(Q(decision=decision) | Q(parent__decision=decision))
    orders = list(asked.select_related("broker_order").order_by("id"))
    fills = Fill.objects.filter(broker_order__intent__in=[order.id for order in orders])
    return Followed(decision, orders, list(fills.order_by("id")))


def explained(decision: Decision) -> list[Explained]:
    """Every value in force for it, with who set it and why. Two queries."""
    return configuration.explain_snapshot(decision.snapshot_id)
