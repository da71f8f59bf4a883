"""The socket at /ws/live: passes on what the relay sends, and closes with a code that says why.

    4401  nobody is logged in, or not any more       4408  the browser reads too slowly
    4403  the user has no role that may listen, or not any more
    4429  too many sockets of one user               1008  too many messages from the browser
    1009  a message that is too large                1012  the user's rights changed: connect again
    1013  the channel layer does not answer: connect again, later

Browsers have nothing to say here: whatever they send is answered with an error.
"""

import asyncio
import contextlib
import json
from collections import Counter, deque
from importlib import import_module
from typing import Any

import structlog
from channels.auth import get_user
from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings
from django.db import Error

from bots import publishing

logger = structlog.get_logger(__name__)

SOCKETS_PER_USER = 20
LARGEST_FRAME = 64 * 1024
FRAMES_PER_SECOND = 20
# What one slow browser may make us keep.
MOST_QUEUED_TEXTS = 256
MOST_QUEUED_BYTES = 4_000_000
# Membership lives in Redis, which may be emptied or replaced; its groups forget who has not joined for 30 s.
JOIN_SECONDS = 5.0
CHECK_USER_EVERY = 12  # joins: once a minute
_LAST_WORDS_SECONDS = 5.0

NOT_LOGGED_IN, NO_ROLE, TOO_SLOW, TOO_MANY_SOCKETS = 4401, 4403, 4408, 4429
TOO_MANY_FRAMES, FRAME_TOO_LARGE, CONNECT_AGAIN, TRY_LATER = 1008, 1009, 1012, 1013

_RESYNC = json.dumps({"type": "resync"})
# Of this process: the layer cannot count sockets, and several web processes allow a user that many each.
_open: Counter[int] = Counter()


