"""What every write of configuration does the same way: judge all of it, preview it, or do it."""

from collections.abc import Sequence
from typing import Any

from rest_framework.request import Request

from configuration import services
from configuration.api.gates import Asked, gate_of
from configuration.api.output.previews import preview_output
from configuration.api.requests.wishes import Wish
from configuration.api.views.base import actor_of, now, request_id
from configuration.services import gating
from engine.domain.errors import InputError


def applied(request: Request, wish: Wish, operations: Sequence[services.Operation], *, kind: str) -> services.Applied:
    """Do what was asked, or raise with every fault of the request and of its values."""
    if wish.faults:
        refuse(request, wish, operations)
    return services.change(operations=operations, kind=kind, source="api", **circumstances(request, wish))


def circumstances(request: Request, wish: Wish) -> dict[str, Any]:
    """Who asks, why, and under which conditions: what every write is told beside what it does."""
    return {
        "actor": actor_of(request),
        "reason": wish.reason,
        "on_behalf_of": wish.on_behalf_of,
        "base_version": wish.base_version,
        "plan_hash": wish.plan_hash,
        "idempotency_key": wish.idempotency_key,
        "request_id": request_id(),
        "now": now(),
    }


def previewed(
    request: Request, wish: Wish, operations: Sequence[services.Operation], *, kind: str
) -> tuple[services.Preview, dict[str, Any]]:
    """What doing it would change, and the same as JSON. Writes nothing.

    Raises whatever doing it would raise. Only a reason that is still missing is told in ``gates``
    instead: people look at what a change does before they say why they make it.
    """
    if wish.faults:
        refuse(request, wish, operations)
    preview = services.preview(operations, actor=actor_of(request), base_version=wish.base_version, kind=kind)
    if preview.refusal:
        raise preview.refusal
    gating.refuse_another_plan(wish.plan_hash, preview.plan.changes, operations)
    missing = gating.reason_faults(wish.reason, preview.plan.changes, operations)
    asked = Asked(request.method or "POST", request.path)
    return preview, preview_output(preview, [gate_of(fault, asked) for fault in missing])


def refuse(request: Request, wish: Wish, operations: Sequence[services.Operation]) -> None:
    """Raise with everything wrong: how it was asked, what the caller may not, and the values, as far as can be told."""
    if not operations:
        raise InputError("The configuration was not changed.", faults=wish.faults)
    preview = services.preview(
        operations, actor=actor_of(request), base_version=wish.base_version, reason=wish.reason or ""
    )
    unexplained = (one.fault for one in preview.unexplained)
    raised = gating.refusal((*wish.faults, *preview.plan.faults, *unexplained), barred=preview.barred)
    if raised is not None:
        raise raised
