"""Decisions about configuration for people: who, from where, what before and after, and what it came to."""

import json
import shlex
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from configuration import selectors
from configuration.catalogue import CATALOGUE
from configuration.scopes import Resolved, Scope
from tradingsite.dashboard import places
from tradingsite.dashboard.in_force import unit_of

_MOST_COPIED: Final = 100
"""Beyond that many changes nobody reads a command; a document is exported instead."""


class Chip(NamedTuple):
    """One value before and after at one scope. ``was_set``, ``is_set``: else it is inherited there."""

    namespace: str
    parameter: str
    unit: str
    kind: str
    place: str
    was_set: bool
    old: Any
    is_set: bool
    new: Any
    in_force_url: str
    history_url: str


class Line(NamedTuple):
    """One decision as a list shows it. ``icon``: person, robot, terminal or system."""

    by: Any
    icon: str
    chips: list[Chip]
    more: int


class Outcome(NamedTuple):
    """One value in force that became another, for all of ``places``."""

    parameter: str
    namespace: str
    unit: str
    before: Resolved | None
    after: Resolved | None
    places: list[str]
    more: int


class Proof(NamedTuple):
    """What the last check of the ledger says of one version: verified, broken, later (not reached yet) or never."""

    state: str
    checked: selectors.Checked | None


def line(by: Any, bot_names: Mapping[str, str], *, most: int) -> Line:
    """A decision with its first changes; its changes are there already, so this costs no query."""
    changes = list(by.changes.all())
    return Line(by, icon_of(by), [chip(one, bot_names) for one in changes[:most]], max(len(changes) - most, 0))


def icon_of(by: Any) -> str:
    """Who that was at a glance: a person, a robot (a token), a terminal, or the system itself."""
    if by.source == "cli":
        return "terminal"
    return {"user": "person", "token": "robot"}.get(by.actor_kind, "system")


def chip(change: Any, bot_names: Mapping[str, str]) -> Chip:
    """A change for people."""
    scope: Scope = change.scope
    declared = CATALOGUE.find(change.namespace, change.parameter)
    is_known = declared is not None
    return Chip(
        namespace=change.namespace,
        parameter=change.parameter,
        unit=unit_of(declared) if declared else "",
        kind=scope.kind,
        place="" if scope.kind == "global" else places.words_of(scope, bot_names),
        was_set=change.old_version > 0,
        old=change.old,
        is_set=change.op == "set",
        new=change.new,
        in_force_url=places.in_force_url(scope, change.namespace, parameter=change.parameter) if is_known else "",
        history_url=places.history_url(change.namespace, parameter=change.parameter, scope=scope),
    )


def outcomes(found: Iterable[selectors.Difference], bot_names: Mapping[str, str], *, most: int) -> list[Outcome]:
    """What differs, the same difference told once with all its places, ``most`` of which are named."""
    alike: dict[tuple[str, ...], list[selectors.Difference]] = {}
    for one in found:
        values = (repr(side.value) if side is not None else "" for side in (one.before, one.after))
        alike.setdefault((one.namespace, one.parameter, *values), []).append(one)
    return [_outcome(members, bot_names, most) for members in alike.values()]


def _outcome(members: list[selectors.Difference], bot_names: Mapping[str, str], most: int) -> Outcome:
    first = members[0]
    declared = CATALOGUE.find(first.namespace, first.parameter)
    named = [places.words_of(one.scope, bot_names) for one in members[:most]]
    unit = unit_of(declared) if declared else ""
    return Outcome(
        first.parameter, first.namespace, unit, first.before, first.after, named, max(len(members) - most, 0)
    )


def proof(version: int, checked: selectors.Checked | None) -> Proof:
    """What the last check of the ledger says of a version."""
    if checked is None:
        return Proof("never", None)
    if checked.first_bad_version is not None and version >= checked.first_bad_version:
        return Proof("broken", checked)
    return Proof("verified" if version <= checked.version else "later", checked)


def as_curl(by: Any, address: str) -> str:
    """The command that decides the same again through the API; '' for what is too long to read or changes nothing."""
    changes = list(by.changes.all())
    if not 0 < len(changes) <= _MOST_COPIED:
        return ""
    body = {"operations": [_operation(one) for one in changes], "reason": by.reason}
    return (
        f"curl -X POST {shlex.quote(address)} \\\n"
        '  -H "Authorization: Bearer $TOKEN" -H "Content-Type: application/json" \\\n'
        f"  -d {shlex.quote(json.dumps(body, ensure_ascii=False))}"
    )


def _operation(change: Any) -> dict[str, Any]:
    said: dict[str, Any] = {"clear": True} if change.op == "clear" else {"value": change.new}
    scope = {name: part for name, part in change.scope._asdict().items() if part}
    return {"scope": scope, "namespace": change.namespace, "parameter": change.parameter, **said}