class Live(AsyncWebsocketConsumer):  # type: ignore[misc]  # channels has no types
    """One browser's socket. A queue of its own lets one slow browser wait without holding up the others."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self._user_id = 0
        self._is_superuser = False
        self._is_ending = False
        self._queue: asyncio.Queue[str] = asyncio.Queue(MOST_QUEUED_TEXTS)
        self._queued_bytes = 0
        self._heard: deque[float] = deque(maxlen=FRAMES_PER_SECOND)
        self._tasks: list[asyncio.Task[None]] = []
        try:
            await super().__call__(scope, receive, send)
        except publishing.LAYER_ERRORS as error:
            logger.warning("live.layer_lost", error=str(error))
            await self._end(TRY_LATER)
        finally:
            await self._leave()

    async def connect(self) -> None:
        user = self.scope["user"]
        if not user.is_authenticated:
            await self._refuse(NOT_LOGGED_IN)
        elif not await self._may_listen(user):
            await self._refuse(NO_ROLE)
        elif _open[user.pk] >= SOCKETS_PER_USER:
            await self._refuse(TOO_MANY_SOCKETS)
        else:
            await self._welcome(user.pk, is_superuser=user.is_superuser)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        now = asyncio.get_running_loop().time()
        is_too_fast = len(self._heard) == FRAMES_PER_SECOND and now - self._heard[0] < 1.0
        self._heard.append(now)
        if is_too_fast:
            await self._end(TOO_MANY_FRAMES, _error("too_many_messages"))
        elif len(text_data.encode() if text_data is not None else bytes_data or b"") > LARGEST_FRAME:
            await self._end(FRAME_TOO_LARGE, _error("message_too_large"))
        else:
            await self._pass_on(_error("unknown_message"))

    async def live_text(self, message: dict[str, Any]) -> None:
        await self._pass_on(message["text"])

    async def live_beat(self, message: dict[str, Any]) -> None:
        known: dict[str, dict[str, int]] = message["versions"]
        mine = known.get(str(self._user_id), {})
        if self._is_superuser:
            mine = {bot: version for bots in known.values() for bot, version in bots.items()}
        await self._pass_on(json.dumps({"type": "beat", "at": message["at"], "versions": mine}, separators=(",", ":")))

    async def _welcome(self, user_id: int, *, is_superuser: bool) -> None:
        self._user_id, self._is_superuser = user_id, is_superuser
        _open[user_id] += 1
        # Before the browser is told that the socket is open: from then on it misses nothing.
        try:
            await self._join()
        except publishing.LAYER_ERRORS:
            await self._refuse(TRY_LATER)
            return
        await self.accept()
        self._tasks = [asyncio.create_task(self._send_queued()), asyncio.create_task(self._keep())]

    async def _refuse(self, code: int) -> None:
        # A browser sees the code of an open socket only.
        await self.accept()
        await self._end(code)

    async def _join(self) -> None:
        async with asyncio.timeout(JOIN_SECONDS):
            for group in self._groups():
                await self.channel_layer.group_add(group, self.channel_name)

    async def _leave(self) -> None:
        for task in self._tasks:
            task.cancel()
        if not self._user_id:
            return
        _open[self._user_id] -= 1
        if not _open[self._user_id]:
            del _open[self._user_id]
        with contextlib.suppress(*publishing.LAYER_ERRORS):
            async with asyncio.timeout(JOIN_SECONDS):
                for group in self._groups():
                    await self.channel_layer.group_discard(group, self.channel_name)

    def _groups(self) -> tuple[str, str]:
        events = publishing.EVERYBODY if self._is_superuser else publishing.group_of(self._user_id)
        return events, publishing.BEATS

    async def _pass_on(self, text: str) -> None:
        if self._is_ending:
            return
        if self._queue.full() or self._queued_bytes + len(text) > MOST_QUEUED_BYTES:
            await self._end(TOO_SLOW, _RESYNC)
            return
        self._queued_bytes += len(text)
        self._queue.put_nowait(text)

    async def _send_queued(self) -> None:
        with contextlib.suppress(OSError):  # the browser has gone; the server tells of it in its own way
            while True:
                text = await self._queue.get()
                await self.send(text_data=text)
                self._queued_bytes -= len(text)

    async def _keep(self) -> None:
        """Join the groups again and again; see that the user may still listen."""
        for turn in range(1, 1 << 62):
            await asyncio.sleep(JOIN_SECONDS)
            try:
                await self._join()
            except publishing.LAYER_ERRORS as error:
                logger.warning("live.layer_lost", error=str(error))
                await self._end(TRY_LATER)
                return
            if turn % CHECK_USER_EVERY == 0 and (code := await self._reason_to_part()):
                await self._end(code)
                return

    async def _reason_to_part(self) -> int | None:
        """A close code once the session has ended or the user's rights changed; None while all is as it was."""
        store = import_module(settings.SESSION_ENGINE).SessionStore
        try:
            user = await get_user({"session": store(self.scope["session"].session_key)})
        except Error:
            return None  # without the database there are no events to hide; asked again in a minute
        if not user.is_authenticated or user.pk != self._user_id:
            return NOT_LOGGED_IN
        if not await self._may_listen(user):
            return NO_ROLE
        return None if user.is_superuser == self._is_superuser else CONNECT_AGAIN

    async def _may_listen(self, user: Any) -> bool:
        """Whether the user's role opens the socket; the routing says who judges that."""
        return bool(await self.scope["may_listen"](user))

    async def _end(self, code: int, last_words: str = "") -> None:
        """Close, unless that has begun. A browser that reads nothing is left to the server's own time limit."""
        if self._is_ending:
            return
        self._is_ending = True
        for task in self._tasks[:1]:  # the sender: nothing may follow the close
            task.cancel()
        with contextlib.suppress(OSError):
            async with asyncio.timeout(_LAST_WORDS_SECONDS):
                if last_words:
                    await self.send(text_data=last_words)
                await self.close(code)


def _error(code: str) -> str:
    return json.dumps({"type": "error", "code": code})
