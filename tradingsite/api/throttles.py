"""Fairness: how many requests a minute one principal may send, so that a script gone wild leaves room for others.

Counted in this process's memory: with several web processes each allows as much. It is no defence against
an attack, and no limit on orders; those stand elsewhere.
"""

import math
import threading
import time
from collections import OrderedDict
from typing import Any, Final

from django.conf import settings
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

_MOST_PRINCIPALS: Final = 10_000
_MINUTE: Final = 60.0

_Bucket = tuple[float, float]  # requests left, and when that was so
_lock: Final = threading.Lock()
_buckets: Final[OrderedDict[tuple[str, str], _Bucket]] = OrderedDict()


class FairShare(BaseThrottle):
    """A bucket for reads and one for writes, for each user and each token; 0 a minute means no limit."""

    def __init__(self) -> None:
        self._wait_seconds = 0.0

    def allow_request(self, request: Request, view: Any) -> bool:
        kind = "reads" if request.method in SAFE_METHODS else "writes"
        per_minute: int = getattr(settings, f"API_{kind.upper()}_PER_MINUTE")
        if per_minute:
            self._wait_seconds = take((kind, _principal(request)), per_minute=per_minute, now=time.monotonic())
        return not self._wait_seconds

    def wait(self) -> float:
        """Whole seconds until the next request is allowed, for Retry-After."""
        return max(1, math.ceil(self._wait_seconds))


def take(key: tuple[str, str], *, per_minute: int, now: float) -> float:
    """Take one request out of a bucket that refills evenly; the seconds to wait when it is empty, else 0."""
    with _lock:
        left, at = _buckets.pop(key, (float(per_minute), now))
        left = min(per_minute, left + (now - at) * per_minute / _MINUTE)
        is_allowed = left >= 1.0
        _buckets[key] = (left - is_allowed, now)
        if len(_buckets) > _MOST_PRINCIPALS:
            _buckets.popitem(last=False)
    return 0.0 if is_allowed else (1.0 - left) * _MINUTE / per_minute


def _principal(request: Request) -> str:
    if token := getattr(request.auth, "id", None):
        return f"token {token}"
    return f"user {request.user.pk}" if request.user.is_authenticated else f"address {request.META.get('REMOTE_ADDR')}"
