"""Tasks of the project itself: the canaries that prove each queue is consumed."""

from typing import Any

from celery import shared_task

from tradingsite.health import heartbeats


@shared_task(name="tradingsite.canary")  # type: ignore[untyped-decorator]  # Celery has no types
def canary(*, queue: str, **_later: Any) -> None:
    """Tells /health that a worker of ``queue`` took a task just now."""
    heartbeats.beat(f"queue-{queue}")
