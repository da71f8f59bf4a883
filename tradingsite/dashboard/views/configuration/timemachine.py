"""The time machine: what was in force at a version or an instant, beside now, and the way back to it."""

from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.utils.http import urlencode

from configuration import ports, selectors, services, store
from configuration.image import Image
from configuration.scopes import Scope
from configuration.selectors import PastImage
from configuration.services import Course
from engine.domain.errors import Fault, NotFound, PlatformError
from tradingsite.dashboard import configuration_changes as changes
from tradingsite.dashboard import decided, places, then_and_now
from tradingsite.dashboard.access import owner_seen_by, page
from tradingsite.dashboard.configuration_changes import Shown, Wish

SHOWN_CHIPS: Final = 4
_HOW_MUCH: Final = ("all", "here")
"""Roll back everything, or only what the place in sight sets in its namespace."""


class Asked(NamedTuple):
    """The version that is asked for, by its number or by an instant; the newest where nothing is."""

    version: int
    time: datetime | None
    faults: tuple[Fault, ...]


class Way(NamedTuple):
    """The way back as it is offered: what it would do now, and what it leaves as it is.

    ``note``: why nothing was done, or why it cannot be. ``is_partial``: what is impossible is left out.
    """

    how_much: str
    is_partial: bool
    shown: Shown | None
    left_out: tuple[Fault, ...]
    note: str
    reason: str


@page
def show(request: HttpRequest) -> HttpResponse:
    """The past beside the present; with ``back`` in the address the way back. A POST goes it."""
    if request.method == "POST":
        return _go_back(request)
    asked = _asked(request.GET)
    how_much = request.GET.get("back", "")
    way = None
    if how_much in _HOW_MUCH and not asked.faults:
        way = _way(request, request.GET, asked.version, how_much)
    return render(
        request,
        "configuration/time.html",
        _context(request, request.GET, asked, way),
        status=422 if asked.faults else 200,
    )


def _go_back(request: HttpRequest) -> HttpResponse:
    posted = request.POST
    asked, how_much, reason = _asked(posted), posted.get("back", ""), posted.get("reason", "")
    if asked.faults or how_much not in _HOW_MUCH:
        return redirect("pages:config-time")
    try:
        done = services.roll_back(
            **_aim(posted, asked.version, how_much),
            actor=ports.principals().actor_of(request.user, None),
            reason=reason,
            now=datetime.now(UTC),
            # What was not seen is not done: an empty hash fits no plan.
            plan_hash=posted.get("plan_hash", ""),
            request_id=getattr(request, "request_id", ""),
        )
    except PlatformError as refused:
        note = changes.why_not(refused)
        way = _way(request, posted, asked.version, how_much, note=note, reason=reason)
        context = _context(request, posted, asked, way)
        return render(request, "configuration/time.html", context, status=refused.status)
    if not done.changes:
        messages.info(request, f"Everything is as it was at v{asked.version}; nothing was changed.")
        return redirect("pages:config-time")
    messages.success(request, f"Back at v{asked.version}. That is version {done.version}.", extra_tags="good")
    return redirect("pages:config-change", done.version)


def _asked(asked: QueryDict) -> Asked:
    """The version of the slider where it was moved, else of the field; an instant goes before both."""
    newest = store.current().version
    moved = asked.get("slide", "") != asked.get("was", "")
    given = places.moment(asked, "slide" if moved else "at_version")
    if given.faults:
        return Asked(newest, None, given.faults)
    if text := asked.get("at_time", "").strip():
        return _at(text, newest)
    if given.version is not None and given.version > newest:
        message = f"There is no version {given.version}; the newest is {newest}."
        return Asked(newest, None, (Fault("out_of_range", "/at_version", message, [0, newest], given.version),))
    return Asked(newest if given.version is None else given.version, None, ())


