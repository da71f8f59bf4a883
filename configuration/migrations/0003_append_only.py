"""The ledger only grows: whoever writes, psql included, cannot change or remove what was decided.

Before it is closed, rows of before are sealed in format 1, whose text can be rebuilt from the columns alone.
"""

import hashlib
import json
from datetime import UTC
from decimal import Decimal

from django.db import migrations

KEPT = (
    "configuration_changeset",
    "configuration_change",
    "configuration_snapshot",
    "configuration_catalogueedition",
)
REFUSE = """
CREATE FUNCTION configuration_only_grows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% only grows: % refused. Record a new change-set that sets, clears or rolls back instead.',
        TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation';
END $$;
"""


def _closed(table):
    return f"""
        CREATE TRIGGER {table}_rows_stay BEFORE UPDATE OR DELETE ON {table}
            FOR EACH ROW EXECUTE FUNCTION configuration_only_grows();
        CREATE TRIGGER {table}_stays BEFORE TRUNCATE ON {table}
            FOR EACH STATEMENT EXECUTE FUNCTION configuration_only_grows();
    """


def _open(table):
    return f"DROP TRIGGER {table}_rows_stay ON {table}; DROP TRIGGER {table}_stays ON {table};"


# --- format 1 as it was when this migration was written; configuration.seal may learn others

SET = ("version", "kind", "actor_kind", "actor_id", "actor_label", "on_behalf_of", "source", "reason", "request_id",
       "idempotency_key", "request_digest", "base_version", "reverts_version", "catalogue_fingerprint")
CHANGE = ("ordinal", "namespace", "scope_kind", "bot", "symbol", "side", "parameter", "op", "old_version")


def _number(written):
    exact = Decimal(written)
    whole = exact.to_integral_value()
    return int(whole) if exact == whole else float(written)


def seal(apps, schema_editor):
    before = ""
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(f"SELECT created_at, {', '.join(SET)} FROM configuration_changeset ORDER BY version")
        for created_at, *values in cursor.fetchall():
            facts = {"format": 1, **dict(zip(SET, values, strict=True))}
            facts["created_at"] = created_at.astimezone(UTC).isoformat(timespec="microseconds")
            facts["changes"] = _changes(cursor, facts["version"])
            text = json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
            own = hashlib.sha256(f"{before}\n{text}".encode()).hexdigest()
            cursor.execute(
                "UPDATE configuration_changeset SET canonical = %s, prev_hash = %s, hash = %s WHERE version = %s",
                [text, before, own, facts["version"]],
            )
            before = own
        cursor.execute("UPDATE configuration_confighead SET hash = %s", [before])


def _changes(cursor, version):
    cursor.execute(
        f"SELECT old::text, new::text, {', '.join(CHANGE)} FROM configuration_change WHERE version = %s ORDER BY ordinal",
        [version],
    )
    changes = []
    for old, new, *values in cursor.fetchall():
        change = dict(zip(CHANGE, values, strict=True))
        for name, stored in (("old", old), ("new", new)):
            if stored is not None:
                change[name] = json.loads(stored, parse_float=_number)
        changes.append(change)
    return changes


class Migration(migrations.Migration):

    dependencies = [
        ('configuration', '0002_editions_readers_and_checks'),
    ]

    operations = [
        migrations.RunPython(seal, migrations.RunPython.noop),
        migrations.RunSQL(REFUSE, "DROP FUNCTION configuration_only_grows()"),
        *(migrations.RunSQL(_closed(table), _open(table)) for table in KEPT),
    ]
