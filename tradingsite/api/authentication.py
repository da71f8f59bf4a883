"""Who is asking: the user of the browser's session, or the owner of a token."""

from datetime import UTC, datetime
from typing import Any, Final

from django.db import InterfaceError, OperationalError
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request

from tradingsite.access import recent, selectors, services
from tradingsite.access.selectors import Token
from tradingsite.api.errors import TokenRefused

CHALLENGE: Final = 'Bearer realm="api"'
# What configuration can answer from memory while the database is away.
_ANSWERED_FROM_MEMORY: Final = ("/api/v1/config", "/api/v1/strategies")
_LONGEST_VALUE: Final = 200

_WORDS: Final = {
    "token_unknown": "There is no such token.",
    "token_revoked": "The token was revoked.",
    "token_expired": "The token has expired.",
    "owner_inactive": "The account the token belongs to is closed.",
}


class BearerToken(BaseAuthentication):
    """``Authorization: Bearer ts_...``. No cookie is involved, so no CSRF token is asked for.

    Whatever is sent costs one hash and one look-up by it: how long the answer takes says nothing about other tokens.
    """

    def authenticate(self, request: Request) -> tuple[Any, Token] | None:
        scheme, _, value = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        digest = services.digest_of(value.strip()[:_LONGEST_VALUE])
        now = datetime.now(UTC)
        try:
            return _holder(digest, now)
        except (OperationalError, InterfaceError):
            remembered = recent.recall(digest, now=now) if _is_answered_from_memory(request) else None
            if remembered is None:
                raise
            return remembered

    def authenticate_header(self, request: Request) -> str:
        """The challenge of every 401: without one DRF would answer 403."""
        return CHALLENGE


class Session(SessionAuthentication):
    """The browser's session, CSRF checked on every write."""


def _holder(digest: str, now: datetime) -> tuple[Any, Token]:
    row = selectors.token_row(digest)
    code = selectors.reason_refused(row, now=now)
    if row is None or code:
        recent.forget(digest)
        how = "Make a new token at /admin/access/apitoken/, or ask the account's owner for one."
        raise TokenRefused(_WORDS[code], gates=[{"code": code, "how": how}])
    token = selectors.carried(row)
    selectors.standing(row.owner)  # kept with the user, for when the database is away
    services.note_use(row, now=now)
    recent.remember(digest, row.owner, token)
    return row.owner, token


def _is_answered_from_memory(request: Request) -> bool:
    return request.method in SAFE_METHODS and request.path.startswith(_ANSWERED_FROM_MEMORY)
