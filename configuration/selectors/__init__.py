"""What is configured. Reading never writes.

resolving  values in force, with their origins
snapshots  everything in force for a bot, frozen
ledger     who decided what, when and why
"""

from configuration.image import Stored
from configuration.scopes import GLOBAL, BotScope, Candidate, Frozen, Origin, Resolved, Scope
from configuration.selectors.ledger import ScopeFacts, change_sets, history, scope_facts
from configuration.selectors.resolving import Head, head, overridden_scopes, resolve, resolve_many, stored, stored_at
from configuration.selectors.snapshots import (
    Explained,
    explain_snapshot,
    snapshot,
    snapshot_for,
    versioned_snapshot_for,
)

__all__ = [
    "GLOBAL",
    "BotScope",
    "Candidate",
    "Explained",
    "Frozen",
    "Head",
    "Origin",
    "Resolved",
    "Scope",
    "ScopeFacts",
    "Stored",
    "change_sets",
    "explain_snapshot",
    "head",
    "history",
    "overridden_scopes",
    "resolve",
    "resolve_many",
    "scope_facts",
    "snapshot",
    "snapshot_for",
    "stored",
    "stored_at",
    "versioned_snapshot_for",
]
