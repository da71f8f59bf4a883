"""Every parameter there is: type, unit, default, range, scopes, and words for humans and agents.

Namespaces: ``trading`` (the 31, and extras flagged as such), ``bot`` (what only a bot is told), one
for each strategy, ``weather`` (a desk) and ``engine`` (how that desk is run). A strategy declared in
``engine.strategies`` appears by itself; those in ``parameters.realtime`` are declared ahead of the
code that will trade on them, and say that they are not installed.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from types import MappingProxyType
from typing import Any, Final, Literal, NamedTuple, Self, get_args

from configuration import canonical, finding
from configuration.finding import Found
from configuration.parameters import bot, engine, realtime, trading, weather
from engine.domain.declarations import Parameter, ScopeKind, StrategyDeclaration
from engine.domain.errors import NotFound
from engine.strategies import DECLARED

TRADING: Final = "trading"
BOT: Final = "bot"
WEATHER: Final = "weather"
ENGINE: Final = "engine"

NamespaceKind = Literal["trading", "bot", "strategy", "desk", "engine"]

# What a stored value means. A reworded description is not another meaning, so it is not hashed.
_MEANING: Final = (
    "kind",
    "default",
    "unit",
    "minimum",
    "maximum",
    "step",
    "choices",
    "keys",
    "nullable",
    "scopes",
    "environment",
    "environment_aliases",
)
_TUPLES: Final = ("choices", "keys", "scopes", "environment_aliases")
_NO_WORDS: Final[dict[str, Any]] = {"group": "", "description": "", "impact": "", "when_to_change": ""}


class Namespace(NamedTuple):
    """What a namespace is, and its parameters in the order they are shown.

    ``category`` and ``style`` are a strategy's. ``is_installed``: something reads these parameters;
    until then they can be set, and nothing acts on them.
    """

    name: str
    title: str
    description: str
    kind: NamespaceKind
    category: str
    style: str
    is_installed: bool
    parameters: tuple[Parameter, ...]

    @property
    def documented(self) -> tuple[Parameter, ...]:
        """The parameters of the documented set: the 31 of ``trading``. Extras are left out."""
        return tuple(parameter for parameter in self.parameters if not parameter.is_extra)

    @property
    def extras(self) -> tuple[Parameter, ...]:
        """The parameters beyond the documented set."""
        return tuple(parameter for parameter in self.parameters if parameter.is_extra)

    @property
    def scopes(self) -> tuple[ScopeKind, ...]:
        """The kinds of scope at which something of it can be set, widest first."""
        return tuple(kind for kind in get_args(ScopeKind) if any(kind in one.scopes for one in self.parameters))


class Catalogue:
    """The declared parameters by namespace. Immutable."""

    def __init__(self, declared: Mapping[str, Sequence[Parameter]], *, about: Iterable[Namespace] = ()) -> None:
        self._about = MappingProxyType(
            {name: _bare(name, parameters) for name, parameters in declared.items()}
            | {namespace.name: namespace for namespace in about}
        )
        self._parameters = MappingProxyType(
            {
                name: MappingProxyType({parameter.name: parameter for parameter in namespace.parameters})
                for name, namespace in self._about.items()
            }
        )

    @classmethod
    def from_edition(cls, content: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> Self:
        """The catalogue an ``edition`` was taken of: types, units, defaults and ranges of its time.

        Words are today's, where today still declares the parameter. What an edition does not tell is
        as a plain declaration has it.
        """
        return cls(
            {},
            about=[
                _namespace_as_it_was(namespace, content[namespace])
                for namespace in sorted(content, key=lambda namespace: _place(namespace, ""))
            ],
        )

    def namespaces(self) -> tuple[str, ...]:
        """Every namespace: trading, bot, the strategies, weather, engine."""
        return tuple(self._parameters)

    def about(self, name: str) -> Namespace:
        """What a namespace is. Raises NotFound."""
        if name not in self._about:
            raise NotFound(f"There is no namespace {name[:60]!r}; there are {', '.join(self._about)}.")
        return self._about[name]

    def strategies(self) -> tuple[Namespace, ...]:
        """Every strategy, installed or not, in the order they are shown."""
        return tuple(namespace for namespace in self._about.values() if namespace.kind == "strategy")

    def parameters(self, namespace: str) -> tuple[Parameter, ...]:
        """The parameters of a namespace in the order they are shown, extras last. Raises NotFound."""
        return self.about(namespace).parameters

    def find(self, namespace: str, name: str) -> Parameter | None:
        """The parameter, or None where nothing of that name is declared."""
        return self._parameters.get(namespace, _NOTHING).get(name)

    def get(self, namespace: str, name: str) -> Parameter:
        """The parameter. Raises NotFound."""
        parameter = self.find(namespace, name)
        if parameter is None:
            raise NotFound(f"There is no parameter {namespace}.{name}.")
        return parameter

    def search(self, text: str) -> list[Found]:
        """What a person may mean by a few words, best first: (namespace, parameter, score above 0, at most 1)."""
        return finding.search(self._index, text)

    def edition(self) -> dict[str, dict[str, dict[str, Any]]]:
        """What every stored value means: types, units, defaults, ranges, scopes; not the words.

        {namespace: {parameter: {"kind": ..., "default": ...}}}; as JSON it comes back through ``from_edition``.
        """
        return {
            namespace: {
                name: {field: getattr(parameter, field) for field in _MEANING} for name, parameter in parameters.items()
            }
            for namespace, parameters in self._parameters.items()
        }

    @cached_property
    def fingerprint(self) -> str:
        """sha256 over the canonical text of ``edition``."""
        return canonical.digest(canonical.text(self.edition()))

    @cached_property
    def _index(self) -> finding.Index:
        return finding.index(
            (namespace.name, namespace.title, parameter)
            for namespace in self._about.values()
            for parameter in namespace.parameters
        )


_NOTHING: Final[Mapping[str, Parameter]] = MappingProxyType({})


def _bare(name: str, parameters: Sequence[Parameter]) -> Namespace:
    """A namespace of which nothing but its parameters is known."""
    kinds: dict[str, NamespaceKind] = {TRADING: "trading", BOT: "bot", WEATHER: "desk", ENGINE: "engine"}
    return Namespace(name, name, "", kinds.get(name, "strategy"), "", "", True, tuple(parameters))


def _namespace_as_it_was(name: str, meanings: Mapping[str, Mapping[str, Any]]) -> Namespace:
    names = sorted(meanings, key=lambda parameter: _place(name, parameter))
    parameters = tuple(_as_it_was(name, parameter, meanings[parameter]) for parameter in names)
    if name in CATALOGUE.namespaces():
        return CATALOGUE.about(name)._replace(parameters=parameters)
    return _bare(name, parameters)


def _as_it_was(namespace: str, name: str, meaning: Mapping[str, Any]) -> Parameter:
    known = {field: value for field, value in meaning.items() if field in _MEANING}
    known |= {field: tuple(known[field]) for field in _TUPLES if known.get(field) is not None}
    today = CATALOGUE.find(namespace, name)
    if today is not None:
        return today._replace(**{"step": None, "environment_aliases": (), **known})
    return Parameter(name=name, **_NO_WORDS, **known)


def _place(namespace: str, name: str) -> tuple[int, int, str, str]:
    """Where today's catalogue shows it; what it does not know comes last, by name."""
    namespaces = CATALOGUE.namespaces()
    if namespace not in namespaces:
        return len(namespaces), 0, namespace, name
    names = [parameter.name for parameter in CATALOGUE.parameters(namespace)]
    return namespaces.index(namespace), names.index(name) if name in names else len(names), namespace, name


