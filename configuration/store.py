"""The in-process image of all configuration: gated by the head, swapped by one reference.

Every ``read()`` asks the database for the head (one row) and serves the image only when it is that
head's. So no process decides on a value replaced before it asked, and nobody needs to be told of a
change. A transaction that has itself written reads past the shared image and never publishes what it
reads: it may yet be rolled back.

Where the database is away, the last image is served as unconfirmed, and as degraded once nothing has
confirmed it for longer than CONFIG_CACHE_TTL_SECONDS. Inside a transaction the error is the caller's.
"""

import os
import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final, NamedTuple

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection

from configuration import canonical, environment, loading
from configuration.catalogue import CATALOGUE
from configuration.image import Image
from engine.domain.errors import SetupError

_FIRST_PAUSE_SECONDS: Final = 0.1
_LONGEST_PAUSE_SECONDS: Final = 5.0


class Read(NamedTuple):
    """An image and how fresh it is. ``confirmed_at``: when the database last named its head, by its own clock.

    ``is_confirmed`` is False where the database did not answer this call. ``is_degraded``: it has not
    answered for longer than allowed, or what it last said was that the image is superseded.
    """

    image: Image
    is_cache_hit: bool
    load_ms: float
    is_degraded: bool
    confirmed_at: datetime | None
    is_confirmed: bool = True


class State(NamedTuple):
    """What this process knows without asking. ``age_s`` is None before the first read."""

    image: Image | None
    confirmed_at: datetime | None
    age_s: float | None
    is_degraded: bool
    hits: int
    loads: int


class Wake:
    """What a write leaves behind for its commit: then the new image is loaded, before anybody asks.

    While it waits, it marks the transaction as having written; a rollback, even to a savepoint,
    takes it away. Django keeps exactly these rules for its on-commit callbacks.
    """

    def __call__(self) -> None:
        current()


class _Shared:
    """The published image, what is known of its freshness, and the lock under which the next one is loaded."""

    def __init__(self) -> None:
        self.image: Image | None = None
        self.environment: Mapping[tuple[str, str], environment.Supplied] | None = None
        self.loading = threading.Lock()
        self.clock: Callable[[], float] = time.monotonic
        self.confirmed_at: datetime | None = None
        self.confirmed = 0.0
        self.is_superseded = False
        self.pause = 0.0
        self.ask_again = 0.0
        # Counted without a lock: under many threads a hit may be missed, which a share can bear.
        self.hits = 0
        self.loads = 0


_shared = _Shared()


def _after_fork() -> None:
    # Another thread of the parent may have held the lock; here nobody would ever release it.
    _shared.loading = threading.Lock()


os.register_at_fork(after_in_child=_after_fork)


def current() -> Image:
    """The image of the head as this connection sees it: one query, one more after a change."""
    return read().image


def read(*, at_once: bool = False) -> Read:
    """The image of the head, with how it came about. One query; one more after a change.

    After a failure the database is left alone for a growing while, in which the last image is served;
    ``at_once`` asks all the same.

    Raises the database's error where it is away and this process has never read anything, or where
    the caller is inside a transaction, which such an error has broken.
    """
    started = _shared.clock()
    if _has_written():
        image = loading.everything(_environment())
        return Read(image, False, _ms_since(started), False, _shared.confirmed_at)
    if started < _shared.ask_again and not at_once and _may_serve_unasked():
        return _unconfirmed(started)
    try:
        head = _asked()
        return _at(head, started)
    except (OperationalError, InterfaceError):
        if not _may_serve_unasked():
            raise
        _pause()
        return _unconfirmed(started)


def refresh() -> Read:
    """Ask at once, whatever failed before, and read everything anew even where the head has not moved.

    Raises the database's error where it is away.
    """
    started = _shared.clock()
    if _has_written():
        return read()
    head = loading.head(timeout_ms=settings.CONFIG_DATABASE_TIMEOUT_MS)
    with _shared.loading:
        _publish(loading.everything(_environment()))
    _confirm(head)
    return Read(_published(), False, _ms_since(started), False, head.at)


def state() -> State:
    """What this process knows without asking the database."""
    image = _shared.image
    age = None if image is None else _age()
    return State(image, _shared.confirmed_at, age, image is not None and _is_degraded(), _shared.hits, _shared.loads)


def environment_fingerprint() -> str:
    """sha256 over what environment variables supply to this process; who differs resolves differently."""
    supplied = {f"{namespace}.{name}": value.value for (namespace, name), value in _environment().items()}
    return canonical.digest(canonical.text(supplied))


def forget() -> None:
    """Drop the image and what was read of the environment: the next reader loads both."""
    _shared.image = None
    _shared.environment = None
    _shared.pause = _shared.ask_again = 0.0
    _shared.is_superseded = False


def _has_written() -> bool:
    return any(isinstance(waiting[1], Wake) for waiting in connection.run_on_commit)


def _may_serve_unasked() -> bool:
    return _shared.image is not None and not connection.in_atomic_block


def _asked() -> loading.Head:
    """The head. A connection that had died is replaced once: that alone does not mean the database is away."""
    timeout = settings.CONFIG_DATABASE_TIMEOUT_MS
    was_open = connection.connection is not None
    try:
        return loading.head(timeout_ms=timeout)
    except (OperationalError, InterfaceError):
        if not was_open or connection.in_atomic_block or connection.is_usable():
            raise
        connection.close()
        return loading.head(timeout_ms=timeout)


def _at(head: loading.Head, started: float) -> Read:
    image = _shared.image
    if image is not None and (image.version, image.head_hash) == (head.version, head.hash):
        _shared.hits += 1
        _confirm(head)
        return Read(image, True, _ms_since(started), False, head.at)
    _shared.is_superseded = image is not None
    with _shared.loading:
        image = _shared.image
        is_mine = image is None or (image.version, image.head_hash) != (head.version, head.hash)
        if is_mine:
            _publish(_loaded(image))
    _confirm(head)
    return Read(_published(), not is_mine, _ms_since(started), False, head.at)


def _loaded(have: Image | None) -> Image:
    found = None if have is None else loading.changed_since(have)
    return found or loading.everything(_environment())


def _publish(image: Image) -> None:
    _shared.image = image
    _shared.loads += 1


def _published() -> Image:
    assert _shared.image is not None
    return _shared.image


def _confirm(head: loading.Head) -> None:
    _shared.confirmed = _shared.clock()
    _shared.confirmed_at = head.at
    _shared.is_superseded = False
    _shared.pause = _shared.ask_again = 0.0


def _pause() -> None:
    """Leave the database alone for a while that grows with every failure."""
    _shared.pause = min(_LONGEST_PAUSE_SECONDS, 2 * _shared.pause or _FIRST_PAUSE_SECONDS)
    _shared.ask_again = _shared.clock() + _shared.pause


def _unconfirmed(started: float) -> Read:
    _shared.hits += 1
    return Read(_published(), True, _ms_since(started), _is_degraded(), _shared.confirmed_at, is_confirmed=False)


def _age() -> float:
    return _shared.clock() - _shared.confirmed


def _is_degraded() -> bool:
    return _shared.is_superseded or _age() > settings.CONFIG_CACHE_TTL_SECONDS


def _ms_since(started: float) -> float:
    return (_shared.clock() - started) * 1000


def _environment() -> Mapping[tuple[str, str], environment.Supplied]:
    if _shared.environment is None:
        reading = environment.read(CATALOGUE, environment.variables())
        if reading.faults:
            raise SetupError("Environment variables supply values that cannot be used.", faults=reading.faults)
        _shared.environment = reading.supplied
    return _shared.environment
