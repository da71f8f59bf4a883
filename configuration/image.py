"""All configuration at one version, in memory and immutable: resolve any scope without a query."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from operator import itemgetter
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from configuration.catalogue import Catalogue
from configuration.environment import Supplied
from configuration.scopes import DEFAULT_ORIGIN, GLOBAL, Candidate, Frozen, Origin, Resolved, Scope
from configuration.unchanging import fixed

Place = tuple[str, Scope]
"""A namespace at a scope."""


class Stored(NamedTuple):
    """A value set at a scope, and the version that set it."""

    value: Any
    version: int


class Path(NamedTuple):
    """Whose configuration is asked for: any of bot, symbol and side may be ''."""

    bot: str = ""
    symbol: str = ""
    side: str = ""

    @classmethod
    def of(cls, scope: Scope) -> "Path":
        """Whose configuration a scope's own is, with all that speaks for it."""
        return cls(scope.bot, scope.symbol, scope.side)

    def scopes(self) -> Iterator[Scope]:
        """The scopes that speak for it, weakest first: global, symbol, symbol-side, bot."""
        yield GLOBAL
        if self.symbol:
            yield Scope("symbol", symbol=self.symbol)
        if self.symbol and self.side:
            yield Scope("symbol_side", symbol=self.symbol, side=self.side)
        if self.bot:
            yield Scope("bot", bot=self.bot)

    def narrowest(self) -> Scope:
        """The strongest of its scopes."""
        if self.bot:
            return Scope("bot", bot=self.bot)
        if self.symbol:
            return Scope("symbol_side" if self.side else "symbol", symbol=self.symbol, side=self.side)
        return GLOBAL

    def wider(self) -> "Path":
        """The path without its strongest scope."""
        return Path("", self.symbol, self.side) if self.bot else Path("", self.symbol if self.side else "")

    def __str__(self) -> str:
        parts = [f"bot {self.bot}"] * bool(self.bot) + ["/".join(filter(None, (self.symbol, self.side)))]
        return " on ".join(filter(None, parts)) or "global"


_value_of: Final[Callable[[Stored], Any]] = itemgetter(0)
_EVERYWHERE: Final = Path()
_NOTHING: Final[Mapping[str, Stored]] = MappingProxyType({})
_MOST: Final = 16_384
_MOST_RESOLVED: Final = 4_096
"""How many paths an image remembers, without and with origins; with more it forgets them all and begins again."""


