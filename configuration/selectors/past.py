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

from configuration import canonical, environment, store
from configuration.catalogue import CATALOGUE, Catalogue
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

    Clocks are set back now and then, so times may fall while versions rise: the higher version is in
    force all the same, from its own time on. A clock that was wrong by more than a day is not believed:
    a change-set recorded over a day before an earlier one counts from then on, not since.
    """
    _require_zone(time)
    return _one(_VERSION_AT, time) or 0


def first_version_from(time: datetime) -> int | None:
    """The oldest version recorded at an instant or after, by the same rule; None where there is none."""
    _require_zone(time)
    return _one(_FIRST_VERSION_FROM, time)


def image_at(
    *,
    version: int | None = None,
    time: datetime | None = None,
    scope: Scope | None = None,
    namespaces: Sequence[str] = (),
) -> PastImage:
    """Configuration as it was at a version, or at an instant; exactly one of them is given.

    With a ``scope`` the image holds what speaks for it in the ``namespaces`` and nothing else, from one
    index probe for each parameter and layer, however long the ledger is. Without, it holds everything,
    folded from the nearer end: forward from nothing, or back from what is in force now. At most six queries.
    Raises NotFound for a version there is not yet and a namespace there was not then; InputError.
    """
    now = store.current()
    moment = _moment(now, version=version, time=time)
    if scope is not None:
        return _image(moment, _probed(moment, scope, namespaces), now)
    statement = _BACKWARD if moment.version * 2 >= now.version else _FORWARD
    with connection.cursor() as cursor:
        cursor.execute(statement, {"version": moment.version})
        return _image(moment, cursor.fetchall(), now)


def resolve_at(
    scope: Scope, namespaces: Sequence[str], *, version: int | None = None, time: datetime | None = None
) -> dict[str, Resolved]:
    """``selectors.resolve`` as it was at a version or an instant. Raises as ``image_at``."""
    image = image_at(version=version, time=time, scope=scope, namespaces=namespaces)
    path = Path.of(scope)
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


def _one(statement: str, time: datetime) -> int | None:
    with connection.cursor() as cursor:
        cursor.execute(statement, {"time": time})
        found: int | None = cursor.fetchone()[0]
        return found


def _require_zone(time: datetime) -> None:
    if time.tzinfo is None:
        message = f"{time.isoformat()} names no time zone; write 2026-03-02T12:00:00Z."
        raise InputError(message, faults=[Fault("invalid_time", "/at_time", message, "ISO 8601", time.isoformat())])


# --- rows to images

# Among the change-sets of a day, not of the whole ledger. Plus nothing: else the planner walks the versions back.
_VERSION_AT: Final = """
    SELECT max(version + 0)
    FROM configuration_changeset
    WHERE created_at <= %(time)s AND created_at >= (
        SELECT max(created_at) FROM configuration_changeset WHERE created_at <= %(time)s
    ) - interval '1 day'
"""
_FIRST_VERSION_FROM: Final = """
    SELECT min(version + 0)
    FROM configuration_changeset
    WHERE created_at >= %(time)s AND created_at <= (
        SELECT min(created_at) FROM configuration_changeset WHERE created_at >= %(time)s
    ) + interval '1 day'
"""

# Every key's last change up to then. Grouped in the index alone; sorting the rows would take far longer.
_FORWARD: Final = f"""
    WITH last AS (
        SELECT {_KEY}, max(version) AS version
        FROM configuration_change
        WHERE version <= %(version)s
        GROUP BY {_KEY}
    )
    SELECT {_KEY}, new::text, version
    FROM last JOIN configuration_change USING ({_KEY}, version)
    WHERE op = 'set' AND configuration_change.version <= %(version)s
"""  # noqa: S608  our own column names

# What is in force now, except where something changed later: there, what the first such change replaced.
# One statement, so that overrides and ledger are of one moment.
_BACKWARD: Final = f"""
    WITH later AS (
        SELECT {_KEY}, min(version) AS version
        FROM configuration_change
        WHERE version > %(version)s
        GROUP BY {_KEY}
    )
    SELECT {_KEY}, old::text, old_version
    FROM later JOIN configuration_change USING ({_KEY}, version)
    WHERE old_version > 0 AND configuration_change.version > %(version)s
    UNION ALL
    SELECT {_KEY}, value::text, configuration_override.version
    FROM configuration_override LEFT JOIN later USING ({_KEY})
    WHERE later.version IS NULL
"""  # noqa: S608  our own column names

# For each key the index entry at or below the version: a handful of pages each, whatever the ledger's length.
_PROBE: Final = f"""
    SELECT {_KEY}, last.new::text, last.version
    FROM unnest(%s::text[], %s::text[]) AS wanted(namespace, parameter)
    CROSS JOIN unnest(%s::text[], %s::text[], %s::text[], %s::text[]) AS layer(scope_kind, bot, symbol, side)
    CROSS JOIN LATERAL (
        SELECT op, new, version
        FROM configuration_change AS change
        WHERE change.namespace = wanted.namespace AND change.scope_kind = layer.scope_kind
          AND change.bot = layer.bot AND change.symbol = layer.symbol AND change.side = layer.side
          AND change.parameter = wanted.parameter AND change.version <= %s
        ORDER BY change.version DESC
        LIMIT 1
    ) AS last
    WHERE last.op = 'set'
"""  # noqa: S608  our own column names


def _probed(moment: Moment, scope: Scope, namespaces: Sequence[str]) -> list[Sequence[Any]]:
    catalogue = edition(moment.fingerprint) or CATALOGUE
    wanted = [(namespace, one.name) for namespace in namespaces for one in catalogue.parameters(namespace)]
    if not wanted:
        return []
    layers = Path.of(scope).scopes()
    columns = [list(column) for rows in (wanted, layers) for column in zip(*rows, strict=True)]
    with connection.cursor() as cursor:
        cursor.execute(_PROBE, [*columns, moment.version])
        return list(cursor.fetchall())


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


def todays(
    catalogue: Catalogue, given: Mapping[tuple[str, str], environment.Supplied]
) -> dict[tuple[str, str], environment.Supplied]:
    """Today's variables, as far as the parameters of then read them."""
    found: dict[tuple[str, str], environment.Supplied] = {}
    for key, supplied in given.items():
        parameter = catalogue.find(*key)
        if parameter is not None and supplied.name in environment.names(parameter):
            found[key] = supplied
    return found