def _strategy(declaration: StrategyDeclaration) -> Namespace:
    return Namespace(
        name=declaration.name,
        title=declaration.title,
        description=declaration.description,
        kind="strategy",
        category=declaration.category,
        style=declaration.style,
        is_installed=declaration.is_installed,
        parameters=declaration.parameters,
    )


def _declared() -> Iterable[Namespace]:
    yield Namespace(
        name=TRADING,
        title="Trading",
        description="How signals become positions: orders, sizes, limits, conflicts. Every bot trades under it.",
        kind="trading",
        category="",
        style="",
        is_installed=True,
        parameters=trading.declare(),
    )
    yield Namespace(
        name=BOT,
        title="Bot",
        description="What one bot is told: its money, its own limits, its hours.",
        kind="bot",
        category="",
        style="",
        is_installed=True,
        parameters=bot.declare(),
    )
    yield from map(_strategy, ({**realtime.DECLARED, **DECLARED}[name] for name in (*DECLARED, *_only_ahead())))
    yield Namespace(
        name=WEATHER,
        title="Weather desk",
        description="Trades what a day's highest temperature will be: cities, costs, limits, and the forecast's error.",
        kind="desk",
        category="Weather",
        style="",
        is_installed=False,
        parameters=weather.declare(),
    )
    yield Namespace(
        name=ENGINE,
        title="Weather engine",
        description="How the weather desk is run: how often, how far ahead, and whether with money.",
        kind="engine",
        category="Weather",
        style="",
        is_installed=False,
        parameters=engine.declare(),
    )


def _only_ahead() -> list[str]:
    """Strategies declared ahead of their code. Once a kernel of that name is there, its own declaration counts."""
    return [name for name in realtime.DECLARED if name not in DECLARED]


CATALOGUE: Final = Catalogue({}, about=_declared())
