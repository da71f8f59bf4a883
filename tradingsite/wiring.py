"""Where two neighbours meet: what one app asks for through a port, another one answers.

Imported by ``TradingsiteConfig.ready``, when the models of every app exist.
"""

from collections.abc import Sequence
from uuid import UUID

from backtests import ports
from backtests.ports import BotDefinition
from bots import selectors as bots
from bots.selectors import reach
from configuration import ports as configuration
from configuration.ports import ReachedBot
from tradingsite.access.principals import Principals


class _Bots:
    """``backtests.ports.BotDefinitions`` out of the app ``bots``."""

    def definition_of(self, bot_id: UUID, *, owner_id: int | None) -> BotDefinition:
        return _definition(bots.bot(bot_id, owner_id=owner_id))

    def definition_named(self, name: str, *, owner_id: int | None) -> BotDefinition:
        return _definition(bots.bot_named(name, owner_id=owner_id))

    def choices(self, *, owner_id: int | None) -> Sequence[BotDefinition]:
        return [_definition(bot) for bot in bots.bots(owner_id=owner_id)]


class _Reach:
    """``configuration.ports.Reach`` out of the app ``bots``."""

    def bots(self) -> Sequence[ReachedBot]:
        return reach.reached_bots()


def wire() -> None:
    """Give every port its implementation."""
    ports.wire(_Bots())
    configuration.wire(reach=_Reach(), principals=Principals())


def _definition(bot: bots.Bot) -> BotDefinition:
    return BotDefinition(
        id=bot.id,
        name=bot.name,
        owner_id=bot.owner_id,
        strategy=bot.strategy,
        timeframe=bot.timeframe,
        symbols=tuple(bot.symbols),
        scope=bots.scope_of(bot),
    )
