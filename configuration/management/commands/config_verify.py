"""``manage.py config_verify``: is the ledger of configuration what was written?"""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from configuration.selectors import evidence as reading
from configuration.services import evidence


class Command(BaseCommand):
    help = "Verify the ledger of configuration, its head and the overrides. Exit code 1 where something was altered."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--anchor", type=Path, metavar="FILE", help="anchors that the ledger must meet")

    def handle(self, *args: Any, anchor: Path | None, **options: Any) -> None:
        try:
            anchors = reading.read_anchors(anchor.read_text(encoding="utf-8")) if anchor else []
        except (OSError, ValueError) as error:
            raise CommandError(f"{anchor}: {error}") from error
        checked = evidence.verify(now=timezone.now(), anchors=anchors)
        if checked.first_bad_version is not None:
            raise CommandError(f"First bad version {checked.first_bad_version}. {checked.finding}", returncode=1)
        met = f", {len(anchors)} anchors met" if anchors else ""
        self.stdout.write(f"Verified to version {checked.version} in {checked.took_ms / 1000:.1f} s{met}.")
