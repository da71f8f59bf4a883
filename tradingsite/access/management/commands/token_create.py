"""Make an API token from the command line; its value is printed once."""

from argparse import ArgumentParser
from datetime import UTC, datetime
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError

from engine.domain.errors import InputError
from tradingsite.access import services
from tradingsite.access.models import LONGEST_DAYS, SCOPES


class Command(BaseCommand):
    """The value goes to standard output alone, so that a script can take it; all else to standard error."""

    help = "Make an API token for a user and print its value, once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--user", required=True, help="whose token it is; it may never do more than they may")
        parser.add_argument("--scopes", default="read", help=f"a comma between several of {', '.join(SCOPES)}")
        parser.add_argument("--days", type=int, default=30, help=f"how long it holds, 1 to {LONGEST_DAYS}")
        parser.add_argument("--name", default="command line", help="who or what will use it")

    def handle(self, *args: Any, **options: Any) -> None:
        users = get_user_model()
        try:
            owner = users.objects.get_by_natural_key(options["user"])
        except users.DoesNotExist:
            raise CommandError(f"There is no user {options['user']!r}.") from None
        try:
            made = services.make_token(
                owner=owner,
                name=options["name"],
                scopes=[scope.strip() for scope in options["scopes"].split(",")],
                days=options["days"],
                now=datetime.now(UTC),
            )
        except InputError as refused:
            raise CommandError(str(refused)) from None
        self.stderr.write(f"{made.row} holds until {made.row.expires_at:%Y-%m-%d %H:%M} UTC. It is shown only now:")
        self.stdout.write(made.value)
