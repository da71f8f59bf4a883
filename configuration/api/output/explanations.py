"""One value with everything about it: where it comes from, who decided it, what it beats, what may be done next."""

from collections.abc import Mapping
from typing import Any

from configuration import values
from configuration.api.output.configurations import candidate_output
from configuration.api.output.ledger import undo_call
from configuration.api.output.parameters import limits_output
from configuration.api.output.places import API, address_of, scope_output
from configuration.models import ChangeSet
from configuration.scopes import Candidate, Origin, Resolved, Scope
from engine.domain.declarations import Parameter

Decisions = Mapping[int, ChangeSet]


def explained_output(
    namespace: str, parameter: Parameter, scope: Scope, resolved: Resolved, decisions: Decisions
) -> dict[str, Any]:
    """The value in force, its history of layers, the parameter's words and limits, and the next calls."""
    return {
        "namespace": namespace,
        "parameter": parameter.name,
        "scope": scope_output(scope),
        **layered_output(resolved, decisions),
        "summary": summary(parameter, scope, resolved, decisions),
        "unit": parameter.unit,
        "about": {
            name: getattr(parameter, name)
            for name in ("description", "impact", "when_to_change", "example", "group", "risk", "reload", "environment")
        },
        "limits": limits_output(parameter),
        "next": next_calls(namespace, parameter, scope, resolved),
    }


def layered_output(resolved: Resolved, decisions: Decisions) -> dict[str, Any]:
    """The value in force and every value it beats, nearest layer first, each with who decided it."""
    shadowed = [_offered(candidate, decisions) for candidate in resolved.shadowed]
    return {**_offered(resolved, decisions), "shadowed": shadowed}


def decision_output(by: ChangeSet | None) -> dict[str, Any] | None:
    """Who decided, when and why; None for what nobody decided: defaults and the environment."""
    if by is None:
        return None
    return {
        "version": by.version,
        "created_at": by.created_at,
        "actor": by.actor_label,
        "on_behalf_of": by.on_behalf_of or None,
        "source": by.source,
        "reason": by.reason,
    }


def summary(parameter: Parameter, scope: Scope, resolved: Resolved, decisions: Decisions) -> str:
    """The answer to "why is it this?" in one sentence."""
    said = (
        f"{parameter.name} at {scope} is {values.shown(resolved.value)}{_unit(parameter)}: {_whence(resolved.origin)}"
    )
    by = decisions.get(resolved.origin.version)
    if by is not None:
        said += f" by {by.actor_label} in version {by.version}, because: {by.reason}"
    if resolved.shadowed:
        beaten = resolved.shadowed[0]
        said += f". Without that it would be {values.shown(beaten.value)} ({_whence(beaten.origin)})"
    return said.rstrip(".") + "."


def next_calls(namespace: str, parameter: Parameter, scope: Scope, resolved: Resolved) -> list[dict[str, Any]]:
    """What one may do now: change it here, let it be inherited, take the decision back, read its history."""
    calls = [_change_call(namespace, parameter, scope)]
    origin = resolved.origin
    if origin.version:
        set_at = Scope(origin.scope, origin.bot, origin.symbol, origin.side)
        if not set_at.bot:
            how = f"Let {parameter.name} be inherited again at {set_at}."
            calls.append(_call("inherit", how, "POST", address_of(namespace, set_at), _body({parameter.name: None})))
        calls.append({"code": "undo", "how": f"Take version {origin.version} back.", **undo_call(origin.version)})
    history = f"{API}/config/changes?namespace={namespace}&parameter={parameter.name}"
    calls.append(_call("history", "Every decision about it, newest first.", "GET", history))
    return calls


def _change_call(namespace: str, parameter: Parameter, scope: Scope) -> dict[str, Any]:
    if scope.bot or scope.kind not in parameter.scopes:
        where = f"It can be set for {', '.join(parameter.scopes)}."
        address = address_of(namespace, scope if scope.bot else Scope("global"))
        return _call("change", f"{where} A bot's own values: read the bot, then PUT it.", "GET", address)
    how = "Send the new value; with validate_only true nothing is written and the effects are shown."
    return _call("change", how, "POST", address_of(namespace, scope), _body({parameter.name: parameter.example}))


def _body(parameters: Mapping[str, Any]) -> dict[str, Any]:
    return {"parameters": dict(parameters), "reason": "", "validate_only": True}


def _call(code: str, how: str, method: str, path: str, body: Any = None) -> dict[str, Any]:
    call = {"code": code, "how": how, "method": method, "path": path}
    return call if body is None else {**call, "body": body}


def _offered(candidate: Candidate | Resolved, decisions: Decisions) -> dict[str, Any]:
    return {**candidate_output(candidate), "decision": decision_output(decisions.get(candidate.origin.version))}


def _unit(parameter: Parameter) -> str:
    return f" {parameter.unit}" if parameter.unit else ""


def _whence(origin: Origin) -> str:
    if origin.scope == "default":
        return "the default"
    if origin.scope == "environment":
        return f"from the environment variable {origin.name}"
    return f"set at {Scope(origin.scope, origin.bot, origin.symbol, origin.side)}"
