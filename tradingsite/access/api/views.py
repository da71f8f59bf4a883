"""Tokens over HTTP: parse, one call, answer."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers, status
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from engine.domain.errors import Fault, InputError
from tradingsite.access import selectors, services
from tradingsite.access.models import LONGEST_DAYS, SCOPES, ApiToken

_FIELDS: Final = ("name", "scopes", "days")
_SHOWN: Final = {
    "id": "3f0c1f2e-8d5b-4d1e-9d6c-0c6f7b1a2c3d",
    "name": "nightly report",
    "owner": "ann",
    "hint": "…x9Qk",
    "scopes": ["read"],
    "created_at": "2026-11-21T09:30:00Z",
    "expires_at": "2026-12-21T09:30:00Z",
    "last_used_at": None,
    "revoked_at": None,
}


class TokenInput(serializers.Serializer[Any]):
    """A token to be made."""

    name = serializers.CharField(max_length=60, help_text="Who or what will use it.")
    scopes = serializers.ListField(child=serializers.ChoiceField(choices=SCOPES), min_length=1)
    days = serializers.IntegerField(min_value=1, max_value=LONGEST_DAYS, default=LONGEST_DAYS, required=False)


class TokenOutput(serializers.Serializer[Any]):
    """A token without its value, of which only the last four characters are known."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    owner = serializers.CharField()
    hint = serializers.CharField()
    scopes = serializers.ListField(child=serializers.ChoiceField(choices=SCOPES))
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()
    last_used_at = serializers.DateTimeField(allow_null=True)
    revoked_at = serializers.DateTimeField(allow_null=True)


class MadeOutput(TokenOutput):
    """A new token with its value, which is shown in this answer and never again."""

    token = serializers.CharField()


class Tokens(GenericAPIView[Any]):
    """The caller's tokens, newest first; an owner sees everybody's."""

    filter_backends = ()

    @extend_schema(
        operation_id="tokens_list",
        responses=TokenOutput(many=True),
        examples=[OpenApiExample("one", value=_SHOWN, response_only=True)],
    )
    def get(self, request: Request) -> Response:
        page = self.paginate_queryset(selectors.tokens(owner_id=selectors.whose_tokens(request.user)))
        return self.get_paginated_response([_output(row) for row in page or []])

    @extend_schema(
        operation_id="tokens_create",
        request=TokenInput,
        responses={201: MadeOutput},
        examples=[
            OpenApiExample("make", value={"name": "nightly report", "scopes": ["read"], "days": 30}, request_only=True),
            OpenApiExample("made", value={**_SHOWN, "token": "ts_shown-once"}, response_only=True),
        ],
    )
    def post(self, request: Request) -> Response:
        """A token of the caller's own. A token makes none with scopes it has not."""
        body = _body(request)
        made = services.make_token(
            owner=request.user,
            name=body.get("name"),
            scopes=body.get("scopes"),
            days=body.get("days", LONGEST_DAYS),
            now=datetime.now(UTC),
            within=getattr(request.auth, "scopes", SCOPES),
        )
        return Response({**_output(made.row), "token": made.value}, status=status.HTTP_201_CREATED)


class OneToken(APIView):
    """One token."""

    @extend_schema(operation_id="tokens_revoke", responses={204: None})
    def delete(self, request: Request, token_id: UUID) -> Response:
        """End a token at once and for ever."""
        services.revoke(token_id, owner_id=selectors.whose_tokens(request.user), now=datetime.now(UTC))
        return Response(status=status.HTTP_204_NO_CONTENT)


def _body(request: Request) -> Mapping[str, Any]:
    body = request.data
    if not isinstance(body, Mapping):
        raise InputError(
            "The body must be a map.", faults=[Fault("invalid_type", "", "The body must be a map.", "map")]
        )
    unknown = [
        Fault("unknown_field", f"/{name}", f"A token has no {name[:40]!r}, only {', '.join(_FIELDS)}.", _FIELDS, name)
        for name in body
        if name not in _FIELDS
    ]
    if unknown:
        raise InputError("The token was not made.", faults=unknown)
    return body


def _output(row: ApiToken) -> dict[str, Any]:
    return {
        "id": str(row.pk),
        "name": row.name,
        "owner": row.owner.get_username(),
        "hint": f"…{row.hint}",
        "scopes": list(row.scopes),
        "created_at": row.created_at,
        "expires_at": row.expires_at,
        "last_used_at": row.last_used_at,
        "revoked_at": row.revoked_at,
    }
