"""The four roles as groups. A group that has one of the names already becomes that role."""

from django.db import migrations

ROLES = ("viewer", "operator", "risk_admin", "owner")


def make(apps, schema_editor):
    groups = apps.get_model("auth", "Group").objects.using(schema_editor.connection.alias)
    for name in ROLES:
        groups.get_or_create(name=name)


class Migration(migrations.Migration):
    dependencies = [("access", "0001_tokens_and_scope_patterns")]
    operations = [migrations.RunPython(make, migrations.RunPython.noop)]
