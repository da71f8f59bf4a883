"""The cockpit: is configuration sound, is it everywhere the same, what was decided last, what is set and where."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from configuration import selectors, store
from configuration.image import Image
from configuration.scopes import Scope
from configuration.selectors import Checked, Head, PendingRestart
from tradingsite.dashboard import decided, overrides, places
from tradingsite.dashboard.access import owner_seen_by, page
from tradingsite.dashboard.in_force import age

SHOWN_DECISIONS: Final = 10
SHOWN_CHIPS: Final = 3
SHOWN_DEPARTURES: Final = 8
SHOWN_IDLE: Final = 8
_CHECKED_LONG_AGO: Final = timedelta(hours=3)
"""The ledger is verified every hour; one missed may be a restart, three are not."""


class Ledger(NamedTuple):
    """What the last verification says. ``state``: verified, late, broken or never.

    ``newer``: how many versions it has not seen yet.
    """

    state: str
    checked: Checked | None
    age: str
    newer: int


class Waiting(NamedTuple):
    """Something that runs on another value until it is started again."""

    who: str
    pending: PendingRestart
    place: str
    in_force_url: str


@page
def show(request: HttpRequest) -> HttpResponse:
    """Everything about configuration at a glance."""
    now = datetime.now(UTC)
    fresh = selectors.freshness()
    image = store.current()
    bot_names = places.bot_names(owner_id=owner_seen_by(request))
    context = {
        "section": "configuration",
        "tab": "cockpit",
        "now": now,
        "head": Head(image.version, image.head_hash),
        "fresh": fresh,
        "confirmed_age": age(fresh.confirmed_at, now) if fresh.confirmed_at else "",
        "ledger": _ledger(selectors.ledger_check(), image.version, now),
        "behind": sum(reader.lag > 0 for reader in fresh.readers),
        "polling": sum(not reader.is_listening for reader in fresh.readers),
        "waiting": [_waiting(one, bot_names) for one in selectors.pending_restarts()],
        "decisions": _decisions(bot_names),
        **_set(image, bot_names),
    }
    return render(request, "configuration/cockpit.html", context)


def _ledger(checked: Checked | None, newest: int, now: datetime) -> Ledger:
    if checked is None:
        return Ledger("never", None, "", newest)
    is_late = now - checked.checked_at > _CHECKED_LONG_AGO
    state = "broken" if checked.first_bad_version is not None else "late" if is_late else "verified"
    return Ledger(state, checked, age(checked.checked_at, now), max(newest - checked.version, 0))


def _waiting(pending: PendingRestart, bot_names: Any) -> Waiting:
    path = pending.path
    kind = "bot" if path.bot else "symbol_side" if path.side else "symbol" if path.symbol else "global"
    scope = Scope(kind, *path)
    # Whose bot that is may be none of the reader's business: then it has no name here.
    who = (bot_names.get(pending.bot) or f"bot {pending.bot[:8]}") if pending.bot else "The platform"
    url = places.in_force_url(scope, pending.namespace, parameter=pending.parameter)
    return Waiting(who, pending, places.words_of(scope._replace(bot=""), bot_names), url)


def _decisions(bot_names: Any) -> list[decided.Line]:
    rows = selectors.decisions(selectors.Sought())[:SHOWN_DECISIONS]
    return [decided.line(row, bot_names, most=SHOWN_CHIPS) for row in rows]


def _set(image: Image, bot_names: Any) -> dict[str, Any]:
    found = overrides.everything(image)
    departing = overrides.departures(found, image, bot_names)
    idle = overrides.idle(found, image, bot_names)
    return {
        "lines": overrides.counted(found, bot_names),
        "set_count": len(found),
        "departures": departing[:SHOWN_DEPARTURES],
        "departure_count": len(departing),
        "idle": idle[:SHOWN_IDLE],
        "idle_count": len(idle),
    }
