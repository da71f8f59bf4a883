"""Whose things a page shows, and what a missing one looks like. Who may see a page at all: tradingsite.access."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse

from engine.domain.errors import NotAllowed, NotFound

View = Callable[..., HttpResponse]


def page(view: View) -> View:
    """A page for people who are signed in; what does not exist, or is not theirs, is a 404 that says so."""

    @login_required
    @wraps(view)
    def shown(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return view(request, *args, **kwargs)
        except NotFound as absent:
            raise Http404(absent.message) from absent
        except NotAllowed as refused:
            raise PermissionDenied(refused.message) from refused

    return shown


def principal_of(request: HttpRequest) -> int:
    """The id of whoever is signed in; ``page`` lets nobody else come this far."""
    return int(request.user.pk or 0)


def owner_seen_by(request: HttpRequest) -> int | None:
    """Whose bots and backtests a request may see: everybody's (None) for a superuser, else its own."""
    return None if request.user.is_superuser else principal_of(request)
