"""A write as it was asked for: what, by whom for whom, why, and under which conditions."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from rest_framework.request import Request

from configuration.api.requests import body, conditions, query
from engine.domain.errors import Fault, InputError

_PARAMETERS: Final = {"parameters": body.Field((dict,), {}, is_required=True), **body.WRITING}
_CLEARING: Final[Mapping[str, query.Reader]] = {
    "changed_by": lambda name, given: given,
    "reason": lambda name, given: given,
    "validate_only": query.flag,
    "base_version": query.whole(0),
    "plan_hash": query.text,
}


class Wish(NamedTuple):
    """A write as it was asked for, and what is wrong with how it was asked."""

    asked: Mapping[str, Any]
    on_behalf_of: str
    reason: str
    validate_only: bool
    base_version: int | None
    plan_hash: str | None
    idempotency_key: str | None
    faults: tuple[Fault, ...] = ()


def merging(request: Request) -> Wish:
    """The body of a POST: at least one parameter."""
    wish = wished(request, _PARAMETERS)
    if not wish.asked["parameters"] and not any(fault.pointer in ("", "/parameters") for fault in wish.faults):
        fault = Fault("empty", "/parameters", "parameters names nothing to change.", "at least one", {})
        return wish._replace(faults=(*wish.faults, fault))
    return wish


def replacing(request: Request) -> Wish:
    """The body of a PUT: ``parameters`` is all there is to be set; {} clears the scope."""
    return wished(request, _PARAMETERS)


def clearing(request: Request) -> Wish:
    """What a DELETE says in its query. Raises InputError with every fault."""
    asked = query.read(request, _CLEARING)
    return Wish(
        asked={},
        on_behalf_of=asked["changed_by"] or "",
        reason=asked["reason"] or "",
        validate_only=bool(asked["validate_only"]),
        base_version=conditions.if_match(request) if asked["base_version"] is None else asked["base_version"],
        plan_hash=asked["plan_hash"],
        idempotency_key=conditions.idempotency_key(request),
    )


def wished(request: Request, fields: Mapping[str, body.Field]) -> Wish:
    """The body of a write with these fields, of which ``body.WRITING`` are some. Its faults are told, not raised."""
    read = body.read(request, fields)
    faults = read.faults
    base_version = read.values.get("base_version")
    if base_version is None:
        try:
            base_version = conditions.if_match(request)
        except InputError as error:
            faults = (*faults, *error.faults)
    return Wish(
        asked=read.values,
        on_behalf_of=read.values.get("changed_by") or "",
        reason=read.values.get("reason") or "",
        validate_only=bool(read.values.get("validate_only")),
        base_version=base_version,
        plan_hash=read.values.get("plan_hash") or None,
        idempotency_key=conditions.idempotency_key(request),
        faults=faults,
    )
