"""Signs of life in Redis: who was last seen when. Hints only; they vanish by themselves."""

from functools import cache
from typing import NamedTuple

import redis
from django.conf import settings

_PREFIX = "tradingsite:heartbeat:"
_KEEP_SECONDS = 24 * 3600


class Seen(NamedTuple):
    """How many seconds ago a component showed itself, and how many tasks it was busy with."""

    age_seconds: float
    active: int


@cache
def _client() -> redis.Redis:
    # Short limits: a health page that hangs with its patient helps nobody.
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=2, socket_connect_timeout=2, decode_responses=True)


def ping() -> None:
    """Raises redis.RedisError where Redis does not answer within two seconds."""
    _client().ping()


def beat(name: str, *, active: int = 0) -> None:
    """``name`` is alive now, by Redis's clock (several machines may write)."""
    seconds, _micros = _client().time()
    _client().set(_PREFIX + name, f"{seconds} {active}", ex=_KEEP_SECONDS)


def last_seen(names: list[str]) -> dict[str, Seen | None]:
    """When each was last seen; None where never, or not for a day."""
    seconds, _micros = _client().time()
    found = _client().mget([_PREFIX + name for name in names])
    return {name: _seen(value, seconds) for name, value in zip(names, found, strict=True)}


def _seen(value: bytes | str | None, now_seconds: int) -> Seen | None:
    if value is None:
        return None
    seconds, active = str(value).split()  # decoded by the client; redis-py's types do not know it
    return Seen(max(0.0, float(now_seconds - int(seconds))), int(active))
