"""What was asked of brokers, and what became of it."""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from django.db.models import QuerySet

from bots.errors import OrderNotFound
from bots.models import Fill, IntentState, OrderFact, OrderIntent, Origin

STATES = tuple(IntentState.values)
ORIGINS = tuple(Origin.values)


class Followed(NamedTuple):
    """One order with what was got for it and what the engine was told of it."""

    order: OrderIntent
    fills: Sequence[Fill]
    facts: Sequence[OrderFact]


def matching(
    *,
    owner_id: int | None = None,
    bot_id: UUID | None = None,
    symbol: str | None = None,
    state: str | None = None,
    origin: str | None = None,
) -> QuerySet[OrderIntent]:
    """Orders, the newest first, each with the broker's. ``owner_id`` None: everybody's."""
    found = OrderIntent.objects.select_related("broker_order")
    if owner_id is not None:
        found = found.filter(bot__owner_id=owner_id)
    if bot_id is not None:
        found = found.filter(bot_id=bot_id)
    if symbol is not None:
        found = found.filter(symbol=symbol)
    if state is not None:
        found = found.filter(state=state)
    if origin is not None:
        found = found.filter(origin=origin)
    return found.order_by("-id")


def one(order_id: int, *, owner_id: int | None = None) -> Followed:
    """One order and its story. Raises: ORDER_NOT_FOUND, also for another owner's."""
    found = matching(owner_id=owner_id).filter(id=order_id).first()
    if found is None:
        raise OrderNotFound(f"There is no order {order_id}.")
    return Followed(
        found,
        list(Fill.objects.filter(broker_order__intent=found).order_by("cum_qty")),
        list(found.facts.order_by("at_ms", "broker_sequence", "id")),
    )
