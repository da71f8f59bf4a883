"""A browser that follows all bots, without a browser: the contract of docs/live.md, as static/js/live.js keeps it.

The socket first, then the snapshot; events by version; a gap, or a beat that knows more for a second, asks for the
snapshot again; six seconds of silence mean that the connection is dead.
"""

import http.cookiejar
import json
import random
import re
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Mapping
from typing import Any, NamedTuple

from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

SILENCE_SECONDS = 6.0
BEHIND_SECONDS = 1.0
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 1.0, 15.0
_LOOK_SECONDS = 0.1
_LIMIT_SECONDS = 10.0

Row = dict[str, Any]


class State(NamedTuple):
    """What a page shows, by id. Rows are replaced, never changed: a state that was handed out stays as it is."""

    versions: dict[str, int]
    bots: dict[str, Row]
    positions: dict[str, Row]
    trades: tuple[Row, ...]


class Lost(Exception):
    """The connection is dead, or its snapshot was refused."""


class Follower(threading.Thread):
    """Follows until told to stop. ``state`` None: nothing is known yet; ``connected_at``: of the newest snapshot
    that a new socket was followed by."""

    def __init__(self, address: str, *, user: str, password: str) -> None:
        super().__init__(name="follower", daemon=True)
        self.state: State | None = None
        self.is_connected = False
        self.connected_at = 0.0
        self.connections = 0
        self.snapshots = 0
        self.failure: BaseException | None = None
        self._address = address
        self._cookies = http.cookiejar.CookieJar()
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self._cookies))
        self._stopped = threading.Event()
        self._login(user, password)

    @property
    def cookie(self) -> str:
        """The header that makes another client the same user."""
        return "; ".join(f"{one.name}={one.value}" for one in self._cookies)

    def stop(self) -> None:
        self._stopped.set()
        self.join(timeout=10)

    def run(self) -> None:
        attempt = 0
        while not self._stopped.is_set():
            heard_before = self.connections
            try:
                self._follow()
            except (OSError, WebSocketException, Lost):
                attempt = 0 if self.connections > heard_before else attempt + 1
            except BaseException as broken:  # a defect of this client must not look like one of the platform
                self.failure = broken
                raise
            finally:
                self.is_connected = False
            ceiling = min(_LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2**attempt)
            self._stopped.wait(max(_FIRST_PAUSE_SECONDS, ceiling * random.uniform(0.5, 1.0)))

    # --- one connection

    def _follow(self) -> None:
        address = self._address.replace("http", "ws", 1) + "/ws/live"
        # Read as it comes, however far this thread is behind: a page's engine does the same.
        with connect(
            address,
            additional_headers={"Cookie": self.cookie},
            origin=Origin(self._address),
            open_timeout=_LIMIT_SECONDS,
            max_queue=None,
            close_timeout=1,
        ) as socket:
            self._fetch()
            self.is_connected, self.connected_at = True, time.monotonic()
            self.connections += 1
            self._listen(socket)

    def _listen(self, socket: ClientConnection) -> None:
        spoken, behind_since, fetch_at = time.monotonic(), None, None
        while not self._stopped.is_set():
            try:
                message = json.loads(socket.recv(timeout=_LOOK_SECONDS))
            except TimeoutError:
                message = None
            now = time.monotonic()
            if message is not None:
                spoken = now
                if self._take(message):
                    fetch_at = fetch_at or now + BEHIND_SECONDS
                if message["type"] == "beat":
                    is_behind = self._is_behind(message["versions"])
                    behind_since = (behind_since or now) if is_behind else None
                    if behind_since is not None and now - behind_since > BEHIND_SECONDS:
                        fetch_at = fetch_at or now
            if now - spoken > SILENCE_SECONDS:
                raise Lost("silence")
            if fetch_at is not None and now >= fetch_at:
                self._fetch()
                behind_since = fetch_at = None

    def _take(self, message: Mapping[str, Any]) -> bool:
        """Apply what can be applied; True where only a new snapshot helps."""
        if message["type"] == "resync":
            return True
        if message["type"] != "events":
            return False
        needs = False
        for event in message["events"]:
            assert self.state is not None
            self.state, outcome = applied(self.state, event)
            needs |= outcome in ("gap", "renewed")
        return needs

    def _is_behind(self, versions: Mapping[str, int]) -> bool:
        assert self.state is not None
        return any(version > self.state.versions.get(bot, -1) for bot, version in versions.items())

    # --- HTTP

    def _fetch(self) -> None:
        self.snapshots += 1
        self.state = from_snapshot(self._get("/api/v1/live")["data"])

    def _get(self, path: str) -> Any:
        request = urllib.request.Request(self._address + path, headers={"Accept": "application/json"})
        try:
            with self._opener.open(request, timeout=_LIMIT_SECONDS) as answer:
                return json.load(answer)
        except ValueError as unreadable:
            raise Lost("the snapshot cannot be read") from unreadable

    def _login(self, user: str, password: str) -> None:
        page = self._opener.open(f"{self._address}/login", timeout=_LIMIT_SECONDS).read().decode()
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
        assert token is not None, "the login has no token"
        form = {"username": user, "password": password, "csrfmiddlewaretoken": token[1]}
        request = urllib.request.Request(
            f"{self._address}/login",
            data=urllib.parse.urlencode(form).encode(),
            headers={"Referer": f"{self._address}/login"},
        )
        self._opener.open(request, timeout=_LIMIT_SECONDS).read()
        assert any("session" in one.name for one in self._cookies), "nobody is logged in"


