"""Decisions about configuration, found by what they touch, who made them, from where, when and why."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple, overload

from django.db.models import Exists, OuterRef, Prefetch, QuerySet

from configuration import store
from configuration.models import Change, ChangeSet
from engine.domain.errors import NotFound


class Sought(NamedTuple):
    """Which decisions are asked for; '' and None ask for nothing.

    ``scope`` is a kind of scope. ``actor`` is the label as the ledger has it. ``reason`` is any part of
    the reason. ``since`` is inclusive, ``until`` is not. ``since_version``: only newer ones.
    """

    namespace: str = ""
    parameter: str = ""
    scope: str = ""
    symbol: str = ""
    side: str = ""
    bot: str = ""
    actor: str = ""
    source: str = ""
    kind: str = ""
    reason: str = ""
    since: datetime | None = None
    until: datetime | None = None
    since_version: int | None = None


class AllDecisions(Sequence[ChangeSet]):
    """Every decision, newest first. Versions have no gaps, so a page is a range of them and nothing is counted."""

    def __init__(self) -> None:
        self._newest = store.current().version

    def __len__(self) -> int:
        return self._newest

    @overload
    def __getitem__(self, index: int) -> ChangeSet: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[ChangeSet]: ...

    def __getitem__(self, index: int | slice) -> ChangeSet | Sequence[ChangeSet]:
        if isinstance(index, int):
            return self[index : index + 1][0]
        first, last, _ = index.indices(self._newest)
        rows = ChangeSet.objects.filter(version__lte=self._newest - first, version__gt=self._newest - last)
        return list(whole(rows.order_by("-version")))


def decisions(sought: Sought) -> QuerySet[ChangeSet] | AllDecisions:
    """The decisions asked for with their changes, newest first; those since a version oldest first."""
    if sought == Sought():
        return AllDecisions()
    rows = ChangeSet.objects.filter(**of_decision(sought))
    if touching := of_changes(sought):
        rows = rows.filter(Exists(Change.objects.filter(change_set=OuterRef("pk"), **touching)))
    if sought.since_version is not None:
        return whole(rows.order_by("version"))
    return whole(rows.order_by("-version"))


def of_decision(sought: Sought) -> dict[str, Any]:
    """What is asked of the decision itself, as lookups."""
    said = {
        "actor_label": sought.actor,
        "source": sought.source,
        "kind": sought.kind,
        "reason__icontains": sought.reason,
        "created_at__gte": sought.since,
        "created_at__lt": sought.until,
        "version__gt": sought.since_version,
    }
    return {name: value for name, value in said.items() if value not in (None, "")}


def of_changes(sought: Sought) -> dict[str, str]:
    """What at least one of its changes must be, as lookups."""
    touching = {
        "namespace": sought.namespace,
        "parameter": sought.parameter,
        "scope_kind": sought.scope or ("bot" if sought.bot else ""),
        "symbol": sought.symbol,
        "side": sought.side,
        "bot": sought.bot,
    }
    return {name: value for name, value in touching.items() if value}


def decision(version: int) -> ChangeSet:
    """One decision with its changes. Raises NotFound."""
    found = whole(ChangeSet.objects.filter(version=version)).first()
    if found is None:
        raise NotFound(f"There is no version {version}; the newest is {store.current().version}.")
    return found


def decided(versions: set[int]) -> dict[int, ChangeSet]:
    """The decisions of some versions, without their changes, in one query."""
    wanted = versions - {0}
    return ChangeSet.objects.defer("canonical").in_bulk(wanted) if wanted else {}


def whole(rows: QuerySet[ChangeSet]) -> QuerySet[ChangeSet]:
    """With their changes, and without the text under the seal."""
    return rows.defer("canonical").prefetch_related(Prefetch("changes", Change.objects.order_by("ordinal")))
