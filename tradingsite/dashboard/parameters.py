"""Tables of parameters for people: each value with its unit, where it was set, who by, when and why."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

from configuration import selectors as configuration
from configuration.catalogue import BOT, CATALOGUE, TRADING
from configuration.selectors import Explained, Resolved, Scope

DEFAULT = "default"


class Row(NamedTuple):
    """One parameter in force. ``scope`` is the kind of place that set it, ``place`` names it where it needs a name."""

    parameter: str
    summary: str
    value: Any
    unit: str
    scope: str
    place: str
    version: int
    actor_label: str
    reason: str
    created_at: datetime | None


class Group(NamedTuple):
    """Parameters that belong together."""

    title: str
    rows: list[Row]


class Table(NamedTuple):
    """A reader's order: first what somebody or the environment set, then, by group, what is at its default."""

    chosen: list[Row]
    defaults: list[Group]
    default_count: int


def in_force(scope: Scope, namespaces: Sequence[str]) -> Table:
    """What holds at a scope now. Two queries, whatever the number of parameters."""
    resolved = configuration.resolve(scope, namespaces)
    versions = {one.origin.version for one in resolved.values()} - {0}
    decided = configuration.change_sets().prefetch_related(None).in_bulk(versions)
    return _table(_resolved_row(name, one, decided) for name, one in resolved.items())


def explained(values: Iterable[Explained]) -> Table:
    """What a snapshot says of one of its nodes."""
    return _table((one.namespace, _explained_row(one)) for one in values)


def place_of(node: str) -> str:
    """A node of a snapshot for people: "", "AAPL", "AAPL/LONG" -> "The bot", "AAPL", "AAPL long"."""
    symbol, _, side = node.partition("/")
    return f"{symbol} {side.lower()}".strip() or "The bot"


def _table(rows: Iterable[tuple[str, Row]]) -> Table:
    ordered = sorted(rows, key=lambda one: _place_in_catalogue(one[0], one[1].parameter))
    defaults: dict[str, list[Row]] = {}
    for namespace, row in ordered:
        if row.scope == DEFAULT:
            defaults.setdefault(_title(namespace, row.parameter), []).append(row)
    chosen = [row for _, row in ordered if row.scope != DEFAULT]
    groups = [Group(title, members) for title, members in defaults.items()]
    return Table(chosen, groups, len(ordered) - len(chosen))


@cache
def _order() -> dict[tuple[str, str], int]:
    """A bot's own parameters first, then its strategy's, then the trading parameters, each as declared."""
    namespaces = sorted(CATALOGUE.namespaces(), key=lambda name: (name != BOT, name == TRADING))
    names = ((namespace, one.name) for namespace in namespaces for one in CATALOGUE.parameters(namespace))
    return {name: place for place, name in enumerate(names)}


def _place_in_catalogue(namespace: str, name: str) -> int:
    """A parameter that was dropped since the snapshot was taken comes last."""
    return _order().get((namespace, name), len(_order()))


def _resolved_row(qualified: str, one: Resolved, decided: Mapping[int, Any]) -> tuple[str, Row]:
    namespace, name = qualified.split(".", 1)
    by = decided.get(one.origin.version)
    declared = CATALOGUE.get(namespace, name)
    return namespace, Row(
        parameter=name,
        summary=declared.description,
        value=one.value,
        unit=_unit(declared.kind, declared.unit),
        scope=one.origin.scope,
        place=_place(one.origin.as_json()),
        version=one.origin.version,
        actor_label=by.actor_label if by else "",
        reason=by.reason if by else "",
        created_at=by.created_at if by else None,
    )


def _explained_row(one: Explained) -> Row:
    declared = CATALOGUE.find(one.namespace, one.parameter)
    return Row(
        parameter=one.parameter,
        summary=declared.description if declared else "",
        value=one.value,
        unit=_unit(declared.kind if declared else "", one.unit),
        scope=one.origin["scope"],
        place=_place(one.origin),
        version=one.version,
        actor_label=one.actor_label,
        reason=one.reason,
        created_at=one.created_at,
    )


def _unit(kind: str, unit: str) -> str:
    """A list of names says itself what it is made of."""
    return "" if kind == "list" else unit


def _title(namespace: str, name: str) -> str:
    declared = CATALOGUE.find(namespace, name)
    return declared.group if declared else namespace


def _place(origin: Mapping[str, Any]) -> str:
    """Which symbol, side or environment variable; a bot needs no name on its own page."""
    named = (origin.get("symbol"), origin.get("side"), origin.get("name"))
    return " ".join(str(part) for part in named if part)
