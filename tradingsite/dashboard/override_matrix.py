"""Symbols by parameters: what each has in force, and where that was set. From the image alone, without a query."""

import re
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from django.core.paginator import Page, Paginator
from django.http import QueryDict

from configuration.catalogue import CATALOGUE, Namespace
from configuration.image import Image, Path
from configuration.planning import Operation
from configuration.scopes import GLOBAL, SIDES, Scope, scope_faults, symbol_scope
from engine.domain.declarations import Parameter
from engine.domain.errors import NotFound
from tradingsite.dashboard import configuration_forms as forms
from tradingsite.dashboard.configuration_forms import Asked

PER_PAGE: Final = 40
MOST_AT_ONCE: Final = 500
"""More scopes than that are imported as a document."""

MARKS: Final = {"default": "", "environment": "E", "global": "G", "symbol": "S", "symbol_side": "", "bot": ""}
"""Where an inherited value comes from, as a letter; what is set at the row itself is marked otherwise."""

_SEPARATORS: Final = re.compile(r"[\s,;]+")


class Cell(NamedTuple):
    """A value in force. ``is_here``: the row's own scope sets it; else ``mark`` tells from where it comes."""

    parameter: str
    value: Any
    origin: str
    version: int
    mark: str
    is_here: bool


class Line(NamedTuple):
    """A scope with its values. ``set_here``: how many of the shown parameters it sets itself."""

    scope: Scope
    address: str
    cells: tuple[Cell, ...]
    is_side: bool

    @property
    def set_here(self) -> int:
        return sum(cell.is_here for cell in self.cells)


class Column(NamedTuple):
    """A parameter, with how many of the symbols on this page set it."""

    parameter: Parameter
    limits: str
    set_here: int


class Asking(NamedTuple):
    """What the address asks to see."""

    namespace: Namespace
    group: str
    groups: tuple[str, ...]
    symbols: str
    with_sides: bool
    page: str


class Matrix(NamedTuple):
    """One page of it: everywhere first, then the symbols."""

    columns: tuple[Column, ...]
    everywhere: Line
    lines: tuple[Line, ...]
    page: Page[str]


class Selection(NamedTuple):
    """What a bulk edit asks for: one parameter, one value, these scopes. ``unread``: what names no scope."""

    parameter: Parameter | None
    asked: Asked
    scopes: tuple[Scope, ...]
    unread: tuple[str, ...]


def namespaces() -> list[Namespace]:
    """Those of which a symbol may set something."""
    return [one for one in map(CATALOGUE.about, CATALOGUE.namespaces()) if "symbol" in one.scopes]


def asking(asked: QueryDict) -> Asking:
    """What to show. Raises NotFound for a namespace without symbols; an unknown group is the first."""
    offered = {namespace.name: namespace for namespace in namespaces()}
    name = asked.get("namespace") or next(iter(offered))
    if name not in offered:
        raise NotFound(f"{name[:60]!r} has nothing that differs by symbol; there are {', '.join(offered)}.")
    namespace = offered[name]
    groups = tuple(dict.fromkeys(one.group for one in namespace.parameters if "symbol" in one.scopes))
    group = asked.get("group", "")
    return Asking(
        namespace=namespace,
        group=group if group in groups else groups[0],
        groups=groups,
        symbols=asked.get("symbols", "").strip()[:2000],
        with_sides=asked.get("sides") == "1" and "symbol_side" in namespace.scopes,
        page=asked.get("page", "1"),
    )


def matrix(image: Image, wanted: Asking, known: Sequence[str]) -> Matrix:
    """A page of symbols, each with the values of one group of parameters."""
    name = wanted.namespace.name
    parameters = [one for one in wanted.namespace.parameters if one.group == wanted.group and "symbol" in one.scopes]
    page = Paginator(_symbols(wanted.symbols, known), PER_PAGE).get_page(wanted.page)
    sides = SIDES if wanted.with_sides else ()
    lines = [
        _line(image, name, parameters, scope)
        for symbol in page.object_list
        for scope in (symbol_scope(symbol), *(Scope("symbol_side", symbol=symbol, side=side) for side in sides))
    ]
    columns = tuple(
        Column(parameter, forms.limits(parameter), sum(line.cells[place].is_here for line in lines))
        for place, parameter in enumerate(parameters)
    )
    return Matrix(columns, _line(image, name, parameters, GLOBAL), tuple(lines), page)


