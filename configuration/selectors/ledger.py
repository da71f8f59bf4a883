"""Who decided what and why: the change-sets, and when a scope was written."""

from datetime import datetime
from typing import NamedTuple

from django.db.models import Count, Exists, Max, Min, OuterRef, Prefetch, Q, QuerySet

from configuration.catalogue import TRADING
from configuration.models import Change, ChangeSet
from configuration.scopes import Scope


class ScopeFacts(NamedTuple):
    """When a scope was first and last written, and how often. None and 0: never."""

    created_at: datetime | None
    updated_at: datetime | None
    writes: int


def scope_facts(scope: Scope, *, namespace: str = TRADING) -> ScopeFacts:
    """When and how often exactly this scope was written."""
    times = Change.objects.filter(_at(scope), namespace=namespace).aggregate(
        first=Min("change_set__created_at"),
        last=Max("change_set__created_at"),
        writes=Count("change_set", distinct=True),
    )
    return ScopeFacts(times["first"], times["last"], times["writes"])


def history(scope: Scope, *, namespace: str = TRADING) -> QuerySet[Change]:
    """Every change at exactly this scope, newest first, each with its change-set."""
    return (
        Change.objects.filter(_at(scope), namespace=namespace)
        .select_related("change_set")
        .order_by("-change_set", "ordinal")
    )


def change_sets(
    scope: Scope | None = None,
    *,
    namespace: str = "",
    parameter: str = "",
    actor: str = "",
    source: str = "",
    since: datetime | None = None,
    until: datetime | None = None,
    text: str = "",
    before_version: int | None = None,
) -> QuerySet[ChangeSet]:
    """The decisions, newest first, with their changes in two queries; optionally those that touch something.

    ``actor``: who decided, by label or on whose behalf. ``since`` and ``until``: recorded then, both
    included. ``text``: in the reason, in any case of letters. A list is paged by the last version shown,
    as ``before_version`` of the next page: its cost does not grow with the page's number.
    """
    rows = ChangeSet.objects.order_by("-version")
    if before_version is not None:
        rows = rows.filter(version__lt=before_version)
    if actor:
        rows = rows.filter(Q(actor_label=actor) | Q(on_behalf_of=actor))
    if source:
        rows = rows.filter(source=source)
    if since is not None:
        rows = rows.filter(created_at__gte=since)
    if until is not None:
        rows = rows.filter(created_at__lte=until)
    if text:
        rows = rows.filter(reason__icontains=text)
    if scope is not None or namespace or parameter:
        rows = rows.filter(Exists(_touching(scope, namespace, parameter)))
    return rows.prefetch_related(Prefetch("changes", Change.objects.order_by("ordinal")))


def _touching(scope: Scope | None, namespace: str, parameter: str) -> QuerySet[Change]:
    touching = Change.objects.filter(change_set=OuterRef("pk"))
    if scope is not None:
        touching = touching.filter(_at(scope))
    if namespace:
        touching = touching.filter(namespace=namespace)
    if parameter:
        touching = touching.filter(parameter=parameter)
    return touching


def _at(scope: Scope) -> Q:
    return Q(scope_kind=scope.kind, bot=scope.bot, symbol=scope.symbol, side=scope.side)
