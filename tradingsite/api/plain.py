"""Answers where no view is at hand: an envelope under /api/, a page elsewhere."""

from django.http import HttpRequest, HttpResponse
from django.views import csrf, defaults

from engine.domain.errors import NotAllowed, NotFound
from tradingsite.api import exceptions
from tradingsite.api.errors import InternalError, Unreadable


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
    if exceptions.is_api(request):
        return exceptions.json_response(InternalError("Something broke on our side. The log tells more."))
    return defaults.server_error(request)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    if exceptions.is_api(request):
        return exceptions.json_response(NotAllowed(f"The request carries no valid CSRF token: {reason}"))
    return csrf.csrf_failure(request, reason)
