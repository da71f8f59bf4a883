"""Hearing of changes as they commit: one daemon thread for each process, on a connection of its own.

It only wakes: whoever decides asks for the head anyway, so a notification that is lost costs time and
never truth. The order is connect, LISTEN, read the head; the other way round a change could fall
between. Where the line is lost, or CONFIG_LISTEN is off, it looks every five seconds instead.
"""

import atexit
import os
import random
import socket
import threading
import time
from collections.abc import Callable
from typing import Any, Final
from uuid import uuid4

import environ
import psycopg
import structlog
from django.conf import settings
from django.db import connection

from configuration import store
from configuration.catalogue import CATALOGUE
from configuration.selectors.freshness import delay_ms
from configuration.services import readers
from configuration.services.changing import CHANNEL

BEAT_SECONDS: Final = 5.0
_LOOK_SECONDS: Final = 0.25
_FIRST_PAUSE_SECONDS: Final = 0.5
_LONGEST_PAUSE_SECONDS: Final = BEAT_SECONDS
_TELL_WITHIN_SECONDS: Final = 1.0
_GOODBYE_SECONDS: Final = 2.0

logger = structlog.get_logger(__name__)


class Listener:
    """The thread's work, and what it knows of its line. ``run`` returns when it is told to stop."""

    def __init__(self, process: str, *, connect: Callable[[], "psycopg.Connection[Any]"] | None = None) -> None:
        self.id = uuid4()
        self.process = process
        self.is_listening = False
        self.stopped = threading.Event()
        self._connect = connect or _connected
        self._applied: tuple[int, str] | None = None
        self._delay_ms: float | None = None
        self._beat_at = 0.0

    def run(self) -> None:
        """Listen, or look now and then; begin again, after a growing pause, whenever the line is lost."""
        pause = _FIRST_PAUSE_SECONDS
        while not self.stopped.is_set():
            if not settings.CONFIG_LISTEN:
                self._look()
                self.stopped.wait(BEAT_SECONDS)
                continue
            try:
                with self._connect() as line:
                    line.execute(f"LISTEN {CHANNEL}")
                    self.is_listening, pause = True, _FIRST_PAUSE_SECONDS
                    self._hear(line)
            except (psycopg.Error, OSError) as lost:
                self.is_listening = False
                logger.warning("config.line_lost", because=str(lost).partition("\n")[0], again_in_s=round(pause, 1))
                self._look()
                # Jitter: not all processes at once when the database comes back.
                self.stopped.wait(pause * random.uniform(0.5, 1.0))  # noqa: S311  no secret
                pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
        self._leave()

    def _hear(self, line: "psycopg.Connection[Any]") -> None:
        self._look()
        while not self.stopped.is_set():
            if list(line.notifies(timeout=_LOOK_SECONDS, stop_after=1)):
                self._look()
            elif time.monotonic() >= self._beat_at:
                line.execute("SELECT 1")  # raises where the line is dead
                self._look()

    def _look(self) -> None:
        """Read the head and follow it. Whatever fails is logged; the next look may succeed."""
        try:
            read = store.read(at_once=True)
            self._apply(read)
            if time.monotonic() >= self._beat_at:
                self._beat_at = time.monotonic() + BEAT_SECONDS
                if read.is_confirmed:
                    self._announce(read)
            if "pool" in connection.settings_dict["OPTIONS"]:
                connection.close()  # back to those that answer requests
        except Exception:
            logger.exception("config.look_failed")
            connection.close()

    def _apply(self, read: store.Read) -> None:
        seen = (read.image.version, read.image.head_hash)
        if seen == self._applied:
            return
        if self._applied is not None:
            self._delay_ms = delay_ms(read.image.version)
            delay = None if self._delay_ms is None else round(self._delay_ms, 1)
            logger.info("config.applied", version=read.image.version, delay_ms=delay)
            self._beat_at = min(self._beat_at, time.monotonic() + _TELL_WITHIN_SECONDS)
        self._applied = seen

    def _announce(self, read: store.Read) -> None:
        readers.announce(
            readers.Announcement(
                id=self.id,
                process=self.process[:32],
                host=socket.gethostname()[:200],
                pid=os.getpid(),
                version=read.image.version,
                head_hash=read.image.head_hash,
                catalogue_fingerprint=CATALOGUE.fingerprint,
                environment_fingerprint=store.environment_fingerprint(),
                is_listening=self.is_listening,
                delay_ms=self._delay_ms,
            )
        )

    def _leave(self) -> None:
        try:
            readers.withdraw(self.id)
        except Exception:
            logger.exception("config.goodbye_failed")
        connection.close()


class _Running:
    """The listener of this process. A forked child finds its parent's pid here and starts its own."""

    def __init__(self) -> None:
        self.pid = 0
        self.listener: Listener | None = None
        self.thread: threading.Thread | None = None


_running = _Running()


def start(process: str) -> Listener:
    """Start this process's listener, unless it runs. ``process``: the role it shows itself under."""
    if _running.pid == os.getpid() and _running.listener is not None:
        return _running.listener
    listener = Listener(process)
    thread = threading.Thread(target=listener.run, name="config-listener", daemon=True)
    _running.pid, _running.listener, _running.thread = os.getpid(), listener, thread
    thread.start()
    atexit.register(stop)
    return listener


def stop() -> None:
    """End it and take its row away; waits two seconds at most. Nothing happens where none runs."""
    listener, thread = _running.listener, _running.thread
    if _running.pid != os.getpid() or listener is None or thread is None:
        return
    _running.listener = _running.thread = None
    listener.stopped.set()
    thread.join(_GOODBYE_SECONDS)


def _connected() -> "psycopg.Connection[Any]":
    """A line of its own: LISTEN belongs to a session, which a pooler between us and the database would share out."""
    direct = settings.CONFIG_LISTEN_DATABASE_URL
    given = connection.get_connection_params()
    if direct:
        parts = environ.Env.db_url_config(direct)
        named = {"host": "HOST", "port": "PORT", "user": "USER", "password": "PASSWORD", "dbname": "NAME"}
        given = {key: parts[name] for key, name in named.items() if parts.get(name)} | parts.get("OPTIONS", {})
    wanted = {"host", "port", "user", "password", "dbname", "service", "passfile", "sslmode", "sslrootcert", "sslcert",
              "sslkey", "connect_timeout"}  # fmt: skip
    parameters = {key: value for key, value in given.items() if key in wanted}
    return psycopg.connect(**{"connect_timeout": 5, **parameters}, autocommit=True, application_name="config-listener")
