"""How fresh configuration is: in this process, and in every other one that is alive."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.models import DurationField, ExpressionWrapper, F
from django.db.models.functions import Now

from configuration import store
from configuration.models import ConfigReader

_SILENT_AFTER: Final = timedelta(seconds=20)
"""Processes show themselves every five seconds; who missed several is not counted as alive."""


class Reader(NamedTuple):
    """A live process. ``lag``: how many versions it is behind; ``silent_s``: since it last said so."""

    id: str
    process: str
    host: str
    pid: int
    version: int
    lag: int
    catalogue_fingerprint: str
    environment_fingerprint: str
    is_listening: bool
    delay_ms: float | None
    started_at: datetime
    silent_s: float


class Disagreement(NamedTuple):
    """Live processes that read the same version differently. ``what``: environment or catalogue.

    ``groups``: the processes of each fingerprint, the largest group first.
    """

    what: str
    groups: tuple[tuple[str, tuple[str, ...]], ...]

    def __str__(self) -> str:
        sides = "; ".join(f"{fingerprint[:12]}: {', '.join(names)}" for fingerprint, names in self.groups)
        return f"Live processes disagree about the {self.what} ({sides})."


class Freshness(NamedTuple):
    """``version`` and ``confirmed_at`` are None before anything was read; ``age_s``: since it was confirmed."""

    version: int | None
    confirmed_at: datetime | None
    age_s: float | None
    is_confirmed: bool
    is_degraded: bool
    ttl_s: int
    hits: int
    loads: int
    hit_share: float | None
    readers: tuple[Reader, ...]
    disagreements: tuple[Disagreement, ...]


def freshness(*, is_asking: bool = True) -> Freshness:
    """How fresh this process's configuration is, and who else reads which version. Two queries.

    ``is_asking`` False: only what this process knows, without a query. Raises the database's error
    where nothing was ever read.
    """
    is_confirmed = store.read().is_confirmed if is_asking else False
    alive = _readers_if_any() if is_confirmed else ()
    known = store.state()
    reads = known.hits + known.loads
    return Freshness(
        version=known.image.version if known.image else None,
        confirmed_at=known.confirmed_at,
        age_s=known.age_s,
        is_confirmed=is_confirmed,
        is_degraded=known.is_degraded,
        ttl_s=settings.CONFIG_CACHE_TTL_SECONDS,
        hits=known.hits,
        loads=known.loads,
        hit_share=known.hits / reads if reads else None,
        readers=alive,
        disagreements=disagreements(alive),
    )


def readers() -> tuple[Reader, ...]:
    """Every live process with the version it runs on, in the order of their names. Two queries."""
    newest = store.current().version
    silence = ExpressionWrapper(Now() - F("seen_at"), output_field=DurationField())
    alive = ConfigReader.objects.filter(seen_at__gt=Now() - _SILENT_AFTER).annotate(silence=silence)
    return tuple(
        Reader(
            id=str(row.id),
            process=row.process,
            host=row.host,
            pid=row.pid,
            version=row.version,
            lag=max(newest - row.version, 0),
            catalogue_fingerprint=row.catalogue_fingerprint,
            environment_fingerprint=row.environment_fingerprint,
            is_listening=row.is_listening,
            delay_ms=row.delay_ms,
            started_at=row.started_at,
            silent_s=max(row.silence.total_seconds(), 0.0),
        )
        for row in alive.order_by("process", "host", "pid")
    )


def disagreements(alive: Iterable[Reader]) -> tuple[Disagreement, ...]:
    """Where live processes resolve the same version differently."""
    alive = tuple(alive)
    found = []
    for what in ("environment", "catalogue"):
        groups: defaultdict[str, list[str]] = defaultdict(list)
        for reader in alive:
            groups[getattr(reader, f"{what}_fingerprint")].append(f"{reader.process} {reader.pid} on {reader.host}")
        if len(groups) > 1:
            ordered = sorted(groups.items(), key=lambda group: (-len(group[1]), group[0]))
            found.append(Disagreement(what, tuple((fingerprint, tuple(names)) for fingerprint, names in ordered)))
    return tuple(found)


def delay_ms(version: int) -> float | None:
    """How long ago a version was decided, by the database's clock; None where the ledger has no such version."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT extract(epoch FROM clock_timestamp() - created_at) * 1000"
            " FROM configuration_changeset WHERE version = %s",
            [version],
        )
        row = cursor.fetchone()
    return float(row[0]) if row else None


def _readers_if_any() -> tuple[Reader, ...]:
    try:
        return readers()
    except DatabaseError:
        if connection.in_atomic_block:
            raise
        return ()  # it went away between two queries
