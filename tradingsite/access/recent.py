"""Tokens this process has seen hold a moment ago, so that reading configuration survives a database that is away.

Asked only when the database does not answer: while it does, a revoked token is refused at once.
"""

import threading
import time
from collections import OrderedDict
from datetime import datetime
from typing import Any, Final, NamedTuple

from django.conf import settings

from tradingsite.access.selectors import Token

_MOST: Final = 1_000


class Seen(NamedTuple):
    """Who a token stood for. ``until``: on this process's monotonic clock."""

    user: Any
    token: Token
    until: float


_lock: Final = threading.Lock()
_seen: Final[OrderedDict[str, Seen]] = OrderedDict()


def remember(digest: str, user: Any, token: Token) -> None:
    """The token held just now. ``user`` knows its role already."""
    with _lock:
        _seen[digest] = Seen(user, token, time.monotonic() + settings.CONFIG_CACHE_TTL_SECONDS)
        _seen.move_to_end(digest)
        if len(_seen) > _MOST:
            _seen.popitem(last=False)


def forget(digest: str) -> None:
    """The token holds no more."""
    with _lock:
        _seen.pop(digest, None)


def recall(digest: str, *, now: datetime) -> tuple[Any, Token] | None:
    """Who the token stood for within the time a configuration may be served unconfirmed; None for nobody."""
    with _lock:
        seen = _seen.get(digest)
    if seen is None or time.monotonic() >= seen.until or now >= seen.token.expires_at:
        return None
    return seen.user, seen.token
