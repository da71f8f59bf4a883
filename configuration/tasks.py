"""What is done with configuration on schedule: the ledger is verified each hour and anchored each day.

It computes, so it goes to the queue of those who compute, which every installation serves.
"""

from pathlib import Path
from typing import Any, Final

import structlog
from celery import Celery, current_app, shared_task
from celery.schedules import crontab
from django.conf import settings
from django.utils import timezone

from configuration.chain import Anchor
from configuration.selectors import evidence as reading
from configuration.services import evidence

QUEUE: Final = "backtests"
MINUTE: Final = 17
"""Of each hour: no interval from the start, which a platform restarted often would never reach."""

logger = structlog.get_logger(__name__)


@shared_task(name="configuration.keep_evidence")  # type: ignore[untyped-decorator]  # Celery has no types
def keep_evidence(**_later: Any) -> None:
    """Verify the ledger against itself and against its anchors; where it is whole, anchor it once a day."""
    now, file = timezone.now(), Path(settings.STATE_DIR) / "config-anchors.jsonl"
    try:
        anchors: list[Anchor] = reading.read_anchors(file.read_text(encoding="utf-8")) if file.exists() else []
    except ValueError as error:
        logger.error("config.anchors_unreadable", file=str(file), reason=str(error))
        evidence.verify(now=now)
        return
    checked = evidence.verify(now=now, anchors=anchors)
    if checked.first_bad_version is None:
        evidence.append_daily_anchor(file, now=now)


@current_app.on_after_finalize.connect  # type: ignore[untyped-decorator]
def schedule(sender: Celery, **_rest: Any) -> None:
    """Put the keeping of evidence into the beat's schedule; one that waited an hour is dropped for the next."""
    sender.add_periodic_task(
        crontab(minute=MINUTE),
        keep_evidence.s(),
        name=keep_evidence.name,
        queue=QUEUE,
        expires=3600,
        retry=False,
    )
