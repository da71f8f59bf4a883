"""One decision: what it set, who made it and why, what it came to, and the way back."""

from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse

from configuration import ports, selectors, services
from configuration.services import Actor, Course, Preview
from engine.domain.errors import Fault, PlatformError
from tradingsite.access.judging import may
from tradingsite.dashboard import decided, places
from tradingsite.dashboard.access import owner_seen_by, page

SHOWN_CHANGES: Final = 200
SHOWN_OUTCOMES: Final = 60
NAMED_PLACES: Final = 6
_COURSES: Final = {"this": "undo", "before": "before"}


class TakingBack(NamedTuple):
    """A way back as it is offered: what it would do now, or why it cannot."""

    course: str
    newer: str
    preview: Preview | None
    left_out: tuple[Fault, ...]
    refusal: PlatformError | None
    reason: str

    @property
    def is_possible(self) -> bool:
        return self.preview is not None and self.preview.refusal is None and bool(self.preview.plan.changes)


@page
def show(request: HttpRequest, version: int) -> HttpResponse:
    """The decision; with ``revert`` in the address, what taking it back would do. A POST takes it back."""
    by = selectors.decision(version)
    if request.method == "POST":
        return _take_back(request, by)
    asked = request.GET.get("revert", "")
    way = _way(request, version, asked, request.GET, reason="") if asked in _COURSES else None
    return render(request, "configuration/changeset.html", _context(request, by, way))


def _take_back(request: HttpRequest, by: Any) -> HttpResponse:
    posted = request.POST
    course = posted.get("revert", "")
    if course not in _COURSES:
        return redirect("pages:config-change", by.version)
    reason = posted.get("reason", "")
    try:
        done = services.roll_back(
            **_aim(by.version, course, posted.get("newer", "")),
            actor=_actor(request),
            reason=reason,
            now=datetime.now(UTC),
            plan_hash=posted.get("plan_hash") or None,
            request_id=getattr(request, "request_id", ""),
        )
    except PlatformError as refused:
        way = _way(request, by.version, course, posted, reason=reason)._replace(refusal=refused)
        return render(request, "configuration/changeset.html", _context(request, by, way), status=refused.status)
    if not done.changes:
        messages.info(request, "There was nothing left to take back; nothing was changed.")
        return redirect("pages:config-change", by.version)
    messages.success(request, f"Taken back. That is version {done.version}.", extra_tags="good")
    return redirect("pages:config-change", done.version)


def _aim(version: int, course: str, newer: str) -> dict[str, Any]:
    """What ``services.roll_back`` and ``services.course`` are asked for."""
    return {
        _COURSES[course]: version,
        "override_newer": newer == "override",
        "only_possible": newer == "keep",
    }


def _way(request: HttpRequest, version: int, course: str, asked: QueryDict, *, reason: str) -> TakingBack:
    """The way back and what it would do, worked out on what is in force now."""
    newer = asked.get("newer", "")
    try:
        found: Course = services.course(**_aim(version, course, newer))
    except PlatformError as refused:
        return TakingBack(course, newer, None, (), refused, reason)
    preview = services.preview(found.operations, actor=_actor(request), kind="rollback")
    return TakingBack(course, newer, preview, found.left_out, preview.refusal, reason)


def _actor(request: HttpRequest) -> Actor:
    return ports.principals().actor_of(request.user, None)


def _context(request: HttpRequest, by: Any, way: TakingBack | None) -> dict[str, Any]:
    version = by.version
    known_bots = _bot_names(request)
    newest = selectors.head().version
    changed = decided.outcomes(_difference(version), known_bots, most=NAMED_PLACES)
    return {
        "section": "configuration",
        "tab": "changes",
        "by": by,
        "line": decided.line(by, known_bots, most=SHOWN_CHANGES),
        "change_count": len(by.changes.all()),
        "outcomes": changed[:SHOWN_OUTCOMES],
        "more_outcomes": max(len(changed) - SHOWN_OUTCOMES, 0),
        "proof": decided.proof(version, selectors.ledger_check()),
        "curl": decided.as_curl(by, request.build_absolute_uri(reverse("config-batch"))),
        "newest": newest,
        "previous": version - 1 if version > 1 else None,
        "next": version + 1 if version < newest else None,
        "may_revert": may(request.user, "pages:config-change", "POST"),
        "way": way,
        "would": _would(way, known_bots),
    }


def _bot_names(request: HttpRequest) -> Any:
    return places.bot_names(owner_id=owner_seen_by(request))


def _difference(version: int) -> tuple[selectors.Difference, ...]:
    """What became another value in force, as of then."""
    before = selectors.image_at(version=version - 1)
    return selectors.difference(before, selectors.image_at(version=version))


def _would(way: TakingBack | None, bot_names: Any) -> list[decided.Chip]:
    if way is None or way.preview is None:
        return []
    return [decided.chip(one, bot_names) for one in way.preview.plan.changes[:SHOWN_CHANGES]]
