"""The rows of the configuration editor: what a scope sets, what it would inherit, and what a person asks for.

No value is judged here. What cannot be read as its kind goes on as the text it was, so that the
preview, and the service that applies it, name it together with everything else that is wrong.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from django.http import QueryDict

from configuration import canonical, values
from configuration.catalogue import CATALOGUE, Namespace
from configuration.documents import named_scope
from configuration.image import Image, Path, Stored
from configuration.planning import ClearValue, Operation, SetValue
from configuration.scopes import GLOBAL, SIDES, Candidate, Resolved, Scope, scope_faults, side_scope, symbol_scope
from engine.domain.declarations import Parameter
from engine.domain.errors import NotFound

INHERIT: Final = "inherit"
SET: Final = "set"
NOT_SET: Final = "none"
"""What a row asks for: the value from above, a value of its own, or to have none at all (where that is legal)."""

_MODES: Final = (INHERIT, SET, NOT_SET)
_KINDS: Final = re.compile(r"(symbol|symbol_side|bot):")
_VERSION: Final = re.compile(r"\d{1,18}")
_LONGEST_TEXT: Final = 4000


class Asked(NamedTuple):
    """What stands in a row: its mode, and the text of its value."""

    mode: str
    text: str


class Row(NamedTuple):
    """One parameter at the scope. ``own``: what is set here now, ``by``: the decision that set it."""

    parameter: Parameter
    asked: Asked
    own: Stored | None
    by: Any
    inherited: Candidate
    inherited_by: Any
    faults: tuple[str, ...]

    @property
    def widget(self) -> str:
        """The input that suits it: select, number, pairs or text."""
        if self.parameter.kind == "bool" or (self.parameter.kind == "str" and self.parameter.choices):
            return "select"
        if self.parameter.kind in ("int", "float", "decimal"):
            return "number"
        return "pairs" if self.parameter.kind == "map" else "text"

    @property
    def options(self) -> tuple[tuple[str, str], ...]:
        """What a select offers: the text that is sent, and how people write it."""
        if self.parameter.kind == "bool":
            return (("true", "on"), ("false", "off"))
        return tuple((choice, choice) for choice in self.parameter.choices)

    @property
    def limits(self) -> str:
        """What is allowed, in a few words."""
        return limits(self.parameter)

    @property
    def step(self) -> str:
        """For the arrows of a number: its own step, whole numbers, or anything."""
        if self.parameter.step is not None:
            return _plain(self.parameter.step)
        return "1" if self.parameter.kind == "int" else "any"

    @property
    def least(self) -> str:
        return "" if self.parameter.minimum is None else _plain(self.parameter.minimum)

    @property
    def most(self) -> str:
        return "" if self.parameter.maximum is None else _plain(self.parameter.maximum)

    @property
    def hint(self) -> str:
        """The inherited value in the notation an input takes."""
        return text_of(self.inherited.value)

    @property
    def before(self) -> str:
        """What is set here now in the notation of the input; '' where nothing is."""
        return text_of(self.own.value) if self.own and self.own.value is not None else ""

    @property
    def mode_before(self) -> str:
        return _asked_of(self.own).mode


class Group(NamedTuple):
    """Rows under one heading."""

    title: str
    rows: tuple[Row, ...]

    @property
    def set_here(self) -> int:
        return sum(row.own is not None for row in self.rows)


def scope_of(text: str) -> Scope:
    """The scope of an address: global, AAPL, AAPL/LONG, bot:<id>, or as documents name it. Raises NotFound."""
    if text == "global" or _KINDS.match(text):
        scope = named_scope(text)
    else:
        symbol, _, side = text.rpartition("/")
        scope = side_scope(symbol, side) if side.upper() in SIDES and symbol else symbol_scope(text)
    if scope_faults(scope, pointer=""):
        raise NotFound(f"There is no scope {text[:60]!r}: write global, a symbol like AAPL, or AAPL/LONG.")
    return scope


def address_of(scope: Scope) -> str:
    """The shortest text that ``scope_of`` reads as the scope."""
    if scope == GLOBAL:
        return "global"
    if scope.kind == "bot":
        return f"bot:{scope.bot}"
    text = "/".join(filter(None, (scope.symbol, scope.side)))
    # A symbol that itself looks like a side of another one is named in full.
    return text if scope_of(text) == scope else f"{scope.kind}:{text}"


def namespaces_at(scope: Scope) -> list[Namespace]:
    """The namespaces of which the scope may set something."""
    every = (CATALOGUE.about(name) for name in CATALOGUE.namespaces())
    return [namespace for namespace in every if scope.kind in namespace.scopes]


def offered(namespace: str, scope: Scope) -> list[Parameter]:
    """The parameters that the scope may set, in the catalogue's order."""
    return [one for one in CATALOGUE.parameters(namespace) if scope.kind in one.scopes]


