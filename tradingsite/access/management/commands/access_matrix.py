"""Print who may do what: the tables of docs/access.md."""

from typing import Any

from django.core.management.base import BaseCommand

from tradingsite.access import routes


class Command(BaseCommand):
    """The roles, then every route with the least role for each method."""

    help = "Print who may use which address: roles, API with token scopes, pages, admin."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(routes.as_markdown(), ending="")
