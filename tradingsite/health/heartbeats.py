"""Signs of life in Redis: who was last seen when. Hints only; they vanish by themselves."""

import contextlib
from functools import cache

import redis
from django.conf import settings

_PREFIX = "tradingsite:heartbeat:"
_KEEP_SECONDS = 24 * 3600


@cache
def _client() -> redis.Redis:
    # Short limits: a health page that hangs with its patient helps nobody.
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=2, socket_connect_timeout=2, decode_responses=True)


def ping() -> None:
    """Raises redis.RedisError where Redis does not answer within two seconds."""
    _client().ping()


def beat(name: str) -> None:
    """``name`` is alive now, by Redis's clock (several machines may write)."""
    seconds, _micros = _client().time()
    _client().set(_PREFIX + name, str(seconds), ex=_KEEP_SECONDS)


def try_beat(name: str) -> None:
    """The same from a process that must go on when Redis is away; its silence tells enough."""
    with contextlib.suppress(redis.RedisError):
        beat(name)


def last_seen(names: list[str]) -> dict[str, int | None]:
    """How many seconds ago each was seen; None where never, or not for a day."""
    seconds, _micros = _client().time()
    found = _client().mget([_PREFIX + name for name in names])
    return {
        name: None if value is None else max(0, seconds - int(value)) for name, value in zip(names, found, strict=True)
    }


def forget() -> None:
    """Drop every sign of life: a start must not take those of the run before for its own."""
    names = list(_client().scan_iter(_PREFIX + "*"))
    if names:
        _client().delete(*names)
