"""A bot's equity over its newest run, as its cycles recorded it."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from bots.models import Cycle, EngineRun

MOST_CYCLES = 20_000


class Curve(NamedTuple):
    """Equity after each recorded moment of event time, the oldest first. ``run`` None: the bot never ran."""

    run: EngineRun | None
    points: Sequence[tuple[datetime, Decimal]]


def newest_run(bot_id: UUID) -> EngineRun | None:
    """The bot's newest run, without the engine's packed state; None before its first start."""
    return EngineRun.objects.filter(bot_id=bot_id).defer("state", "instruments").order_by("-number").first()


def equity(bot_id: UUID) -> Curve:
    """The newest run's curve, or its last MOST_CYCLES moments. Two queries."""
    run = newest_run(bot_id)
    if run is None:
        return Curve(None, [])
    recorded = Cycle.objects.filter(run=run, equity__isnull=False).order_by("-due_at", "-number")
    # A moment may have had a cycle of bars and one of facts after it; what the last one left counts.
    last_of = {at: equity for at, equity in reversed(recorded.values_list("due_at", "equity")[:MOST_CYCLES]) if equity}
    return Curve(run, list(last_of.items()))
