"""What a request about configuration says: its scope, its body, its conditions. Every fault at once."""

import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from rest_framework.request import Request

from configuration.scopes import GLOBAL, Scope, scope_faults, side_scope, symbol_scope
from engine.domain.errors import Fault, InputError

_FIELDS: Final = {"parameters": dict, "changed_by": str, "reason": str, "validate_only": bool, "base_version": int}
_TYPE_NAMES: Final = {dict: "map", str: "str", bool: "bool", int: "int"}
_ETAG: Final = re.compile(r'"cfg-(\d{1,18})-[0-9a-f]{0,8}"')


class Wish(NamedTuple):
    """A write as it was asked for. ``parameters`` maps names to values; None clears a name."""

    parameters: Mapping[str, Any]
    on_behalf_of: str
    reason: str
    validate_only: bool
    base_version: int | None


def scope_of(symbol: str | None, side: str | None) -> Scope:
    """The scope a path names. Raises InputError (invalid_symbol, not_a_choice)."""
    if symbol is None:
        return GLOBAL
    scope = symbol_scope(symbol) if side is None else side_scope(symbol, side)
    faults = scope_faults(scope, pointer="/path")
    if faults:
        raise InputError("The path names no scope.", faults=faults)
    return scope


def wish_of(request: Request) -> Wish:
    """The body of a POST. Raises InputError with every fault (unknown_field, invalid_type, empty)."""
    body = request.data
    if not isinstance(body, Mapping):
        raise InputError("The body must be a map.", faults=[Fault("invalid_type", "", "The body must be a map.")])
    faults = [*_field_faults(body)]
    if not faults and not body.get("parameters"):
        faults.append(Fault("empty", "/parameters", "parameters names nothing to change.", "at least one", {}))
    if faults:
        raise InputError("The configuration was not changed.", faults=faults)
    return Wish(
        parameters=body["parameters"],
        on_behalf_of=body.get("changed_by", ""),
        reason=body.get("reason", ""),
        validate_only=body.get("validate_only", False),
        base_version=body.get("base_version", if_match(request)),
    )


def clearing_of(request: Request) -> Wish:
    """What a DELETE says in its query: changed_by and reason."""
    query = request.query_params
    known = ("changed_by", "changedBy", "reason")
    faults = [_unknown_field(name, f"/{name}", list(known)) for name in query if name not in known]
    if faults:
        raise InputError("The configuration was not changed.", faults=faults)
    changed_by = query.get("changed_by") or query.get("changedBy") or ""
    return Wish({}, changed_by, query.get("reason", ""), False, if_match(request))


def if_match(request: Request) -> int | None:
    """The version an If-Match header names. Raises InputError (invalid_etag)."""
    header = request.headers.get("If-Match", "").strip()
    if header in ("", "*"):
        return None
    match = _ETAG.fullmatch(header)
    if match is None:
        message = "If-Match is not an ETag of the configuration; send back the one you were given."
        raise InputError(message, faults=[Fault("invalid_etag", "/headers/If-Match", message, None, header[:80])])
    return int(match[1])


def _field_faults(body: Mapping[str, Any]) -> list[Fault]:
    faults = [_unknown_field(str(name), f"/{name}", list(_FIELDS)) for name in body if name not in _FIELDS]
    for name, kind in _FIELDS.items():
        given = body.get(name)
        # isinstance(True, int): a bool is no version.
        if name in body and (not isinstance(given, kind) or (kind is int and isinstance(given, bool))):
            expected = _TYPE_NAMES[kind]
            faults.append(Fault("invalid_type", f"/{name}", f"{name} must be a {expected}.", expected, _short(given)))
    return faults


def _unknown_field(name: str, pointer: str, allowed: list[str]) -> Fault:
    return Fault("unknown_field", pointer, f"There is no field {name[:60]!r} here.", allowed, name[:60])


def _short(value: Any) -> Any:
    return value if value is None or isinstance(value, bool) else str(value)[:80]
