"""What has been decided and is not heard yet, because whoever reads it does so only when it starts."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from configuration import ports, store
from configuration.catalogue import BOT, TRADING
from configuration.image import Image, Path
from configuration.models import Change, Snapshot
from configuration.ports import ReachedBot
from configuration.scopes import GLOBAL
from configuration.selectors.freshness import readers

_ALIVE: Final = ("running", "paused")

_Key = tuple[str, str]


class PendingRestart(NamedTuple):
    """A parameter that runs on another value than the one in force.

    ``bot`` is the bot to restart, with its ``name``; '' and "platform": the platform itself.
    ``version`` set the new value; 0 where it is a default or the environment's.
    """

    bot: str
    name: str
    namespace: str
    parameter: str
    path: Path
    running_value: Any
    new_value: Any
    version: int


def pending_restarts() -> tuple[PendingRestart, ...]:
    """What waits for a restart: of the platform first, then of each bot that runs. A fixed number of queries."""
    image = store.current()
    return (*_of_platform(image), *_of_bots(image))


def waiting_for(bot: ReachedBot, pinned: Mapping[str, Any], image: Image) -> list[PendingRestart]:
    """What a bot hears only after a restart: its snapshot's values against those in force.

    ``pinned``: the content of the snapshot it runs on.
    """
    found = []
    for node, entries in pinned["nodes"].items():
        symbol, _, side = node.partition("/")
        path = Path(bot.id, symbol, side)
        for namespace, name in _restarting(image, (TRADING, BOT, bot.strategy)):
            entry = entries.get(f"{namespace}.{name}")
            resolved = image.explain(namespace, name, path)
            if entry is not None and entry["value"] != resolved.value:
                facts = (bot.id, bot.name, namespace, name, path, entry["value"], resolved.value)
                found.append(PendingRestart(*facts, resolved.origin.version))
    return found


def _of_platform(image: Image) -> Iterator[PendingRestart]:
    """Desks have no snapshot: they run on what was in force when the oldest process that is alive started."""
    keys = _restarting(image, [name for name in image.catalogue.namespaces() if _is_of_a_desk(name, image)])
    alive = readers()
    if not alive or not keys:
        return
    started_at = min(reader.started_at for reader in alive)
    since = Change.objects.filter(
        namespace__in={namespace for namespace, _ in keys},
        parameter__in={name for _, name in keys},
        scope_kind=GLOBAL.kind,
        change_set__created_at__gt=started_at,
    )
    first: dict[_Key, Change] = {}
    for row in since.order_by("change_set"):
        first.setdefault((row.namespace, row.parameter), row)
    for namespace, name in keys:
        change = first.get((namespace, name))
        if change is None:
            continue
        resolved = image.explain(namespace, name, Path())
        running = change.old if change.old_version else _inherited(image, namespace, name)
        if running != resolved.value:
            yield PendingRestart(
                "", "platform", namespace, name, Path(), running, resolved.value, resolved.origin.version
            )


def _of_bots(image: Image) -> Iterator[PendingRestart]:
    namespaces = [name for name in image.catalogue.namespaces() if not _is_of_a_desk(name, image)]
    if not _restarting(image, namespaces):
        return
    bots = [bot for bot in ports.reach().bots() if bot.status in _ALIVE and bot.pinned]
    pinned = Snapshot.objects.in_bulk({bot.pinned for bot in bots})
    for bot in bots:
        if bot.pinned in pinned:
            yield from waiting_for(bot, json.loads(pinned[bot.pinned].content), image)


def _restarting(image: Image, namespaces: list[str] | tuple[str, ...]) -> list[_Key]:
    return [
        (namespace, parameter.name)
        for namespace in namespaces
        for parameter in image.catalogue.parameters(namespace)
        if parameter.reload == "restart"
    ]


def _is_of_a_desk(namespace: str, image: Image) -> bool:
    return image.catalogue.about(namespace).kind in ("desk", "engine")


def _inherited(image: Image, namespace: str, name: str) -> Any:
    """What held before anything was stored."""
    resolved = image.explain(namespace, name, Path())
    return resolved.shadowed[0].value if resolved.origin.scope == GLOBAL.kind else resolved.value
