"""Keeping snapshots: written once for each content, by whoever first uses it."""

from configuration import canonical
from configuration.models import Snapshot
from configuration.scopes import Frozen
from engine.domain.errors import InvariantBroken


def keep(frozen: Frozen) -> str:
    """Store a snapshot once for each content; its hash. Call in the transaction that first uses it."""
    content = canonical.text(frozen.content)
    if canonical.digest(content) != frozen.hash:
        raise InvariantBroken(f"Snapshot {frozen.hash} does not hash to its name: its content was altered.")
    Snapshot.objects.bulk_create([Snapshot(hash=frozen.hash, content=content)], ignore_conflicts=True)
    return frozen.hash
