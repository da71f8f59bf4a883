"""``manage.py config_ledger``: the ledger as JSON lines, for ``scripts/verify_ledger.py`` and other readers."""

from typing import Any

from django.core.management.base import BaseCommand

from configuration.selectors import evidence


class Command(BaseCommand):
    help = (
        "Print the ledger as JSON lines: one for each version, with its columns and changes, and the head at the end."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        for line in evidence.ledger_lines():
            self.stdout.write(line)
