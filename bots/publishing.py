"""The way to browsers: texts for groups of sockets, through the channel layer.

    live.<owner>    events of one owner's bots
    live.everybody  the same of all bots, for superusers
    live.beats      how far each bot is, for every socket

The layer keeps nothing: who is not listening, or too slowly, misses a text. Versions tell it.
"""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from redis.exceptions import RedisError

EVERYBODY = "live.everybody"
BEATS = "live.beats"
LAYER_ERRORS = (RedisError, OSError)
"""What a channel layer raises that does not answer."""

# A Redis that accepts a connection and then says nothing must not hold the relay for ever.
_LIMIT_SECONDS = 5


class Message(NamedTuple):
    """Something for the sockets of one group. ``body``: plain values; ``type`` names the consumer's method."""

    group: str
    body: Mapping[str, Any]


def group_of(owner_id: int) -> str:
    """The group of the sockets of one owner."""
    return f"live.{owner_id}"


def text_for(group: str, text: str) -> Message:
    """A text that every socket of the group passes on as it is."""
    return Message(group, {"type": "live.text", "text": text})


def beat_of(*, at: str, versions: Mapping[str, Mapping[str, int]]) -> Message:
    """How far each bot is, by owner; each socket passes on what its user may see."""
    return Message(BEATS, {"type": "live.beat", "at": at, "versions": versions})


def publish(messages: Iterable[Message]) -> None:
    """Send the messages one after the other, over one connection.

    Raises: ConnectionError where the channel layer does not answer; some may have been sent then.
    """
    try:
        async_to_sync(_publish)(list(messages))
    except LAYER_ERRORS as error:
        raise ConnectionError(f"The channel layer does not answer: {error or type(error).__name__}.") from error


async def _publish(messages: list[Message]) -> None:
    layer = get_channel_layer()
    async with asyncio.timeout(_LIMIT_SECONDS):
        for message in messages:
            await layer.group_send(message.group, dict(message.body))
