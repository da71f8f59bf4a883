"""What is configured: resolved values with their origins, snapshots, and who decided what and why.

Reading never writes. Resolved values come from the in-process image (one query for its head).
"""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import Count, Exists, Max, Min, OuterRef, Prefetch, Q, QuerySet

from configuration import canonical, store
from configuration.catalogue import BOT, CATALOGUE, TRADING
from configuration.image import Image, Path, Stored
from configuration.models import Change, ChangeSet, Snapshot
from configuration.scopes import GLOBAL, SIDES, BotScope, Candidate, Frozen, Origin, Resolved, Scope
from engine.domain.errors import InvariantBroken, NotFound

__all__ = [
    "GLOBAL",
    "BotScope",
    "Candidate",
    "Explained",
    "Frozen",
    "Head",
    "Origin",
    "Resolved",
    "Scope",
    "ScopeFacts",
    "Stored",
    "change_sets",
    "explain_snapshot",
    "head",
    "history",
    "overridden_scopes",
    "resolve",
    "resolve_many",
    "scope_facts",
    "snapshot",
    "snapshot_for",
    "stored",
    "stored_at",
    "versioned_snapshot_for",
]

FORMAT = 1


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


class Head(NamedTuple):
    """The newest version, and the hash its ledger ends with."""

    version: int
    hash: str


class ScopeFacts(NamedTuple):
    """When a scope was first and last written, and how often. None and 0: never."""

    created_at: datetime | None
    updated_at: datetime | None
    writes: int


def head() -> Head:
    """The newest version: how many change-sets there are."""
    image = store.current()
    return Head(image.version, image.head_hash)


def scope_facts(scope: Scope, *, namespace: str = TRADING) -> ScopeFacts:
    """When and how often exactly this scope was written."""
    times = Change.objects.filter(_at(scope), namespace=namespace).aggregate(
        first=Min("change_set__created_at"),
        last=Max("change_set__created_at"),
        writes=Count("change_set", distinct=True),
    )
    return ScopeFacts(times["first"], times["last"], times["writes"])


def resolve(scope: Scope, namespaces: Sequence[str]) -> dict[str, Resolved]:
    """The values in force at a scope, with origins and what they shadow, by "namespace.parameter".

    The scope's parts say which layers speak: ``Scope("bot", bot, symbol, side)`` hears all of them.
    Raises NotFound for an unknown namespace.
    """
    return resolve_many([(scope, namespaces)])[0]


def resolve_many(wanted: Sequence[tuple[Scope, Sequence[str]]]) -> list[dict[str, Resolved]]:
    """``resolve`` for each scope and its namespaces, all at one version. One query for however many."""
    image = store.current()
    return [_resolved(image, scope, namespaces) for scope, namespaces in wanted]


def _resolved(image: Image, scope: Scope, namespaces: Sequence[str]) -> dict[str, Resolved]:
    path = Path(scope.bot, scope.symbol, scope.side)
    return {
        f"{namespace}.{name}": resolved
        for namespace in namespaces
        for name, resolved in image.resolve(namespace, path).items()
    }


def snapshot_for(scope: BotScope) -> Frozen:
    """Everything in force for a bot, frozen: {"format", "catalogue", "bot", "nodes"}.

    Nodes: "" (the bot without a symbol; all namespaces), "AAPL" (trading and the strategy's),
    "AAPL/LONG" and "AAPL/SHORT" (trading). Each maps "namespace.parameter" to its value and origin.
    The hash covers values and origins, not the head's version. One query while nothing changed.
    """
    return versioned_snapshot_for(scope)[0]


def versioned_snapshot_for(scope: BotScope) -> tuple[Frozen, int]:
    """``snapshot_for`` with the version it was read at. One query while nothing changed."""
    image = store.current()
    key = canonical.text([scope.bot, scope.strategy, scope.symbols, scope.definition])
    if key not in image.frozen:
        content = _content(scope, image)
        image.frozen[key] = Frozen(canonical.digest(canonical.text(content)), content)
    return image.frozen[key], image.version


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


def stored(scope: Scope, namespace: str = TRADING) -> dict[str, Stored]:
    """What the scope itself sets: value and version by parameter."""
    return dict(store.current().stored(namespace, scope))


def stored_at(scope: Scope, namespace: str, at_version: int) -> dict[str, Any]:
    """The values the scope itself set when ``at_version`` was the newest, by parameter.

    Walked back from now through the ledger: cheap for versions somebody has just read.
    """
    image = store.current()
    values = {name: value.value for name, value in image.stored(namespace, scope).items()}
    for change in history(scope, namespace=namespace).filter(change_set__gt=at_version, change_set__lte=image.version):
        if change.old_version:
            values[change.parameter] = change.old
        else:
            values.pop(change.parameter, None)
    return values


def overridden_scopes(kind: str, namespace: str = TRADING) -> dict[Scope, int]:
    """The scopes of a kind that set something, in order, with how many parameters each sets."""
    image = store.current()
    return {
        scope: len(image.stored(owner, scope))
        for owner, scope in sorted(image.places())
        if owner == namespace and scope.kind == kind
    }


def history(scope: Scope, *, namespace: str = TRADING) -> QuerySet[Change]:
    """Every change at exactly this scope, newest first, each with its change-set."""
    return (
        Change.objects.filter(_at(scope), namespace=namespace)
        .select_related("change_set")
        .order_by("-change_set", "ordinal")
    )


def change_sets(scope: Scope | None = None, *, namespace: str = "", parameter: str = "") -> QuerySet[ChangeSet]:
    """The decisions, newest first, with their changes in two queries; optionally those that touch something."""
    rows = ChangeSet.objects.order_by("-version")
    touching = Change.objects.filter(change_set=OuterRef("pk"))
    if scope is not None:
        touching = touching.filter(_at(scope))
    if namespace:
        touching = touching.filter(namespace=namespace)
    if parameter:
        touching = touching.filter(parameter=parameter)
    if scope is not None or namespace or parameter:
        rows = rows.filter(Exists(touching))
    return rows.prefetch_related(Prefetch("changes", Change.objects.order_by("ordinal")))


def _at(scope: Scope) -> Q:
    return Q(scope_kind=scope.kind, bot=scope.bot, symbol=scope.symbol, side=scope.side)


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
    return {
        f"{namespace}.{name}": {"value": resolved.value, "origin": resolved.origin.as_json()}
        for namespace in namespaces
        for name, resolved in image.resolve(namespace, path).items()
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
