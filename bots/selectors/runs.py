"""Runs of bots, and what their cycles left behind."""

from collections.abc import Sequence
from typing import Any

from django.db.models import F, QuerySet

from bots.models import Cycle, CycleState, Decision, EngineRun, Fill


def runs(*, bot_name: str | None = None, open_only: bool = True) -> QuerySet[EngineRun]:
    """Runs by bot and number; ``open_only``: those that go on."""
    found = EngineRun.objects.select_related("bot").order_by("bot__created_at", "number")
    if bot_name is not None:
        found = found.filter(bot__name=bot_name)
    return found.filter(ended_at__isnull=True) if open_only else found


def decided_cycles(run: EngineRun) -> QuerySet[Cycle]:
    """The run's cycles that were decided, oldest first."""
    return Cycle.objects.filter(run=run, state__in=[CycleState.DECIDED, CycleState.DONE]).order_by("number")


def decision_facts(run: EngineRun, columns: Sequence[str]) -> list[dict[str, Any]]:
    """Those columns of the run's decisions, in the order they were made."""
    rows = Decision.objects.filter(run=run).order_by("number").values(*columns)
    return [{name: row[name] for name in columns} for row in rows]


def fill_facts(run: EngineRun) -> list[dict[str, Any]]:
    """The run's fills with side and leg of their orders, in the order the engine booked them."""
    heard = Fill.objects.filter(run=run, fact__cycle__isnull=False).order_by("fact__cycle__number", "fact__place")
    order = {"side": F("broker_order__intent__side"), "leg": F("broker_order__intent__leg")}
    return [dict(row) for row in heard.values("bar_open_ms", "symbol", "qty", "price", "fee", **order)]
