"""What is in force at a place, for people: each value with every layer that speaks for it, who set it, when and why."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

from configuration import canonical, selectors
from configuration.catalogue import Catalogue
from configuration.image import Image, Path
from configuration.scopes import Candidate, Origin, Resolved, Scope
from engine.domain.declarations import Parameter
from tradingsite.dashboard import places

_UNSET_KINDS: Final = ("default", "environment")


class Layer(NamedTuple):
    """One layer that speaks for a parameter, whether or not it says something. The first that does wins.

    ``by``: the decision that set it. ``edit_url`` is '' where it is not changed: the environment, the default,
    another one's bot.
    """

    kind: str
    place: str
    value: Any
    is_set: bool
    is_winner: bool
    version: int
    by: Any
    age: str
    edit_url: str


class Row(NamedTuple):
    """One parameter in force. ``other``: the same on the side compared with; None without one."""

    parameter: Parameter
    value: Any
    unit: str
    winner: Layer
    layers: tuple[Layer, ...]
    history_url: str
    other: Resolved | None
    is_different: bool
    is_open: bool

    @property
    def why_question(self) -> str:
        """What the row answers, for who cannot see that it opens."""
        return f"Where {self.parameter.name} comes from"


class Group(NamedTuple):
    """Parameters that belong together, in the catalogue's order."""

    title: str
    rows: list[Row]


class Seen(NamedTuple):
    """From where one looks, and what else to know. ``compared``: image and path of the other side."""

    namespace: str
    scope: Scope
    bot_names: Mapping[str, str]
    now: datetime
    open: str = ""
    compared: tuple[Image, Path] | None = None

    @property
    def path(self) -> Path:
        return Path(self.scope.bot, self.scope.symbol, self.scope.side)

    def is_of_another(self, scope: Scope) -> bool:
        """True for a bot that whoever looks may not change: its name is not known to them."""
        return bool(scope.bot) and scope.bot not in self.bot_names


def rows(image: Image, seen: Seen) -> list[Row]:
    """Every parameter of the namespace in the catalogue's order. One query, whatever their number."""
    resolved = image.resolve(seen.namespace, seen.path)
    others = _other_side(seen)
    versions = {one.origin.version for found in resolved.values() for one in _candidates(found)}
    decided = selectors.decided(versions)
    catalogue = image.catalogue
    return [
        _row(catalogue, one, resolved[one.name], others.get(one.name), decided, seen)
        for one in catalogue.parameters(seen.namespace)
    ]


def grouped(wanted: Iterable[Row]) -> list[Group]:
    """Rows under the headings of the catalogue."""
    groups: dict[str, list[Row]] = {}
    for row in wanted:
        groups.setdefault(row.parameter.group, []).append(row)
    return [Group(title, members) for title, members in groups.items()]


def is_overridden(row: Row) -> bool:
    """True where somebody, or the environment, says otherwise than the default."""
    return row.winner.kind != "default"


def moved_since(version: int, image: Image, seen: Seen) -> frozenset[str]:
    """The parameters that have another value, or the same from elsewhere, than when ``version`` was the newest."""
    then = selectors.image_at(version=version, scope=seen.scope, namespaces=(seen.namespace,))
    known = then.catalogue.namespaces()
    before = then.resolve(seen.namespace, seen.path) if seen.namespace in known else {}
    now = image.resolve(seen.namespace, seen.path)
    return frozenset(name for name in now if name not in before or _is_other(before[name], now[name]))


def age(since: datetime, now: datetime) -> str:
    """How long ago, in the largest unit that says something: "now", "5 min", "3 h", "12 d"."""
    seconds = max((now - since).total_seconds(), 0)
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return "now"


def unit_of(parameter: Parameter) -> str:
    """The unit beside a value; a list of names says itself what it is made of."""
    return "" if parameter.kind == "list" else parameter.unit


def _other_side(seen: Seen) -> Mapping[str, Resolved]:
    if seen.compared is None:
        return {}
    image, path = seen.compared
    return image.resolve(seen.namespace, path) if seen.namespace in image.catalogue.namespaces() else {}


def _row(
    catalogue: Catalogue,
    parameter: Parameter,
    resolved: Resolved,
    other: Resolved | None,
    decided: Mapping[int, Any],
    seen: Seen,
) -> Row:
    layers = tuple(_layers(parameter, resolved, decided, seen))
    return Row(
        parameter=parameter,
        value=resolved.value,
        unit=unit_of(parameter),
        winner=next(layer for layer in layers if layer.is_winner),
        layers=layers,
        history_url=places.history_url(seen.namespace, parameter=parameter.name),
        other=other,
        is_different=other is not None and _differ(other.value, resolved.value),
        is_open=parameter.name == seen.open,
    )


def _layers(parameter: Parameter, resolved: Resolved, decided: Mapping[int, Any], seen: Seen) -> Iterable[Layer]:
    """From the narrowest to the default; those that could say something and do not are shown too."""
    said = {_place_of(one.origin): one for one in _candidates(resolved)}
    wins = _place_of(resolved.origin)
    for scope in reversed(list(seen.path.scopes())):
        if scope.kind in parameter.scopes or scope in said:
            yield _stored(scope, said.get(scope), scope == wins, decided, seen, parameter)
    for kind in reversed(_UNSET_KINDS):
        candidate = said.get(Scope(kind))
        if candidate is not None or (kind == "environment" and parameter.environment):
            name = candidate.origin.name if candidate is not None else parameter.environment or ""
            value = candidate.value if candidate is not None else None
            yield Layer(kind, name, value, candidate is not None, Scope(kind) == wins, 0, None, "", "")


def _stored(
    scope: Scope,
    candidate: Candidate | None,
    is_winner: bool,
    decided: Mapping[int, Any],
    seen: Seen,
    parameter: Parameter,
) -> Layer:
    version = candidate.origin.version if candidate is not None else 0
    by = decided.get(version)
    return Layer(
        kind=scope.kind,
        place="" if scope.kind == "global" else places.words_of(scope, seen.bot_names),
        value=candidate.value if candidate is not None else None,
        is_set=candidate is not None,
        is_winner=is_winner,
        version=version,
        by=by,
        age=age(by.created_at, seen.now) if by is not None else "",
        edit_url="" if seen.is_of_another(scope) else places.edit_url(scope, seen.namespace, parameter.name),
    )


def _candidates(resolved: Resolved) -> tuple[Candidate, ...]:
    return (Candidate(resolved.value, resolved.origin), *resolved.shadowed)


def _place_of(origin: Origin) -> Scope:
    return Scope(origin.scope, origin.bot, origin.symbol, origin.side)


def _is_other(before: Resolved, after: Resolved) -> bool:
    origins = (before.origin._replace(is_todays=False), after.origin._replace(is_todays=False))
    return origins[0] != origins[1] or _differ(before.value, after.value)


def _differ(one: Any, other: Any) -> bool:
    # True equals 1 to Python; as texts they differ.
    return canonical.text(one) != canonical.text(other)
