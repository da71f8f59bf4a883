"""What was in force: any version or instant of the ledger, read with the catalogue of its own time.

Values, versions and defaults are those of then. What the environment supplied was never recorded:
its values are this process's of today, and say so (``Origin.is_todays``).
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from django.db import connection
from django.db.models import Prefetch, QuerySet

from configuration import canonical, store
from configuration.catalogue import CATALOGUE, Catalogue
from configuration.environment import Supplied
from configuration.image import Image, Path, Place, Stored
from configuration.models import CatalogueEdition, Change, ChangeSet
from configuration.scopes import Resolved, Scope
from engine.domain.errors import Fault, InputError, InvariantBroken, NotFound

_KEY: Final = "namespace, scope_kind, bot, symbol, side, parameter"


class PastImage(Image):
    """Everything stored when ``version`` was the newest, read with the defaults of that time.

    ``is_edition_known`` is False where nobody kept what the parameters meant then: the defaults are
    the running code's.
    """

    is_edition_known: bool = True

    def _supplied(self, namespace: str) -> dict[str, Resolved]:
        return {
            name: found._replace(origin=found.origin._replace(is_todays=found.origin.scope == "environment"))
            for name, found in super()._supplied(namespace).items()
        }


class Moment(NamedTuple):
    """A version, the hash its ledger ended with, and the fingerprint of the catalogue it was written under."""

    version: int
    hash: str
    fingerprint: str


def version_at(time: datetime) -> int:
    """The version in force at an instant: the newest whose change-set was recorded then or before; 0 before all.

    Clocks are set back now and then, so times may fall while versions rise. The higher version is in
    force all the same, from its own time on; the answer never falls as the instant advances.
    """
    _require_zone(time)
    found = ChangeSet.objects.filter(created_at__lte=time).order_by("-version").values_list("version", flat=True)
    return found.first() or 0


def image_at(*, version: int | None = None, time: datetime | None = None) -> PastImage:
    """All configuration as it was at a version, or at an instant; exactly one of them is given.

    Folded from the nearer end: forward from nothing, or back from what is in force now. At most six
    queries. Raises NotFound for a version there is not yet, InputError where both or none are given.
    """
    now = store.current()
    moment = _moment(now, version=version, time=time)
    statement = _BACKWARD if moment.version * 2 >= now.version else _FORWARD
    with connection.cursor() as cursor:
        cursor.execute(statement, {"version": moment.version})
        return _image(moment, cursor.fetchall(), now)


def resolve_at(
    scope: Scope, namespaces: Sequence[str], *, version: int | None = None, time: datetime | None = None
) -> dict[str, Resolved]:
    """``selectors.resolve`` as it was at a version or an instant.

    One index probe for each parameter and scope that could speak, however long the ledger is.
    Raises NotFound for a version there is not yet and for a namespace there was not then.
    """
    now = store.current()
    moment = _moment(now, version=version, time=time)
    path = Path(scope.bot, scope.symbol, scope.side)
    catalogue = edition(moment.fingerprint) or CATALOGUE
    wanted = [
        (namespace, *speaking, parameter.name)
        for namespace in namespaces
        for parameter in catalogue.parameters(namespace)
        for speaking in path.scopes()
    ]
    with connection.cursor() as cursor:
        cursor.execute(_PROBE, [*(list(column) for column in zip(*wanted, strict=True)), moment.version])
        image = _image(moment, cursor.fetchall(), now)
    return {
        f"{namespace}.{name}": resolved
        for namespace in namespaces
        for name, resolved in image.resolve(namespace, path).items()
    }


def changes_since(version: int, *, limit: int = 100) -> QuerySet[ChangeSet]:
    """The decisions after a version, oldest first, with their changes; at most ``limit``. Two queries."""
    rows = ChangeSet.objects.filter(version__gt=version).order_by("version")
    return rows.prefetch_related(Prefetch("changes", Change.objects.order_by("ordinal")))[:limit]


# --- what the parameters meant

_editions: dict[str, Catalogue] = {}


def edition(fingerprint: str) -> Catalogue | None:
    """The catalogue of that fingerprint; None where it was never kept. Read once for each process.

    Raises InvariantBroken where the kept text no longer hashes to its fingerprint.
    """
    if fingerprint == CATALOGUE.fingerprint:
        return CATALOGUE
    if fingerprint not in _editions:
        content = CatalogueEdition.objects.filter(fingerprint=fingerprint).values_list("content", flat=True).first()
        if content is None:
            return None
        if canonical.digest(content) != fingerprint:
            raise InvariantBroken(f"The kept catalogue {fingerprint} was altered.")
        _editions[fingerprint] = Catalogue.from_edition(json.loads(content))
    return _editions[fingerprint]


def _moment(now: Image, *, version: int | None, time: datetime | None) -> Moment:
    if (version is None) == (time is None):
        message = "Give either a version or a time."
        raise InputError(message, faults=[Fault("one_of", "/at_version", message, ["at_version", "at_time"], None)])
    if version is None:
        version = version_at(time) if time is not None else 0
    if not 0 <= version <= now.version:
        raise NotFound(f"There is no version {version}; the newest is {now.version}.")
    facts = ChangeSet.objects.filter(version=version).values_list("version", "hash", "catalogue_fingerprint").first()
    return Moment(*facts) if facts else Moment(0, "", first_fingerprint())


def first_fingerprint() -> str:
    """Before the first change-set the oldest catalogue held."""
    oldest = CatalogueEdition.objects.order_by("first_seen_at", "fingerprint").values_list("fingerprint", flat=True)
    return oldest.first() or CATALOGUE.fingerprint


def _require_zone(time: datetime) -> None:
    if time.tzinfo is None:
        message = f"{time.isoformat()} names no time zone; write 2026-03-02T12:00:00Z."
        raise InputError(message, faults=[Fault("invalid_time", "/at_time", message, "ISO 8601", time.isoformat())])


# --- rows to images

# Every key's last change up to then.
_FORWARD: Final = f"""
    SELECT {_KEY}, new::text, version
    FROM (
        SELECT DISTINCT ON ({_KEY}) {_KEY}, op, new, version
        FROM configuration_change
        WHERE version <= %(version)s
        ORDER BY {_KEY}, version DESC
    ) AS last
    WHERE op = 'set'
