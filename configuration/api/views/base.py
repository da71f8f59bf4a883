"""What every view of configuration shares: who asks, how it answers, and the way on from a refusal."""

from datetime import UTC, datetime
from typing import Any

import structlog
from django.http import HttpResponseNotModified
from django.http.response import HttpResponseBase
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from configuration import ports
from configuration.actors import Actor
from configuration.api.gates import Asked, gates_of
from configuration.api.requests import conditions
from configuration.errors import gated
from configuration.image import Image
from configuration.scopes import Scope
from engine.domain.errors import InputError


class ConfigurationView(APIView):
    """A view whose refusals say what to call next."""

    def about(self) -> tuple[str, Scope | None]:
        """The namespace and scope that the path names; ('', None) where it names none."""
        return "", None

    def handle_exception(self, exc: Exception) -> Response:
        if isinstance(exc, InputError):
            namespace, scope = self.about()
            asked = Asked(self.request.method or "GET", self.request.path, namespace, scope)
            gated(exc, gates_of(exc, asked))
        return super().handle_exception(exc)


class ConfigurationList(ConfigurationView, GenericAPIView[Any]):
    """The same with pages."""

    filter_backends = ()


def actor_of(request: Request) -> Actor:
    """Who asks, and what they may change."""
    return ports.principals().actor_of(request.user, request.auth)


def request_id() -> str:
    """The id under which the log tells of this request."""
    found: str = structlog.contextvars.get_contextvars().get("request_id", "")
    return found


def now() -> datetime:
    """The clock, read at the edge."""
    return datetime.now(UTC)


def answer(data: Any, **metadata: Any) -> Response:
    """An answer with something beside it in the envelope."""
    response = Response(data)
    response.metadata = metadata  # type: ignore[attr-defined]  # the envelope's renderer reads it
    return response


def unchanged(request: Request, image: Image) -> HttpResponseBase | None:
    """304 where the caller has what would be answered already, as If-None-Match says; else None."""
    etag = conditions.etag_of(image)
    return HttpResponseNotModified(headers={"ETag": etag}) if conditions.is_known(request, etag) else None


def versioned(image: Image, response: Response) -> Response:
    """The answer under the ETag of its version."""
    response["ETag"] = conditions.etag_of(image)
    return response
