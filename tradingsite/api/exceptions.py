"""Every exception becomes one of our errors, and every error one envelope with a real status code."""

import traceback
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import structlog
from django.conf import settings
from django.core import exceptions as django_exceptions
from django.db import DataError as DatabaseDataError
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from rest_framework import exceptions as drf
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from engine.domain.errors import Fault, InputError, NotAllowed, NotFound, PlatformError
from tradingsite.api import errors
from tradingsite.api.envelope import ErrorResponse, failure

logger = structlog.get_logger(__name__)


def handle(exception: Exception, context: Mapping[str, Any]) -> Response:
    """DRF's exception handler: the answer to anything raised inside an API view."""
    error = translate(exception)
    request: Request | None = context.get("request")
    _log(error, exception)
    response = ErrorResponse(error, trace=_trace(exception, request) if error.status >= 500 else None)
    for name, value in _headers(exception).items():
        response[name] = value
    # DRF only rolls back ATOMIC_REQUESTS, which we do not use; services hold their own transactions.
    return response


def json_response(error: PlatformError) -> HttpResponse:
    """The envelope where no DRF view is at hand: unknown addresses, CSRF, a crash in a middleware."""
    return JsonResponse(failure(error), status=error.status)


def translate(exception: Exception) -> PlatformError:
    """Which of our errors this is; what nobody foresaw is an INTERNAL_ERROR."""
    if isinstance(exception, PlatformError):
        return exception
    for kinds, make in _TRANSLATIONS:
        if isinstance(exception, kinds):
            return make(exception)
    if isinstance(exception, drf.APIException):
        return _other(exception)
    return errors.InternalError("Something broke on our side. The log tells more under this request id.")


# --- details of a validation


def faults_of(detail: Any, pointer: str = "") -> Iterator[Fault]:
    """DRF's nested error details as a flat list, each with a JSON pointer into the request."""
    if isinstance(detail, Mapping):
        for key, value in detail.items():
            name = "" if key == "non_field_errors" else f"/{_escaped(str(key))}"
            yield from faults_of(value, pointer + name)
    elif isinstance(detail, (list, tuple)):
        for index, value in enumerate(detail):
            is_nested = isinstance(value, (Mapping, list, tuple))
            yield from faults_of(value, f"{pointer}/{index}" if is_nested else pointer)
    else:
        yield Fault(str(getattr(detail, "code", "invalid")), pointer, str(detail))


def _escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


def _invalid(exception: Any) -> InputError:
    faults = [fault for fault in faults_of(exception.detail) if fault.message]
    return InputError(_summary(faults), faults=faults)


def _invalid_model(exception: Any) -> InputError:
    if hasattr(exception, "error_dict"):
        faults = [
            Fault(str(item.code or "invalid"), "" if field == "__all__" else f"/{_escaped(field)}", message)
            for field, items in exception.error_dict.items()
            for item in items
            for message in item.messages
        ]
    else:
        faults = [Fault("invalid", "", message) for message in exception.messages]
    return InputError(_summary(faults), faults=faults)


def _summary(faults: list[Fault]) -> str:
    return "The request has one fault." if len(faults) == 1 else f"The request has {len(faults)} faults."


# --- the table


def _as(kind: type[PlatformError], message: str | None = None) -> Callable[[Exception], PlatformError]:
    return lambda exception: kind(message or str(getattr(exception, "detail", exception)))


_TRANSLATIONS: tuple[
    tuple[type[Exception] | tuple[type[Exception], ...], Callable[[Exception], PlatformError]], ...
] = (
    (drf.ValidationError, _invalid),
    (django_exceptions.ValidationError, _invalid_model),
    (drf.ParseError, _as(errors.Unreadable)),
    ((drf.NotAuthenticated, drf.AuthenticationFailed), _as(errors.NotAuthenticated)),
    (drf.PermissionDenied, _as(NotAllowed)),
    (django_exceptions.PermissionDenied, _as(NotAllowed, "You may not do that.")),
    (drf.NotFound, _as(NotFound)),
    ((Http404, django_exceptions.ObjectDoesNotExist), _as(NotFound, "Nothing is found under this address.")),
    (drf.MethodNotAllowed, _as(errors.MethodNotAllowed)),
    (drf.NotAcceptable, _as(errors.NotAcceptable)),
    (drf.UnsupportedMediaType, _as(errors.UnsupportedMediaType)),
    (drf.Throttled, _as(errors.RateLimited)),
    (django_exceptions.RequestDataTooBig, _as(errors.TooLarge, "The body is larger than this site accepts.")),
    (
        (django_exceptions.BadRequest, django_exceptions.SuspiciousOperation, UnicodeDecodeError),
        _as(errors.Unreadable, "The request cannot be read."),
    ),
    # A value no column can hold (a number beyond bigint, say) that no serializer bounded.
    (DatabaseDataError, _as(InputError, "A value is outside what can be stored.")),
    # The server is away, the pool is empty or the statement ran into its time limit.
    ((OperationalError, InterfaceError), _as(errors.NotReady, "The database does not answer in time. Try again.")),
)


def _other(exception: drf.APIException) -> PlatformError:
    kind = InputError if status.is_client_error(exception.status_code) else errors.InternalError
    error = kind(str(exception.detail))
    error.status = exception.status_code  # type: ignore[misc]  # this one answer only, not the class
    return error


def _headers(exception: Exception) -> dict[str, str]:
    headers = {}
    if challenge := getattr(exception, "auth_header", None):
        headers["WWW-Authenticate"] = challenge
    if wait := getattr(exception, "wait", None):
        headers["Retry-After"] = str(int(wait))
    return headers


def _log(error: PlatformError, exception: Exception) -> None:
    if error.status < 500:
        logger.info("request.refused", code=error.specific_code, status=error.status, reason=error.message)
    else:
        logger.error("request.failed", code=error.specific_code, component=error.component, exc_info=exception)


def _trace(exception: Exception, request: Request | None) -> str | None:
    # Who asks may be what failed: asking again would fail again, so only while somebody debugs.
    if not settings.DEBUG or not getattr(getattr(request, "user", None), "is_staff", False):
        return None
    return "".join(traceback.format_exception(exception))


# --- addresses no view answers


def is_api(request: HttpRequest) -> bool:
    """Whether an answer to this request must be an envelope rather than a page."""
    return request.path.startswith("/api/")
