"""Where a value is set, and where a resolved value came from."""

import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from engine.domain.errors import Fault

SIDES: Final = ("LONG", "SHORT")

_PARTS: Final[dict[str, tuple[str, ...]]] = {
    "global": (),
    "symbol": ("symbol",),
    "symbol_side": ("symbol", "side"),
    "bot": ("bot",),
}
_SYMBOL: Final = re.compile(r"[A-Z0-9][A-Z0-9._:/-]{0,31}")
_BOT: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


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


def scope_faults(scope: Scope, *, pointer: str) -> tuple[Fault, ...]:
    """What keeps this from being a scope: unknown_scope, scope_part, not_a_choice, invalid_symbol, invalid_bot."""
    if scope.kind not in _PARTS:
        message = f"There is no scope {scope.kind!r}, only {', '.join(_PARTS)}."
        return (Fault("unknown_scope", pointer, message, list(_PARTS), scope.kind),)
    return tuple(fault for part in ("bot", "symbol", "side") for fault in _part_faults(scope, part, pointer))


def _part_faults(scope: Scope, part: str, pointer: str) -> Iterator[Fault]:
    given = str(getattr(scope, part))[:80]
    if part not in _PARTS[scope.kind]:
        if given:
            message = f"A {scope.kind} scope has no {part}; got {given!r}."
            yield Fault("scope_part", pointer, message, None, given)
    elif part == "side" and given not in SIDES:
        yield Fault("not_a_choice", pointer, f"side is {given!r}, allowed LONG, SHORT.", list(SIDES), given)
    elif part == "symbol" and not _SYMBOL.fullmatch(given):
        message = f"symbol is {given!r}, expected up to 32 of A-Z, 0-9 and . _ : / -."
        yield Fault("invalid_symbol", pointer, message, _SYMBOL.pattern, given)
    elif part == "bot" and not _BOT.fullmatch(given):
        yield Fault("invalid_bot", pointer, f"bot is {given!r}, expected a bot's id.", _BOT.pattern, given)


class Origin(NamedTuple):
    """Where a resolved value comes from: default, environment, or an override and its version.

    ``is_todays``: the environment's value in an answer about the past. It was never recorded; this
    is what the process is given today.
    """

    scope: str
    bot: str = ""
    symbol: str = ""
    side: str = ""
    version: int = 0
    name: str = ""
    is_todays: bool = False

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
