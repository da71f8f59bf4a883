"""All configuration at one version, in memory and immutable: resolve any scope without a query."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from configuration.catalogue import Catalogue
from configuration.environment import Supplied
from configuration.scopes import DEFAULT_ORIGIN, GLOBAL, Candidate, Frozen, Origin, Resolved, Scope

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

    def scopes(self) -> Iterator[Scope]:
        """The scopes that speak for it, weakest first: global, symbol, symbol-side, bot."""
        yield GLOBAL
        if self.symbol:
            yield Scope("symbol", symbol=self.symbol)
        if self.symbol and self.side:
            yield Scope("symbol_side", symbol=self.symbol, side=self.side)
        if self.bot:
            yield Scope("bot", bot=self.bot)

    def __str__(self) -> str:
        parts = [f"bot {self.bot}"] * bool(self.bot) + ["/".join(filter(None, (self.symbol, self.side)))]
        return " on ".join(filter(None, parts)) or "global"


class Image:
    """Everything stored at ``version``. ``head_hash`` tells two histories of one version apart.

    Never changed after it was built, apart from ``frozen``, a memo of what follows from the rest.
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

    def stored(self, namespace: str, scope: Scope) -> Mapping[str, Stored]:
        """What the scope itself sets in a namespace."""
        return self._places.get((namespace, scope), {})

    def places(self) -> Iterable[Place]:
        """Every (namespace, scope) that sets something."""
        return self._places.keys()

    def values(self, namespace: str, path: Path) -> dict[str, Any]:
        """The values in force, without their origins."""
        merged = {parameter.name: parameter.default for parameter in self.catalogue.parameters(namespace)}
        merged |= {name: s.value for (owner, name), s in self.environment.items() if owner == namespace}
        for scope in path.scopes():
            merged |= {name: s.value for name, s in self.stored(namespace, scope).items() if name in merged}
        return merged

    def resolve(self, namespace: str, path: Path) -> dict[str, Resolved]:
        """The values in force with their origins and what each shadows, by parameter name."""
        layers = [(scope, self.stored(namespace, scope)) for scope in path.scopes()]
        resolved: dict[str, Resolved] = {}
        for parameter in self.catalogue.parameters(namespace):
            offered = [Candidate(parameter.default, DEFAULT_ORIGIN)]
            supplied = self.environment.get((namespace, parameter.name))
            if supplied is not None:
                offered.append(Candidate(supplied.value, Origin("environment", name=supplied.name)))
            for scope, layer in layers:
                if parameter.name in layer:
                    stored = layer[parameter.name]
                    origin = Origin(scope.kind, scope.bot, scope.symbol, scope.side, stored.version)
                    offered.append(Candidate(stored.value, origin))
            resolved[parameter.name] = Resolved(*offered[-1], shadowed=tuple(reversed(offered[:-1])))
        return resolved

    def replaced(self, places: Mapping[Place, Mapping[str, Stored]]) -> "Image":
        """This image with some places set anew: what would be in force after a change."""
        return Image(
            catalogue=self.catalogue,
            version=self.version,
            head_hash=self.head_hash,
            places={place: stored for place, stored in {**self._places, **places}.items() if stored},
            environment=self.environment,
        )
