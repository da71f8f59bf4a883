"""The ledger as evidence: every version as its columns say, the anchor of its end, and the last check of it."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import Any, Final, NamedTuple

from django.db import connection, transaction
from django.db.models import TextField
from django.db.models.functions import Cast

from configuration import canonical, seal
from configuration.chain import Anchor, Entry
from configuration.models import ConfigHead, LedgerCheck, Override
from configuration.scopes import Scope

_BATCH: Final = 2000
_COLUMNS: Final = {
    **{name: f"s.{name}" for name in seal.CHANGE_SET_COLUMNS},
    # As text: an altered time may be none that Python can hold.
    "created_at": """to_char(s.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US')
        || CASE WHEN s.created_at < '0001-01-01Z' THEN ' BC' ELSE '+00:00' END""",
}
_CHANGE: Final = ", ".join(("c.old::text", "c.new::text", *(f"c.{name}" for name in seal.CHANGE_COLUMNS)))
_SETS: Final = len(_COLUMNS) + len(seal.SEALS)
_ENTRIES: Final = f"""
    SELECT {", ".join(_COLUMNS.values())}, {", ".join(f"s.{name}" for name in seal.SEALS)}, {_CHANGE}
    FROM configuration_changeset AS s LEFT JOIN configuration_change AS c ON c.version = s.version
    ORDER BY s.version, c.ordinal
"""  # noqa: S608  fixed words
_STRAYS: Final = """
    SELECT version FROM configuration_change AS c
    WHERE NOT EXISTS (SELECT FROM configuration_changeset AS s WHERE s.version = c.version)
    ORDER BY version LIMIT 1
"""


class Checked(NamedTuple):
    """A verification of the ledger. ``first_bad_version`` None: it is what was written, up to ``version``."""

    checked_at: datetime
    version: int
    head_hash: str
    first_bad_version: int | None
    finding: str
    took_ms: float


class InForce(NamedTuple):
    """An override as stored: where, its value in one text, and the version that set it."""

    namespace: str
    scope: Scope
    parameter: str
    value: str
    version: int


@contextmanager
def one_moment() -> Iterator[None]:
    """Everything read inside is of one instant, while others write. Joins a transaction that is open already."""
    is_outermost = not connection.in_atomic_block
    with transaction.atomic(), connection.cursor() as cursor:
        if is_outermost:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


def entries() -> Iterator[Entry]:
    """Every version in order, streamed: memory does not grow with the ledger. Call it inside ``one_moment``."""
    with connection.chunked_cursor() as cursor:
        cursor.execute(_ENTRIES)
        batches = iter(lambda: cursor.fetchmany(_BATCH), [])
        rows = (row for batch in batches for row in batch)
        for _, same in groupby(rows, itemgetter(0)):
            yield _entry(list(same))


def _entry(rows: Sequence[Sequence[Any]]) -> Entry:
    first = rows[0]
    columns = dict(zip(_COLUMNS, first, strict=False))
    text, prev_hash, own_hash = first[len(_COLUMNS) : _SETS]
    changes = [_change(row[_SETS:]) for row in rows if row[_SETS + 2] is not None]
    return Entry(columns["version"], columns, changes, text, prev_hash, own_hash)


def _change(row: Sequence[Any]) -> dict[str, Any]:
    old, new, *values = row
    change = dict(zip(seal.CHANGE_COLUMNS, values, strict=True))
    if old is not None:
        change["old"] = seal.read(old)
    if new is not None:
        change["new"] = seal.read(new)
    return change


def stray_version() -> int | None:
    """The first version of which there are changes but no change-set. The foreign key allows none."""
    with connection.cursor() as cursor:
        cursor.execute(_STRAYS)
        row = cursor.fetchone()
    return int(row[0]) if row else None


def in_force() -> Iterator[InForce]:
    """Every override as stored."""
    names = ("namespace", "scope_kind", "bot", "symbol", "side", "parameter")
    rows = Override.objects.order_by(*names).values_list(*names, Cast("value", TextField()), "version")
    for namespace, kind, bot, symbol, side, parameter, value, version in rows.iterator():
        scope = Scope(kind, bot, symbol, side)
        yield InForce(namespace, scope, parameter, canonical.text(seal.read(value)), version)


def head_row() -> tuple[int, str]:
    """Version and hash of the head, from its row; (0, "") before the first write."""
    return ConfigHead.objects.filter(id=1).values_list("version", "hash").first() or (0, "")


def ledger_lines() -> Iterator[str]:
    """The ledger as JSON lines: each version with its columns as fields and its changes inside, then the head.

    A line without its seals is the canonical text, rebuilt from the columns.
    ``scripts/verify_ledger.py`` reads them. All lines are of one moment.
    """
    with one_moment():
        for entry in entries():
            seals = {"canonical": entry.canonical, "prev_hash": entry.prev_hash, "hash": entry.hash}
            yield canonical.text({"format": seal.FORMAT, **entry.columns, "changes": entry.changes, **seals})
        version, head_hash = head_row()
        yield canonical.text({"head": {"version": version, "hash": head_hash}})


def anchor(now: datetime) -> dict[str, Any]:
    """What the ledger ends with now. Kept elsewhere, it proves later that nothing before it was rewritten or cut."""
    version, head_hash = head_row()
    return {"at": seal.instant(now), "version": version, "hash": head_hash}


def read_anchors(written: str) -> list[Anchor]:
    """The anchors of a file, one JSON object on each line. Raises ValueError naming the line."""
    anchors = []
    for place, line in enumerate(written.splitlines(), 1):
        if line.strip():
            try:
                anchor = json.loads(line)
                anchors.append(Anchor(int(anchor["version"]), str(anchor["hash"]), str(anchor.get("at", "?"))))
            except (ValueError, TypeError, KeyError, AttributeError) as error:
                raise ValueError(f"Line {place} is no anchor: {line[:80]}") from error
    return anchors


def ledger_check() -> Checked | None:
    """The newest verification of the ledger; None before the first."""
    newest = LedgerCheck.objects.order_by("-checked_at", "-id").first()
    if newest is None:
        return None
    return Checked(
        newest.checked_at, newest.version, newest.head_hash, newest.first_bad_version, newest.finding, newest.took_ms
    )
