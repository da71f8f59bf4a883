"""What was in force at a moment beside what is in force now, parameter by parameter, for people."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from configuration import canonical
from configuration.image import Image, Path
from configuration.scopes import Resolved, Scope
from engine.domain.declarations import Parameter
from tradingsite.dashboard import places
from tradingsite.dashboard.in_force import unit_of


class Side(NamedTuple):
    """One value in force and where it was set. ``is_todays``: the environment's, which is never recorded."""

    value: Any
    kind: str
    place: str
    version: int
    is_todays: bool


class Row(NamedTuple):
    """One parameter then and now; None on a side where it was not declared.

    ``change``: what tells them apart in a word, "" for nothing: value, declared, retired.
    """

    parameter: Parameter
    unit: str
    then: Side | None
    now: Side | None
    change: str
    in_force_url: str


class Group(NamedTuple):
    """Parameters that belong together."""

    title: str
    rows: list[Row]


def rows(then: Image, now: Image, *, namespace: str, scope: Scope, bot_names: Mapping[str, str]) -> list[Row]:
    """Every parameter of the namespace that either side declares, in today's order, retired ones last."""
    path = Path(scope.bot, scope.symbol, scope.side)
    was, is_now = (_resolved(image, namespace, path) for image in (then, now))
    declared = {one.name: one for image in (now, then) for one in _parameters(image, namespace)}
    # Words are today's; of what was retired, those that are left.
    declared |= {one.name: one for one in _parameters(now, namespace)}
    return [
        Row(
            parameter=parameter,
            unit=unit_of(parameter),
            then=_side(was.get(name), bot_names),
            now=_side(is_now.get(name), bot_names),
            change=_change(was.get(name), is_now.get(name)),
            in_force_url=places.in_force_url(scope, namespace, parameter=name) if name in is_now else "",
        )
        for name, parameter in declared.items()
    ]


def grouped(found: Iterable[Row]) -> list[Group]:
    """Rows under the headings of the catalogue."""
    groups: dict[str, list[Row]] = {}
    for row in found:
        groups.setdefault(row.parameter.group or "No longer declared", []).append(row)
    return [Group(title, members) for title, members in groups.items()]


def _parameters(image: Image, namespace: str) -> tuple[Parameter, ...]:
    return image.catalogue.parameters(namespace) if namespace in image.catalogue.namespaces() else ()


def _resolved(image: Image, namespace: str, path: Path) -> Mapping[str, Resolved]:
    return image.resolve(namespace, path) if namespace in image.catalogue.namespaces() else {}


def _side(resolved: Resolved | None, bot_names: Mapping[str, str]) -> Side | None:
    if resolved is None:
        return None
    origin = resolved.origin
    scope = Scope(origin.scope, origin.bot, origin.symbol, origin.side)
    place = places.words_of(scope, bot_names) if origin.symbol or origin.bot else origin.name
    return Side(resolved.value, origin.scope, place, origin.version, origin.is_todays)


def _change(then: Resolved | None, now: Resolved | None) -> str:
    if then is None:
        return "declared"
    if now is None:
        return "retired"
    # True equals 1 to Python; as texts they differ.
    return "" if canonical.text(then.value) == canonical.text(now.value) else "value"
