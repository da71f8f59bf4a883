"""The bots a newcomer finds: ordinary ones, made through the ordinary door."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from django.db import transaction

from bots import selectors
from bots.models import Bot
from bots.services import definition
from configuration.services import Actor

SYMBOLS: Final = ("AAPL", "GOOG", "IBM", "MSFT")
REASON: Final = "Demo bot, made at the first start"
_ACTOR: Final = Actor(kind="system", id="demo", label="First start")

# Stops as wide as a daily bar of these shares is long; 2 % would be hit by noise on the first day.
_FORMS: Final[tuple[Mapping[str, Any], ...]] = (
    {
        "name": "Demo: four-indicator vote",
        "strategy": "indicator_voting",
        "timeframe": "1d",
        "symbols": list(SYMBOLS),
        "capital": 10000,
        "start_hour": 9,
        "start_minute": 30,
        "end_hour": 16,
        "end_minute": 0,
        # Three of them must agree. Followers of a trend do; RSI against SMA never would.
        "indicators": {"MACD": {}, "SMA": {"period": 50}, "EMA": {"period": 20}, "OBV": {}},
        "voting": "majority",
        "risk_management": {
            "stop_loss": 8,
            "take_profit": 20,
            "max_position_size": 25,
            "max_daily_loss": 10,
            "max_concurrent_positions": 4,
        },
    },
    {
        "name": "Demo: buy the dips",
        "strategy": "indicator_voting",
        "timeframe": "1d",
        "symbols": list(SYMBOLS),
        "capital": 10000,
        "start_hour": 9,
        "start_minute": 30,
        "end_hour": 16,
        "end_minute": 0,
        "indicators": {"RSI": {"period": 14, "oversold": 35, "overbought": 65}, "STOCH": {}, "BBANDS": {}},
        "voting": "majority",
        "risk_management": {
            "stop_loss": 10,
            "take_profit": 15,
            "max_position_size": 20,
            "max_daily_loss": 10,
            "max_concurrent_positions": 4,
        },
    },
)


def create_demo_bots(*, owner_id: int, now: datetime) -> list[Bot]:
    """Make the demo bots for an owner who has never had a bot; those made.

    Later starts make none: one that was renamed would be made again, one that was retired come back.

    Raises: VALIDATION_ERROR while the sample symbols are not imported.
    """
    with transaction.atomic():
        if selectors.has_ever_had_one(owner_id=owner_id):
            return []
        return [
            definition.define(owner_id=owner_id, form=form, actor=_ACTOR, source="system", reason=REASON, now=now)
            for form in _FORMS
        ]
