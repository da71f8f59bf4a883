"""The parts of a running platform, what each needs, and how each is asked whether it is well."""

import contextlib
import os
from collections.abc import Callable, Mapping
from functools import cache
from types import MappingProxyType
from typing import Any, NamedTuple

import redis
from django.conf import settings
from django.db import Error as DatabaseFailure
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from configuration import selectors as configuration
from tradingsite.health import heartbeats

HEALTHY = "healthy"
UNHEALTHY = "unhealthy"
NOT_INITIALIZED = "not_initialized"
UNKNOWN = "unknown"

# Workers, stream and beat show themselves every 2 to 5 s; several missed in a row is no coincidence.
_SILENCE_SECONDS = 20


class Finding(NamedTuple):
    """One component's status, with what is wrong in words for staff, and further facts for them."""

    status: str
    error: str = ""
    facts: Mapping[str, Any] = MappingProxyType({})


class Component(NamedTuple):
    """``check`` is only called when everything in ``needs`` is healthy; else ``without``, which asks nobody."""

    name: str
    check: Callable[[], Finding]
    needs: tuple[str, ...] = ()
    without: Callable[[], Finding] | None = None


def components() -> list[Component]:
    """Every component of this installation, each after what it needs."""
    found = [
        Component("database", _database),
        Component("migrations", _migrations, ("database",)),
        Component("configuration", _configuration, ("migrations",), without=_configuration_unasked),
        Component("redis", _redis),
        Component("data_directory", lambda: _directory(settings.DATA_DIR, os.R_OK | os.X_OK, "read")),
        Component("results_directory", lambda: _directory(settings.RESULTS_DIR, os.W_OK | os.X_OK, "written")),
        Component("beat", lambda: _process("beat"), ("database", "redis")),
    ]
    is_live = settings.STARTUP_MODE == "live"
    if is_live:
        found.append(Component("stream", lambda: _process("stream"), ("database", "redis")))
    workers = ["bots", "backtests"] if is_live else ["backtests"]
    for queue in workers:
        name = f"worker-{queue}"
        found.append(Component(name, _check_of(name), ("migrations", "redis")))
    return found


def examine(parts: list[Component]) -> dict[str, Finding]:
    """The status of each; one that needs a part that is not well is marked, and not asked."""
    found: dict[str, Finding] = {}
    for part in parts:
        sick = [name for name in part.needs if found[name].status != HEALTHY]
        if sick and part.without is not None:
            found[part.name] = part.without()
        elif sick:
            found[part.name] = Finding(UNHEALTHY, f"needs {', '.join(sick)}, which is not healthy")
        else:
            found[part.name] = part.check()
    return found


def overall(found: Mapping[str, Finding]) -> str:
    """healthy only if every component is known to be."""
    statuses = {finding.status for finding in found.values()}
    for status in (UNHEALTHY, NOT_INITIALIZED, UNKNOWN):
        if status in statuses:
            return status
    return HEALTHY


def _database() -> Finding:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseFailure as error:
        return Finding(UNHEALTHY, _first_line(error))
    return Finding(HEALTHY)


def _migrations() -> Finding:
    try:
        count = _unapplied()
    except DatabaseFailure as error:
        return Finding(UNHEALTHY, _first_line(error))
    if count:
        return Finding(NOT_INITIALIZED, f"{count} migrations are not applied; run manage.py migrate")
    return Finding(HEALTHY)


def _unapplied() -> int:
    if _is_migrated.cache_info().currsize:
        return 0
    executor = MigrationExecutor(connection)
    count = len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
    if not count:
        _is_migrated()  # remembered: this process's code cannot gain a migration while it runs
    return count


@cache
def _is_migrated() -> bool:
    return True


def _configuration() -> Finding:
    try:
        return _found(configuration.freshness())
    except DatabaseFailure as error:
        return Finding(UNHEALTHY, _first_line(error))


def _configuration_unasked() -> Finding:
    """The database is sick: what this process still serves, and for how long nothing has confirmed it."""
    return _found(configuration.freshness(is_asking=False))


def _found(fresh: configuration.Freshness) -> Finding:
    facts = {
        "version": fresh.version,
        "confirmed_at": fresh.confirmed_at and fresh.confirmed_at.isoformat(),
        "age_s": None if fresh.age_s is None else round(fresh.age_s, 1),
        "is_degraded": fresh.is_degraded,
        "readers": len(fresh.readers),
    }
    if fresh.version is None:
        return Finding(NOT_INITIALIZED, "nothing was read yet", facts)
    if fresh.is_degraded:
        age = f"{fresh.age_s:.0f} s ago" if fresh.age_s is not None else "never"
        return Finding(UNHEALTHY, f"degraded: version {fresh.version} was last confirmed {age}", facts)
    return Finding(HEALTHY, " ".join(str(one) for one in fresh.disagreements), facts)


def _redis() -> Finding:
    try:
        heartbeats.ping()
    except redis.RedisError as error:
        return Finding(UNHEALTHY, _first_line(error))
    return Finding(HEALTHY)


def _directory(path: str | os.PathLike[str], access: int, verb: str) -> Finding:
    if not os.path.isdir(path):
        return Finding(UNHEALTHY, f"{path} is no directory")
    if not os.access(path, access):
        return Finding(UNHEALTHY, f"{path} cannot be {verb}")
    return Finding(HEALTHY)


def _check_of(name: str) -> Callable[[], Finding]:
    return lambda: _process(name)


def _process(name: str) -> Finding:
    seen: int | None = None
    with contextlib.suppress(redis.RedisError):
        seen = heartbeats.last_seen([name])[name]
    if seen is None:
        return Finding(NOT_INITIALIZED, "has not shown itself since the platform started")
    if seen > _SILENCE_SECONDS:
        return Finding(UNHEALTHY, f"was last seen {seen} s ago, more than {_SILENCE_SECONDS} s")
    return Finding(HEALTHY)


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0][:300]
