"""What a change would do to what is in force: before and after, for everybody it could concern. Pure.

Looked at are: what holds everywhere, every scope that sets something in the namespace, and every bot
with each of its symbols and sides. What is said here is what happens: the test resolves all of it
before and after the real change and finds the same.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import NamedTuple, overload

from configuration.catalogue import BOT, TRADING, Catalogue
from configuration.image import Image, Path, Place, Stored
from configuration.planning import Changed
from configuration.ports import HeldPosition, ReachedBot, RestingOrder
from configuration.scopes import SIDES, Resolved, Scope


class Effect(NamedTuple):
    """One parameter that resolves differently for ``path``: another value, or the same from elsewhere.

    ``after``'s origin has the version the change would get if nobody else changed anything meanwhile.
    ``reload`` says when it is heard: live, next_cycle or restart.
    """

    namespace: str
    parameter: str
    path: Path
    before: Resolved
    after: Resolved
    reload: str

    @property
    def changes_value(self) -> bool:
        """False where only the origin changes: the value was inherited and is pinned now, or the reverse."""
        return bool(self.before.value != self.after.value)


class Shift(NamedTuple):
    """The same effect on many: all of ``paths`` resolve alike, before and after."""

    namespace: str
    parameter: str
    before: Resolved
    after: Resolved
    reload: str
    paths: Sequence[Path]

    @property
    def changes_value(self) -> bool:
        """As of an ``Effect``."""
        return bool(self.before.value != self.after.value)


class Effects(Sequence[Effect]):
    """The effects one by one, by namespace, parameter and path. Made when they are asked for: there can be 100,000."""

    def __init__(self, shifts: Sequence[Shift]) -> None:
        self.shifts = shifts

    def __len__(self) -> int:
        return sum(len(shift.paths) for shift in self.shifts)

    def __iter__(self) -> Iterator[Effect]:
        for shift in self.shifts:
            for path in shift.paths:
                yield Effect(shift.namespace, shift.parameter, path, shift.before, shift.after, shift.reload)

    @overload
    def __getitem__(self, index: int) -> Effect: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Effect, ...]: ...
    def __getitem__(self, index: int | slice) -> Effect | tuple[Effect, ...]:
        if isinstance(index, slice):
            return tuple(islice(self, *index.indices(len(self))))
        return next(islice(self, range(len(self))[index], None))


class Touched(NamedTuple):
    """Whose values would change. A value that only gets another origin touches nobody.

    ``symbols`` and ``sides`` (symbol, side): those with a value of their own that changes, and those
    of bots. ``bots``: those with any value that changes, each with the positions and orders of it
    that are touched; ``positions`` and ``orders`` are these of all bots together: of a symbol and
    side whose trading or strategy values change, or all of a bot whose own words do.
    """

    symbols: tuple[str, ...]
    sides: tuple[tuple[str, str], ...]
    bots: tuple[ReachedBot, ...]
    positions: tuple[HeldPosition, ...]
    orders: tuple[RestingOrder, ...]


def after(image: Image, changes: Iterable[Changed]) -> Image:
    """The image with the changes made, under the next version's number."""
    places: dict[Place, dict[str, Stored]] = {}
    for change in changes:
        place = (change.namespace, change.scope)
        stored = places.setdefault(place, dict(image.stored(*place)))
        if change.op == "set":
            stored[change.parameter] = Stored(change.new, image.version + 1)
        else:
            stored.pop(change.parameter, None)
    return image.replaced(places)


def looked_at(
    changes: Iterable[Changed], *, before: Image, after: Image, bots: Sequence[ReachedBot]
) -> dict[str, list[Path]]:
    """Whose values of each changed namespace are compared, in order."""
    namespaces = sorted({change.namespace for change in changes})
    return {namespace: _paths(namespace, before, after, bots) for namespace in namespaces}


def shifts(
    changes: Sequence[Changed], *, before: Image, after: Image, paths: Mapping[str, Sequence[Path]]
) -> tuple[Shift, ...]:
    """Everything that resolves differently among what is looked at, by namespace and parameter."""
    scopes: defaultdict[tuple[str, str], set[Scope]] = defaultdict(set)
    for change in changes:
        scopes[change.namespace, change.parameter].add(change.scope)
    said = _said(scopes.keys(), before, after)
    return tuple(
        shift
        for key, changed in sorted(scopes.items())
        for shift in _of_parameter(key, changed, paths[key[0]], said[key], before, after)
    )


def depth_of(namespace: str, catalogue: Catalogue) -> str:
    """The narrowest node at which a bot asks for values of the namespace: symbol_side, symbol, bot, or global."""
    kinds = catalogue.about(namespace).scopes
    return next((kind for kind in ("symbol_side", "symbol", "bot") if kind in kinds), "global")


def deciding(paths: Iterable[Path], namespace: str, catalogue: Catalogue) -> set[Path]:
    """The paths on which a bot trades; what it would do without a symbol moves no position."""
    depth = depth_of(namespace, catalogue)
    if depth == "symbol_side":
        return {path for path in paths if path.bot and path.side}
    return {path for path in paths if path.bot and (path.symbol or depth == "bot")}


