"""A bot as the API shows it."""

from typing import Any

from bots import mappers
from bots.selectors import Described


def bot_output(described: Described) -> dict[str, Any]:
    """The form's fields resolved, the bot's state, and which fields the bot sets itself."""
    bot = described.bot
    return {
        "id": str(bot.id),
        **mappers.form_of(described.definition),
        "status": bot.status,
        "is_active": bot.is_active,
        "error_count": bot.error_count,
        "created_at": bot.created_at,
        "updated_at": bot.updated_at,
        "last_run_at": bot.last_run_at,
        "own_parameters": sorted(mappers.pointer_of(bot.strategy, key) for key in described.own),
    }
