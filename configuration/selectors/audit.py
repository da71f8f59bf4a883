"""The history of a namespace by scope: all a scope set before and after each decision about it."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from configuration import store
from configuration.image import Image
from configuration.models import Change
from configuration.scopes import Scope

_SCOPE: Final = ("scope_kind", "bot", "symbol", "side")


class AuditRow(NamedTuple):
    """One scope in one decision. ``before`` and ``after`` are all the scope itself set; {} for nothing.

    ``action``: CREATE where the scope set nothing before, DELETE where it sets nothing after, else UPDATE.
    """

    version: int
    namespace: str
    scope: Scope
    action: str
    before: dict[str, Any]
    after: dict[str, Any]
    changed_by: str
    on_behalf_of: str
    changed_at: datetime
    reason: str


def audit(namespace: str, *, symbol: str = "", limit: int) -> list[AuditRow]:
    """The newest decisions about a namespace by scope, newest first; of one symbol where it is named.

    Three queries, however long the history: what is set now is walked back through the ledger.
    """
    image = store.current()
    rows = Change.objects.filter(namespace=namespace, change_set__lte=image.version)
    if symbol:
        rows = rows.filter(symbol=symbol)
    decided = rows.order_by("-change_set").values_list("change_set", *_SCOPE).distinct()[:limit]
    oldest = min((version for version, *_ in decided), default=0)
    found: defaultdict[tuple[int, Scope], list[Change]] = defaultdict(list)
    changes = rows.filter(change_set__gte=oldest).order_by("-change_set", "ordinal") if oldest else rows.none()
    for change in changes.select_related("change_set").defer("change_set__canonical"):
        found[change.change_set_id, change.scope].append(change)
    return _rows(namespace, list(found.items())[:limit], image)


def _rows(namespace: str, found: Sequence[tuple[tuple[int, Scope], list[Change]]], image: Image) -> list[AuditRow]:
    now: dict[Scope, dict[str, Any]] = {}
    answered = []
    for (_, scope), changes in found:
        after = now.get(scope)
        if after is None:
            after = {name: stored.value for name, stored in image.stored(namespace, scope).items()}
        before = _walked_back(after, changes)
        answered.append(_row(namespace, scope, changes[0], before, after))
        now[scope] = before
    return answered


def _walked_back(after: dict[str, Any], changes: list[Change]) -> dict[str, Any]:
    before = dict(after)
    for change in changes:
        if change.old_version:
            before[change.parameter] = change.old
        else:
            before.pop(change.parameter, None)
    return before


def _row(namespace: str, scope: Scope, change: Change, before: dict[str, Any], after: dict[str, Any]) -> AuditRow:
    by = change.change_set
    return AuditRow(
        version=by.version,
        namespace=namespace,
        scope=scope,
        action="DELETE" if not after else "UPDATE" if before else "CREATE",
        before=before,
        after=after,
        changed_by=by.actor_label,
        on_behalf_of=by.on_behalf_of,
        changed_at=by.created_at,
        reason=by.reason,
    )
