"""Every decision about configuration, newest first, narrowed by what it touches, who made it, when and why."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.http import urlencode

from configuration import selectors, store
from configuration.catalogue import CATALOGUE
from configuration.scopes import SIDES, Scope
from configuration.selectors import Sought
from engine.domain.errors import Fault
from tradingsite.dashboard import decided, places, sparklines
from tradingsite.dashboard.access import owner_seen_by, page

PER_PAGE: Final = 50
SHOWN_CHANGES: Final = 4
SOURCES: Final = ("admin", "api", "cli", "import", "rollback", "system")
SCOPES: Final = (
    ("global", "everywhere"),
    ("symbol", "a symbol"),
    ("symbol_side", "a side of a symbol"),
    ("bot", "a bot"),
)
_NUMERIC: Final = ("int", "float", "decimal")
_TEXTS: Final = ("namespace", "parameter", "scope", "symbol", "side", "bot", "actor", "source", "reason")


@page
def show(request: HttpRequest) -> HttpResponse:
    """One page of the ledger."""
    asked = {name: request.GET.get(name, "").strip() for name in (*_TEXTS, "since", "until")}
    asked["symbol"], asked["side"] = asked["symbol"].upper(), asked["side"].upper()
    before = places.moment(request.GET, "before")
    since, until = _day(asked, "since"), _day(asked, "until")
    faults = [fault for part in (before, since, until) for fault in part[1]]
    sought = Sought(
        **{name: asked[name] for name in _TEXTS},  # type: ignore[arg-type]  # the names of texts alone
        since=since[0],
        until=until[0] + timedelta(days=1) if until[0] is not None else None,
    )
    found = selectors.page(sought, before_version=before.version, limit=PER_PAGE)
    image = store.current()
    known = places.known(image, owner_id=owner_seen_by(request))
    context = {
        "section": "configuration",
        "tab": "changes",
        "asked": asked,
        "faults": faults,
        "is_narrowed": any(asked.values()),
        "namespaces": places.namespaces(),
        "parameters": _parameters(asked["namespace"]),
        "scopes": SCOPES,
        "sources": SOURCES,
        "known": known,
        "lines": [decided.line(one, known.bot_names, most=SHOWN_CHANGES) for one in found.rows],
        "is_first": before.version is None,
        "first_url": _address(asked),
        "next_url": _address({**asked, "before": str(found.before_version)}) if found.before_version else "",
        "newest": image.version,
        "trace": _trace(asked, known.bot_names),
    }
    return render(request, "configuration/history.html", context, status=422 if faults else 200)


def _day(asked: Mapping[str, str], name: str) -> tuple[datetime | None, tuple[Fault, ...]]:
    """The beginning of a day in UTC, and what is wrong with it."""
    text = asked[name]
    if not text:
        return None, ()
    try:
        day = datetime.combine(date.fromisoformat(text), time(), UTC)
        day + timedelta(days=1)  # is asked for too
    except (ValueError, OverflowError):
        message = f"{text[:40]!r} is no day; write 2026-01-31."
        return None, (Fault("invalid_time", f"/{name}", message, "YYYY-MM-DD", text[:40]),)
    return day, ()


def _parameters(namespace: str) -> list[str]:
    wanted = [namespace] if namespace in CATALOGUE.namespaces() else CATALOGUE.namespaces()
    return sorted({one.name for name in wanted for one in CATALOGUE.parameters(name)})


def _address(asked: Mapping[str, str]) -> str:
    return f"?{urlencode({name: value for name, value in asked.items() if value})}"


def _trace(asked: Mapping[str, str], bot_names: Mapping[str, str]) -> dict[str, Any] | None:
    """One parameter over time at the place that is asked for, where it is a number."""
    declared = CATALOGUE.find(asked["namespace"], asked["parameter"])
    if declared is None or declared.kind not in _NUMERIC:
        return None
    symbol, side, bot = asked["symbol"], asked["side"], asked["bot"]
    side = side if symbol and side in SIDES else ""
    kind = "bot" if bot else "symbol_side" if side else "symbol" if symbol else "global"
    scope = Scope(kind, bot, symbol, side)
    points = selectors.sparkline(asked["namespace"], declared.name, scope)
    line = sparklines.step_line(points, until=datetime.now(UTC)) if points else None
    if line is None:
        return None
    return {
        "line": line,
        "parameter": declared,
        "place": places.words_of(scope, bot_names),
        "now": points[-1].value,
        "in_force_url": places.in_force_url(scope, asked["namespace"], parameter=declared.name),
    }
