"""What a worker of bots does beside its tasks: it warms the engine, says that it lives, and watches itself.

Both threads need nothing of Celery: a worker whose queue is gone still holds its leases for as long
as its cycles run, and one whose cycle hangs ends itself, however busy its threads are.
"""

import contextlib
import io
import os
import threading
import time
from collections.abc import Callable
from typing import Final

import structlog
from celery import Celery, signals
from django.db import Error as DatabaseError
from django.db import close_old_connections, connection

from bots.services import leases, working
from engine import warm

HEARTBEAT_SECONDS: Final = 2.0
LONGEST_CYCLE_SECONDS: Final = working.LONGEST_CYCLE.total_seconds()
GAVE_UP: Final = 70
"""The exit code, EX_SOFTWARE of sysexits.h. The supervisor starts a new worker, which is another one."""

logger = structlog.get_logger(__name__)


def prepare(app: Celery) -> None:
    """Get ready to take bots. Call it before the worker consumes: the first cycle is then as fast as any."""
    _keep_connections(app)
    _warm_engine()
    for work in (beat, watch):
        threading.Thread(target=_or_exit, args=(work,), name=work.__name__, daemon=True).start()


def beat() -> None:
    """Say every two seconds that this worker lives, on a connection of this thread's own; never returns."""
    is_heard = True
    while True:
        try:
            close_old_connections()
            leases.beat(working.identity(), name=working.name())
        except DatabaseError as away:
            connection.close()
            if is_heard:
                logger.warning("worker.not_heard", because=str(away).partition("\n")[0])
            is_heard = False
        else:
            is_heard = True
        time.sleep(HEARTBEAT_SECONDS)


def watch(longest_seconds: float = LONGEST_CYCLE_SECONDS) -> None:
    """End this process once a cycle runs for longer than it may; never returns.

    A thread that hangs cannot be ended alone. The leases of this process lapse with its heartbeat, and
    whoever is given its bots goes on from what was written down.
    """
    while True:
        running = working.longest_cycle()
        if running is not None and running.seconds > longest_seconds:
            logger.critical("worker.stuck", bot_id=str(running.bot_id), seconds=round(running.seconds))
            os._exit(GAVE_UP)
        time.sleep(min(1.0, longest_seconds))


def _or_exit(work: Callable[[], None]) -> None:
    # Without its heartbeat a worker would lose each bot as soon as it took it; without its watchdog, never.
    try:
        work()
    except Exception:
        logger.exception("worker.broke", part=work.__name__)
    os._exit(GAVE_UP)


def _warm_engine() -> None:
    with contextlib.redirect_stdout(io.StringIO()) as said:
        warm.main()
    logger.info("worker.warm", engine=said.getvalue().strip())


def _keep_connections(app: Celery) -> None:
    # Celery closes each connection before and after every task, whatever CONN_MAX_AGE says; Django's own way
    # closes those that broke or grew old, and looks whether the others still work.
    app.conf["CELERY_DB_REUSE_MAX"] = 10**12
    for moment in (signals.task_prerun, signals.task_postrun):
        moment.connect(_drop_old_connections, weak=False)


def _drop_old_connections(**_about: object) -> None:
    close_old_connections()
