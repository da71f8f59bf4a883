"""The in-process image of all configuration: gated by the head, swapped by one reference.

Every ``current()`` asks the database for the head (one row) and serves the image only when it is
that head's. So no process decides on a value replaced before it asked, and nobody needs to be told
of a change. A transaction that has itself written reads past the shared image and never publishes
what it reads: it may yet be rolled back.
"""

import json
import os
import threading
from collections import defaultdict
from collections.abc import Mapping
from typing import Final

from django.db import connection

from configuration import environment
from configuration.catalogue import CATALOGUE
from configuration.image import Image, Place, Stored
from configuration.models import ConfigHead
from configuration.scopes import Scope
from engine.domain.errors import SetupError

GENESIS: Final = (0, "")
"""Version and hash of a head nobody has written yet."""


class Wake:
    """What a write leaves behind for its commit: then the new image is loaded, before anybody asks.

    While it waits, it marks the transaction as having written; a rollback, even to a savepoint,
    takes it away. Django keeps exactly these rules for its on-commit callbacks.
    """

    def __call__(self) -> None:
        current()


class _Shared:
    """The published image and the lock under which the next one is loaded."""

    def __init__(self) -> None:
        self.image: Image | None = None
        self.environment: Mapping[tuple[str, str], environment.Supplied] | None = None
        self.loading = threading.Lock()


_shared = _Shared()


def _after_fork() -> None:
    # Another thread of the parent may have held the lock; here nobody would ever release it.
    _shared.loading = threading.Lock()


os.register_at_fork(after_in_child=_after_fork)


def current() -> Image:
    """The image of the head as this connection sees it: one query, two more after a change."""
    if _has_written():
        return _load()
    head = _head()
    image = _shared.image
    if image is not None and (image.version, image.head_hash) == head:
        return image
    with _shared.loading:
        image = _shared.image
        if image is None or (image.version, image.head_hash) != head:
            image = _shared.image = _load()
        return image


def forget() -> None:
    """Drop the image and what was read of the environment: the next reader loads both."""
    _shared.image = None
    _shared.environment = None


def _has_written() -> bool:
    return any(isinstance(waiting[1], Wake) for waiting in connection.run_on_commit)


def _head() -> tuple[int, str]:
    return ConfigHead.objects.filter(id=1).values_list("version", "hash").first() or GENESIS


# One statement, so that the rows are those of the head it returns.
_EVERYTHING: Final = """
    SELECT head.version, head.hash, o.namespace, o.scope_kind, o.bot, o.symbol, o.side, o.parameter,
           o.value::text, o.version
    FROM configuration_confighead AS head LEFT JOIN configuration_override AS o ON true
    WHERE head.id = 1
"""


def _load() -> Image:
    with connection.cursor() as cursor:
        cursor.execute(_EVERYTHING)
        rows = cursor.fetchall()
    places: defaultdict[Place, dict[str, Stored]] = defaultdict(dict)
    for _, _, namespace, kind, bot, symbol, side, name, value, set_at in rows:
        if namespace is not None:  # None: the head alone, nothing is overridden
            stored = Stored(_typed(namespace, name, json.loads(value)), set_at)
            places[namespace, Scope(kind, bot, symbol, side)][name] = stored
    version, head_hash = rows[0][:2] if rows else GENESIS
    return Image(
        catalogue=CATALOGUE,
        version=version,
        head_hash=head_hash,
        places=dict(places),
        environment=_environment(),
    )


def _typed(namespace: str, name: str, value: object) -> object:
    """PostgreSQL writes 1e16 as an integer; a float must come back as one, for its text is hashed."""
    parameter = CATALOGUE.find(namespace, name)
    if parameter is None:
        return value
    if parameter.kind == "float" and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if parameter.kind == "map" and isinstance(value, dict):
        return {key: float(number) for key, number in value.items()}
    return value


def _environment() -> Mapping[tuple[str, str], environment.Supplied]:
    if _shared.environment is None:
        reading = environment.read(CATALOGUE, os.environ)
        if reading.faults:
            raise SetupError("Environment variables supply values that cannot be used.", faults=reading.faults)
        _shared.environment = reading.supplied
    return _shared.environment
