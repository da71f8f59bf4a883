"""Bots as they are, and the parameters each resolves to."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple
from uuid import UUID

from bots import mappers
from bots.errors import BotNotFound
from bots.mappers import Definition, Key
from bots.models import Bot, BotQuerySet, BotStatus
from configuration import selectors as configuration
from configuration.selectors import BotScope, Resolved, Scope

__all__ = ["Bot", "BotStatus", "Described", "bot", "bot_named", "bots", "described", "own_parameters", "scope_of"]


class Described(NamedTuple):
    """A bot with what it resolves to where no symbol has its own word.

    ``resolved``: value, origin and what it shadows of every parameter in the bot's form. ``own``:
    those the bot sets itself.
    """

    bot: Bot
    definition: Definition
    resolved: Mapping[Key, Resolved]

    @property
    def own(self) -> frozenset[Key]:
        return frozenset(key for key, found in self.resolved.items() if found.origin.scope == "bot")


def bots(*, owner_id: int | None = None) -> BotQuerySet:
    """Bots in service, newest first. ``owner_id`` None: everybody's."""
    found = Bot.objects.in_service().newest_first()
    return found if owner_id is None else found.owned_by(owner_id)


def bot(bot_id: UUID, *, owner_id: int | None = None, lock: bool = False) -> Bot:
    """One bot in service. ``lock`` holds its row until the transaction ends.

    Raises: BOT_NOT_FOUND, also for another owner's bot and for a retired one.
    """
    found = bots(owner_id=owner_id).filter(id=bot_id)
    one = (found.select_for_update() if lock else found).first()
    if one is None:
        raise BotNotFound(f"There is no bot {bot_id}.")
    return one


def bot_named(name: str, *, owner_id: int | None = None) -> Bot:
    """The newest bot in service of that name. Raises: BOT_NOT_FOUND."""
    one = bots(owner_id=owner_id).filter(name=name).first()
    if one is None:
        raise BotNotFound(f"There is no bot named {name!r}.")
    return one


def has_ever_had_one(*, owner_id: int) -> bool:
    """Whether this owner has a bot, or had one that is retired now."""
    return Bot.objects.owned_by(owner_id).exists()


def described(bots: Iterable[Bot]) -> list[Described]:
    """Each bot with what it resolves to. One query, for however many bots."""
    asked = list(bots)
    keys = [list(mappers.form_fields(bot.strategy).values()) for bot in asked]
    wanted = [
        (Scope("bot", str(bot.id)), sorted({namespace for namespace, _ in mine}))
        for bot, mine in zip(asked, keys, strict=True)
    ]
    found = configuration.resolve_many(wanted)
    return [_described(*one) for one in zip(asked, keys, found, strict=True)]


def scope_of(bot: Bot) -> BotScope:
    """What a snapshot of this bot is made for."""
    return BotScope(
        bot=str(bot.id),
        strategy=bot.strategy,
        symbols=tuple(bot.symbols),
        definition={"name": bot.name, "timeframe": bot.timeframe},
    )


def own_parameters(bot: Bot) -> frozenset[Key]:
    """The parameters of its form that this bot sets itself, rather than inherits."""
    return described([bot])[0].own


def _described(bot: Bot, keys: Iterable[Key], found: Mapping[str, Resolved]) -> Described:
    resolved = {(namespace, name): found[f"{namespace}.{name}"] for namespace, name in keys}
    definition = Definition(
        name=bot.name,
        strategy=bot.strategy,
        timeframe=bot.timeframe,
        symbols=tuple(bot.symbols),
        parameters={key: one.value for key, one in resolved.items()},
    )
    return Described(bot, definition, resolved)
