"""When each timeframe's feed is turned, and what follows from a turn: the loop of the stream process.

A database that is away, or bars that cannot be read, are waited for, ever longer. The other timeframes go on.
"""

import time
from collections.abc import Callable
from threading import Event
from typing import Final, NamedTuple

import structlog
from django.db import Error as DatabaseFailure
from django.db import connections

from bots.services import feeding, leases
from bots.services.feeding import Did, Turn

logger = structlog.get_logger(__name__)

POLL_SECONDS: Final = 0.02
LONG_POLL_SECONDS: Final = 0.1
REST_SECONDS: Final = 0.25
LONGEST_PAUSE_SECONDS: Final = 5.0
_PATIENCE_SECONDS: Final = 1.0
_ROUSE_SECONDS: Final = 2.0


class _Waiting(NamedTuple):
    """Bots that are waited for: at which bars, since when, and when they are roused next."""

    at: tuple[int, int | None]
    since: float
    rouse_at: float


class Pace:
    """What one stream remembers of one timeframe. All of it may be lost."""

    def __init__(self, timeframe: str, *, dispatch: Callable[[], object]) -> None:
        self.timeframe = timeframe
        self.due = 0.0
        self._dispatch = dispatch
        self._waiting: _Waiting | None = None
        self._pause = POLL_SECONDS

    def turn(self) -> None:
        """One turn of the feed; ``due``: when to call again, by the monotonic clock."""
        try:
            wait = self._after(feeding.turn(timeframe=self.timeframe))
            self._pause = POLL_SECONDS
        except Exception as broken:
            # Whatever it is, the feed must go on when it is over, and the others meanwhile.
            self._pause = wait = min(self._pause * 2, LONGEST_PAUSE_SECONDS)
            self._tell(broken, again_after=wait)
            connections.close_all()
        self.due = time.monotonic() + wait

    def _tell(self, broken: Exception, *, again_after: float) -> None:
        facts = {"timeframe": self.timeframe, "again_after": again_after}
        if isinstance(broken, DatabaseFailure) and leases.is_cut_off(broken):
            # Several times in each outage; where it happened tells nobody anything.
            logger.warning("feed.waits", because=str(broken).partition("\n")[0], **facts)
        else:
            logger.error("feed.failed", error=type(broken).__name__, exc_info=broken, **facts)

    def _after(self, turn: Turn) -> float:
        """What follows from a turn; seconds until the next."""
        if turn.did == Did.BEHIND:
            return self._wait_for_bots(turn)
        self._waiting = None
        if turn.woken:
            self._dispatch()
        if turn.did == Did.EARLY:
            return min(turn.wait_seconds, REST_SECONDS)
        return POLL_SECONDS if turn.did in (Did.PUBLISHED, Did.ENDED, Did.OVERTAKEN) else REST_SECONDS

    def _wait_for_bots(self, turn: Turn) -> float:
        now, at = time.monotonic(), (turn.epoch, turn.now_ms)
        if self._waiting is None or self._waiting.at != at:
            self._waiting = _Waiting(at, now, now + _PATIENCE_SECONDS)
        if now >= self._waiting.rouse_at:
            self._waiting = self._waiting._replace(rouse_at=now + _ROUSE_SECONDS)
            if feeding.rouse(timeframe=self.timeframe):
                self._dispatch()
        return POLL_SECONDS if now - self._waiting.since < _PATIENCE_SECONDS else LONG_POLL_SECONDS


def run(stopped: Event, *, dispatch: Callable[[], object], came_round: Callable[[], object]) -> None:
    """Turn every timeframe's feed until ``stopped`` is set.

    dispatch: sends bots that are due to workers. came_round: called after each round, whatever it brought.
    """
    paces: dict[str, Pace] = {}
    look_at = 0.0
    while not stopped.is_set():
        if time.monotonic() >= look_at:
            _look(paces, dispatch)
            look_at = time.monotonic() + REST_SECONDS
        for pace in paces.values():
            if pace.due <= time.monotonic() and not stopped.is_set():
                pace.turn()
        came_round()
        due = min([look_at, *(pace.due for pace in paces.values())])
        stopped.wait(max(due - time.monotonic(), 0.0))
    connections.close_all()


def _look(paces: dict[str, Pace], dispatch: Callable[[], object]) -> None:
    """Take up timeframes that somebody trades by now."""
    try:
        for timeframe in feeding.timeframes():
            paces.setdefault(timeframe, Pace(timeframe, dispatch=dispatch))
    except DatabaseFailure as away:
        logger.warning("feed.waits", because=str(away).partition("\n")[0])
        connections.close_all()
