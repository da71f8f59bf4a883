"""Tables of parameters for people: each value with its unit, where it was set, who by, when and why."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any, NamedTuple

from configuration import selectors as configuration
from configuration.catalogue import CATALOGUE
from configuration.selectors import Explained, Resolved, Scope


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


def in_force(scope: Scope, namespaces: Sequence[str]) -> list[Group]:
    """What holds at a scope now. Two queries, whatever the number of parameters."""
    resolved = configuration.resolve(scope, namespaces)
    versions = {one.origin.version for one in resolved.values()} - {0}
    decided = configuration.change_sets().prefetch_related(None).in_bulk(versions)
    return _grouped(_resolved_row(name, one, decided) for name, one in resolved.items())


def explained(values: Iterable[Explained]) -> list[Group]:
    """What a snapshot says of one of its nodes."""
    return _grouped((one.namespace, _explained_row(one)) for one in values)


def place_of(node: str) -> str:
    """A node of a snapshot for people: "", "AAPL", "AAPL/LONG" -> "The bot", "AAPL", "AAPL long"."""
    symbol, _, side = node.partition("/")
    return f"{symbol} {side.lower()}".strip() or "The bot"


def _grouped(rows: Iterable[tuple[str, Row]]) -> list[Group]:
    titled = [(_title(namespace, row.parameter), row) for namespace, row in rows]
    return [Group(title, [row for _, row in members]) for title, members in groupby(titled, key=lambda one: one[0])]


def _resolved_row(qualified: str, one: Resolved, decided: Mapping[int, Any]) -> tuple[str, Row]:
    namespace, name = qualified.split(".", 1)
    by = decided.get(one.origin.version)
    declared = CATALOGUE.get(namespace, name)
    return namespace, Row(
        parameter=name,
        summary=declared.description,
        value=one.value,
        unit=declared.unit,
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
        unit=one.unit,
        scope=one.origin["scope"],
        place=_place(one.origin),
        version=one.version,
        actor_label=one.actor_label,
        reason=one.reason,
        created_at=one.created_at,
    )


def _title(namespace: str, name: str) -> str:
    declared = CATALOGUE.find(namespace, name)
    return declared.group if declared else namespace


def _place(origin: Mapping[str, Any]) -> str:
    """Which symbol, side or environment variable; a bot needs no name on its own page."""
    named = (origin.get("symbol"), origin.get("side"), origin.get("name"))
    return " ".join(str(part) for part in named if part)
