"""The schedule's ticker: exactly one of them, however many are started.

A PostgreSQL advisory lock decides who ticks; the others wait for it. Ticks are idempotent besides:
due work lives in our own tables, under unique keys.
"""

import os
import time
from typing import Any

from tradingsite import deployment, leadership

# Any constant that nobody else uses: "beat" in ASCII.
_LOCK = 0x62656174
_PATIENCE_SECONDS = 5


def main() -> None:
    os.environ.setdefault("PLATFORM_PROCESS", "beat")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", deployment.load_or_exit().settings_module)
    import django  # noqa: PLC0415  the settings module is known only now

    django.setup()
    from celery.beat import Scheduler  # noqa: PLC0415
    from django.db import connection  # noqa: PLC0415

    from tradingsite.celery import app  # noqa: PLC0415
    from tradingsite.health import heartbeats  # noqa: PLC0415

    class LeadingScheduler(Scheduler):  # type: ignore[misc]  # Celery has no types
        """Ticks while this process holds the lock; its loss ends the process."""

        def setup_schedule(self) -> None:
            self.merge_inplace(self.app.conf.beat_schedule)

        def tick(self, *args: Any, **kwargs: Any) -> float:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")  # raises where the connection, and so the lock, is gone
            heartbeats.try_beat("beat")
            wait: float = super().tick(*args, **kwargs)
            return wait

    _wait_for_lead(connection)
    app.Beat(scheduler_cls=LeadingScheduler, loglevel="INFO", max_interval=_PATIENCE_SECONDS, quiet=True).run()


def _wait_for_lead(connection: Any) -> None:
    import structlog  # noqa: PLC0415

    logger = structlog.get_logger(__name__)
    while not leadership.take(connection, lock=_LOCK):
        logger.info("beat.waiting", because="another beat holds the lock")
        time.sleep(_PATIENCE_SECONDS)
    logger.info("beat.leading")


if __name__ == "__main__":
    main()
