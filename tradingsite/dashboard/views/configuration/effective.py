"""What is in force at a place, and why: every value with its origin, and what it overrules."""

from datetime import UTC, datetime
from typing import Any, NamedTuple

from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render

from configuration import selectors, store
from configuration.image import Image, Path
from configuration.scopes import Scope
from engine.domain.errors import Fault
from tradingsite.dashboard import in_force, palette, places
from tradingsite.dashboard.access import owner_seen_by, page
from tradingsite.dashboard.in_force import Row, Seen
from tradingsite.dashboard.places import Known, Moment, Other, Place


class _Asked(NamedTuple):
    """What the address asks for; what cannot be meant is in ``faults`` and left out."""

    place: Place
    at: Moment
    since: Moment
    other: Other
    faults: tuple[Fault, ...]


@page
def show(request: HttpRequest) -> HttpResponse:
    """The values in force for the place and the version the address names."""
    now = store.current()
    known = places.known(now, owner_id=owner_seen_by(request))
    asked = _asked(request.GET, newest=now.version)
    image = _image(asked.at.version, now, asked.place.scope, asked.place.namespace.name)
    seen = Seen(
        namespace=asked.place.namespace.name,
        scope=asked.place.scope,
        bot_names=known.bot_names,
        now=datetime.now(UTC),
        open=request.GET.get("open", ""),
        compared=_compared(asked, now, image),
    )
    rows = in_force.rows(image, seen)
    context = {
        "section": "configuration",
        "tab": "effective",
        "asked": request.GET,
        "known": known,
        "namespaces": places.namespaces(),
        "version": image.version,
        "newest": now.version,
        "is_past": image.version != now.version,
        **_table(rows, _narrowed(rows, request.GET, asked, image, seen)),
        **_around(asked, seen),
        **_found(request.GET, now, known),
    }
    return render(request, "configuration/effective.html", context, status=422 if asked.faults else 200)


def _asked(query: QueryDict, *, newest: int) -> _Asked:
    place = places.place(query)
    at, since = places.moment(query, "at_version"), places.moment(query, "changed_since")
    other = places.other(query, "with")
    faults = [*place.faults, *at.faults, *since.faults, *other.faults]
    for name, version in (("at_version", at.version), ("changed_since", since.version), ("with", other.version)):
        if version is not None and version > newest:
            message = f"There is no version {version}; the newest is {newest}."
            faults.append(Fault("out_of_range", f"/{name}", message, [0, newest], version))
    if faults:  # the place as far as it was understood, now, and nothing beside it
        at, since, other = Moment(None, ()), Moment(None, ()), Other(None, None, ())
    return _Asked(place, at, since, other, tuple(faults))


def _image(version: int | None, now: Image, scope: Scope, namespace: str) -> Image:
    if version is None or version == now.version:
        return now
    return selectors.image_at(version=version, scope=scope, namespaces=(namespace,))


def _compared(asked: _Asked, now: Image, image: Image) -> tuple[Image, Path] | None:
    """The other side. The image of a past version holds what speaks for one scope alone, so it has its own."""
    if not asked.other:
        return None
    scope = asked.other.scope or asked.place.scope
    version = image.version if asked.other.version is None else asked.other.version
    return _image(version, now, scope, asked.place.namespace.name), Path(scope.bot, scope.symbol, scope.side)


def _narrowed(rows: list[Row], query: QueryDict, asked: _Asked, image: Image, seen: Seen) -> list[Row]:
    if query.get("only") == "overridden":
        rows = [row for row in rows if in_force.is_overridden(row)]
    if asked.since.version is not None:
        moved = in_force.moved_since(asked.since.version, image, seen)
        rows = [row for row in rows if row.parameter.name in moved]
    return rows


def _table(rows: list[Row], shown: list[Row]) -> dict[str, Any]:
    return {
        "groups": in_force.grouped(shown),
        "shown": len(shown),
        "total": len(rows),
        "overridden": sum(map(in_force.is_overridden, rows)),
        "differing": sum(row.is_different for row in rows),
    }


def _around(asked: _Asked, seen: Seen) -> dict[str, Any]:
    """Where one stands, in words, and where one can go from there."""
    scope = asked.place.scope
    version = asked.other.version
    compared = asked.other.scope or scope
    return {
        "place": asked.place,
        "place_words": places.words_of(scope, seen.bot_names),
        "faults": asked.faults,
        "is_narrowed": any((asked.at.version is not None, asked.since.version is not None, asked.other)),
        "is_comparing": bool(asked.other),
        "other_words": f"v{version}" if version is not None else places.words_of(compared, seen.bot_names),
        "here_url": places.in_force_url(scope, seen.namespace),
        "edit_url": _edit_url(asked.place, seen),
    }


def _edit_url(place: Place, seen: Seen) -> str:
    """Where the narrowest of what is looked at is edited; '' where nothing of it can be."""
    for scope in reversed(list(seen.path.scopes())):
        if scope.kind in place.namespace.scopes and not seen.is_of_another(scope):
            return places.edit_url(scope, seen.namespace)
    return ""


def _found(query: QueryDict, now: Image, known: Known) -> dict[str, Any]:
    """What the words in the search box lead to; for readers without script."""
    text = query.get("q", "").strip()
    return {"q": text, "found": palette.found(text, now, known) if text else None}
