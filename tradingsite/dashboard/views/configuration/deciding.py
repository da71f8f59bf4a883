"""What a form that changes configuration does with a POST, whichever form it is: preview, apply, or merge."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final, NamedTuple

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from configuration import ports
from tradingsite.dashboard import configuration_changes as changes
from tradingsite.dashboard.configuration_changes import Refused, Shown, Wish

IS_FRAGMENT: Final = "X-Fragment"
"""The header by which a script asks for the preview alone."""


class Form(NamedTuple):
    """A form as it was sent. ``address``: where it is shown anew; ``page``: itself, with a preview and a status.

    ``kept``: what a merge sends along with its choices: the fields that ask for something.
    """

    title: str
    wish: Wish
    bot_names: Mapping[str, str]
    address: str
    kept: tuple[tuple[str, str], ...]
    page: Callable[[Shown | None, int], HttpResponse]


def answer(request: HttpRequest, form: Form) -> HttpResponse:
    """Applies exactly what was previewed; without a preview's hash, or another intent, it previews or merges."""
    intent = request.POST.get("intent")
    if intent == "apply" and request.POST.get("plan_hash"):
        return _applied(request, form)
    shown = _look(request, form, spoken=False)
    if intent == "merge" and shown.preview.collisions:
        return _merge(request, form, shown, status=200)
    if IS_FRAGMENT in request.headers:
        return render(request, "configuration/preview.html", {"shown": shown})
    return form.page(shown, 200)


def _applied(request: HttpRequest, form: Form) -> HttpResponse:
    done = changes.apply(
        form.wish,
        actor=ports.principals().actor_of(request.user, None),
        plan_hash=request.POST["plan_hash"],
        now=datetime.now(UTC),
        request_id=getattr(request, "request_id", ""),
    )
    if isinstance(done, Refused):
        shown = _look(request, form, note=done.note)
        if done.is_collision and shown.preview.collisions:
            return _merge(request, form, shown, status=done.status)
        return form.page(shown, done.status)
    if done.changes:
        messages.success(request, changes.done(done), extra_tags="good")
    else:
        messages.info(request, "Everything asked for is in force already; nothing was changed.")
    return redirect(form.address)


def _merge(request: HttpRequest, form: Form, shown: Shown, *, status: int) -> HttpResponse:
    """Three columns for what collides; what else was asked for goes along."""
    found = changes.collisions(shown.preview, form.bot_names)
    context = {
        "section": "configuration",
        "tab": "edit" if form.wish.kind == "set" else "matrix",
        "title": form.title,
        "address": form.address,
        "collisions": found,
        "alone": len(shown.preview.plan.changes) - len(found),
        "kept": form.kept,
        "base_version": shown.preview.version,
        "reason": form.wish.reason,
    }
    return render(request, "configuration/merge.html", context, status=status)


def _look(request: HttpRequest, form: Form, *, note: str = "", spoken: bool = True) -> Shown:
    actor = ports.principals().actor_of(request.user, None)
    return changes.look(form.wish, actor=actor, bot_names=form.bot_names, note=note, spoken=spoken)
