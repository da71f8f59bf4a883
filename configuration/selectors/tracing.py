"""One value over time: every version at which what was in force for a scope became another."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from django.db import connection

from configuration import canonical, store
from configuration.catalogue import CATALOGUE, Catalogue
from configuration.environment import Supplied
from configuration.image import Path
from configuration.scopes import Scope
from configuration.selectors import past

_FEW: Final = 50


class Point(NamedTuple):
    """From this version on the value was in force."""

    version: int
    created_at: datetime
    value: Any


def sparkline(namespace: str, parameter: str, scope: Scope, *, limit: int = 100) -> list[Point]:
    """The value in force at a scope over time, oldest first: one point wherever it became another.

    Looks at the ``limit`` newest decisions that could have moved it, at the scope or a wider one; the
    first point is how it stood after the oldest of them. Three queries. Raises NotFound.
    """
    CATALOGUE.get(namespace, parameter)
    return _moved(_Trace(namespace, parameter, scope).points(limit))


def lived(namespace: str, parameter: str, scope: Scope) -> Point | None:
    """Since when the value in force is what it is; None where it was so before the first decision.

    Usually three queries. Raises NotFound.
    """
    CATALOGUE.get(namespace, parameter)
    trace, limit = _Trace(namespace, parameter, scope), _FEW
    while True:
        points = trace.points(limit)
        moved = _moved(points)
        if len(moved) > 1 or len(points) < limit:
            break
        limit *= 8
    if len(moved) == 1 and _same(moved[0].value, trace.before_all()):
        return None
    return moved[-1] if moved else None


def _moved(points: Sequence[Point]) -> list[Point]:
    return [
        point for index, point in enumerate(points) if index == 0 or not _same(point.value, points[index - 1].value)
    ]


def _same(one: Any, other: Any) -> bool:
    return canonical.text(one) == canonical.text(other)


class _Step(NamedTuple):
    """A decision that could have moved the value: its layer (0: the catalogue changed) and what it replaced."""

    version: int
    created_at: datetime
    fingerprint: str
    layer: int
    new: "_Layer"
    old: "_Layer"


class _Layer(NamedTuple):
    """What one scope sets."""

    is_set: bool
    value: Any


_UNSET: Final = _Layer(False, None)


class _Trace:
    """The ledger of one parameter along one path."""

    def __init__(self, namespace: str, parameter: str, scope: Scope) -> None:
        image = store.current()
        self._namespace, self._parameter = namespace, parameter
        self._layers = list(Path.of(scope).scopes())
        self._head = image.version
        self._environment: Mapping[tuple[str, str], Supplied] = image.environment

    def points(self, limit: int) -> list[Point]:
        """The value after each of the ``limit`` newest decisions that could have moved it, oldest first."""
        steps = self._steps(limit)
        layers: dict[int, _Layer] = {}
        for step in steps:
            layers.setdefault(step.layer, step.new)
        points: list[Point] = []
        for step in steps:
            if not points or points[-1].version != step.version:
                if len(points) == limit:
                    break
                points.append(Point(step.version, step.created_at, self._in_force(layers, step.fingerprint)))
            layers[step.layer] = step.old
        return points[::-1]

    def before_all(self) -> Any:
        """The value before the first decision."""
        return self._in_force({}, past.first_fingerprint())

    def _in_force(self, layers: Mapping[int, _Layer], fingerprint: str) -> Any:
        catalogue = past.edition(fingerprint) or CATALOGUE
        for layer in range(len(self._layers), 0, -1):
            stands = layers.get(layer, _UNSET)
            if stands.is_set:
                return past.typed(catalogue, self._namespace, self._parameter, stands.value)
        return self._beneath(catalogue)

    def _beneath(self, catalogue: Catalogue) -> Any:
        parameter = catalogue.find(self._namespace, self._parameter)
        if parameter is None:
            return None
        supplied = past.todays(catalogue, self._environment).get((self._namespace, self._parameter))
        return parameter.default if supplied is None else supplied.value

    def _steps(self, limit: int) -> list[_Step]:
        """Newest first; of each layer the ``limit`` newest, so that the newest ``limit`` versions are complete."""
        columns = [list(column) for column in zip(*self._layers, strict=True)]
        with connection.cursor() as cursor:
            cursor.execute(_STEPS, [*columns, self._namespace, self._parameter, self._head, limit, self._head, limit])
            return [_step(row) for row in cursor.fetchall()]


# A change of catalogue has no rows of changes, but may have moved the default.
_STEPS: Final = """
    SELECT made.version, made.created_at, made.catalogue_fingerprint, step.layer, step.op,
           step.new::text, step.old_version, step.old::text
    FROM (
        SELECT change.version, layers.layer, change.op, change.new, change.old_version, change.old
        FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[]) WITH ORDINALITY
             AS layers(scope_kind, bot, symbol, side, layer)
        CROSS JOIN LATERAL (
            SELECT version, op, new, old_version, old
            FROM configuration_change AS one
            WHERE one.namespace = %s AND one.scope_kind = layers.scope_kind AND one.bot = layers.bot
              AND one.symbol = layers.symbol AND one.side = layers.side AND one.parameter = %s
              AND one.version <= %s
            ORDER BY one.version DESC
            LIMIT %s
        ) AS change
        UNION ALL
        (
            SELECT version, 0, 'clear', NULL::jsonb, 0, NULL::jsonb
            FROM configuration_changeset
            WHERE kind = 'migrate' AND version <= %s
            ORDER BY version DESC
            LIMIT %s
        )
    ) AS step
    JOIN configuration_changeset AS made ON made.version = step.version
    ORDER BY made.version DESC, step.layer
"""


def _step(row: Sequence[Any]) -> _Step:
    version, created_at, fingerprint, layer, op, new, old_version, old = row
    return _Step(
        version,
        created_at,
        fingerprint,
        layer,
        _Layer(True, json.loads(new)) if op == "set" else _UNSET,
        _Layer(True, json.loads(old)) if old_version else _UNSET,
    )
