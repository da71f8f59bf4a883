"""Hints to the workers: which bots wait. The truth is the bots' rows; a lost hint is repeated after ten seconds."""

from collections.abc import Iterable
from typing import Final
from uuid import UUID

import redis
import structlog
from celery import current_app
from kombu.exceptions import KombuError

ADVANCE: Final = "bots.advance"
QUEUE: Final = "bots"
EXPIRES_SECONDS: Final = 10
"""As long as the lease that a message offers; an older one would find nothing to take."""

# How the queue's client says that Redis is away, does not answer, or refuses to write.
_AWAY = (KombuError, redis.RedisError, OSError)

logger = structlog.get_logger(__name__)


def send(due: Iterable[tuple[UUID, int]]) -> int:
    """Tell the workers of bots to advance, each with its token; how many could be told.

    Never raises for a Redis that is away: whoever dispatched takes back what was not sent.
    """
    sent = 0
    try:
        for bot_id, token in due:
            current_app.send_task(
                ADVANCE,
                kwargs={"bot_id": str(bot_id), "token": token},
                queue=QUEUE,
                expires=EXPIRES_SECONDS,
                # A second attempt would hold up whoever dispatches; the next tick is the retry.
                retry=False,
                ignore_result=True,
            )
            sent += 1
    except _AWAY as away:
        logger.warning("hints.not_sent", because=str(away), sent=sent)
    return sent