"""  # noqa: S608  our own column names

# What is in force now, except where something changed later: there, what the first such change replaced.
# One statement, so that overrides and ledger are of one moment.
_BACKWARD: Final = f"""
    WITH later AS (
        SELECT DISTINCT ON ({_KEY}) {_KEY}, old, old_version
        FROM configuration_change
        WHERE version > %(version)s
        ORDER BY {_KEY}, version
    )
    SELECT {_KEY}, old::text, old_version FROM later WHERE old_version > 0
    UNION ALL
    SELECT {_KEY}, value::text, version
    FROM configuration_override
    WHERE NOT EXISTS (
        SELECT FROM later
        WHERE later.namespace = configuration_override.namespace
          AND later.scope_kind = configuration_override.scope_kind
          AND later.bot = configuration_override.bot
          AND later.symbol = configuration_override.symbol
          AND later.side = configuration_override.side
          AND later.parameter = configuration_override.parameter
    )
"""  # noqa: S608  our own column names

# For each key the index entry at or below the version: a handful of pages each, whatever the ledger's length.
_PROBE: Final = f"""
    SELECT {_KEY}, last.new::text, last.version
    FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[]) AS wanted({_KEY})
    CROSS JOIN LATERAL (
        SELECT op, new, version
        FROM configuration_change AS change
        WHERE change.namespace = wanted.namespace AND change.scope_kind = wanted.scope_kind
          AND change.bot = wanted.bot AND change.symbol = wanted.symbol AND change.side = wanted.side
          AND change.parameter = wanted.parameter AND change.version <= %s
        ORDER BY change.version DESC
        LIMIT 1
    ) AS last
    WHERE last.op = 'set'
"""  # noqa: S608  our own column names


def _image(moment: Moment, rows: Iterable[Sequence[Any]], now: Image) -> PastImage:
    known = edition(moment.fingerprint)
    catalogue = known or CATALOGUE
    places: defaultdict[Place, dict[str, Stored]] = defaultdict(dict)
    for namespace, kind, bot, symbol, side, name, value, version in rows:
        stored = Stored(typed(catalogue, namespace, name, json.loads(value)), version)
        places[namespace, Scope(kind, bot, symbol, side)][name] = stored
    image = PastImage(
        catalogue=catalogue,
        version=moment.version,
        head_hash=moment.hash,
        places=dict(places),
        environment=todays(catalogue, now.environment),
    )
    image.is_edition_known = known is not None
    return image


def typed(catalogue: Catalogue, namespace: str, name: str, value: Any) -> Any:
    """A value as it was stored: PostgreSQL writes 1e16 as an integer, a float comes back as one."""
    parameter = catalogue.find(namespace, name)
    if parameter is None:
        return value
    if parameter.kind == "float" and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if parameter.kind == "map" and isinstance(value, dict):
        return {key: float(number) for key, number in value.items()}
    return value


def todays(catalogue: Catalogue, environment: Mapping[tuple[str, str], Supplied]) -> dict[tuple[str, str], Supplied]:
    """Today's variables, as far as the parameters of then read them."""
    found: dict[tuple[str, str], Supplied] = {}
    for key, supplied in environment.items():
        parameter = catalogue.find(*key)
        if parameter is not None and supplied.name in (parameter.environment, *parameter.environment_aliases):
            found[key] = supplied
    return found
