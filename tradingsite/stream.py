"""The market as bots see it, and its way to browsers: one process that leads, however many are started.

    feed    publishes stored bars in lock-step with the bots, and sends them on their way at once
    relay   sends what happened to the channel layer

A PostgreSQL advisory lock decides who leads; the others wait for it. Two at once would do no harm, only work twice:
each step is compared with the rows it starts from. A database that is away is waited for; where the lock's own
connection is lost the process ends, because another may lead by now.
"""

import io
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from typing import Any, Final

from tradingsite import deployment, leadership

# Any constant that nobody else uses: "strm" in ASCII.
_LOCK: Final = 0x7374726D
_PATIENCE_SECONDS: Final = 1.0
_LOOK_SECONDS: Final = 0.5
_BEAT_SECONDS: Final = 5.0
_GOODBYE_SECONDS: Final = 2.5
# A feed that has not come round for so long hangs: then this process shows no sign of life.
_HANGS_AFTER_SECONDS: Final = 15.0


def main() -> None:
    os.environ.setdefault("PLATFORM_PROCESS", "stream")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", deployment.load_or_exit().settings_module)
    import django  # noqa: PLC0415  the settings module is known only now

    django.setup()
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    from configuration import listening  # noqa: PLC0415

    listening.start("stream")
    code = serve(stopped)
    listening.stop()
    # Python's own goodbye takes seconds with compiled code loaded, and nothing is left to save.
    logging.shutdown()
    sys.stdout.flush()
    os._exit(code)


def serve(stopped: threading.Event) -> int:
    """Wait for the lead, then feed and relay until told to stop; the process's exit code."""
    import structlog  # noqa: PLC0415
    from django.db import connection  # noqa: PLC0415

    from bots import tasks  # noqa: PLC0415
    from bots.services import pacing, relaying  # noqa: PLC0415

    logger = structlog.get_logger(__name__)
    rounds = _Rounds()

    def feed() -> None:
        _warm_engine()
        pacing.run(stopped, dispatch=tasks.dispatch_due, came_round=rounds.came_round)

    if not _wait_for_lead(connection, stopped, logger):
        return 0
    threads = [_thread("feed", feed), _thread("relay", lambda: relaying.run(stopped))]
    failure = _watch(connection, stopped, threads, rounds)
    if failure:
        logger.error("stream.ends", because=failure)
    stopped.set()
    until = time.monotonic() + _GOODBYE_SECONDS
    for thread in threads:
        thread.join(max(until - time.monotonic(), 0.0))
    connection.close()
    return 1 if failure else 0


class _Rounds:
    """When the feed last came round, by this process's monotonic clock; None before the first time."""

    def __init__(self) -> None:
        self.last: float | None = None

    def came_round(self) -> None:
        self.last = time.monotonic()

    @property
    def is_well(self) -> bool:
        return self.last is not None and time.monotonic() - self.last < _HANGS_AFTER_SECONDS


def _watch(connection: Any, stopped: threading.Event, threads: list[threading.Thread], rounds: _Rounds) -> str:
    """Show signs of life while everything is well; why the process has to end, empty when it was told to."""
    from django.db import Error as DatabaseFailure  # noqa: PLC0415

    from tradingsite.health import heartbeats  # noqa: PLC0415

    beat_at = time.monotonic()
    while not stopped.wait(_LOOK_SECONDS):
        if dead := [thread.name for thread in threads if not thread.is_alive()]:
            return f"the {dead[0]} died"
        if time.monotonic() < beat_at or not rounds.is_well:
            continue
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
        except DatabaseFailure as lost:
            return f"the lock's connection is lost: {str(lost).partition(chr(10))[0]}"
        heartbeats.try_beat("stream")
        beat_at = time.monotonic() + _BEAT_SECONDS
    return ""


def _wait_for_lead(connection: Any, stopped: threading.Event, logger: Any) -> bool:
    """True as soon as this process leads; False when it was told to stop first."""
    from django.db import Error as DatabaseFailure  # noqa: PLC0415

    told = ""
    while not stopped.is_set():
        try:
            if leadership.take(connection, lock=_LOCK):
                logger.info("stream.leading")
                return True
            because = "another stream holds the lock"
        except DatabaseFailure as away:
            because = str(away).partition("\n")[0]
            connection.close()
        if because != told:
            logger.info("stream.waiting", because=because)
            told = because
        stopped.wait(_PATIENCE_SECONDS)
    return False


def _thread(name: str, work: Callable[[], None]) -> threading.Thread:
    # A daemon: one that hangs in a call to a dead network must not keep the process alive.
    thread = threading.Thread(target=work, name=name, daemon=True)
    thread.start()
    return thread


def _warm_engine() -> None:
    """Load compiled code before the first bar needs it."""
    from engine import warm  # noqa: PLC0415

    with redirect_stdout(io.StringIO()):  # it tells a person at the terminal
        warm.main()


if __name__ == "__main__":
    main()