class Image:
    """Everything stored at ``version``. ``head_hash`` tells two histories of one version apart.

    Never changed after it was built, apart from memos of what follows from the rest. One mapping is
    merged for the scopes that set something, and shared by every path that hears just them; so asking
    for symbols nobody configured takes next to no memory, and never more than a fixed number of entries.
    """

    def __init__(
        self,
        *,
        catalogue: Catalogue,
        version: int,
        head_hash: str,
        places: Mapping[Place, Mapping[str, Stored]],
        environment: Mapping[tuple[str, str], Supplied],
    ) -> None:
        self.catalogue = catalogue
        self.version = version
        self.head_hash = head_hash
        self.environment = environment
        self.frozen: dict[str, Frozen] = {}
        self._places = places
        self._asked: dict[tuple[str, Path], Mapping[str, Any]] = {}
        self._values: dict[tuple[str, Path], Mapping[str, Any]] = {}
        self._containers: dict[str, tuple[str, ...]] = {}
        self._asked_why: dict[tuple[str, Path], Mapping[str, Resolved]] = {}
        self._resolved: dict[tuple[str, Path], Mapping[str, Resolved]] = {}

    def stored(self, namespace: str, scope: Scope) -> Mapping[str, Stored]:
        """What the scope itself sets in a namespace."""
        return MappingProxyType(self._places.get((namespace, scope), {}))

    def places(self) -> Iterable[Place]:
        """Every (namespace, scope) that sets something."""
        return self._places.keys()

    def values(self, namespace: str, path: Path) -> Mapping[str, Any]:
        """The values in force, without their origins. Raises NotFound for an unknown namespace."""
        known = self._asked.get((namespace, path))
        if known is None:
            heard = self._heard(namespace, path)
            known = self._values.get((namespace, heard))
            if known is None:
                known = MappingProxyType(self._merged(namespace, heard))
                _remember(self._values, (namespace, heard), known, most=_MOST)
            _remember(self._asked, (namespace, path), known, most=_MOST)
        return known

    def resolve(self, namespace: str, path: Path) -> Mapping[str, Resolved]:
        """The values in force with their origins and what each shadows, by parameter name. Raises NotFound."""
        known = self._asked_why.get((namespace, path))
        if known is None:
            heard = self._heard(namespace, path)
            known = self._resolved.get((namespace, heard))
            if known is None:
                known = MappingProxyType(self._explained(namespace, heard))
                _remember(self._resolved, (namespace, heard), known, most=_MOST_RESOLVED)
            _remember(self._asked_why, (namespace, path), known, most=_MOST_RESOLVED)
        return known

    def explain(self, namespace: str, parameter: str, path: Path) -> Resolved:
        """One value in force, its origin and what it shadows. Raises NotFound."""
        resolved = self.resolve(namespace, path)
        if parameter not in resolved:
            self.catalogue.get(namespace, parameter)  # raises with the words for it
        return resolved[parameter]

    def _heard(self, namespace: str, path: Path) -> Path:
        """The path without the parts that set nothing here."""
        bot, symbol, side = path
        places = self._places
        # Plain tuples equal named ones, and cost a third.
        if side and (namespace, ("symbol_side", "", symbol, side)) not in places:
            side = ""
        if symbol and not side and (namespace, ("symbol", "", symbol, "")) not in places:
            symbol = ""
        if bot and (namespace, ("bot", bot, "", "")) not in places:
            bot = ""
        return Path(bot, symbol, side)

    def _merged(self, namespace: str, path: Path) -> dict[str, Any]:
        stored = self._places.get((namespace, path.narrowest()), _NOTHING)
        if path == _EVERYWHERE:
            merged = {name: supplied.value for name, supplied in self._supplied(namespace).items()}
        else:
            merged = {**self.values(namespace, path.wider())}
        if stored.keys() <= merged.keys():
            merged.update(zip(stored, map(_value_of, stored.values()), strict=True))
        else:  # what was retired is stored still
            merged.update([(name, own.value) for name, own in stored.items() if name in merged])
        for name in self._shareable(namespace):
            if name in stored:
                merged[name] = fixed(stored[name].value)
        return merged

    def _explained(self, namespace: str, path: Path) -> dict[str, Resolved]:
        is_widest = path == _EVERYWHERE
        explained = self._supplied(namespace) if is_widest else {**self.resolve(namespace, path.wider())}
        scope = path.narrowest()
        for name, stored in self._places.get((namespace, scope), _NOTHING).items():
            beaten = explained.get(name)
            if beaten is not None:
                origin = Origin(scope.kind, scope.bot, scope.symbol, scope.side, stored.version)
                shadowed = (Candidate(beaten.value, beaten.origin), *beaten.shadowed)
                explained[name] = Resolved(fixed(stored.value), origin, shadowed)
        return explained

    def _shareable(self, namespace: str) -> tuple[str, ...]:
        """The parameters whose values are maps and lists, which a reader could change for all others."""
        known = self._containers.get(namespace)
        if known is None:
            parameters = self.catalogue.parameters(namespace)
            known = self._containers[namespace] = tuple(p.name for p in parameters if p.kind in ("map", "list"))
        return known

    def _supplied(self, namespace: str) -> dict[str, Resolved]:
        """What holds before anything is stored: the default, or what the environment supplies over it."""
        found = {}
        for parameter in self.catalogue.parameters(namespace):
            default = Candidate(fixed(parameter.default), DEFAULT_ORIGIN)
            supplied = self.environment.get((namespace, parameter.name))
            if supplied is None:
                found[parameter.name] = Resolved(*default)
            else:
                origin = Origin("environment", name=supplied.name)
                found[parameter.name] = Resolved(fixed(supplied.value), origin, (default,))
        return found

    def replaced(self, places: Mapping[Place, Mapping[str, Stored]]) -> "Image":
        """This image with some places set anew: what would be in force after a change."""
        return self.advanced(version=self.version, head_hash=self.head_hash, places=places)

    def advanced(self, *, version: int, head_hash: str, places: Mapping[Place, Mapping[str, Stored]]) -> "Image":
        """The image of a later version, in which some places are set anew."""
        return Image(
            catalogue=self.catalogue,
            version=version,
            head_hash=head_hash,
            places={place: stored for place, stored in {**self._places, **places}.items() if stored},
            environment=self.environment,
        )


def _remember[T](memo: dict[tuple[str, Path], T], key: tuple[str, Path], found: T, *, most: int) -> None:
    if len(memo) >= most:
        memo.clear()
    memo[key] = found
