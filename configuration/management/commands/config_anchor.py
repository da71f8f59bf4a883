"""``manage.py config_anchor``: one line that pins the whole ledger up to now. Keep it where the database is not."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from configuration import canonical
from configuration.services import evidence


class Command(BaseCommand):
    help = "Print the anchor of the ledger: version, hash and time, as one line of JSON."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--append", type=Path, metavar="FILE", help="add the line to this file as well")

    def handle(self, *args: Any, append: Path | None, **options: Any) -> None:
        line = evidence.anchor(timezone.now())
        if append:
            try:
                evidence.append_anchor(append, line)
            except OSError as error:
                raise CommandError(f"{append}: {error.strerror}") from error
        self.stdout.write(canonical.text(line))
