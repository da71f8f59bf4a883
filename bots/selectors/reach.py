"""What a change of configuration can touch: every bot in service with what it holds and has asked for."""

from collections import defaultdict
from typing import Final
from uuid import UUID

from bots.models import HOLDS_SLOT, Bot, EngineRun, IntentState, OrderIntent, Position
from configuration.ports import HeldPosition, ReachedBot, RestingOrder

_RESTING: Final = (*HOLDS_SLOT, IntentState.ADOPTED)
_LEGS: Final = {1: "stop", 2: "target"}


def reached_bots() -> list[ReachedBot]:
    """Every bot in service, by name, running or not. Four queries, however many bots there are.

    ``pinned``: the snapshot its open run goes on under. Orders: pending, held, at the broker, or
    nobody knows; ``qty`` is what was asked for.
    """
    pinned = dict(EngineRun.objects.filter(ended_at__isnull=True).values_list("bot_id", "snapshot_id"))
    positions, orders = _held(), _resting()
    return [
        ReachedBot(
            id=str(bot.id),
            name=bot.name,
            strategy=bot.strategy,
            symbols=tuple(bot.symbols),
            status=bot.status,
            pinned=pinned.get(bot.id, ""),
            positions=tuple(positions[bot.id]),
            orders=tuple(orders[bot.id]),
        )
        for bot in Bot.objects.in_service().order_by("name", "id")
    ]


def _held() -> defaultdict[UUID, list[HeldPosition]]:
    held: defaultdict[UUID, list[HeldPosition]] = defaultdict(list)
    for position in Position.objects.filter(is_open=True).order_by("symbol", "side"):
        held[position.bot_id].append(
            HeldPosition(str(position.id), position.symbol, position.side.upper(), position.quantity)
        )
    return held


def _resting() -> defaultdict[UUID, list[RestingOrder]]:
    resting: defaultdict[UUID, list[RestingOrder]] = defaultdict(list)
    columns = ("bot_id", "id", "symbol", "side", "leg", "is_entry", "qty")
    rows = OrderIntent.objects.filter(state__in=_RESTING).order_by("symbol", "side", "leg", "id").values_list(*columns)
    for bot_id, order_id, symbol, side, leg, is_entry, qty in rows:
        name = _LEGS.get(leg, "entry" if is_entry else "exit")
        resting[bot_id].append(RestingOrder(str(order_id), symbol, side.upper(), name, qty))
    return resting