# --- the state, as static/js/live-state.js moves it


def from_snapshot(snapshot: Mapping[str, Any]) -> State:
    keyed = {name: {str(row["id"]): row for row in snapshot[name]} for name in ("bots", "positions")}
    return State(dict(snapshot["versions"]), keyed["bots"], keyed["positions"], tuple(snapshot["trades"]))


def applied(state: State, event: Row) -> tuple[State, str]:
    """The state after an event, and "applied", "known", "gap" or "renewed" (another run: a snapshot tells the rest)."""
    bot, version = event["bot"], event["version"]
    last = state.versions.get(bot)
    if last is None or version > last + 1:
        return state, "gap"
    if version <= last:
        return state, "known"
    change = _CHANGES.get(event["event"])
    after = change(state, event["payload"], bot) if change else state
    after = after._replace(versions={**state.versions, bot: version})
    return after, "renewed" if _is_another_run(state, event) else "applied"


def _is_another_run(state: State, event: Row) -> bool:
    before, payload = state.bots.get(event["bot"]), event["payload"]
    if event["event"] != "cycle" or before is None:
        return False
    return bool(before["run"] != payload["run"] or before["epoch"] != payload["epoch"])


def _on_cycle(state: State, cycle: Row, bot: str) -> State:
    told = {name: cycle[name] for name in ("equity", "cash", "realised", "open_positions", "run", "epoch", "rows")}
    return state._replace(bots={**state.bots, bot: {**state.bots[bot], **told}})


def _on_status(state: State, status: Row, bot: str) -> State:
    return state._replace(bots={**state.bots, bot: {**state.bots[bot], **status}})


def _on_position(state: State, position: Row, _bot: str) -> State:
    others = {key: row for key, row in state.positions.items() if key != position["id"]}
    return state._replace(positions={**others, position["id"]: position} if position["is_open"] else others)


def _on_trade(state: State, trade: Row, _bot: str) -> State:
    others = tuple(row for row in state.trades if row["id"] != trade["id"])
    return state._replace(trades=(trade, *others)[:50])


_CHANGES = {
    "cycle": _on_cycle,
    "bot_status_changed": _on_status,
    "position_updated": _on_position,
    "trade_executed": _on_trade,
}
