"""What must be right before a bot trades: each limit of the order path ends before the next one begins."""

from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise
from typing import Any

from django.apps import AppConfig
from django.core import checks

from bots.brokers import ports
from bots.services import leases, reconciliation, submission, working

LIMITS: Sequence[tuple[str, timedelta]] = (
    ("sending after a claim", submission.SEND_WITHIN),
    ("one call of a broker", ports.CALL_TAKES),
    ("the oldest cycle a worker lives with", working.LONGEST_CYCLE),
    ("a lease", leases.LEASE_LASTS),
    ("giving an order up", reconciliation.GIVEN_UP_AFTER),
)


@checks.register("bots")
def limits_rise(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[checks.CheckMessage]:
    """E001: a limit that does not end before the next one. Then two workers may act on one order."""
    return wrong_order(LIMITS)


def wrong_order(limits: Sequence[tuple[str, timedelta]]) -> list[checks.CheckMessage]:
    """An E001 for each limit that is not longer than the one before it."""
    return [
        checks.Error(
            f"The limit of {later} ({second.total_seconds():g} s) must be longer than that of {earlier} "
            f"({first.total_seconds():g} s).",
            hint="docs/cycle.md says why each limit has to end before the next begins.",
            id="bots.E001",
        )
        for (earlier, first), (later, second) in pairwise(limits)
        if second <= first
    ]
