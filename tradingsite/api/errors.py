"""What can go wrong at the door itself, before any room is asked.

The rooms' own errors are in engine.domain.errors; these are their siblings for HTTP.
"""

from collections.abc import Sequence
from typing import Any, Final

from engine.domain.errors import InputError, NotAllowed, PlatformError

# RFC 6750, section 3.
_INVALID: Final = 'Bearer realm="api", error="invalid_token"'


class Unreadable(InputError):
    """The request cannot be read at all: broken JSON, a wrong encoding, a NUL character."""

    code = "UNREADABLE"
    status = 400
    component = "api"


class NotAuthenticated(NotAllowed):
    """Nobody is logged in, or the credentials do not hold."""

    code = "NOT_AUTHENTICATED"
    status = 401
    component = "api"


class TokenRefused(NotAuthenticated):
    """The token sent along does not hold: unknown, revoked, expired, or its owner is gone; ``gates`` says which."""

    code = "TOKEN_REFUSED"
    component = "access"
    auth_header = _INVALID  # sent by the exception handler

    def __init__(self, message: str, *, gates: Sequence[dict[str, Any]]) -> None:
        super().__init__(message)
        self.gates = tuple(gates)


class MethodNotAllowed(InputError):
    """The address exists, but not with this method."""

    code = "METHOD_NOT_ALLOWED"
    status = 405
    component = "api"


class NotAcceptable(InputError):
    """None of the media types asked for can be given."""

    code = "NOT_ACCEPTABLE"
    status = 406
    component = "api"


class TooLarge(InputError):
    """The body is larger than the site accepts."""

    code = "TOO_LARGE"
    status = 413
    component = "api"


class UnsupportedMediaType(InputError):
    """The body has a media type this address does not read."""

    code = "UNSUPPORTED_MEDIA_TYPE"
    status = 415
    component = "api"


class RateLimited(InputError):
    """Too many requests; the Retry-After header says when to come back."""

    code = "RATE_LIMITED"
    status = 429
    component = "api"


class NotReady(PlatformError):
    """The database or the queue does not answer, or not in time. Try again."""

    code = "NOT_READY"
    status = 503
    component = "platform"


class InternalError(PlatformError):
    """A defect of ours. The trace is in the log under the request id."""

    code = "INTERNAL_ERROR"
    status = 500
    component = "platform"
