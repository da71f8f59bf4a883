"""One kill, and how long it takes until bots trade again and a browser is right again."""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

import psycopg

from tests.faults import books
from tests.faults.follower import Follower
from tests.faults.throwaway import Throwaway, kill

TRADING_LIMIT_SECONDS: Final = 30.0
BROWSER_LIMIT_SECONDS: Final = 5.0
_GIVE_UP_SECONDS: Final = 120.0
_POLL_SECONDS: Final = 0.05
_TIMEFRAME: Final = "1d"


class Measured(NamedTuple):
    """Seconds. ``trading``: from the kill until every bot has recorded two new bars. ``browser``: from then, or from
    when its socket was back if that was later, until a browser shows what the database says."""

    killed: str
    trading: float
    browser: float
    socket_came_back: bool

    @property
    def is_in_time(self) -> bool:
        return self.trading <= TRADING_LIMIT_SECONDS and self.browser <= BROWSER_LIMIT_SECONDS


class NotRecovered(Exception):
    """Something that was waited for did not come. Its words tell what."""


class Scene:
    """A platform that trades, and a browser that follows it."""

    def __init__(self, platform: Throwaway, follower: Follower, dice: random.Random) -> None:
        self.platform = platform
        self.follower = follower
        self.dice = dice
        self._connection: books.Connection | None = None

    def round(self, killed: str, pull: Callable[[], None]) -> Measured:
        """Let bots trade for a random time, ``pull``, and measure."""
        time.sleep(self.dice.uniform(0.3, 2.5))
        after, sockets = self.asked(books.newest_cycle), self.follower.connections
        since, began = time.time(), time.monotonic()
        pull()
        self.wait(lambda c: books.do_all_trade(c, after=after, since=since), f"trading after {killed} was killed")
        trading = time.monotonic()
        with self.paused():
            self.wait(self._is_followed, f"a right browser after {killed} was killed", also=self._what_differs)
            right = time.monotonic()
        came_back = self.follower.connections > sockets
        start = max(trading, self.follower.connected_at) if came_back else trading
        return Measured(killed, trading - began, max(right - start, 0.0), came_back)

    def kill(self, name: str) -> None:
        kill(self.platform.processes()[name])

    # --- asking

    def asked[Answer](self, question: Callable[[books.Connection], Answer]) -> Answer:
        """An answer of the database, over a new connection if the last one is lost."""
        if self._connection is None or self._connection.closed:
            self._connection = self.platform.database()
        return question(self._connection)

    def wait(
        self,
        condition: Callable[[books.Connection], bool],
        what: str,
        *,
        seconds: float = _GIVE_UP_SECONDS,
        also: Callable[[], str] = str,
    ) -> None:
        """Ask again and again, also while the database is away. Raises: NotRecovered."""
        until = time.monotonic() + seconds
        away = ""
        while time.monotonic() < until:
            if self.follower.failure is not None:
                raise NotRecovered("the follower broke") from self.follower.failure
            try:
                if self.asked(condition):
                    return
                away = ""
            except psycopg.Error as error:
                away = str(error)
                self.disconnect()
            time.sleep(_POLL_SECONDS)
        raise NotRecovered(f"No {what} within {seconds:.0f} s. {away}{also()}")

    def disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @contextmanager
    def paused(self) -> Iterator[None]:
        """No bar is published during the block."""
        self._set_running(is_running=False)
        try:
            yield
        finally:
            self._set_running(is_running=True)

    def _set_running(self, *, is_running: bool) -> None:
        # What manage.py replay --pause does, without the seconds in which Django starts.
        query = "UPDATE marketdata_replayclock SET is_running = %s WHERE timeframe = %s"
        self.wait(lambda c: bool(c.execute(query, [is_running, _TIMEFRAME]).rowcount), "replay clock")

    def _is_followed(self, connection: books.Connection) -> bool:
        state = self.follower.state
        return (
            self.follower.is_connected
            and state is not None
            and books.is_settled(connection)
            and not books.differences(books.picture(connection), books.picture_of(state))
        )

    def _what_differs(self) -> str:
        state = self.follower.state
        if not self.follower.is_connected or state is None:
            return "The browser is not connected."
        found = self.asked(lambda c: books.differences(books.picture(c), books.picture_of(state)))
        return f"Settled: {self.asked(books.is_settled)}. Database and browser: {'; '.join(found[:5]) or 'the same'}."
