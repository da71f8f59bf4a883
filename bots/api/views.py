"""Bots over HTTP: parse, one call, answer."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from bots import selectors
from bots.api.output import bot_output
from bots.selectors import summary
from bots.services import definition, lifecycle
from configuration import ports
from configuration import selectors as configuration
from configuration.services import Actor
from engine.domain.errors import Fault, InputError

_ETAG = re.compile(r'"cfg-(\d{1,18})-[0-9a-f]{0,8}"')


class Bots(GenericAPIView[Any]):
    """The caller's bots, newest first; a superuser sees everybody's."""

    @extend_schema(operation_id="bots_list", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request) -> Response:
        page = self.paginate_queryset(selectors.bots(owner_id=seen_by(request)))
        return self.get_paginated_response(_outputs(page or []))

    @extend_schema(operation_id="bots_create", request=OpenApiTypes.OBJECT, responses={201: OpenApiTypes.OBJECT})
    def post(self, request: Request) -> Response:
        form, reason = body_of(request)
        bot = definition.define(
            owner_id=owner_id(request), form=form, actor=actor_of(request), source="api", reason=reason, now=_now()
        )
        return Response(_outputs([bot])[0], status=status.HTTP_201_CREATED)


class OneBot(GenericAPIView[Any]):
    """One bot: read, replace, retire."""

    @extend_schema(operation_id="bots_read", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, bot_id: UUID) -> Response:
        bot = selectors.bot(bot_id, owner_id=seen_by(request))
        head = configuration.head()
        answer = Response(_outputs([bot])[0])
        answer["ETag"] = f'"cfg-{head.version}-{head.hash[:8]}"'
        return answer

    @extend_schema(operation_id="bots_replace", request=OpenApiTypes.OBJECT, responses=OpenApiTypes.OBJECT)
    def put(self, request: Request, bot_id: UUID) -> Response:
        form, reason = body_of(request)
        bot = definition.redefine(
            bot_id=bot_id,
            form=form,
            actor=actor_of(request),
            source="api",
            reason=reason,
            now=_now(),
            owner_id=seen_by(request),
            base_version=_if_match(request),
        )
        return Response(_outputs([bot])[0])

    @extend_schema(operation_id="bots_retire", responses={204: None})
    def delete(self, request: Request, bot_id: UUID) -> Response:
        definition.retire(bot_id=bot_id, now=_now(), owner_id=seen_by(request))
        return Response(status=status.HTTP_204_NO_CONTENT)


class _Control(GenericAPIView[Any]):
    """One step in a bot's life; which, the subclass says. Answers the bot as it is then."""

    def act(self, bot_id: UUID, **said: Any) -> selectors.Bot:
        raise NotImplementedError

    def post(self, request: Request, bot_id: UUID) -> Response:
        bot = self.act(bot_id, actor=actor_of(request), now=_now(), owner_id=seen_by(request))
        return Response(_outputs([bot])[0])


@extend_schema(request=None, responses=OpenApiTypes.OBJECT)
class Start(_Control):
    """Let a stopped or failed bot trade, or a paused one go on."""

    def act(self, bot_id: UUID, **said: Any) -> selectors.Bot:
        return lifecycle.start(bot_id, **said)


@extend_schema(request=None, responses=OpenApiTypes.OBJECT)
class Stop(_Control):
    """End a bot's cycles. What it holds stays, and so do its stops and targets at the broker."""

    def act(self, bot_id: UUID, **said: Any) -> selectors.Bot:
        return lifecycle.stop(bot_id, **said)


@extend_schema(request=None, responses=OpenApiTypes.OBJECT)
class Pause(_Control):
    """Let a running bot skip its cycles."""

    def act(self, bot_id: UUID, **said: Any) -> selectors.Bot:
        return lifecycle.pause(bot_id, **said)


@extend_schema(request=None, responses=OpenApiTypes.OBJECT)
class Resume(_Control):
    """Let a paused bot go on."""

    def act(self, bot_id: UUID, **said: Any) -> selectors.Bot:
        return lifecycle.resume(bot_id, **said)


def body_of(request: Request) -> tuple[Mapping[str, Any], str]:
    """The form, and the reason that travels with it."""
    if not isinstance(request.data, Mapping):
        raise InputError("The body must be a map.", faults=[Fault("invalid_type", "", "The body must be a map.")])
    form = {name: value for name, value in request.data.items() if name != "reason"}
    reason = request.data.get("reason", "")
    if not isinstance(reason, str):
        raise InputError("reason must be text.", faults=[Fault("invalid_type", "/reason", "reason must be text.")])
    return form, reason


def _if_match(request: Request) -> int | None:
    """The configuration's version an If-Match header names, as the ETag of a bot gave it."""
    header = request.headers.get("If-Match", "").strip()
    if header in ("", "*"):
        return None
    match = _ETAG.fullmatch(header)
    if match is None:
        message = "If-Match is not the ETag of a bot; send back the one you were given."
        raise InputError(message, faults=[Fault("invalid_etag", "/headers/If-Match", message, None, header[:80])])
    return int(match[1])


def actor_of(request: Request) -> Actor:
    """The authenticated principal, as the ledger writes it down, with what they may change."""
    return ports.principals().actor_of(request.user, getattr(request, "auth", None))


def owner_id(request: Request) -> int:
    """The caller's id; anonymous callers never come this far."""
    user: AbstractBaseUser | AnonymousUser = request.user
    return int(user.pk or 0)


def seen_by(request: Request) -> int | None:
    """Whose bots the caller sees: their own, or (None) everybody's."""
    return None if getattr(request.user, "is_superuser", False) else owner_id(request)


def _outputs(bots: Sequence[selectors.Bot]) -> list[dict[str, Any]]:
    """Each bot with how it does; the same queries for however many."""
    figures = summary.figures(bots, now=_now())
    return [bot_output(one, figures[one.bot.id]) for one in selectors.described(bots)]


def _now() -> datetime:
    return datetime.now(UTC)
