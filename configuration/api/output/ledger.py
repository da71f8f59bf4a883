"""Decisions about configuration, as JSON."""

from typing import Any

from configuration.api.output.places import API, scope_output
from configuration.models import Change, ChangeSet
from configuration.planning import Changed
from configuration.selectors import AuditRow


def changed_output(change: Changed | Change) -> dict[str, Any]:
    """One value before and after. ``old_version`` 0: nothing was set here before."""
    return {
        "namespace": change.namespace,
        "scope": scope_output(change.scope),
        "parameter": change.parameter,
        "op": change.op,
        "old": change.old,
        "old_version": change.old_version,
        "new": change.new,
    }


def change_set_output(change_set: ChangeSet) -> dict[str, Any]:
    """One decision: who, when, why, and every value before and after."""
    return {
        "version": change_set.version,
        "created_at": change_set.created_at,
        "kind": change_set.kind,
        "actor": {"kind": change_set.actor_kind, "id": change_set.actor_id, "label": change_set.actor_label},
        "on_behalf_of": change_set.on_behalf_of or None,
        "source": change_set.source,
        "reason": change_set.reason,
        "request_id": change_set.request_id or None,
        "base_version": change_set.base_version,
        "reverts_version": change_set.reverts_version,
        "hash": change_set.hash,
        "changes": [changed_output(change) for change in change_set.changes.all()],
    }


def whole_change_set_output(change_set: ChangeSet) -> dict[str, Any]:
    """One decision with its place in the chain, and the calls that take it back."""
    return {
        **change_set_output(change_set),
        "prev_hash": change_set.prev_hash,
        "catalogue": change_set.catalogue_fingerprint,
        "undo": undo_call(change_set.version),
        "restore_before": {
            **undo_call(change_set.version),
            "body": {"before_version": change_set.version, "reason": ""},
        },
    }


def undo_call(version: int) -> dict[str, Any]:
    """The call that takes one decision back; it needs only a reason."""
    return {"method": "POST", "path": f"{API}/config/rollback", "body": {"undo_version": version, "reason": ""}}


def audit_output(row: AuditRow) -> dict[str, Any]:
    """One scope of one decision about a strategy, as document 001 has it."""
    return {
        "id": f"{row.version}/{row.scope}",
        "version": row.version,
        "strategy_id": row.namespace,
        "symbol": row.scope.symbol or None,
        "bot": row.scope.bot or None,
        "action": row.action,
        "old_parameters": row.before or None,
        "new_parameters": row.after or None,
        "changed_by": row.changed_by,
        "on_behalf_of": row.on_behalf_of or None,
        "changed_at": row.changed_at,
        "reason": row.reason,
    }
