"""Rows as browsers and clients of the API read them: the same words in events, snapshots and answers.

Pure functions of rows. Money and quantities are plain decimal text without trailing zeros, to the
nine places the tables keep, so that an event told before its row was read back equals the row.
Times are ISO 8601 in UTC with a Z.
"""

from datetime import UTC, datetime
from decimal import Context, Decimal
from enum import StrEnum
from math import isfinite
from typing import Any, overload
from uuid import UUID

from django.core.exceptions import ObjectDoesNotExist

from bots.models import Bot, Cycle, Decision, EngineRun, OrderIntent, Position, Trade
from engine import indicators
from engine.domain import reasons
from engine.domain.enums import Action, Leg, Target

Payload = dict[str, Any]

_PLACES = Decimal("1e-9")
_DIGITS = Context(prec=34)
_NO_MONEY = Decimal(0)


class EventName(StrEnum):
    """What browsers are told of, and nothing else."""

    TRADE_EXECUTED = "trade_executed"
    POSITION_UPDATED = "position_updated"
    BOT_STATUS_CHANGED = "bot_status_changed"
    PRICE_UPDATE = "price_update"
    MARKET_STATUS_CHANGED = "market_status_changed"
    DECISION = "decision"
    CYCLE = "cycle"
    ORDER_UPDATED = "order_updated"


def trade_payload(trade: Trade) -> Payload:
    """One executed order. Reads ``trade.intent.broker_order``: lists select them along."""
    return {
        "id": str(trade.id),
        "bot_id": str(trade.bot_id),
        "symbol": trade.symbol,
        "type": trade.type,
        "quantity": plain(trade.quantity),
        "price": plain(trade.price),
        "timestamp": moment(trade.timestamp),
        "profit_loss": plain(trade.profit_loss),
        "status": trade.status,
        "order_id": str(trade.intent.broker_order.broker_order_id),
    }


def position_payload(position: Position) -> Payload:
    """What is held of one symbol and side, or was."""
    return {
        "id": str(position.id),
        "bot_id": str(position.bot_id),
        "symbol": position.symbol,
        "side": position.side,
        "quantity": plain(position.quantity),
        "entry_price": plain(position.entry_price),
        "current_price": plain(position.current_price),
        "stop_loss_price": plain(position.stop_loss_price),
        "take_profit_price": plain(position.take_profit_price),
        "unrealized_pnl": plain(position.unrealized_pnl),
        "realized_pnl": plain(position.realized_pnl),
        "opened_at": moment(position.opened_at),
        "closed_at": moment(position.closed_at),
        "is_open": position.is_open,
    }


def status_payload(bot: Bot) -> Payload:
    """Where a bot is in its life, and what went wrong last."""
    return {
        "id": str(bot.id),
        "status": str(bot.status),
        "is_active": bot.is_active,
        "error_count": bot.error_count,
        "error_code": bot.error_code,
        "error_message": bot.error_message,
    }


def decision_payload(decision: Decision) -> Payload:
    """What was decided on one bar, in words. ``at``: open of the bar. ``snapshot``: the parameters in force."""
    return {
        "id": decision.id,
        "bot_id": str(decision.bot_id),
        "symbol": decision.symbol,
        "at": moment(decision.at),
        "signal": Action(decision.signal).name.lower(),
        "target": [bit.name.lower() for bit in Target if decision.target & bit],
        "reason": reasons.code(decision.reason),
        "sentence": reasons.sentence(decision.reason),
        "votes": indicators.unpack_votes(decision.votes),
        "confidence": decision.confidence if isfinite(decision.confidence) else None,
        "price": plain(decision.price),
        "orders": decision.orders,
        "fills": decision.fills,
        "snapshot": str(decision.snapshot_id),
    }


def cycle_payload(cycle: Cycle, run: EngineRun) -> Payload:
    """A bot's money after a cycle. ``at``: event time. ``run``: its row after the cycle.

    ``today_pnl``: realised on the venue's day. ``rows``: bars stepped since the run began.
    """
    return {
        "bot_id": str(run.bot_id),
        "run": run.number,
        "epoch": run.epoch,
        "number": cycle.number,
        "at": moment(cycle.due_at),
        "equity": plain(run.equity),
        "cash": plain(run.cash),
        "realised": plain(run.realised),
        "today_pnl": plain(run.day_realised),
        "open_positions": run.open_positions,
        "rows": run.rows,
    }


def order_payload(intent: OrderIntent) -> Payload:
    """What was asked, and what became of it. Reads ``intent.broker_order``: lists select it along."""
    return {
        "id": intent.id,
        "bot_id": str(intent.bot_id),
        "symbol": intent.symbol,
        "side": intent.side,
        "leg": Leg(intent.leg).name.lower(),
        "action": intent.action,
        "order_type": intent.order_type,
        "qty": plain(intent.qty),
        "filled_qty": plain(_filled_qty(intent)),
        "limit_price": plain(intent.limit_price),
        "stop_price": plain(intent.stop_price),
        "state": str(intent.state),
        "reason": reasons.code(intent.reason),
        "at": moment(intent.asked_at),
    }


def price_payload(*, bot_id: UUID, symbol: str, price: Decimal, at: datetime) -> Payload:
    """The newest close a bot has seen of one symbol. ``at``: event time."""
    return {"bot_id": str(bot_id), "symbol": symbol, "price": plain(price), "timestamp": moment(at)}


def market_payload(*, is_open: bool) -> Payload:
    """Whether the market a bot trades in is open."""
    return {"is_open": is_open}


def plain(value: Decimal | None) -> str | None:
    """A decimal as people write it: no exponent, no trailing zeros, no minus before zero."""
    if value is None:
        return None
    # Half to even, as Django rounds it on its way into the table.
    stored = Decimal(value).quantize(_PLACES, context=_DIGITS)
    return format(stored.normalize(_DIGITS), "f") if stored else "0"


@overload
def moment(at: datetime) -> str: ...
@overload
def moment(at: None) -> None: ...
def moment(at: datetime | None) -> str | None:
    """A time in UTC, as the API writes it."""
    return None if at is None else at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _filled_qty(intent: OrderIntent) -> Decimal:
    try:
        return intent.broker_order.filled_qty
    except ObjectDoesNotExist:  # nothing arrived at the broker yet
        return _NO_MONEY
