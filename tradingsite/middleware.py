"""What happens to every request: an id, a line in the log, a refusal of what no room can read."""

import re
import time
import uuid
from collections.abc import Callable
from urllib.parse import unquote

import structlog
from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest
from django.utils.decorators import sync_and_async_middleware

from tradingsite.api import exceptions
from tradingsite.api.errors import Unreadable

logger = structlog.get_logger(__name__)

_SANE_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
# Polled every few seconds by machines; in the log they would bury everything else.
_QUIET = ("/health", "/ready", "/static/")

Answer = Callable[[HttpRequest], HttpResponse]


@sync_and_async_middleware
def request_context(get_response: Answer) -> Answer:
    """Gives each request an id, binds it to every log line and returns it as X-Request-ID.

    An id that comes in is kept if it is sane, so that one id can be followed through several systems.
    """
    if iscoroutinefunction(get_response):

        async def answer_async(request: HttpRequest) -> HttpResponse:
            with structlog.contextvars.bound_contextvars(request_id=_identify(request)):
                started = time.perf_counter()
                response = await get_response(request)
                return _finish(request, response, started)

        return answer_async  # type: ignore[return-value]  # Django types only the synchronous form

    def answer(request: HttpRequest) -> HttpResponse:
        with structlog.contextvars.bound_contextvars(request_id=_identify(request)):
            started = time.perf_counter()
            return _finish(request, get_response(request), started)

    return answer


@sync_and_async_middleware
def readable_addresses(get_response: Answer) -> Answer:
    """Refuses a NUL character in a path or query: PostgreSQL stores none and would answer with an error."""
    if iscoroutinefunction(get_response):

        async def answer_async(request: HttpRequest) -> HttpResponse:
            return _unreadable(request) or await get_response(request)

        return answer_async  # type: ignore[return-value]  # Django types only the synchronous form

    def answer(request: HttpRequest) -> HttpResponse:
        return _unreadable(request) or get_response(request)

    return answer


@sync_and_async_middleware
def private_pages(get_response: Answer) -> Answer:
    """Keeps every answer out of shared and browser caches, unless its view said otherwise."""
    if iscoroutinefunction(get_response):

        async def answer_async(request: HttpRequest) -> HttpResponse:
            return _uncached(await get_response(request))

        return answer_async  # type: ignore[return-value]  # Django types only the synchronous form

    def answer(request: HttpRequest) -> HttpResponse:
        return _uncached(get_response(request))

    return answer


def _identify(request: HttpRequest) -> str:
    given = request.headers.get("X-Request-ID", "")
    request_id = given if _SANE_ID.fullmatch(given) else uuid.uuid4().hex
    request.request_id = request_id  # type: ignore[attr-defined]  # shown by error pages
    return request_id


def _finish(request: HttpRequest, response: HttpResponse, started: float) -> HttpResponse:
    response["X-Request-ID"] = request.request_id  # type: ignore[attr-defined]
    if not request.path.startswith(_QUIET):
        took_ms = round((time.perf_counter() - started) * 1000, 1)
        # Not the query: it may carry what a person typed.
        logger.info(
            "request.finished",
            method=request.method,
            path=request.path,
            status=response.status_code,
            took_ms=took_ms,
        )
    return response


def _unreadable(request: HttpRequest) -> HttpResponse | None:
    if "\x00" not in request.path and "\x00" not in unquote(request.META.get("QUERY_STRING", "")):
        return None
    if exceptions.is_api(request):
        return exceptions.json_response(Unreadable("The address contains a NUL character."))
    return HttpResponseBadRequest("The address contains a NUL character.", content_type="text/plain")


def _uncached(response: HttpResponse) -> HttpResponse:
    if not response.has_header("Cache-Control"):
        response["Cache-Control"] = "no-store"
    return response
