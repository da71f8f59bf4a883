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


def change_sets(scope: Scope | None = None, *, namespace: str = "", parameter: str = "") -> QuerySet[ChangeSet]:
    """The decisions, newest first, with their changes in two queries; optionally those that touch something.

    A long list is shown in pages: see ``paging``, whose cost does not grow with the ledger.
    """
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
