"""Who reads configuration: each live process keeps a row that says which version and which environment it runs on."""

from datetime import timedelta
from typing import Final, NamedTuple
from uuid import UUID

from django.db.models.functions import Now

from configuration.models import ConfigReader

FORGOTTEN_AFTER: Final = timedelta(seconds=60)
"""A process that has been silent for so long left without a word."""


class Announcement(NamedTuple):
    """What a process says about itself. ``delay_ms``: how long after its decision it followed the newest change."""

    id: UUID
    process: str
    host: str
    pid: int
    version: int
    head_hash: str
    catalogue_fingerprint: str
    environment_fingerprint: str
    is_listening: bool
    delay_ms: float | None


def announce(said: Announcement) -> None:
    """Say so, by the database's clock, and drop whoever has been silent too long."""
    row = ConfigReader(**said._asdict(), seen_at=Now())
    changing = [name for name in said._fields if name != "id"]
    ConfigReader.objects.bulk_create(
        [row], update_conflicts=True, unique_fields=["id"], update_fields=[*changing, "seen_at"]
    )
    ConfigReader.objects.filter(seen_at__lt=Now() - FORGOTTEN_AFTER).delete()


def withdraw(reader_id: UUID) -> None:
    """The process ends."""
    ConfigReader.objects.filter(id=reader_id).delete()
