"""What the six have in common: a switch each, regular names in the environment, scopes."""

from collections.abc import Mapping
from typing import Final

from engine.domain.declarations import STRATEGY_SCOPES, Parameter, StrategyDeclaration

REALTIME_DATA: Final = "Realtime Data"
MARKET_LOGIC: Final = "Market Logic"

SWITCH: Final = "Switch"
SIGNAL: Final = "Signal"
CONFIDENCE: Final = "Confidence"
RATE: Final = "Rate of signals"


def declaration(
    *,
    name: str,
    title: str,
    description: str,
    category: str,
    style: str,
    parameters: tuple[Parameter, ...],
    is_enabled: bool = True,
) -> StrategyDeclaration:
    """A realtime strategy that is not installed yet, with its switch and its environment names.

    ORDERBOOK_SKEW_TOP_LEVELS supplies top_levels of orderbook_skew, and so on.
    """
    named = tuple(one._replace(scopes=STRATEGY_SCOPES, environment=f"{name}_{one.name}".upper()) for one in parameters)
    return StrategyDeclaration(
        name=name,
        title=title,
        description=description,
        parameters=(*named, _switch(name, title, is_enabled=is_enabled)),
        category=category,
        style=style,
        is_installed=False,
    )


def with_aliases(parameters: tuple[Parameter, ...], aliases: Mapping[str, str]) -> tuple[Parameter, ...]:
    """The parameters, with another name in the environment for those that have one (parameter -> variable)."""
    return tuple(
        one._replace(environment_aliases=(aliases[one.name],)) if one.name in aliases else one for one in parameters
    )


def _switch(name: str, title: str, *, is_enabled: bool) -> Parameter:
    return Parameter(
        name="enabled",
        kind="bool",
        default=is_enabled,
        unit="",
        group=SWITCH,
        scopes=STRATEGY_SCOPES,
        risk="guarded",
        environment=f"STRATEGY_ENABLED_{name.upper()}",
        is_extra=True,
        example=is_enabled,
        synonyms=("on", "off", "switch", "active", "pause"),
        description=f"Whether {title} may give signals here.",
        impact="When off it gives none; what it opened before is closed by its stops and targets, or by hand.",
        when_to_change="To silence the strategy for one symbol, or everywhere, without losing its settings.",
    )
