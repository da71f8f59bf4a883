"""Bots for tests, said in one line."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

from django.contrib.auth.models import User

from bots.models import (
    Bot,
    BrokerOrder,
    Cycle,
    CycleState,
    Decision,
    EngineRun,
    Fill,
    IntentState,
    OrderIntent,
    OrderStatus,
    Position,
    Trade,
)
from bots.services import definition
from configuration.services import Actor
from marketdata import services as marketdata
from marketdata.services import replay

NOW = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
ACTOR = Actor(kind="user", id="7", label="olga")
REASON = "trying it out"


def an_equity(symbol: str) -> str:
    wanted = marketdata.InstrumentDefinition(symbol=symbol, asset_class="equity", calendar="XNYS")
    return marketdata.define_instrument(wanted, now=NOW)


def a_form(**changes: Any) -> dict[str, Any]:
    """A form without a fault; ``changes`` replace fields, None takes one away."""
    form = {
        "name": "Two voters",
        "strategy": "indicator_voting",
        "timeframe": "1d",
        "symbols": ["AAPL", "IBM"],
        "capital": 10000,
        "indicators": {"RSI": {"period": 10}, "SMA": {}},
        "risk_management": {"stop_loss": 2, "take_profit": 5},
    }
    return {name: value for name, value in {**form, **changes}.items() if value is not None}


def a_bot(owner: User, **changes: Any) -> Bot:
    return definition.define(
        owner_id=owner.pk, form=a_form(**changes), actor=ACTOR, source="test", reason=REASON, now=NOW
    )


def redefined(bot: Bot, **changes: Any) -> Bot:
    return definition.redefine(
        bot_id=bot.id, form=a_form(**changes), actor=ACTOR, source="test", reason=REASON, now=NOW
    )


def a_replay(timeframe: str, newest: datetime, *, epoch: int = 1) -> None:
    """A replay whose newest published bar opened then, in its ``epoch``-th round."""
    replay.ensure(timeframe, bars_per_second=Decimal(1))
    for ended in range(1, epoch):
        replay.new_epoch(timeframe, epoch=ended)
    assert replay.advance(timeframe, epoch=epoch, from_ms=None, to_ms=int(newest.timestamp()) * 1000)


# --- rows of what a bot did, without an engine that makes them; a run comes from ``bots.tests.rows``


def a_decision(run: EngineRun, symbol: str = "AAPL", *, number: int = 1, **changes: Any) -> Decision:
    """A refusal to buy for want of signals, on a bar of its own, in a cycle of its own."""
    at = NOW + timedelta(days=number)
    cycle = Cycle.objects.create(
        bot_id=run.bot_id,
        run=run,
        number=number,
        epoch=run.epoch,
        due_at=at + timedelta(days=1),
        lease_token=1,
        state=CycleState.DONE,
        snapshot_id=run.snapshot_id,
    )
    columns: dict[str, Any] = {
        "row": number,
        "open_ms": int(at.timestamp()) * 1000,
        "at": at,
        "symbol": symbol,
        "signal": 0,
        "target": 0,
        "strategy": -1,
        "fills": 0,
        "orders": 0,
        "reason": 1,
        "confidence": 0.0,
        "votes": 0,
        "price": 100,
        "equity": 10000,
        "long_qty": 0,
        "short_qty": 0,
    }
    return Decision.objects.create(
        bot_id=run.bot_id,
        run=run,
        cycle=cycle,
        snapshot_id=run.snapshot_id,
        number=number,
        **{**columns, **changes},
    )


def an_order(run: EngineRun, symbol: str = "AAPL", **changes: Any) -> OrderIntent:
    """An order of the operator's that filled: a market buy of five."""
    columns: dict[str, Any] = {
        "account_id": run.account_id,
        "snapshot_id": run.snapshot_id,
        "origin": "operator",
        "side": "long",
        "action": "buy",
        "order_type": "market",
        "is_entry": True,
        "qty": 5,
        "asked_at": NOW,
        "client_order_id": f"test-{uuid4().hex}",
        "state": IntentState.FILLED,
        "claimed_at": NOW,
    }
    return OrderIntent.objects.create(bot_id=run.bot_id, run=run, symbol=symbol, **{**columns, **changes})


def a_broker_order(order: OrderIntent, **changes: Any) -> BrokerOrder:
    """The broker's side of an order, all of it filled."""
    columns: dict[str, Any] = {"status": OrderStatus.FILLED, "qty": order.qty, "filled_qty": order.qty}
    return BrokerOrder.objects.create(intent=order, account_id=order.account_id, **{**columns, **changes})


def a_fill(found: BrokerOrder, **changes: Any) -> Fill:
    """All of an order at 100."""
    columns: dict[str, Any] = {
        "qty": found.qty,
        "cum_qty": found.qty,
        "price": 100,
        "bar_open_ms": int(NOW.timestamp()) * 1000,
        "executed_at": NOW,
    }
    order = found.intent
    return Fill.objects.create(
        broker_order=found, bot_id=order.bot_id, run_id=order.run_id, symbol=order.symbol, **{**columns, **changes}
    )


def a_position(run: EngineRun, symbol: str = "AAPL", **changes: Any) -> Position:
    """Five of ``symbol``, bought at 100; closed where ``closed_at`` is given."""
    columns: dict[str, Any] = {
        "side": "long",
        "quantity": Decimal(5),
        "entry_price": Decimal(100),
        "cost": Decimal(500),
        "current_price": Decimal(100),
        "opened_at": NOW,
        "is_open": changes.get("closed_at") is None,
        "snapshot_id": run.snapshot_id,
    }
    return Position.objects.create(bot_id=run.bot_id, run=run, symbol=symbol, **{**columns, **changes})


def a_trade(position: Position, profit_loss: str | None = None, *, at: datetime = NOW, **changes: Any) -> Trade:
    """An executed order of five at 100: the entry, or the exit that made ``profit_loss``."""
    is_entry = profit_loss is None
    kind = "buy" if is_entry == (position.side == "long") else "sell"
    order = an_order(position.run, position.symbol, side=position.side, action=kind, is_entry=is_entry)
    a_broker_order(order)
    columns: dict[str, Any] = {
        "quantity": Decimal(5),
        "price": Decimal(100),
        "status": "filled",
        "reason": "signal",
        "type": kind,
    }
    return Trade.objects.create(
        bot_id=position.bot_id,
        run=position.run,
        position=position,
        intent=order,
        symbol=position.symbol,
        side=position.side,
        timestamp=at,
        profit_loss=profit_loss,
        **{**columns, **changes},
    )
