"""What is configured. Reading never writes.

resolving  values in force, with their origins
snapshots  everything in force for a bot, frozen
ledger     who decided what, when and why
exporting  what is set, as a document
past       what was in force at a version or an instant
differing  what two moments or two scopes decide differently
tracing    one value over time
"""

from configuration.image import Stored
from configuration.scopes import GLOBAL, BotScope, Candidate, Frozen, Origin, Resolved, Scope
from configuration.selectors.differing import Difference, difference, scope_difference
from configuration.selectors.exporting import as_json, as_yaml, exported
from configuration.selectors.ledger import ScopeFacts, change_sets, history, scope_facts
from configuration.selectors.past import PastImage, changes_since, image_at, version_at
from configuration.selectors.resolving import Head, head, overridden_scopes, resolve, resolve_many, stored, stored_at
from configuration.selectors.snapshots import (
    Explained,
    explain_snapshot,
    snapshot,
    snapshot_for,
    versioned_snapshot_for,
)
from configuration.selectors.tracing import Point, lived, sparkline

__all__ = [
    "GLOBAL",
    "BotScope",
    "Candidate",
    "Difference",
    "Explained",
    "Frozen",
    "Head",
    "Origin",
    "PastImage",
    "Point",
    "Resolved",
    "Scope",
    "ScopeFacts",
    "Stored",
    "as_json",
    "as_yaml",
    "change_sets",
    "changes_since",
    "difference",
    "explain_snapshot",
    "exported",
    "head",
    "history",
    "image_at",
    "lived",
    "overridden_scopes",
    "resolve",
    "resolve_many",
    "scope_difference",
    "scope_facts",
    "snapshot",
    "snapshot_for",
    "sparkline",
    "stored",
    "stored_at",
    "version_at",
    "versioned_snapshot_for",
]
