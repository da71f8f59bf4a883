"""One clock for everything: PostgreSQL's functions of time, column defaults, and the process's monotonic time.

The schema ``simulation`` comes before ``pg_catalog`` in the search path of every connection, so that
``statement_timestamp()`` and its like answer what the simulation says. Leases, deadlines, heartbeats
and horizons then lapse when the scheduler wants, and a seed takes as long as its queries do.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Final

from django.db import connection, connections

from bots.services import submission

START: Final = datetime.fromisoformat("2026-01-05T12:00:00+00:00")
_NAMES: Final = ("now", "statement_timestamp", "clock_timestamp", "transaction_timestamp")
_SCHEMA: Final = f"""
    DROP SCHEMA IF EXISTS simulation CASCADE;
    CREATE SCHEMA simulation;
    CREATE TABLE simulation.clock (at timestamptz NOT NULL);
    INSERT INTO simulation.clock VALUES ('{START.isoformat()}');
""" + "".join(
    f"CREATE FUNCTION simulation.{name}() RETURNS timestamptz STABLE LANGUAGE sql AS 'SELECT at FROM simulation.clock';"
    for name in _NAMES
)
# Defaults were bound to PostgreSQL's own function when the table was made.
_DEFAULTS: Final = """
    SELECT format('ALTER TABLE %s ALTER COLUMN %I SET DEFAULT ', adrelid::regclass, attname)
    FROM pg_attrdef JOIN pg_attribute ON attrelid = adrelid AND attnum = adnum
    WHERE pg_get_expr(adbin, adrelid) LIKE '%statement_timestamp()%'
    ORDER BY adrelid, attnum
"""


class Clock:
    """The time of the simulated world; it stands still unless somebody advances it."""

    def __init__(self) -> None:
        self.at = START

    def monotonic(self) -> float:
        """What ``time.monotonic`` answers here."""
        return (self.at - START).total_seconds()

    def reset(self) -> None:
        """Back to the beginning."""
        self.at = START
        self._write()

    def advance(self, seconds: float) -> None:
        """Let time pass, everywhere at once."""
        self.at += timedelta(seconds=seconds)
        self._write()

    def _write(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("UPDATE simulation.clock SET at = %s", [self.at])


@contextmanager
def simulated() -> Iterator[Clock]:
    """Every connection opened inside reads this clock; outside, nothing is left of it."""
    # First what a simulation left behind that was killed: its schema would take the defaults along.
    _set_defaults("pg_catalog.statement_timestamp()")
    with connection.cursor() as cursor:
        cursor.execute(_SCHEMA)
    _set_defaults("simulation.statement_timestamp()")
    paths = {alias: connections[alias].settings_dict["OPTIONS"] for alias in ("default", "broker")}
    before = {alias: options.get("options") for alias, options in paths.items()}
    for options in paths.values():
        options["options"] = "-c search_path=simulation,pg_catalog,public"
    _reconnect()
    clock = Clock()
    submission.time = SimpleNamespace(monotonic=clock.monotonic)  # type: ignore[assignment]  # its only use of time
    try:
        yield clock
    finally:
        submission.time = time
        for alias, options in paths.items():
            if before[alias] is None:
                del options["options"]
            else:
                options["options"] = before[alias]
        _reconnect()
        _set_defaults("pg_catalog.statement_timestamp()")
        with connection.cursor() as cursor:
            cursor.execute("DROP SCHEMA simulation CASCADE")


def _set_defaults(function: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_DEFAULTS)
        for (statement,) in cursor.fetchall():
            cursor.execute(statement + function)


def _reconnect() -> None:
    for alias in ("default", "broker"):
        connections[alias].close()
