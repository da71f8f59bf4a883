"""Test databases are emptied by TRUNCATE between tests; tables that only grow refuse it, for everybody.

So test databases, and no others, have those triggers switched off. UPDATE and DELETE stay refused. A test of
the refusal switches them on again, inside its transaction.
"""

from typing import Final

from django.db import connection

CLOSED: Final = (
    "configuration_changeset",
    "configuration_change",
    "configuration_snapshot",
    "configuration_catalogueedition",
)


def allow() -> None:
    """Let TRUNCATE through in this test database."""
    _switch("DISABLE")


def refuse() -> None:
    """Refuse TRUNCATE as every other database does."""
    _switch("ENABLE")


def _switch(state: str) -> None:
    name = str(connection.settings_dict["NAME"])
    if not name.startswith("test_"):
        raise RuntimeError(f"{name} is no test database.")
    with connection.cursor() as cursor:
        for table in CLOSED:
            cursor.execute(f"ALTER TABLE {table} {state} TRIGGER {table}_stays")
