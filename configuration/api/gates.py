"""Beside every refusal: what would clear it, and the call to make next, for whoever knows only this answer."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from configuration.api.output.places import API, address_of, schema_address
from configuration.api.requests.naming import nearest
from configuration.catalogue import CATALOGUE
from configuration.scopes import GLOBAL, Scope
from engine.domain.errors import Fault, PlatformError

Gate = dict[str, Any]


class Asked(NamedTuple):
    """What was asked when it was refused: the call, and the namespace and scope it was about, if one."""

    method: str
    path: str
    namespace: str = ""
    scope: Scope | None = None


def gates_of(error: PlatformError, asked: Asked) -> list[Gate]:
    """The error's own gates, then one for each kind of fault in it, at least one for a refusal."""
    found: list[Gate] = [{**gate, **_next_call(gate, asked)} for gate in getattr(error, "gates", ())]
    own = {gate.get("code") for gate in found}
    told: set[tuple[str, Any]] = set()
    for fault in error.faults:
        gate = gate_of(fault, asked)
        if gate["code"] not in own and (gate["code"], gate.get("parameter")) not in told:
            told.add((gate["code"], gate.get("parameter")))
            found.append(gate)
    if not found and error.status < 500:
        found += _of_code(error.specific_code, asked)
    return found


def gate_of(fault: Fault, asked: Asked) -> Gate:
    """What clears one fault, and the call to make next."""
    make = _BY_CODE.get(fault.code, _of_value if fault.pointer.startswith("/parameters/") else _of_form)
    return make(fault, asked)


def _next_call(gate: Gate, asked: Asked) -> Gate:
    """The call to make next for a gate that was found below the API, where addresses are not known."""
    code, version = gate.get("code"), gate.get("version")
    if "path" in gate:
        return {}
    if code == "rebase":
        return {"method": "POST", "path": f"{API}/config/batch"}
    if code in ("changed_since", "plan_changed") and version:
        return {"method": "GET", "path": f"{API}/config/changes/{version}"}
    if "parameter" in gate and "namespace" in gate:
        query = f"namespace={gate['namespace']}&parameter={gate['parameter']}"
        return {"method": "GET", "path": f"{API}/config/explain?{query}{_scope_query(asked.scope)}"}
    return {"method": asked.method, "path": asked.path}


def _again(asked: Asked, code: str, how: str, **more: Any) -> Gate:
    return {"code": code, "how": how, "method": asked.method, "path": asked.path, **more}


def _read(code: str, how: str, path: str, **more: Any) -> Gate:
    return {"code": code, "how": how, "method": "GET", "path": path, **more}


def _reason(fault: Fault, asked: Asked) -> Gate:
    where = "Add ?reason=" if asked.method == "DELETE" else 'Add "reason"'
    return _again(asked, fault.code, f"{where}: one sentence that says why. Then send the same again.")


def _unknown_parameter(fault: Fault, asked: Asked) -> Gate:
    known: Sequence[str] = fault.allowed or ()
    meant = nearest(str(fault.got), known)
    how = f"Did you mean {' or '.join(meant)}? " if meant else ""
    namespace = next((n for n in CATALOGUE.namespaces() if known and CATALOGUE.find(n, known[0])), asked.namespace)
    path = schema_address(namespace) if namespace else f"{API}/config/search?q="
    how += "The schema lists every parameter; GET /api/v1/config/search?q= finds one by its meaning."
    return _read(fault.code, how, path, parameter=str(fault.got), nearest=meant)


def _unknown_namespace(fault: Fault, asked: Asked) -> Gate:
    meant = nearest(str(fault.got), fault.allowed or ())
    return _read(fault.code, "Name one of these namespaces.", f"{API}/config/namespaces", nearest=meant)


def _unknown_field(fault: Fault, asked: Asked) -> Gate:
    meant = nearest(str(fault.got), fault.allowed or ())
    how = f"Did you mean {' or '.join(meant)}? " if meant else ""
    how += f"Allowed here: {', '.join(fault.allowed or ()) or 'nothing'}."
    return _again(asked, fault.code, how, parameter=str(fault.got), nearest=meant)


def _scope(fault: Fault, asked: Asked) -> Gate:
    kinds = fault.allowed or []
    if kinds == ["bot"]:
        return _read(fault.code, "Only a bot has this: read the bot, then PUT it.", f"{API}/bots")
    at = asked.scope or GLOBAL
    wider = Scope("symbol", symbol=at.symbol) if "symbol" in kinds and at.symbol else GLOBAL
    address = address_of(asked.namespace, wider) if asked.namespace else asked.path
    return _again(asked._replace(path=address), fault.code, f"Set it for {' or '.join(kinds)} instead.")


def _etag(fault: Fault, asked: Asked) -> Gate:
    return _read(fault.code, "Read the scope; send its ETag header back as If-Match.", _scope_address(asked))


def _changed_since(fault: Fault, asked: Asked) -> Gate:
    how = f"Read what version {fault.got} did, decide again, then send base_version {fault.got} or its ETag."
    return _read(fault.code, how, f"{API}/config/changes/{fault.got}")


def _of_value(fault: Fault, asked: Asked) -> Gate:
    name = fault.pointer.split("/")[2]
    how = "Send a value the parameter allows; this call explains it, its limits and what is in force."
    namespace = asked.namespace or next((n for n in CATALOGUE.namespaces() if CATALOGUE.find(n, name)), "")
    path = f"{API}/config/explain?namespace={namespace}&parameter={name}{_scope_query(asked.scope)}"
    return _read(fault.code, how, path, parameter=name)


def _of_form(fault: Fault, asked: Asked) -> Gate:
    where = fault.pointer or "the body"
    return _again(asked, fault.code, f"Mend {where}: {fault.message}")


def _of_code(code: str, asked: Asked) -> Iterator[Gate]:
    if code == "IDEMPOTENCY_MISMATCH":
        yield _again(asked, code, "Send it under an Idempotency-Key that was not used yet.")
    elif code in ("STALE_PLAN", "STALE_VERSION"):
        how = "Send it once more with validate_only, look at the plan, then send its plan_hash and version."
        yield _again(asked, code, how)
    elif code == "NOT_FOUND" and asked.scope is not None:
        yield _read(code, "Read what is in force there, and where it comes from.", _scope_address(asked))
    elif code == "NOT_FOUND":
        yield _read(code, "These decisions were made; each is a version.", f"{API}/config/changes")
    elif code not in ("NOT_AUTHENTICATED", "NOT_ALLOWED"):
        yield _read(code, "Every address, with examples, is described here.", f"{API}/schema")


def _scope_address(asked: Asked) -> str:
    return address_of(asked.namespace, asked.scope or GLOBAL) if asked.namespace else asked.path


def _scope_query(scope: Scope | None) -> str:
    parts = scope._asdict() if scope else {}
    return "".join(f"&{name}={parts[name]}" for name in ("symbol", "side", "bot") if parts.get(name))


_BY_CODE: Final[dict[str, Callable[[Fault, Asked], Gate]]] = {
    "reason_required": _reason,
    "unknown_parameter": _unknown_parameter,
    "unknown_namespace": _unknown_namespace,
    "unknown_field": _unknown_field,
    "scope_not_allowed": _scope,
    "invalid_etag": _etag,
    "changed_since": _changed_since,
}
