"""The first administrator, with a password that is shown once and kept nowhere."""

import secrets
from argparse import ArgumentParser
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand
from django.db import transaction

# No 0 and O, no 1, l and I: it is read from a screen and typed.
_LETTERS = "abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"
_LENGTH = 20


class Command(BaseCommand):
    help = "Create the first administrator, unless there is one. The password is shown once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--username", default="admin")

    def handle(self, *args: Any, username: str, **options: Any) -> None:
        password = create(username)
        if password is None:
            self.stdout.write("There is an administrator already.")
        else:
            self.stdout.write("\n".join(notice(username, password)))


@transaction.atomic
def create(username: str) -> str | None:
    """The new administrator's password; None where an active administrator exists."""
    users = get_user_model()._default_manager
    if users.filter(is_superuser=True, is_active=True).exists():
        return None
    password = "".join(secrets.choice(_LETTERS) for _ in range(_LENGTH))
    get_user_model().objects.create_superuser(username, password=password)
    return password


def notice(username: str, password: str) -> list[str]:
    """What the operator is told, once."""
    return [
        "",
        f"  The first administrator:  {username}",
        f"  Password, shown once:     {password}",
        f"  Lost? .venv/bin/python manage.py changepassword {username}",
        "",
    ]
