"""What this process does for bots: who it is, and which cycles run in it since when.

In memory only, and of this process only: the watchdog reads it, which must not need a database.
"""

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import cache
from typing import Final, NamedTuple
from uuid import UUID, uuid4

LONGEST_CYCLE: Final = timedelta(seconds=60)
"""Between what a call of a broker may take and a lease: nobody else works on the bot yet."""


class Running(NamedTuple):
    """A cycle that runs, and for how long by this machine's monotonic clock."""

    bot_id: UUID
    seconds: float


_began: dict[object, tuple[UUID, float]] = {}
_lock = threading.Lock()


@cache
def identity() -> UUID:
    """This process as a worker. A process that is started again is another one: its leases are not ours."""
    return uuid4()


def name() -> str:
    """This process for people: machine and process id."""
    return f"{socket.gethostname()}:{os.getpid()}"


@contextmanager
def cycle(bot_id: UUID) -> Iterator[None]:
    """A cycle of the bot runs in this thread."""
    key = object()
    with _lock:
        _began[key] = (bot_id, time.monotonic())
    try:
        yield
    finally:
        with _lock:
            del _began[key]


def longest_cycle() -> Running | None:
    """The cycle that has been running for the longest time; None while nothing runs."""
    with _lock:
        if not _began:
            return None
        bot_id, began = min(_began.values(), key=lambda one: one[1])
    return Running(bot_id, time.monotonic() - began)
