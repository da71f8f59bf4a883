"""Every parameter there is: type, unit, default, range, scopes, and words for humans and agents.

Three kinds of namespace: ``trading`` (the 31), ``bot`` (what only a bot is told), and one for each
strategy, which appears by itself once the strategy is declared in ``engine.strategies``.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from types import MappingProxyType
from typing import Any, Final

from configuration import canonical
from configuration.parameters import bot, trading
from engine.domain.declarations import Parameter
from engine.domain.errors import NotFound
from engine.strategies import DECLARED

TRADING: Final = "trading"
BOT: Final = "bot"

# What a stored value means. A reworded description is not another meaning, so it is not hashed.
_MEANING = ("kind", "default", "unit", "minimum", "maximum", "choices", "keys", "nullable", "scopes", "environment")


class Catalogue:
    """The declared parameters by namespace. Immutable."""

    def __init__(self, declared: Mapping[str, Sequence[Parameter]]) -> None:
        self._parameters = MappingProxyType(
            {
                namespace: MappingProxyType({parameter.name: parameter for parameter in parameters})
                for namespace, parameters in declared.items()
            }
        )

    def namespaces(self) -> tuple[str, ...]:
        """Every namespace: trading, bot, then the strategies."""
        return tuple(self._parameters)

    def parameters(self, namespace: str) -> tuple[Parameter, ...]:
        """The parameters of a namespace in the order they are shown. Raises NotFound."""
        if namespace not in self._parameters:
            raise NotFound(f"There is no namespace {namespace!r}; there are {', '.join(self._parameters)}.")
        return tuple(self._parameters[namespace].values())

    def find(self, namespace: str, name: str) -> Parameter | None:
        """The parameter, or None where nothing of that name is declared."""
        return self._parameters.get(namespace, MappingProxyType({})).get(name)

    def get(self, namespace: str, name: str) -> Parameter:
        """The parameter. Raises NotFound."""
        parameter = self.find(namespace, name)
        if parameter is None:
            raise NotFound(f"There is no parameter {namespace}.{name}.")
        return parameter

    @cached_property
    def fingerprint(self) -> str:
        """sha256 over what every stored value means: types, units, defaults, ranges, scopes; not the words."""
        return canonical.digest(canonical.text(self._meaning()))

    def _meaning(self) -> dict[str, Any]:
        return {
            f"{namespace}.{name}": {field: getattr(parameter, field) for field in _MEANING}
            for namespace, parameters in self._parameters.items()
            for name, parameter in parameters.items()
        }


CATALOGUE: Final = Catalogue(
    {
        TRADING: trading.declare(),
        BOT: bot.declare(),
        **{name: declaration.parameters for name, declaration in DECLARED.items()},
    }
)
