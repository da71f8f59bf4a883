"""Print who may do what: the tables of docs/access.md."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.core.management.base import BaseCommand

from tradingsite.access import routes

_PAGE: Final = Path("docs", "access.md")
_HEADING: Final = "## The matrix\n\n"


class Command(BaseCommand):
    """The roles, then every route with the least role for each method."""

    help = "Print who may use which address: roles, API with token scopes, pages, admin."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--write", action="store_true", help=f"put the tables into {_PAGE}, below its last heading")

    def handle(self, *args: Any, **options: Any) -> None:
        tables = routes.as_markdown()
        if not options["write"]:
            self.stdout.write(tables, ending="")
            return
        page = settings.BASE_DIR / _PAGE
        words, heading, _ = page.read_text(encoding="utf-8").partition(_HEADING)
        page.write_text(words + heading + tables, encoding="utf-8")
