"""Everything that is set, summed up for people: how much, where, what departs from its default, what is idle."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from configuration import canonical
from configuration.actors import RISKS
from configuration.catalogue import BOT, CATALOGUE
from configuration.image import Image, Path, Stored
from configuration.scopes import Scope
from tradingsite.dashboard import places
from tradingsite.dashboard.in_force import unit_of

KINDS: Final = ("global", "symbol", "symbol_side", "bot")
_NAMED: Final = 6
"""So many places are named one by one; of the rest there is a number."""
_ORIGINS: Final = {"default": "the default", "environment": "the environment", "global": "everywhere"}


class Spot(NamedTuple):
    """A scope that sets something, and where what is in force there is shown."""

    words: str
    total: int
    url: str


class Cell(NamedTuple):
    """How many values one kind of scope sets in a namespace, and the scopes that set most. ``more``: unnamed ones."""

    kind: str
    values: int
    spots: tuple[Spot, ...]
    more: int


class Line(NamedTuple):
    """One namespace and what each kind of scope sets in it."""

    namespace: str
    title: str
    cells: tuple[Cell, ...]
    values: int


class Set(NamedTuple):
    """One value that is set at one scope."""

    namespace: str
    parameter: str
    scope: Scope
    stored: Stored


class At(NamedTuple):
    """A value and where it is set."""

    value: Any
    kind: str
    words: str
    url: str


class Departure(NamedTuple):
    """One parameter that is somewhere not at its default: ``default`` is what it is where nobody says otherwise."""

    namespace: str
    parameter: str
    unit: str
    risk: str
    default: Any
    where: tuple[At, ...]
    more: int


class Idle(NamedTuple):
    """A value that does nothing. ``why``: inherits_the_same, or retired where no code reads it any more."""

    namespace: str
    parameter: str
    unit: str
    why: str
    value: Any
    place: str
    kind: str
    version: int
    inherited_from: str
    edit_url: str


def everything(image: Image) -> list[Set]:
    """Every value that is set, by namespace, scope and parameter."""
    return [
        Set(namespace, name, scope, stored)
        for namespace, scope in sorted(image.places())
        for name, stored in sorted(image.stored(namespace, scope).items())
    ]


def counted(found: Iterable[Set], bot_names: Mapping[str, str]) -> list[Line]:
    """How many values are set, by namespace and kind of scope; namespaces that set nothing are left out."""
    counts: defaultdict[str, defaultdict[Scope, int]] = defaultdict(lambda: defaultdict(int))
    for one in found:
        counts[one.namespace][one.scope] += 1
    order = list(CATALOGUE.namespaces())
    return [
        _line(namespace, counts[namespace], bot_names)
        for namespace in sorted(counts, key=lambda name: order.index(name) if name in order else len(order))
    ]


def departures(found: Iterable[Set], image: Image, bot_names: Mapping[str, str]) -> list[Departure]:
    """The parameters that are somewhere not at their default, the riskiest and the most often set first."""
    where: defaultdict[tuple[str, str], list[At]] = defaultdict(list)
    for (namespace, name), supplied in image.environment.items():
        if _differs(supplied.value, _default(namespace, name)):
            url = places.in_force_url(Scope("global"), namespace, parameter=name)
            where[namespace, name].append(At(supplied.value, "environment", supplied.name, url))
    for one in found:
        declared = CATALOGUE.find(one.namespace, one.parameter)
        if declared is not None and _differs(one.stored.value, declared.default):
            where[one.namespace, one.parameter].append(_at(one, bot_names))
    parameters = {key: CATALOGUE.get(*key) for key in where}
    order = sorted(where, key=lambda key: (-RISKS.index(parameters[key].risk), -len(where[key]), key))
    return [
        Departure(
            namespace=key[0],
            parameter=key[1],
            unit=unit_of(parameters[key]),
            risk=parameters[key].risk,
            default=parameters[key].default,
            where=tuple(where[key][:_NAMED]),
            more=max(len(where[key]) - _NAMED, 0),
        )
        for key in order
    ]


def idle(found: Iterable[Set], image: Image, bot_names: Mapping[str, str]) -> list[Idle]:
    """The values that could be cleared and nothing would change: those inherited anyway, and those nobody reads."""
    found = list(found)
    narrow = _values_at_symbols(found)
    told = [one for each in found if (one := _idle(each, image, narrow, bot_names)) is not None]
    # What a bot's definition repeats of the defaults is meant like that more often than the rest.
    return sorted(told, key=lambda one: (one.why != "retired", one.kind == "bot", one.namespace == BOT))


def _line(namespace: str, counts: Mapping[Scope, int], bot_names: Mapping[str, str]) -> Line:
    title = CATALOGUE.about(namespace).title if namespace in CATALOGUE.namespaces() else namespace
    cells = tuple(_cell(namespace, kind, counts, bot_names) for kind in KINDS)
    return Line(namespace, title, cells, sum(counts.values()))


def _cell(namespace: str, kind: str, counts: Mapping[Scope, int], bot_names: Mapping[str, str]) -> Cell:
    scopes = sorted((scope for scope in counts if scope.kind == kind), key=lambda scope: (-counts[scope], scope))
    spots = tuple(
        Spot(
            places.words_of(scope, bot_names),
            counts[scope],
            places.in_force_url(scope, namespace, only="overridden") if namespace in CATALOGUE.namespaces() else "",
        )
        for scope in scopes[:_NAMED]
    )
    return Cell(kind, sum(counts[scope] for scope in scopes), spots, max(len(scopes) - _NAMED, 0))


def _at(one: Set, bot_names: Mapping[str, str]) -> At:
    url = places.in_force_url(one.scope, one.namespace, parameter=one.parameter)
    return At(one.stored.value, one.scope.kind, places.words_of(one.scope, bot_names), url)


def _values_at_symbols(found: Iterable[Set]) -> Mapping[tuple[str, str], list[Any]]:
    """By parameter, the values that symbols and their sides set: a bot hears them before it hears everywhere."""
    narrow: defaultdict[tuple[str, str], list[Any]] = defaultdict(list)
    for one in found:
        if one.scope.symbol:
            narrow[one.namespace, one.parameter].append(one.stored.value)
    return narrow


def _idle(
    one: Set, image: Image, narrow: Mapping[tuple[str, str], list[Any]], bot_names: Mapping[str, str]
) -> Idle | None:
    declared = image.catalogue.find(one.namespace, one.parameter)
    if declared is None:
        return _told(one, "retired", "", bot_names)
    path = Path(one.scope.bot, one.scope.symbol, one.scope.side)
    inherited = image.explain(one.namespace, one.parameter, path).shadowed[0]
    beaten = [inherited.value, *(narrow.get((one.namespace, one.parameter), ()) if one.scope.bot else ())]
    if any(_differs(value, one.stored.value) for value in beaten):
        return None
    from_where = _ORIGINS.get(inherited.origin.scope, "the symbol")
    return _told(one, "inherits_the_same", from_where, bot_names)


def _told(one: Set, why: str, inherited_from: str, bot_names: Mapping[str, str]) -> Idle:
    declared = CATALOGUE.find(one.namespace, one.parameter)
    return Idle(
        namespace=one.namespace,
        parameter=one.parameter,
        unit=unit_of(declared) if declared else "",
        why=why,
        value=one.stored.value,
        place=places.words_of(one.scope, bot_names),
        kind=one.scope.kind,
        version=one.stored.version,
        inherited_from=inherited_from,
        edit_url=places.edit_url(one.scope, one.namespace, one.parameter) if declared else "",
    )


def _default(namespace: str, name: str) -> Any:
    declared = CATALOGUE.find(namespace, name)
    return declared.default if declared else None


def _differs(one: Any, other: Any) -> bool:
    if type(one) is type(other) and isinstance(one, str | int | float):
        return bool(one != other)
    # True equals 1 to Python; as texts they differ.
    return canonical.text(one) != canonical.text(other)
