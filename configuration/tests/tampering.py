"""What somebody with every right in the database can do to the ledger: past triggers, keys and checks."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, models

from configuration import seal

TABLES = ("configuration_changeset", "configuration_change", "configuration_override")


@contextmanager
def tampering() -> Iterator[Any]:
    """A cursor whose statements meet no trigger, no foreign key and no check. Needs a transaction to undo it."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # an altered table must wait for nothing
        for table in TABLES:
            cursor.execute("SELECT conname FROM pg_constraint WHERE conrelid = %s::regclass AND contype = 'c'", [table])
            for (name,) in cursor.fetchall():
                cursor.execute(f'ALTER TABLE {table} DROP CONSTRAINT "{name}"')
        cursor.execute("SET LOCAL session_replication_role = replica")
        try:
            yield cursor
        finally:
            cursor.execute("SET LOCAL session_replication_role = origin")


def flipped(field: Any, value: Any) -> Any:
    """The smallest alteration of a value: its last bit, the next microsecond; something where there was nothing."""
    if isinstance(field, models.JSONField):
        return "8" if value is None else f"{value}1"  # of a number's text in JSON
    if isinstance(field, models.CharField | models.TextField):
        return value[:-1] + chr(ord(value[-1]) ^ 1) if value else "x"
    if isinstance(field, models.DateTimeField):
        return value + timedelta(microseconds=1)
    if isinstance(field, models.IntegerField | models.ForeignKey):
        return 1 if value is None else value ^ 64
    raise AssertionError(f"Say how {field.name}, a {type(field).__name__}, is altered.")


def sealed(columns: Mapping[str, Any], changes: Sequence[Mapping[str, Any]], prev_hash: str) -> tuple[str, str]:
    """Text and hash of a version made up by somebody who knows the rules."""
    facts = {**columns, "created_at": seal.instant(columns["created_at"])}
    assert isinstance(columns["created_at"], datetime)
    text = seal.text(facts, changes)
    return text, seal.chained(prev_hash, text)
