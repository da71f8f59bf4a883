"""What is in force at a place, and why: every value with its origin, and what it overrules."""

from datetime import UTC, datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from configuration import selectors, store
from configuration.image import Image, Path
from configuration.scopes import Scope
from engine.domain.errors import Fault
from tradingsite.dashboard import in_force, palette, places
from tradingsite.dashboard.access import owner_seen_by, page


@page
def show(request: HttpRequest) -> HttpResponse:
    """The values in force for the place and the version the address names."""
    asked = request.GET
    now = store.current()
    known = places.known(now, owner_id=owner_seen_by(request))
    place = places.place(asked)
    at, since, other = places.moment(asked, "at_version"), places.moment(asked, "changed_since"), _other(request)
    faults = [*place.faults, *at.faults, *since.faults, *other.faults]
    for name, version in (("at_version", at.version), ("changed_since", since.version), ("with", other.version)):
        faults += _too_new(name, version, now.version)
    if faults:
        at, since, other = (part._replace(version=None) for part in (at, since, other))
    image = _image(at.version, now, place.scope, place.namespace.name)
    seen = in_force.Seen(
        namespace=place.namespace.name,
        scope=place.scope,
        bot_names=known.bot_names,
        now=datetime.now(UTC),
        open=asked.get("open", ""),
        compared=_compared(other, now, image, place),
    )
    rows = in_force.rows(image, seen)
    shown = rows
    if asked.get("only") == "overridden":
        shown = [row for row in shown if in_force.is_overridden(row)]
    if since.version is not None:
        moved = in_force.moved_since(since.version, image, seen)
        shown = [row for row in shown if row.parameter.name in moved]
    context = {
        "section": "configuration",
        "tab": "effective",
        "faults": faults,
        "place": place,
        "place_words": places.words_of(place.scope, known.bot_names),
        "namespaces": places.namespaces(),
        "known": known,
        "asked": asked,
        "groups": in_force.grouped(shown),
        "shown": len(shown),
        "total": len(rows),
        "overridden": sum(map(in_force.is_overridden, rows)),
        "differing": sum(row.is_different for row in rows),
        "is_comparing": seen.compared is not None,
        "other_words": _other_words(other, known.bot_names),
        "version": image.version,
        "is_past": at.version is not None and at.version != now.version,
        "newest": now.version,
        "narrowing": _narrowing(asked),
        "here_url": places.in_force_url(place.scope, place.namespace.name),
        "edit_url": places.edit_url(
            place.scope._replace(symbol="", side="") if place.scope.bot else place.scope, seen.namespace
        ),
        **_found(request, now, known),
    }
    return render(request, "configuration/effective.html", context, status=422 if faults else 200)


def _other(request: HttpRequest) -> places.Other:
    return places.other(request.GET, "with")


def _too_new(name: str, version: int | None, newest: int) -> list[Fault]:
    if version is None or version <= newest:
        return []
    message = f"There is no version {version}; the newest is {newest}."
    return [Fault("out_of_range", f"/{name}", message, [0, newest], version)]


def _image(version: int | None, now: Image, scope: Scope, namespace: str) -> Image:
    if version is None or version == now.version:
        return now
    return selectors.image_at(version=version, scope=scope, namespaces=(namespace,))


def _compared(other: places.Other, now: Image, image: Image, place: places.Place) -> tuple[Image, Path] | None:
    if other.version is not None:
        scope = place.scope
        return _image(other.version, now, scope, place.namespace.name), Path(scope.bot, scope.symbol, scope.side)
    if other.scope is None:
        return None
    path = Path(other.scope.bot, other.scope.symbol, other.scope.side)
    # The image of a past version holds what speaks for its own scope alone.
    if image is not now:
        return _image(image.version, now, other.scope, place.namespace.name), path
    return now, path


def _other_words(other: places.Other, bot_names: Any) -> str:
    if other.version is not None:
        return f"v{other.version}"
    return places.words_of(other.scope, bot_names) if other.scope is not None else ""


def _narrowing(asked: Any) -> dict[str, str]:
    """What narrows or compares, so that it can be told and taken away."""
    return {name: asked[name] for name in ("at_version", "changed_since", "with", "only") if asked.get(name)}


def _found(request: HttpRequest, now: Image, known: places.Known) -> dict[str, Any]:
    """What the words in the search box lead to; for readers without script."""
    text = request.GET.get("q", "").strip()
    return {"q": text, "found": palette.found(text, now, known) if text else None}
