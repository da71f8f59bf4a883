"""What a change would do to what is in force: before and after, for everybody it could concern. Pure.

Looked at are: what holds everywhere, every scope that sets something in the namespace, and every bot
with each of its symbols and sides. What is said here is what happens: the test resolves all of it
before and after the real change and finds the same.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

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


def effects(
    changes: Sequence[Changed], *, before: Image, after: Image, bots: Sequence[ReachedBot]
) -> tuple[Effect, ...]:
    """Everything that resolves differently, by namespace, parameter and path."""
    scopes: defaultdict[tuple[str, str], set[Scope]] = defaultdict(set)
    for change in changes:
        scopes[change.namespace, change.parameter].add(change.scope)
    paths = {name: looked_at(name, before, after, bots) for name in sorted({name for name, _ in scopes})}
    return tuple(
        effect
        for (namespace, name), changed in sorted(scopes.items())
        for effect in _of_parameter(namespace, name, _heard_by(changed, paths[namespace]), before, after)
    )


def looked_at(namespace: str, before: Image, after: Image, bots: Sequence[ReachedBot]) -> list[Path]:
    """Whose values of a namespace are compared, in order."""
    found = {Path()}
    for image in (before, after):
        found |= {Path(scope.bot, scope.symbol, scope.side) for owner, scope in image.places() if owner == namespace}
    depth = depth_of(namespace, before.catalogue)
    for bot in bots:
        if namespace in (TRADING, BOT, bot.strategy):
            found.update(_paths_of(bot, depth))
    return sorted(found)


def depth_of(namespace: str, catalogue: Catalogue) -> str:
    """The narrowest node at which a bot asks for values of the namespace: symbol_side, symbol, bot, or global."""
    kinds = catalogue.about(namespace).scopes
    return next((kind for kind in ("symbol_side", "symbol", "bot") if kind in kinds), "global")


def is_decisive(path: Path, namespace: str, catalogue: Catalogue) -> bool:
    """Whether a bot trades on this very node; what it would do without a symbol moves no position."""
    part = {"symbol_side": path.side, "symbol": path.symbol}.get(depth_of(namespace, catalogue), path.bot)
    return bool(path.bot and part)


def touched(effects: Iterable[Effect], *, bots: Sequence[ReachedBot], catalogue: Catalogue) -> Touched:
    """The symbols, sides, bots, open positions and resting orders whose values change."""
    changing = [effect for effect in effects if effect.changes_value]
    paths = {effect.path for effect in changing}
    concerned: defaultdict[str, set[tuple[str, str]]] = defaultdict(set)
    for effect in changing:
        if is_decisive(effect.path, effect.namespace, catalogue):
            concerned[effect.path.bot].add((effect.path.symbol, effect.path.side))
    named = {path.bot for path in paths}
    reached = tuple(_narrowed(bot, concerned[bot.id]) for bot in bots if bot.id in named)
    return Touched(
        symbols=tuple(sorted({path.symbol for path in paths} - {""})),
        sides=tuple(sorted({(path.symbol, path.side) for path in paths if path.side})),
        bots=reached,
        positions=tuple(position for bot in reached for position in bot.positions),
        orders=tuple(order for bot in reached for order in bot.orders),
    )


def requires_restart(effects: Iterable[Effect]) -> tuple[str, ...]:
    """The parameters, as "namespace.parameter", whose new value is heard only by what starts after the change."""
    return tuple(
        sorted(
            {
                f"{effect.namespace}.{effect.parameter}"
                for effect in effects
                if effect.reload == "restart" and effect.changes_value
            }
        )
    )


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


def _heard_by(changed: set[Scope], paths: Iterable[Path]) -> Iterable[Path]:
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


def _of_parameter(namespace: str, name: str, paths: Iterable[Path], before: Image, after: Image) -> Iterator[Effect]:
    parameter = before.catalogue.find(namespace, name)
    if parameter is None:  # retired: it can be cleared, and nobody resolves it
        return
    was, will_be = _Heard(namespace, name, before), _Heard(namespace, name, after)
    for path in paths:
        old, new = was.at(path), will_be.at(path)
        if old[:_VALUE_AND_ORIGIN] != new[:_VALUE_AND_ORIGIN]:
            yield Effect(namespace, name, path, old, new, parameter.reload)


_VALUE_AND_ORIGIN: Final = 2


class _Heard:
    """One parameter of an image, resolved once for all paths to which the same scopes say something about it."""

    def __init__(self, namespace: str, name: str, image: Image) -> None:
        self._key = (namespace, name)
        self._image = image
        said = [scope for owner, scope in image.places() if owner == namespace and name in image.stored(owner, scope)]
        self._bots = {scope.bot for scope in said}
        self._markets = {(scope.symbol, scope.side) for scope in said}
        self._known: dict[Path, Resolved] = {}

    def at(self, path: Path) -> Resolved:
        bot, symbol, side = path
        if side and (symbol, side) not in self._markets:
            side = ""
        if symbol and not side and (symbol, "") not in self._markets:
            symbol = ""
        if bot and bot not in self._bots:
            bot = ""
        heard = Path(bot, symbol, side)
        found = self._known.get(heard)
        if found is None:
            found = self._known[heard] = self._image.explain(*self._key, heard)
        return found


def _narrowed(bot: ReachedBot, concerned: set[tuple[str, str]]) -> ReachedBot:
    """The bot with those of its positions and orders that are concerned, by symbol and side, symbol, or altogether."""

    def is_concerned(one: HeldPosition | RestingOrder) -> bool:
        return not concerned.isdisjoint({(one.symbol, one.side), (one.symbol, ""), ("", "")})

    return bot._replace(
        positions=tuple(filter(is_concerned, bot.positions)), orders=tuple(filter(is_concerned, bot.orders))
    )
