"""Who leads among processes of a kind: whoever holds an advisory lock of PostgreSQL, until its connection ends."""

from typing import Any


def take(connection: Any, *, lock: int) -> bool:
    """Whether this connection holds the lock now: it got it, or had it. Never waits. Raises: django.db.Error."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [lock])
        return bool(cursor.fetchone()[0])
