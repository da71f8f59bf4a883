"""Take the running code's parameters as those in force, and record what they change."""

from datetime import UTC, datetime
from typing import Any, Final

from django.core.management.base import BaseCommand

from configuration import selectors
from configuration.actors import Actor
from configuration.catalogue import CATALOGUE
from configuration.services import adopt_catalogue

_DEPLOYMENT: Final = Actor("system", "deployment", "deployment")


class Command(BaseCommand):
    help = "Keep the catalogue of this code; where its defaults or ranges are new, record a change-set that lists them."

    def handle(self, *args: Any, **options: Any) -> None:
        before = selectors.head().version
        version = adopt_catalogue(now=datetime.now(UTC), actor=_DEPLOYMENT).version
        if version == before:
            self.stdout.write(f"Catalogue {CATALOGUE.fingerprint[:12]} is in force; nothing to record.")
            return
        decided = selectors.change_sets().get(version=version)
        self.stdout.write(f"Version {version}: {decided.reason}")
