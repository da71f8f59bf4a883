"""All resolved values of a bot, frozen under the hash of their content, and who decided each."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from configuration import canonical, store
from configuration.catalogue import BOT, CATALOGUE, TRADING
from configuration.image import Image, Path
from configuration.models import ChangeSet, Snapshot
from configuration.scopes import SIDES, BotScope, Frozen
from engine.domain.errors import InvariantBroken, NotFound

FORMAT: Final = 1

_HOLD: Final = "hold"
# Without them signals still close what is held, and stops and targets rest where they are.
_ENTRIES: Final = (f"{TRADING}.enable_longs", f"{TRADING}.enable_shorts")


class Explained(NamedTuple):
    """One value of a snapshot with who set it and why. ``node`` is '', a symbol, or SYMBOL/SIDE.

    ``version`` is 0, and actor, reason and time are empty, for defaults and the environment.
    """

    node: str
    namespace: str
    parameter: str
    value: Any
    unit: str
    origin: dict[str, Any]
    version: int
    actor_label: str
    on_behalf_of: str
    reason: str
    created_at: datetime | None


def snapshot_for(scope: BotScope) -> Frozen:
    """Everything in force for a bot, frozen: {"format", "catalogue", "bot", "nodes"}.

    Nodes: "" (the bot without a symbol; all namespaces), "AAPL" (trading and the strategy's),
    "AAPL/LONG" and "AAPL/SHORT" (trading). Each maps "namespace.parameter" to its value and origin.
    The hash covers values and origins, not the head's version. One query while nothing changed.
    """
    return _frozen(scope, store.current())


def versioned_snapshot_for(scope: BotScope) -> tuple[Frozen, int]:
    """What a bot decides under: ``snapshot_for``, and the version it was read at. One query while nothing changed.

    Where the store is degraded and the bot's ``on_config_stale`` is hold, it allows no new positions:
    ``enable_longs`` and ``enable_shorts`` are false, and name ``stale`` as their origin.
    """
    read = store.read()
    frozen = _frozen(scope, read.image)
    if read.is_degraded and read.image.values(BOT, Path(scope.bot)).get("on_config_stale", _HOLD) == _HOLD:
        frozen = _held(frozen)
    return frozen, read.image.version


def _frozen(scope: BotScope, image: Image) -> Frozen:
    key = canonical.text([scope.bot, scope.strategy, scope.symbols, scope.definition])
    if key not in image.frozen:
        content = _content(scope, image)
        image.frozen[key] = Frozen(canonical.digest(canonical.text(content)), content)
    return image.frozen[key]


def _held(frozen: Frozen) -> Frozen:
    stopped = {"value": False, "origin": {"scope": "stale"}}
    nodes = {
        node: {name: stopped if name in _ENTRIES else entry for name, entry in values.items()}
        for node, values in frozen.content["nodes"].items()
    }
    content = {**frozen.content, "nodes": nodes}
    return Frozen(canonical.digest(canonical.text(content)), content)


def snapshot(hash: str) -> dict[str, Any]:
    """The content of a stored snapshot. Raises NotFound, or InvariantBroken if it was altered."""
    content = Snapshot.objects.filter(hash=hash).values_list("content", flat=True).first()
    if content is None:
        raise NotFound(f"There is no snapshot {hash[:64]}.")
    if canonical.digest(content) != hash:
        raise InvariantBroken(f"The stored snapshot {hash} was altered.")
    parsed: dict[str, Any] = json.loads(content)
    return parsed


def explain_snapshot(hash: str) -> list[Explained]:
    """Every value of a stored snapshot with its origin, who set it, why and when. Two queries.

    Raises NotFound.
    """
    content = snapshot(hash)
    entries = [
        (node, *qualified.split(".", 1), entry)
        for node, values in content["nodes"].items()
        for qualified, entry in values.items()
    ]
    versions = {entry["origin"].get("version", 0) for *_, entry in entries} - {0}
    decided = ChangeSet.objects.in_bulk(versions)
    return [
        _explained(node, namespace, name, entry, decided.get(entry["origin"].get("version", 0)))
        for node, namespace, name, entry in entries
    ]


def _content(scope: BotScope, image: Image) -> dict[str, Any]:
    everything = (TRADING, scope.strategy, BOT)
    nodes = {"": _node(image, everything, Path(scope.bot))}
    for symbol in scope.symbols:
        nodes[symbol] = _node(image, (TRADING, scope.strategy), Path(scope.bot, symbol))
        for side in SIDES:
            nodes[f"{symbol}/{side}"] = _node(image, (TRADING,), Path(scope.bot, symbol, side))
    return {
        "format": FORMAT,
        "catalogue": CATALOGUE.fingerprint,
        "bot": {**scope.definition, "id": scope.bot, "strategy": scope.strategy, "symbols": list(scope.symbols)},
        "nodes": nodes,
    }


def _node(image: Image, namespaces: Sequence[str], path: Path) -> dict[str, Any]:
    resolved = {namespace: image.resolve(namespace, path) for namespace in namespaces}
    # What nothing reads can change no decision: setting it must not make a bot decide again.
    return {
        f"{namespace}.{parameter.name}": {"value": value.value, "origin": value.origin.as_json()}
        for namespace in namespaces
        for parameter in CATALOGUE.parameters(namespace)
        if parameter.is_read
        for value in (resolved[namespace][parameter.name],)
    }


def _explained(node: str, namespace: str, name: str, entry: dict[str, Any], by: ChangeSet | None) -> Explained:
    parameter = CATALOGUE.find(namespace, name)
    return Explained(
        node=node,
        namespace=namespace,
        parameter=name,
        value=entry["value"],
        unit=parameter.unit if parameter else "",
        origin=entry["origin"],
        version=entry["origin"].get("version", 0),
        actor_label=by.actor_label if by else "",
        on_behalf_of=by.on_behalf_of if by else "",
        reason=by.reason if by else "",
        created_at=by.created_at if by else None,
    )
