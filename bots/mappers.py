"""A bot as people and clients write it, to and from flattened parameters of the catalogue; exact numbers.

    {"name", "strategy", "timeframe", "symbols", "capital", "trading_frequency", ...,
     "indicators": {"RSI": {"period": 14}}, "voting": "majority",
     "risk_management": {"stop_loss": 2, "take_profit": 5, ...}}

``risk_management`` holds the bot's limits and its stop and target; ``indicators`` chooses who votes
and sets their lengths; every other parameter of the bot and of its strategy stands at the top. The
fields are read from the catalogue, so a new strategy's parameters appear here by themselves.
"""

import math
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from configuration.catalogue import CATALOGUE
from engine.domain.errors import Fault

Key = tuple[str, str]  # namespace, parameter
Path = tuple[str, ...]  # where it stands in the form

BOT = "bot"
TRADING = "trading"
DEFAULT_STRATEGY = "indicator_voting"
DEFAULT_TIMEFRAME = "1d"
_WORDS = ("name", "strategy", "timeframe", "symbols")
_RISK: Mapping[str, Key] = {
    "stop_loss": (TRADING, "stop_loss_pct"),
    "take_profit": (TRADING, "take_profit_pct"),
    "max_position_size": (BOT, "max_position_size"),
    "max_daily_loss": (BOT, "max_daily_loss"),
    "max_concurrent_positions": (BOT, "max_concurrent_positions"),
}


_PLACES = 9
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def decimal_of(value: float) -> Decimal:
    """The decimal a float of the engine stands for: prices, quantities and money have nine places at most.

    Raises: ValueError for what is not finite.
    """
    if not math.isfinite(value):
        raise ValueError(f"{value} stands for no decimal")
    return Decimal(repr(round(float(value), _PLACES)))


def moment_of(at_ms: int) -> datetime:
    """UTC milliseconds as a datetime."""
    return _EPOCH + timedelta(milliseconds=int(at_ms))


class Definition(NamedTuple):
    """What a bot should be.

    ``parameters``: catalogue key -> value in the catalogue's unit; None for a parameter that is not
    nullable, and any key left out: the bot inherits it. ``symbols`` are upper case.
    """

    name: str
    strategy: str
    timeframe: str
    symbols: tuple[str, ...]
    parameters: Mapping[Key, Any]


def known_strategies() -> tuple[str, ...]:
    """Every strategy a bot can be given, in the catalogue's order; those without code yet are left out."""
    return tuple(strategy.name for strategy in CATALOGUE.strategies() if strategy.is_installed)


def known_timeframes() -> tuple[str, ...]:
    """Lengths a bar can have; a tick is not a bar."""
    return tuple(key for key in CATALOGUE.get(TRADING, "timeframe_weights").keys or () if key != "tick")


def known_indicators(strategy: str) -> tuple[str, ...]:
    """Whom this strategy lets vote; empty for a strategy without indicators."""
    return tuple(choice for item in _own(strategy) if item.name == "indicators" for choice in item.choices)


def form_fields(strategy: str) -> dict[Path, Key]:
    """Every field of the form with the parameter behind it, in the order a person fills it in."""
    in_risk = set(_RISK.values())
    fields: dict[Path, Key] = {
        (item.name,): (BOT, item.name) for item in CATALOGUE.parameters(BOT) if (BOT, item.name) not in in_risk
    }
    fields.update({("risk_management", name): key for name, key in _RISK.items()})
    indicators = known_indicators(strategy)
    for item in _own(strategy):
        fields[_path_in_strategy(item.name, indicators)] = (strategy, item.name)
    return fields


def pointer_of(strategy: str, key: Key) -> str:
    """The JSON pointer of a parameter in the form: ``/risk_management/stop_loss``."""
    for path, candidate in form_fields(strategy).items():
        if candidate == key:
            return "/" + "/".join(path)
    return f"/parameters/{key[0]}.{key[1]}"


def key_at(strategy: str, pointer: str) -> Key | None:
    """The parameter a pointer into the form means, itself or the nearest above it; None: no parameter."""
    fields = form_fields(strategy)
    path = tuple(pointer.strip("/").split("/"))
    return next((fields[path[:length]] for length in range(len(path), 0, -1) if path[:length] in fields), None)


def in_form(fault: Fault, definition: Definition) -> Fault:
    """A fault of the catalogue, pointing into the form: the voters are a list there, a map here."""
    start, _, place = fault.pointer.rpartition("/")
    if start != "/indicators" or not place.isdigit():
        return fault
    chosen = definition.parameters[definition.strategy, "indicators"]
    return fault._replace(pointer=f"/indicators/{chosen[int(place)]}")


