"""What is configured. Reading never writes.

resolving  values in force, with their origins
snapshots  everything in force for a bot, frozen
ledger     who decided what, when and why
decisions  decisions found by what they touch, who made them, when and why
audit      a namespace's history by scope, all it set before and after
freshness  how fresh that is, here and in every live process
evidence   the ledger as its columns say, its anchor, the last check of it
exporting  what is set, as a document
pending    what waits for a restart
past       what was in force at a version or an instant
paging     the history in pages
differing  what two moments or two scopes decide differently
tracing    one value over time
"""

from configuration.image import Stored
from configuration.scopes import GLOBAL, BotScope, Candidate, Frozen, Origin, Resolved, Scope
from configuration.selectors.audit import AuditRow, audit
from configuration.selectors.decisions import Sought, decided, decision, decisions
from configuration.selectors.differing import Difference, difference, scope_difference
from configuration.selectors.evidence import Checked, ledger_check
from configuration.selectors.exporting import as_json, as_yaml, exported
from configuration.selectors.freshness import Disagreement, Freshness, Reader, freshness, readers
from configuration.selectors.ledger import ScopeFacts, change_sets, history, scope_facts
from configuration.selectors.paging import Page, page
from configuration.selectors.past import PastImage, changes_since, image_at, version_at
from configuration.selectors.pending import PendingRestart, pending_restarts
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
    "AuditRow",
    "BotScope",
    "Candidate",
    "Checked",
    "Difference",
    "Disagreement",
    "Explained",
    "Freshness",
    "Frozen",
    "Head",
    "Origin",
    "Page",
    "PastImage",
    "PendingRestart",
    "Point",
    "Reader",
    "Resolved",
    "Scope",
    "ScopeFacts",
    "Sought",
    "Stored",
    "as_json",
    "as_yaml",
    "audit",
    "change_sets",
    "changes_since",
    "decided",
    "decision",
    "decisions",
    "difference",
    "explain_snapshot",
    "exported",
    "freshness",
    "head",
    "history",
    "image_at",
    "ledger_check",
    "lived",
    "overridden_scopes",
    "page",
    "pending_restarts",
    "readers",
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
