"""``manage.py import_samples``: the bars newcomers start with."""

from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from marketdata import services


class Command(BaseCommand):
    help = (
        "Import the sample bars (AAPL, GOOG, IBM, MSFT; daily, 2000-2013, adjusted). Does nothing when they are there."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        imported = services.import_samples(timezone.now())
        new = sum(found.is_new for found in imported)
        self.stdout.write(f"Sample bars: {new} datasets imported, {len(imported) - new} were there already.")