def form_of(definition: Definition) -> dict[str, Any]:
    """The definition in the shape of the form. Unchosen indicators are left out."""
    form: dict[str, Any] = {
        "name": definition.name,
        "strategy": definition.strategy,
        "timeframe": definition.timeframe,
        "symbols": list(definition.symbols),
    }
    voters = (definition.strategy, "indicators")
    chosen: list[str] = definition.parameters.get(voters) or []
    for path, key in form_fields(definition.strategy).items():
        if key == voters and key in definition.parameters:
            form["indicators"] = {name: {} for name in chosen} | form.get("indicators", {})
        elif key in definition.parameters and (path[0] != "indicators" or path[1] in chosen):
            _put(form, path, definition.parameters[key])
    return form


def definition_of(form: Mapping[str, Any]) -> tuple[Definition, tuple[Fault, ...]]:
    """The definition a form describes, and what in its shape cannot be understood.

    Values are passed on as they are: the catalogue judges them. A definition that came with faults
    is still as complete as it can be, so that the rules can be applied and all faults told at once.
    """
    faults: list[Fault] = []
    strategy = _text(form, "strategy", DEFAULT_STRATEGY, faults)
    fields = form_fields(strategy) if strategy in known_strategies() else form_fields("")
    parameters: dict[Key, Any] = {}
    for path, value in _leaves(form, faults, indicators=known_indicators(strategy)):
        if path in fields:
            parameters[fields[path]] = value
        elif strategy in known_strategies():
            faults.append(_unknown(path, fields))
    definition = Definition(
        name=_text(form, "name", "", faults).strip(),
        strategy=strategy,
        timeframe=_text(form, "timeframe", DEFAULT_TIMEFRAME, faults),
        symbols=_symbols(form, faults),
        parameters=_unlimited(parameters),
    )
    return definition, tuple(faults)


def _own(strategy: str) -> tuple[Any, ...]:
    return tuple(CATALOGUE.parameters(strategy)) if strategy in known_strategies() else ()


def _path_in_strategy(name: str, indicators: tuple[str, ...]) -> Path:
    for indicator in indicators:
        prefix = indicator.lower() + "_"
        if name.startswith(prefix):
            return ("indicators", indicator, name.removeprefix(prefix))
    return (name,)


def _put(form: dict[str, Any], path: Path, value: Any) -> None:
    for step in path[:-1]:
        form = form.setdefault(step, {})
    form[path[-1]] = value


def _leaves(form: Mapping[str, Any], faults: list[Fault], *, indicators: tuple[str, ...]) -> Iterator[tuple[Path, Any]]:
    for name, value in form.items():
        if name in _WORDS:
            continue
        if name == "risk_management":
            yield from _members((name,), value, faults)
        elif name == "indicators" and indicators:
            yield from _chosen(value, faults, indicators)
        else:
            yield (name,), value


def _chosen(value: Any, faults: list[Fault], indicators: tuple[str, ...]) -> Iterator[tuple[Path, Any]]:
    if value is None:
        return
    if not isinstance(value, Mapping):
        faults.append(_not_a_map(("indicators",), value))
        return
    yield ("indicators",), list(value)
    for name, settings in value.items():
        if name in indicators:  # the catalogue refuses the others, as items of the list
            yield from _members(("indicators", name), settings, faults)


def _members(path: Path, value: Any, faults: list[Fault]) -> Iterator[tuple[Path, Any]]:
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield (*path, str(name)), item
    elif value is not None:
        faults.append(_not_a_map(path, value))


def _unlimited(parameters: dict[Key, Any]) -> dict[Key, Any]:
    """0 open positions would forbid trading; the documented form means "no limit" by it."""
    key = (BOT, "max_concurrent_positions")
    if key in parameters and parameters[key] == 0 and not isinstance(parameters[key], bool):
        return {**parameters, key: None}
    return parameters


def _text(form: Mapping[str, Any], name: str, default: str, faults: list[Fault]) -> str:
    value = form.get(name, default)
    if isinstance(value, str):
        return value
    faults.append(Fault("invalid_type", f"/{name}", f"{name} must be text.", "text", value))
    return default


def _symbols(form: Mapping[str, Any], faults: list[Fault]) -> tuple[str, ...]:
    value = form.get("symbols", ())
    if isinstance(value, list | tuple) and all(isinstance(item, str) for item in value):
        return tuple(item.strip().upper() for item in value)
    faults.append(Fault("invalid_type", "/symbols", "symbols must be a list of texts.", "list of texts", value))
    return ()


def _not_a_map(path: Path, value: Any) -> Fault:
    name = "/".join(path)
    return Fault("invalid_type", f"/{name}", f"{name} must be a map of names to values.", "map", value)


def _unknown(path: Path, fields: Mapping[Path, Key]) -> Fault:
    near = sorted(
        {known[len(path) - 1] for known in fields if known[: len(path) - 1] == path[:-1] and len(known) >= len(path)}
    )
    return Fault("unknown_field", "/" + "/".join(path), f"{'.'.join(path)} is not a field of a bot.", near, path[-1])