def base_version(posted: QueryDict, *, otherwise: int) -> int:
    """The version the person was shown; what is no version counts as the newest."""
    text = posted.get("base_version", "")
    return int(text) if _VERSION.fullmatch(text) else otherwise


def asked(posted: QueryDict, namespace: str, scope: Scope) -> dict[str, Asked]:
    """What was sent for each parameter of which something was. A value beside *inherit* is meant to be set."""
    found: dict[str, Asked] = {}
    for parameter in offered(namespace, scope):
        mode = posted.get(f"mode.{parameter.name}", "")
        text = posted.get(f"value.{parameter.name}", "").strip()[:_LONGEST_TEXT]
        was_set = posted.get(f"was.{parameter.name}") == SET
        if mode not in _MODES and not text:
            continue
        # Without scripts nothing moves the mode along: a value typed into an inherited row says enough.
        if mode not in _MODES or (mode == INHERIT and text and not was_set):
            mode = SET
        found[parameter.name] = Asked(mode, text if mode == SET else "")
    return found


def operations(
    wanted: Mapping[str, Asked], namespace: str, scope: Scope, *, shown: Mapping[str, Any]
) -> list[Operation]:
    """What the person changed, against the values that were shown as set here."""
    found: list[Operation] = []
    for name, one in wanted.items():
        parameter = CATALOGUE.get(namespace, name)
        operation = operation_of(parameter, namespace, scope, one)
        if isinstance(operation, ClearValue):
            if name in shown:
                found.append(operation)
        elif name not in shown or not _is_same(parameter, operation.value, shown[name]):
            found.append(operation)
    return found


def operation_of(parameter: Parameter, namespace: str, scope: Scope, one: Asked) -> SetValue | ClearValue:
    """The change that a row asks for."""
    pointer = f"/parameters/{parameter.name}"
    if one.mode == INHERIT:
        return ClearValue(scope, namespace, parameter.name, pointer)
    value = None if one.mode == NOT_SET else values.read(parameter, one.text)
    return SetValue(scope, namespace, parameter.name, value, pointer)


def groups(
    image: Image,
    namespace: str,
    scope: Scope,
    *,
    wanted: Mapping[str, Asked],
    faults: Mapping[str, Sequence[str]],
    decided: Mapping[int, Any],
) -> list[Group]:
    """Every row under its heading; rows of which nothing was sent say what is set now."""
    stored = image.stored(namespace, scope)
    resolved = image.resolve(namespace, Path(scope.bot, scope.symbol, scope.side))
    found: dict[str, list[Row]] = {}
    for parameter in offered(namespace, scope):
        own = stored.get(parameter.name)
        inherited = _inherited(resolved[parameter.name], is_own=own is not None)
        row = Row(
            parameter=parameter,
            asked=wanted.get(parameter.name) or _asked_of(own),
            own=own,
            by=decided.get(own.version) if own else None,
            inherited=inherited,
            inherited_by=decided.get(inherited.origin.version),
            faults=tuple(faults.get(parameter.name, ())),
        )
        found.setdefault(parameter.group, []).append(row)
    return [Group(title, tuple(rows)) for title, rows in found.items()]


def versions_of(image: Image, namespace: str, scope: Scope) -> set[int]:
    """The versions whose decisions the rows name."""
    resolved = image.resolve(namespace, Path(scope.bot, scope.symbol, scope.side)).values()
    nearest = {one.origin.version for one in resolved}
    return (nearest | {beaten.origin.version for one in resolved for beaten in one.shadowed[:1]}) - {0}


def limits(parameter: Parameter) -> str:
    """What a parameter may be, in a few words."""
    if parameter.kind in ("int", "float", "decimal"):
        return values.limits(parameter)
    if parameter.kind == "map":
        known = f": {', '.join(parameter.keys)}" if parameter.keys else ""
        return f"pairs like 1h=1.0, one per line{known}"
    if parameter.kind == "list":
        return "names, separated by commas" + (f": {', '.join(parameter.choices)}" if parameter.choices else "")
    return ""


def text_of(value: Any) -> str:
    """A value in the notation of an input: pairs one per line."""
    if isinstance(value, Mapping):
        return "\n".join(values.shown({key: number}) for key, number in value.items())
    return values.shown(list(value) if isinstance(value, tuple) else value)


def _asked_of(own: Stored | None) -> Asked:
    if own is None:
        return Asked(INHERIT, "")
    return Asked(NOT_SET, "") if own.value is None else Asked(SET, text_of(own.value))


def _inherited(resolved: Resolved, *, is_own: bool) -> Candidate:
    return resolved.shadowed[0] if is_own else Candidate(resolved.value, resolved.origin)


def _is_same(parameter: Parameter, raw: Any, stored: Any) -> bool:
    judged = values.judge(parameter, raw, pointer="")
    return not judged.faults and canonical.text(judged.value) == canonical.text(stored)


def _plain(number: float) -> str:
    return f"{number:.12f}".rstrip("0").rstrip(".")
