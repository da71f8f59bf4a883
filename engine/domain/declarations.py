"""How a parameter is declared: once, beside what reads it, for humans and for agents."""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

Kind = Literal["int", "float", "decimal", "bool", "str", "map", "list"]
ScopeKind = Literal["global", "symbol", "symbol_side", "bot"]
Risk = Literal["low", "guarded", "critical"]
Reload = Literal["live", "next_cycle", "restart"]

TRADING_SCOPES: tuple[ScopeKind, ...] = ("global", "symbol", "symbol_side", "bot")
STRATEGY_SCOPES: tuple[ScopeKind, ...] = ("global", "symbol", "bot")
BOT_SCOPES: tuple[ScopeKind, ...] = ("bot",)


class Parameter(NamedTuple):
    """One tunable value.

    ``default`` is in ``unit``; ``minimum`` and ``maximum`` are inclusive, in the same unit, and of a
    ``list`` they bound how many names it holds (no minimum: at least one);
    ``choices`` is for ``str`` and for the items of a ``list``; ``keys`` are the allowed keys of a
    ``map`` (None: any non-empty text). ``nullable``: None means "not set" and is a legal value.
    ``unit`` is a word a person reads: "fraction", "percent", "USD", "x", "count", "s", "bars".
    ``step``: values are whole multiples of it, counted from zero (None: any value in the range).
    ``environment``: the variable that may supply it; ``environment_aliases``: older names of the same.
    ``synonyms``: what else people call it, for the search. ``is_extra``: beyond the documented set
    of its namespace, and not in its count. ``is_read``: something acts on it; False for what is
    declared ahead of the code that will.
    """

    name: str
    kind: Kind
    default: Any
    unit: str
    group: str
    description: str
    impact: str
    when_to_change: str
    example: Any = None
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    keys: tuple[str, ...] | None = None
    nullable: bool = False
    scopes: tuple[ScopeKind, ...] = TRADING_SCOPES
    risk: Risk = "low"
    reload: Reload = "next_cycle"
    environment: str | None = None
    environment_aliases: tuple[str, ...] = ()
    step: float | None = None
    synonyms: tuple[str, ...] = ()
    is_extra: bool = False
    is_read: bool = True


class StrategyDeclaration(NamedTuple):
    """What a strategy tells the rest of the platform about itself, without importing a compiler.

    ``name`` is also its namespace in the catalogue. ``needs_signals``: signals come from outside.
    ``category`` and ``style`` say what kind it is, for lists. ``is_installed``: there is a kernel that
    runs it; until then its parameters can be set, and nothing trades on them.
    ``defaults``: parameter name -> default, derived from ``parameters``.
    """

    name: str
    title: str
    description: str
    parameters: tuple[Parameter, ...]
    needs_signals: bool = False
    category: str = ""
    style: str = ""
    is_installed: bool = True

    @property
    def defaults(self) -> Mapping[str, Any]:
        return {parameter.name: parameter.default for parameter in self.parameters}
