"""Who decides, and what they may decide about."""

from fnmatch import fnmatchcase
from typing import Final, NamedTuple

from configuration.scopes import Scope

RISKS: Final = ("low", "guarded", "critical")


class Grant(NamedTuple):
    """What somebody may change: parameters of these risks, at scopes that one of the patterns names.

    A pattern is ``*`` (everything), ``global``, ``symbol:BTC*`` (the symbol and its sides) or
    ``bot:<id>``; ``*`` inside a pattern stands for any text.
    """

    risks: frozenset[str]
    patterns: tuple[str, ...]

    def covers(self, scope: Scope) -> bool:
        """True where one of the patterns names the scope."""
        return any(fnmatchcase(pattern_of(scope), pattern) for pattern in self.patterns)


UNLIMITED: Final = Grant(frozenset(RISKS), ("*",))
NOTHING: Final = Grant(frozenset(), ())


class Actor(NamedTuple):
    """Who decided: ``kind`` is user, token or system. Copied into the ledger, never referenced.

    The ``grant`` is what they may decide about; it is judged, not kept.
    """

    kind: str
    id: str
    label: str
    grant: Grant = UNLIMITED


def pattern_of(scope: Scope) -> str:
    """The pattern that names exactly this scope (and, of a symbol, its sides)."""
    if scope.kind == "bot":
        return f"bot:{scope.bot}"
    return f"symbol:{scope.symbol}" if scope.symbol else scope.kind
