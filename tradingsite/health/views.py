"""Three questions from outside: does it live, can it take requests, how is each part."""

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe

from tradingsite import deployment
from tradingsite.api import exceptions
from tradingsite.api.envelope import success
from tradingsite.api.errors import NotReady
from tradingsite.health import components, heartbeats

# What a request needs before it can be answered at all; workers may come and go.
_NEEDED_BY_REQUESTS = ("database", "migrations", "redis")


@require_safe
def alive(request: HttpRequest) -> HttpResponse:
    """/healthz: this process answers. Asks nothing else, so a sick database never restarts the web."""
    return JsonResponse(success({"status": "alive"}))


@require_safe
def ready(request: HttpRequest) -> HttpResponse:
    """/ready: requests can be served; 503 until then."""
    parts = [part for part in components.components() if part.name in _NEEDED_BY_REQUESTS]
    found = components.examine(parts)
    if components.overall(found) == components.HEALTHY:
        return JsonResponse(success({"status": "ready"}))
    sick = [name for name, finding in found.items() if finding.status != components.HEALTHY]
    return exceptions.json_response(NotReady(f"Not ready: {', '.join(sick)}."))


@require_safe
def health(request: HttpRequest) -> HttpResponse:
    """/health: every component. 200 also when sick: the body tells, probes use /ready.

    Anonymous callers get status words only; staff learn errors, dependencies and settings.
    """
    parts = components.components()
    found = components.examine(parts)
    is_staff = _is_staff(request, found)
    data: dict[str, Any] = {
        "overall_health": components.overall(found),
        "totals": _totals(found),
        "components": {part.name: _shown(part, found[part.name], is_staff=is_staff) for part in parts},
    }
    if is_staff:
        data["queues"] = _queues(found)
        data["passed_through"] = deployment.passed_through(deployment.load())
    return JsonResponse(success(data))


def _is_staff(request: HttpRequest, found: dict[str, components.Finding]) -> bool:
    # Who asks is in the database; when that is away, nobody is staff and nobody waits for it twice.
    if found["migrations"].status != components.HEALTHY:
        return False
    return bool(request.user.is_staff)


def _shown(part: components.Component, finding: components.Finding, *, is_staff: bool) -> dict[str, Any]:
    if not is_staff:
        return {"status": finding.status}
    return {"status": finding.status, "error": finding.error, "dependencies": list(part.needs), **finding.facts}


def _totals(found: dict[str, components.Finding]) -> dict[str, int]:
    words = (components.HEALTHY, components.UNHEALTHY, components.NOT_INITIALIZED, components.UNKNOWN)
    return {word: sum(finding.status == word for finding in found.values()) for word in words}


def _queues(found: dict[str, components.Finding]) -> dict[str, int | None]:
    """Seconds since each queue's canary was answered: a long silence is a long queue."""
    names = [name.replace("worker-", "queue-") for name in found if name.startswith("worker-")]
    if found["redis"].status != components.HEALTHY:
        return dict.fromkeys(names)
    return heartbeats.last_seen(names)
