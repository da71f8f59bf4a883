"""What backtests ask of the app that knows bots; the project wires an implementation at start."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol
from uuid import UUID

from configuration.selectors import BotScope
from engine.domain.errors import SetupError


class BotDefinition(NamedTuple):
    """What a run needs to know of a bot. ``scope`` is what its parameters resolve by."""

    id: UUID
    name: str
    owner_id: int
    strategy: str
    timeframe: str
    symbols: tuple[str, ...]
    scope: BotScope


class BotDefinitions(Protocol):
    """Where definitions come from."""

    def definition_of(self, bot_id: UUID, *, owner_id: int | None) -> BotDefinition:
        """One bot's definition; ``owner_id`` None sees everybody's. Raises: BOT_NOT_FOUND."""

    def definition_named(self, name: str, *, owner_id: int | None) -> BotDefinition:
        """The newest bot of that name. Raises: BOT_NOT_FOUND."""

    def choices(self, *, owner_id: int | None) -> Sequence[BotDefinition]:
        """Every bot that can be run, newest first."""


_wired: list[BotDefinitions] = []


def wire(definitions: BotDefinitions) -> None:
    """Say once, at start, who knows the bots."""
    _wired[:] = [definitions]


def bot_definitions() -> BotDefinitions:
    """Whoever was wired. Raises: SETUP_ERROR when the project forgot to."""
    if not _wired:
        raise SetupError("Backtests know no bots: tradingsite.wiring was not called at start.")
    return _wired[0]
