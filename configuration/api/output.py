"""Configuration as JSON."""

from typing import Any

from configuration import selectors
from configuration.models import Change, ChangeSet
from configuration.planning import Changed
from configuration.scopes import Resolved, Scope
from engine.domain.declarations import Parameter


def parameter_output(parameter: Parameter) -> dict[str, Any]:
    """Everything the catalogue says about a parameter."""
    facts = parameter._asdict()
    return {"name": facts.pop("name"), "type": facts.pop("kind"), **facts}


def configuration_output(
    scope: Scope, resolved: dict[str, Resolved], facts: selectors.ScopeFacts, version: int
) -> dict[str, Any]:
    """The resolved values of a scope, each with its origin.

    ``version`` is the head's: send it back as base_version or If-Match. ``scope_version`` counts the
    writes to this very scope.
    """
    values = {qualified.split(".", 1)[1]: value for qualified, value in resolved.items()}
    return {
        "symbol": scope.symbol or None,
        "side": scope.side or None,
        "parameters": {name: value.value for name, value in values.items()},
        "origins": {name: value.origin.as_json() for name, value in values.items()},
        "version": version,
        "scope_version": facts.writes,
        "source": _source(values),
        "created_at": facts.created_at,
        "updated_at": facts.updated_at,
    }


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


def scope_output(scope: Scope) -> dict[str, Any]:
    """A scope without its absent parts."""
    return {name: part for name, part in scope._asdict().items() if part}


def _source(values: dict[str, Resolved]) -> str:
    """Where the strongest of the values comes from."""
    scopes = {value.origin.scope for value in values.values()}
    if scopes <= {"default"}:
        return "default"
    return "environment" if scopes <= {"default", "environment"} else "database"
