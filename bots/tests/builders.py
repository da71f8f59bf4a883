"""Bots for tests, said in one line."""

from datetime import UTC, datetime
from typing import Any

from django.contrib.auth.models import User

from bots.models import Bot
from bots.services import definition
from configuration.services import Actor
from marketdata import services as marketdata

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