def _at(text: str, newest: int) -> Asked:
    try:
        time = datetime.fromisoformat(text)
        # A field of a form names no time zone; every time on these pages is UTC.
        time = time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
        return Asked(selectors.version_at(time), time, ())
    except (ValueError, OverflowError):
        message = f"{text[:40]!r} is no time; write 2026-03-02T12:00, in UTC."
        return Asked(newest, None, (Fault("invalid_time", "/at_time", message, "ISO 8601", text[:40]),))


def _aim(asked: QueryDict, version: int, how_much: str) -> dict[str, Any]:
    """What ``services.course`` and ``services.roll_back`` are asked for."""
    aim: dict[str, Any] = {"to": version, "only_possible": asked.get("only_possible") == "1"}
    if how_much == "here":
        place = places.place(asked)
        aim |= {"scope": _exactly(place.scope), "namespace": place.namespace.name}
    return aim


def _exactly(scope: Scope) -> Scope:
    """The one scope that a place stands for: a bot on a symbol is the bot."""
    return Scope("bot", scope.bot) if scope.bot else scope


def _way(
    request: HttpRequest, asked: QueryDict, version: int, how_much: str, *, note: str = "", reason: str = ""
) -> Way:
    is_partial = asked.get("only_possible") == "1"
    try:
        course: Course = services.course(**_aim(asked, version, how_much))
    except PlatformError as refused:
        return Way(how_much, is_partial, None, (), note or changes.why_not(refused), reason)
    shown = changes.look(
        Wish(course.operations, store.current().version, reason, "rollback"),
        actor=ports.principals().actor_of(request.user, None),
        bot_names=places.bot_names(owner_id=owner_seen_by(request)),
        note=note,
        spoken=False,
    )
    return Way(how_much, is_partial, shown, course.left_out, "", reason)


def _context(request: HttpRequest, given: QueryDict, asked: Asked, way: Way | None) -> dict[str, Any]:
    now = store.current()
    known = places.known(now, owner_id=owner_seen_by(request))
    place = places.place(given)
    scope, namespace = place.scope, place.namespace.name
    then = _then(asked.version, now, scope, namespace)
    found = then_and_now.rows(then, now, namespace=namespace, scope=scope, bot_names=known.bot_names)
    differing = [row for row in found if row.change]
    is_narrowed = given.get("only") == "different"
    by = selectors.decision(asked.version) if asked.version else None
    here = {"namespace": namespace, "symbol": scope.symbol, "side": scope.side, "bot": scope.bot}
    here = {name: said for name, said in {**here, "only": "different" if is_narrowed else ""}.items() if said}
    return {
        "section": "configuration",
        "tab": "time",
        "faults": [*asked.faults, *place.faults],
        "place": place,
        "place_words": places.words_of(scope, known.bot_names),
        "exact_words": places.words_of(_exactly(scope), known.bot_names),
        "here": here,
        "here_query": f"&{urlencode(here)}",
        "namespaces": places.namespaces(),
        "known": known,
        "asked": asked,
        "newest": now.version,
        "is_past": asked.version != now.version,
        "since": now.version - asked.version,
        "then": then,
        "is_edition_known": getattr(then, "is_edition_known", True),
        "todays": sum(row.then is not None and row.then.is_todays for row in found),
        "groups": then_and_now.grouped(differing if is_narrowed else found),
        "total": len(found),
        "differing": len(differing),
        "is_narrowed": is_narrowed,
        "by": by,
        "line": decided.line(by, known.bot_names, most=SHOWN_CHIPS) if by else None,
        "in_force_url": places.in_force_url(scope, namespace, at_version=asked.version),
        "way": way,
    }


def _then(version: int, now: Image, scope: Scope, namespace: str) -> Image:
    if version == now.version:
        return now
    try:
        found: PastImage = selectors.image_at(version=version, scope=scope, namespaces=(namespace,))
    except NotFound:  # the namespace was not declared then: of it there was nothing
        found = selectors.image_at(version=version)
    return found