def selection(posted: QueryDict, namespace: str) -> Selection:
    """What a bulk edit was sent with: the chosen rows, and the symbols that were typed or pasted."""
    texts = [*posted.getlist("scope"), *filter(None, _SEPARATORS.split(posted.get("more", "")))]
    given_up = {name.removeprefix("choice.") for name, choice in posted.items() if choice == "theirs"}
    scopes: dict[Scope, None] = {}
    unread: list[str] = []
    for text in texts:
        try:
            scope = forms.scope_of(text)
        except NotFound:
            unread.append(text[:40])
            continue
        if scope.symbol and forms.address_of(scope) not in given_up:
            scopes[scope] = None
    mode = posted.get("mode", forms.SET)
    text = posted.get("value", "").strip()[:4000]
    return Selection(
        parameter=CATALOGUE.find(namespace, posted.get("parameter", "")),
        asked=Asked(mode, text if mode == forms.SET else ""),
        scopes=tuple(sorted(scopes)),
        unread=tuple(unread),
    )


def operations(chosen: Selection, namespace: str) -> list[Operation]:
    """One change for each scope; where it changes nothing, the plan leaves it out."""
    if chosen.parameter is None:
        return []
    return [forms.operation_of(chosen.parameter, namespace, scope, chosen.asked) for scope in chosen.scopes]


def missing(chosen: Selection) -> list[str]:
    """What a bulk edit still needs before there is anything to preview, or what is wrong with its choice."""
    found = []
    if chosen.parameter is None:
        found.append("Choose a parameter: the button at the head of its column, or one of its cells.")
    if not chosen.scopes:
        found.append("Choose symbols: their boxes, or type them.")
    if chosen.unread:
        found.append(f"No symbol or side: {', '.join(chosen.unread[:5])}.")
    if len(chosen.scopes) > MOST_AT_ONCE:
        found.append(f"{len(chosen.scopes)} scopes are chosen, at most {MOST_AT_ONCE} go into one decision.")
    return found


def elsewhere(chosen: Selection, shown: Matrix) -> list[str]:
    """What was chosen and has no box on this page: typed symbols, and what could not be read."""
    boxes = {line.address for line in shown.lines}
    return [name for name in map(forms.address_of, chosen.scopes) if name not in boxes] + list(chosen.unread)


def _symbols(text: str, known: Sequence[str]) -> list[str]:
    """Those that are named, known or not yet; ``BTC*`` is every known one that begins so. Nothing named: all."""
    terms = [term for term in _SEPARATORS.split(text.upper()) if term]
    if not terms:
        return list(known)
    found: set[str] = set()
    for term in terms:
        if term.endswith("*"):
            found |= {symbol for symbol in known if symbol.startswith(term[:-1])}
        elif not scope_faults(symbol_scope(term), pointer=""):
            found.add(term)
    return sorted(found)


def _line(image: Image, namespace: str, parameters: Sequence[Parameter], scope: Scope) -> Line:
    resolved = image.resolve(namespace, Path("", scope.symbol, scope.side))
    cells = []
    for parameter in parameters:
        value, origin, _ = resolved[parameter.name]
        is_here = (origin.scope, origin.symbol, origin.side) == (scope.kind, scope.symbol, scope.side)
        mark = "" if is_here else MARKS.get(origin.scope, "")
        cells.append(Cell(parameter.name, value, origin.scope, origin.version, mark, is_here))
    return Line(scope, forms.address_of(scope), tuple(cells), bool(scope.side))
