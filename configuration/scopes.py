"""Where a value is set, and where a resolved value came from."""

from typing import Any, Final, NamedTuple

SIDES: Final = ("LONG", "SHORT")
NOWHERE: Final = ""


class Scope(NamedTuple):
    """The place of a value: global, symbol, symbol_side or bot. Absent parts are ''."""

    kind: str
    bot: str = ""
    symbol: str = ""
    side: str = ""

    def __str__(self) -> str:
        return {
            "global": "global",
            "symbol": self.symbol,
            "symbol_side": f"{self.symbol}/{self.side}",
            "bot": f"bot {self.bot}",
        }.get(self.kind, self.kind)


GLOBAL: Final = Scope("global")


def symbol_scope(symbol: str) -> Scope:
    """The scope of one symbol; upper-cased."""
    return Scope("symbol", symbol=symbol.strip().upper())


def side_scope(symbol: str, side: str) -> Scope:
    """The scope of one side of one symbol; both upper-cased."""
    return Scope("symbol_side", symbol=symbol.strip().upper(), side=side.strip().upper())


def bot_scope(bot: str) -> Scope:
    """The scope of one bot, by its id."""
    return Scope("bot", bot=bot)


class Origin(NamedTuple):
    """Where a resolved value comes from: default, environment, or an override and its version."""

    scope: str
    bot: str = ""
    symbol: str = ""
    side: str = ""
    version: int = 0
    name: str = ""

    def as_json(self) -> dict[str, Any]:
        """Only the parts that say something, as stored in snapshots and shown by the API."""
        return {key: part for key, part in self._asdict().items() if part}


DEFAULT_ORIGIN: Final = Origin("default")


class Candidate(NamedTuple):
    """One value that some layer offers, with its origin."""

    value: Any
    origin: Origin


class Resolved(NamedTuple):
    """The value in force, its origin, and what it shadows, nearest layer first."""

    value: Any
    origin: Origin
    shadowed: tuple[Candidate, ...] = ()


class BotScope(NamedTuple):
    """What a snapshot is made for: a bot, its strategy and symbols, and its definition's other facts.

    ``definition`` holds at least ``name`` and ``timeframe``; its values are JSON.
    """

    bot: str
    strategy: str
    symbols: tuple[str, ...]
    definition: dict[str, Any]


class Frozen(NamedTuple):
    """A snapshot: its content and the sha256 of the content's canonical text."""

    hash: str
    content: dict[str, Any]
