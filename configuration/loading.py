"""Reading the head and everything stored, each in one statement: its rows belong to the head it returns."""

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache, partial
from typing import Any, Final, NamedTuple

from django.db import connection

from configuration.catalogue import CATALOGUE
from configuration.environment import Supplied
from configuration.image import Image, Place, Stored
from configuration.scopes import Scope
from configuration.unchanging import FixedMap, fixed

GENESIS: Final = (0, "")
"""Version and hash of a head nobody has written yet."""

# Without a step through Python: a load makes tens of thousands of them.
_stored: Final[Callable[[tuple[Any, int]], Stored]] = partial(tuple.__new__, Stored)

_MOST_CHANGE_SETS: Final = 500
"""Further behind than this, everything is read."""


class Head(NamedTuple):
    """The newest version, the hash its ledger ends with, and when the database said so, by its own clock."""

    version: int
    hash: str
    at: datetime


_HEAD: Final = """
    SELECT coalesce(head.version, 0), coalesce(head.hash, ''), clock_timestamp()
    FROM (SELECT 1) AS one LEFT JOIN configuration_confighead AS head ON head.id = 1
"""


def head(*, timeout_ms: int) -> Head:
    """One row. Outside of transactions it gives up after the timeout; inside, their own limit holds."""
    with connection.cursor() as cursor:
        if connection.in_atomic_block:
            cursor.execute(_HEAD)
        else:
            # One message, one round trip; the limit ends with it.
            cursor.execute(f"SET LOCAL statement_timeout = {int(timeout_ms)};{_HEAD}")
            cursor.nextset()
        return Head(*cursor.fetchone())


# Gathered by scope: a row for each value would cost twice the time.
_EVERYTHING: Final = """
    SELECT head.version, head.hash, o.*
    FROM configuration_confighead AS head LEFT JOIN (
        SELECT namespace, scope_kind, bot, symbol, side, array_agg(parameter), array_agg(version),
               '[' || string_agg(value::text, ',') || ']'
        FROM configuration_override
        GROUP BY namespace, scope_kind, bot, symbol, side
    ) AS o ON true
    WHERE head.id = 1
"""


def everything(environment: Mapping[tuple[str, str], Supplied]) -> Image:
    """All that is stored, read anew."""
    with connection.cursor() as cursor:
        cursor.execute(_EVERYTHING)
        rows = cursor.fetchall()
    version, head_hash = rows[0][:2] if rows else GENESIS
    places: dict[Place, dict[str, Stored]] = {}
    for _, _, namespace, kind, bot, symbol, side, names, versions, texts in rows:
        if namespace is not None:  # None: the head alone, nothing is overridden
            stored = dict(zip(names, map(_stored, zip(json.loads(texts), versions, strict=True)), strict=True))
            for name, restore in _restorers(namespace).items():
                if name in stored:
                    value, set_at = stored[name]
                    restored = restore(value)
                    if restored is not value:  # seldom: most numbers come back as they were
                        stored[name] = _stored((restored, set_at))
            places[namespace, Scope(kind, bot, symbol, side)] = stored
    return Image(catalogue=CATALOGUE, version=version, head_hash=head_hash, places=places, environment=environment)


# Only where the ledger still holds the version we have, under the hash we have: another history is read whole.
_SINCE: Final = """
    SELECT head.version, head.hash, c.namespace, c.scope_kind, c.bot, c.symbol, c.side, c.parameter,
           c.new::text, c.version
    FROM configuration_confighead AS head
    JOIN configuration_changeset AS have ON have.version = %(version)s AND have.hash = %(hash)s
    JOIN configuration_change AS c ON c.version > have.version AND c.version <= head.version
    WHERE head.id = 1 AND head.version - have.version <= %(most)s
    ORDER BY c.version, c.ordinal
"""


def changed_since(have: Image) -> Image | None:
    """``have`` brought to the head by the ledger's changes; None where everything has to be read."""
    with connection.cursor() as cursor:
        cursor.execute(_SINCE, {"version": have.version, "hash": have.head_hash, "most": _MOST_CHANGE_SETS})
        rows = cursor.fetchall()
    if not rows:
        return None
    places: dict[Place, dict[str, Stored]] = {}
    for _, _, namespace, kind, bot, symbol, side, name, new, set_at in rows:
        place = (namespace, Scope(kind, bot, symbol, side))
        if place not in places:
            places[place] = dict(have.stored(*place))
        if new is None:
            places[place].pop(name, None)
        else:
            places[place][name] = Stored(_restored(namespace, name, json.loads(new)), set_at)
    version, head_hash = rows[0][:2]
    return have.advanced(version=version, head_hash=head_hash, places=places)


def _restored(namespace: str, name: str, value: Any) -> Any:
    restorers = _restorers(namespace)
    return restorers[name](value) if name in restorers else value


@cache
def _restorers(namespace: str) -> dict[str, Callable[[Any], Any]]:
    """By parameter, for those kinds whose values JSON and the database do not return as they were."""
    if namespace not in CATALOGUE.namespaces():
        return {}
    kinds = {parameter.name: parameter.kind for parameter in CATALOGUE.parameters(namespace)}
    return {name: _RESTORERS[kind] for name, kind in kinds.items() if kind in _RESTORERS}


def _float(value: Any) -> Any:
    """PostgreSQL writes 1e16 as an integer; a float must come back as one, for its text is hashed."""
    return float(value) if value.__class__ is int else value


def _map(value: Any) -> Any:
    return FixedMap({key: float(number) for key, number in value.items()}) if isinstance(value, dict) else value


_RESTORERS: Final[dict[str, Callable[[Any], Any]]] = {"float": _float, "map": _map, "list": fixed}