def touched(shifts: Iterable[Shift], *, bots: Sequence[ReachedBot], catalogue: Catalogue) -> Touched:
    """The symbols, sides, bots, open positions and resting orders whose values change."""
    changing: defaultdict[str, set[Path]] = defaultdict(set)
    for shift in shifts:
        if shift.changes_value:
            changing[shift.namespace].update(shift.paths)
    paths: set[Path] = set().union(*changing.values())
    concerned: defaultdict[str, set[tuple[str, str]]] = defaultdict(set)
    for namespace, found in changing.items():
        for bot, symbol, side in deciding(found, namespace, catalogue):
            concerned[bot].add((symbol, side))
    named = {path.bot for path in paths}
    reached = tuple(_narrowed(bot, concerned[bot.id]) for bot in bots if bot.id in named)
    return Touched(
        symbols=tuple(sorted({path.symbol for path in paths} - {""})),
        sides=tuple(sorted({(path.symbol, path.side) for path in paths if path.side})),
        bots=reached,
        positions=tuple(position for bot in reached for position in bot.positions),
        orders=tuple(order for bot in reached for order in bot.orders),
    )


def requires_restart(shifts: Iterable[Shift]) -> tuple[str, ...]:
    """The parameters, as "namespace.parameter", whose new value is heard only by what starts after the change."""
    restarting = (shift for shift in shifts if shift.reload == "restart" and shift.changes_value)
    return tuple(sorted({f"{shift.namespace}.{shift.parameter}" for shift in restarting}))


def _paths(namespace: str, before: Image, after: Image, bots: Sequence[ReachedBot]) -> list[Path]:
    places = dict.fromkeys((*before.places(), *after.places()))
    found = {Path.of(scope) for owner, scope in places if owner == namespace} | {Path()}
    depth = depth_of(namespace, before.catalogue)
    for bot in bots:
        if namespace in (TRADING, BOT, bot.strategy):
            found.update(_paths_of(bot, depth))
    return sorted(found)


def _paths_of(bot: ReachedBot, depth: str) -> Iterator[Path]:
    yield Path(bot.id)
    if depth not in ("symbol", "symbol_side"):
        return
    # A stopped bot may have been given other symbols and still hold the old ones.
    for symbol in {*bot.symbols, *(held.symbol for held in bot.positions), *(order.symbol for order in bot.orders)}:
        yield Path(bot.id, symbol)
        if depth == "symbol_side":
            for side in SIDES:
                yield Path(bot.id, symbol, side)


def _heard_by(changed: set[Scope], paths: Sequence[Path]) -> Sequence[Path]:
    """The paths a changed scope speaks for; nobody else resolves differently."""
    if any(scope.kind == "global" for scope in changed):
        return paths
    bots = {scope.bot for scope in changed if scope.bot}
    markets = {(scope.symbol, scope.side) for scope in changed if scope.symbol}
    return [
        path
        for path in paths
        if path.bot in bots or (path.symbol, "") in markets or (path.side and (path.symbol, path.side) in markets)
    ]


def _said(keys: Collection[tuple[str, str]], *images: Image) -> Mapping[tuple[str, str], set[Scope]]:
    """The scopes that say something of each parameter, in any of the images."""
    said: dict[tuple[str, str], set[Scope]] = {key: set() for key in keys}
    namespaces = {namespace for namespace, _ in keys}
    for image in images:
        for namespace, scope in image.places():
            if namespace in namespaces:
                for name in image.stored(namespace, scope):
                    if (namespace, name) in said:
                        said[namespace, name].add(scope)
    return said


def _of_parameter(
    key: tuple[str, str], changed: set[Scope], paths: Sequence[Path], said: set[Scope], before: Image, after: Image
) -> Iterator[Shift]:
    parameter = before.catalogue.find(*key)
    if parameter is None:  # retired: it can be cleared, and nobody resolves it
        return
    for heard, alike in _alike(_heard_by(changed, paths), said):
        if heard.narrowest() not in changed:  # the word that counts here was there before, and stays
            continue
        old, new = before.explain(*key, heard), after.explain(*key, heard)
        if old.value != new.value or old.origin != new.origin:
            yield Shift(*key, old, new, parameter.reload, alike)


def _alike(paths: Sequence[Path], said: set[Scope]) -> Iterable[tuple[Path, Sequence[Path]]]:
    """The paths grouped by the scopes that say something of a parameter to them: a group resolves alike."""
    bots = {scope.bot for scope in said} - {""}
    markets = {(scope.symbol, scope.side) for scope in said} - {("", "")}
    if not bots and not markets:  # said nowhere but everywhere
        return [(Path(), paths)] if paths else []
    groups: defaultdict[tuple[str, str, str], list[Path]] = defaultdict(list)
    for path in paths:
        bot, symbol, side = path
        if side and (symbol, side) not in markets:
            side = ""
        if symbol and not side and (symbol, "") not in markets:
            symbol = ""
        groups[bot if bot in bots else "", symbol, side].append(path)
    return [(Path(*heard), alike) for heard, alike in groups.items()]


def _narrowed(bot: ReachedBot, concerned: set[tuple[str, str]]) -> ReachedBot:
    """The bot with those of its positions and orders that are concerned, by symbol and side, symbol, or altogether."""

    def is_concerned(one: HeldPosition | RestingOrder) -> bool:
        return not concerned.isdisjoint({(one.symbol, one.side), (one.symbol, ""), ("", "")})

    return bot._replace(
        positions=tuple(filter(is_concerned, bot.positions)), orders=tuple(filter(is_concerned, bot.orders))
    )
