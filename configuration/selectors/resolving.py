"""What is in force: resolved values with their origins, and what each scope itself sets.

From the in-process image: one query for its head, however much is asked.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from configuration import store
from configuration.catalogue import TRADING
from configuration.image import Image, Path, Stored
from configuration.scopes import Resolved, Scope
from configuration.selectors import past
from configuration.selectors.ledger import history


class Head(NamedTuple):
    """The newest version, and the hash its ledger ends with."""

    version: int
    hash: str


def head() -> Head:
    """The newest version: how many change-sets there are."""
    image = store.current()
    return Head(image.version, image.head_hash)


def resolve(
    scope: Scope, namespaces: Sequence[str], *, at_version: int | None = None, at_time: datetime | None = None
) -> dict[str, Resolved]:
    """The values in force at a scope, with origins and what they shadow, by "namespace.parameter".

    The scope's parts say which layers speak: ``Scope("bot", bot, symbol, side)`` hears all of them.
    ``at_version`` or ``at_time``, not both: as it was then, see ``past``.
    Raises NotFound for an unknown namespace or version.
    """
    if at_version is not None or at_time is not None:
        return past.resolve_at(scope, namespaces, version=at_version, time=at_time)
    return resolve_many([(scope, namespaces)])[0]


def resolve_many(wanted: Sequence[tuple[Scope, Sequence[str]]]) -> list[dict[str, Resolved]]:
    """``resolve`` for each scope and its namespaces, all at one version. One query for however many."""
    image = store.current()
    return [_resolved(image, scope, namespaces) for scope, namespaces in wanted]


def _resolved(image: Image, scope: Scope, namespaces: Sequence[str]) -> dict[str, Resolved]:
    path = Path.of(scope)
    return {
        f"{namespace}.{name}": resolved
        for namespace in namespaces
        for name, resolved in image.resolve(namespace, path).items()
    }


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
