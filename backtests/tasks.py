"""What workers do: run a backtest, and look for runs whose hint or whose worker was lost."""

import os
import socket
from typing import Any
from uuid import UUID

import structlog
from celery import Celery, current_app, shared_task

from backtests import publishing, services

TICK_SECONDS = 30

logger = structlog.get_logger(__name__)


@shared_task(name=publishing.TASK)  # type: ignore[untyped-decorator]  # Celery has no types
def run_backtest(*, backtest_id: str, **_later: Any) -> str | None:
    """Run one backtest, or go on with it. Delivered twice, it runs once: the lease decides."""
    return services.run_chunked(backtest_id=UUID(backtest_id), worker=worker_name())


@shared_task(name="backtests.requeue_lost")  # type: ignore[untyped-decorator]
def requeue_lost(**_later: Any) -> int:
    """Repeat the hints that were lost. The beat calls it."""
    lost = services.requeue_lost()
    for backtest_id in lost:
        publishing.announce(backtest_id)
        logger.info("backtest.requeued", backtest_id=str(backtest_id))
    return len(lost)


@current_app.on_after_finalize.connect  # type: ignore[untyped-decorator]
def schedule(sender: Celery, **_rest: Any) -> None:
    """Put the tick into the beat's schedule; the hint is worthless once the next tick comes."""
    tick = requeue_lost.s()
    sender.add_periodic_task(TICK_SECONDS, tick, name=requeue_lost.name, queue="backtests", expires=TICK_SECONDS)


def worker_name() -> str:
    """Who runs it, for people: machine and process."""
    return f"{socket.gethostname()}:{os.getpid()}"
