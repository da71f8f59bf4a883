"""Answers where no view is at hand: an envelope under /api/, a page elsewhere."""

import sys

from django.http import HttpRequest, HttpResponse
from django.template import loader
from django.views import csrf, defaults

from engine.domain.errors import NotAllowed, NotFound
from tradingsite.api import exceptions
from tradingsite.api.errors import InternalError, NotReady, Unreadable


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    if exceptions.is_api(request):
        return exceptions.json_response(Unreadable("The request cannot be read."))
    return defaults.bad_request(request, exception)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    if exceptions.is_api(request):
        return exceptions.json_response(NotAllowed("You may not do that."))
    return defaults.permission_denied(request, exception)


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    if exceptions.is_api(request):
        return exceptions.json_response(NotFound(f"Nothing is found under {request.path[:200]}."))
    return defaults.page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    """Answers what a middleware or a page could not: the database being away is no defect of ours."""
    broken = sys.exc_info()[1]
    error = exceptions.translate(broken) if isinstance(broken, Exception) else InternalError("Something broke.")
    if exceptions.is_api(request):
        return exceptions.json_response(error)
    if isinstance(error, NotReady):
        return HttpResponse(loader.render_to_string("503.html"), status=error.status, headers={"Retry-After": "5"})
    return defaults.server_error(request)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    if exceptions.is_api(request):
        return exceptions.json_response(NotAllowed(f"The request carries no valid CSRF token: {reason}"))
    return csrf.csrf_failure(request, reason)
