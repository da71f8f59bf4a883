"""``manage.py check_ledger``: is everything in the books of bots as it must be?"""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from bots.services import checking


class Command(BaseCommand):
    help = "Check the books of bots: with themselves, and with their brokers. Exit code 1 where something is wrong."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--all-runs", action="store_true", help="ended runs as well")

    def handle(self, *args: Any, all_runs: bool, **options: Any) -> None:
        run_ids = checking.all_runs() if all_runs else checking.open_runs()
        found = checking.check(run_ids)
        for row in found:
            self.stdout.write(f"{row.code}  run {row.run_id}  {row.where}: {row.words}")
        self.stdout.write(f"{len(run_ids)} runs checked, {len(found)} violations.")
        if found:
            raise CommandError("The books are broken.", returncode=1)
