"""The bots a newcomer finds: ordinary ones, made through the ordinary door."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import structlog
from django.db import transaction

from bots import selectors
from bots.models import Bot
from bots.services import definition, lifecycle
from configuration.services import Actor
from engine.domain.errors import InputError

logger = structlog.get_logger(__name__)

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
    """Make and start the demo bots for an owner who has never had a bot; those made.

    Later starts touch none: one that was renamed would be made again, one that was retired come back,
    one that was stopped trade again.

    Raises: VALIDATION_ERROR while the sample symbols are not imported.
    """
    with transaction.atomic():
        if selectors.has_ever_had_one(owner_id=owner_id):
            return []
        return [_started(_made(form, owner_id=owner_id, now=now), now=now) for form in _FORMS]


def _made(form: Mapping[str, Any], *, owner_id: int, now: datetime) -> Bot:
    return definition.define(owner_id=owner_id, form=form, actor=_ACTOR, source="system", reason=REASON, now=now)


def _started(bot: Bot, *, now: datetime) -> Bot:
    try:
        return lifecycle.start(bot.id, actor=_ACTOR, now=now)
    except InputError as refused:
        # Its symbols are known, but have no bars: the bot stays, and its page says what start needs.
        logger.warning("demo.not_started", bot_id=str(bot.id), because=str(refused))
        return bot
