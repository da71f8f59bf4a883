"""An operator closes a position: the wish is written down, the bot's worker sends it.

    close_position -> a pending exit for all that is held, and the fact that the engine has to hear of it

No broker is called here. The bot is woken whatever its status: stopped bots sell, too.
"""

import uuid
from datetime import datetime

import structlog
from django.db import transaction

from bots.errors import OrderWorking, PositionAlreadyClosed, PositionNotFound
from bots.models import HOLDS_SLOT, Bot, BotStatus, FactKind, IntentState, OrderFact, OrderIntent, Origin, Position
from bots.payloads import EventName, order_payload
from bots.selectors import market
from bots.services import events, leases, lifecycle
from configuration.services import Actor
from engine.domain.enums import Leg, OrderType
from marketdata import selectors as marketdata
from marketdata.selectors import Feed

logger = structlog.get_logger(__name__)


def close_position(
    position_id: uuid.UUID,
    *,
    actor: Actor,
    now: datetime,
    owner_id: int | None = None,
    pause_bot: bool = True,
    reason: str = "",
) -> OrderIntent:
    """Ask for a market order over all that is held, in the operator's name; the order, not sent yet.

    ``pause_bot``: a running bot is paused with it, or it might enter again on the next bar.
    ``reason``: the operator's, for the log. Raises: POSITION_NOT_FOUND, also for another owner's;
    POSITION_ALREADY_CLOSED; ORDER_WORKING while an order occupies the position.
    """
    with transaction.atomic():
        bot, position = _locked(position_id, owner_id)
        if not position.is_open:
            raise PositionAlreadyClosed(f"The {position.side} position in {position.symbol} is closed already.")
        _refuse_second_order(position)
        feed = marketdata.feed(position.run.timeframe)
        order = _asked(position, feed, actor=actor, now=now)
        events.emit(bot.id, bot.owner_id, [(EventName.ORDER_UPDATED, order_payload(order))])
        if pause_bot and bot.status == BotStatus.RUNNING:
            lifecycle.pause(bot.id, actor=actor, now=now, owner_id=owner_id)
        leases.wake([bot.id])
    logger.info("position.close_asked", position=str(position.id), order=order.id, actor=actor.id, reason=reason)
    return order


def _locked(position_id: uuid.UUID, owner_id: int | None) -> tuple[Bot, Position]:
    """The position as it is under its bot's lock: nobody books a fill of that bot meanwhile."""
    found = Position.objects.filter(id=position_id)
    if owner_id is not None:
        found = found.filter(bot__owner_id=owner_id)
    bot_id = found.values_list("bot_id", flat=True).first()
    if bot_id is None:
        raise PositionNotFound(f"There is no position {position_id}.")
    bot = Bot.objects.select_for_update().get(id=bot_id)
    return bot, found.select_related("run__account").defer("run__state").get()


def _refuse_second_order(position: Position) -> None:
    working = OrderIntent.objects.filter(
        bot_id=position.bot_id,
        symbol=position.symbol,
        side=position.side,
        leg=Leg.MAIN,
        state__in=HOLDS_SLOT,
        replaces__isnull=True,
    ).first()
    if working is not None:
        what = f"{working.action} order of {working.qty.normalize():f} {working.symbol}"
        raise OrderWorking(f"The {what} asked by the {working.origin} is {working.state}; wait until it ends.")


def _asked(position: Position, feed: Feed, *, actor: Actor, now: datetime) -> OrderIntent:
    run = position.run
    order = OrderIntent.objects.create(
        bot_id=position.bot_id,
        run=run,
        account=run.account,
        snapshot_id=run.snapshot_id,
        origin=Origin.OPERATOR,
        actor=actor.label[:150],
        symbol=position.symbol,
        side=position.side,
        leg=Leg.MAIN,
        action="sell" if position.side == "long" else "buy",
        order_type=OrderType.MARKET.name.lower(),
        is_entry=False,
        qty=position.quantity,
        asked_at=market.event_now(feed, now=now),
        reference_price=position.current_price,
        client_order_id=f"{run.account.mode[0]}1-{position.bot_id.hex}-{run.number}-op-{uuid.uuid4().hex}",
        mode=run.account.mode,
        state=IntentState.PENDING,
    )
    OrderFact.objects.create(
        bot_id=position.bot_id, run=run, intent=order, kind=FactKind.ASKED, at_ms=_bar_of(position, feed)
    )
    return order


def _bar_of(position: Position, feed: Feed) -> int:
    """The bar that is newest where it was asked; the run's own, where the replay began again meanwhile."""
    run = position.run
    if feed.now_ms is not None and feed.epoch == run.epoch:
        return feed.now_ms
    return run.last_open_ms if run.last_open_ms is not None else run.after_ms or 0
