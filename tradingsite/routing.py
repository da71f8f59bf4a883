"""Every address of a socket, and who may open one: a page of this site, with the session of its user."""

from typing import Any

import structlog
from channels.auth import AuthMiddlewareStack
from channels.db import database_sync_to_async
from channels.routing import URLRouter
from channels.security.websocket import AllowedHostsOriginValidator, WebsocketDenier
from django.db import Error
from django.urls import path, re_path

from bots.consumers import Live
from tradingsite.access import judging

logger = structlog.get_logger(__name__)


def while_database_answers(application: Any) -> Any:
    """Refuses a socket whose session cannot be read; the browser tries again."""

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        try:
            await application(scope, receive, send)
        except Error as error:
            logger.warning("live.database_away", error=str(error))
            await send({"type": "websocket.close", "code": 1013})

    return answer


@database_sync_to_async  # type: ignore[untyped-decorator]  # channels has no types
def may_listen(user: Any) -> bool:
    """Whether the user's role opens what a socket tells."""
    return judging.may(user, judging.SOCKET)


def for_roles(application: Any) -> Any:
    """Tells the socket whom to ask about its user, at its opening and ever again."""

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        await application({**scope, "may_listen": may_listen}, receive, send)

    return answer


# Behind a proxy too the browser's Origin names the host it asked for, which is one of ours.
websocket = URLRouter(
    [
        path(
            "ws/live",
            AllowedHostsOriginValidator(while_database_answers(AuthMiddlewareStack(for_roles(Live.as_asgi())))),
        ),
        re_path(r"", WebsocketDenier.as_asgi()),
    ]
)
