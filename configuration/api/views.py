"""Configuration over HTTP: parse, one call, answer."""

from datetime import UTC, datetime
from typing import Any

import structlog
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from configuration import selectors, services
from configuration.api import output, requests
from configuration.catalogue import CATALOGUE, TRADING
from configuration.scopes import Scope
from engine.domain.errors import InputError, NotFound


class TradingSchema(APIView):
    """Every trading parameter with its type, limits, unit and words."""

    @extend_schema(operation_id="config_trading_schema", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request) -> Response:
        parameters = CATALOGUE.parameters(TRADING)
        groups: dict[str, int] = {}
        for parameter in parameters:
            groups[parameter.group] = groups.get(parameter.group, 0) + 1
        return _answer(
            [output.parameter_output(parameter) for parameter in parameters],
            total_parameters=len(parameters),
            groups=groups,
            catalogue=CATALOGUE.fingerprint,
        )


class TradingDefaults(APIView):
    """The default of every trading parameter."""

    @extend_schema(operation_id="config_trading_defaults", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request) -> Response:
        defaults = {parameter.name: parameter.default for parameter in CATALOGUE.parameters(TRADING)}
        return _answer(defaults, total_parameters=len(defaults))


class TradingConfiguration(APIView):
    """One scope: global, a symbol, or a side of a symbol. What is posted is merged into it."""

    @extend_schema(responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, symbol: str | None = None, side: str | None = None) -> Response:
        return _configuration(requests.scope_of(symbol, side), action="get")

    @extend_schema(request=OpenApiTypes.OBJECT, responses=OpenApiTypes.OBJECT)
    def post(self, request: Request, symbol: str | None = None, side: str | None = None) -> Response:
        scope = requests.scope_of(symbol, side)
        wish = requests.wish_of(request)
        operations = [_operation(scope, name, value) for name, value in wish.parameters.items()]
        if wish.validate_only:
            planned = services.validate(operations)
            return _configuration(scope, action="validate", changes=planned, validation="passed")
        applied = _change(request, operations, wish, kind="set")
        return _configuration(scope, action="update" if applied.changes else "none", changes=applied.changes)

    @extend_schema(responses=OpenApiTypes.OBJECT)
    def delete(self, request: Request, symbol: str | None = None, side: str | None = None) -> Response:
        scope = requests.scope_of(symbol, side)
        wish = requests.clearing_of(request)
        applied = _change(request, [services.ClearScope(scope, TRADING)], wish, kind="delete")
        if not applied.changes:
            raise NotFound(f"Nothing is set for {scope}: there is nothing to clear.")
        return _configuration(scope, action="delete", changes=applied.changes)


class Changes(GenericAPIView[Any]):
    """The decisions about configuration, newest first. Filters: symbol, side, scope=global, parameter."""

    @extend_schema(operation_id="config_changes", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request) -> Response:
        query = request.query_params
        scope = requests.scope_of(query.get("symbol"), query.get("side")) if _names_scope(query) else None
        rows = self.paginate_queryset(selectors.change_sets(scope, parameter=query.get("parameter", "")))
        return self.get_paginated_response([output.change_set_output(row) for row in rows or []])


class OneSnapshot(APIView):
    """Every value of a snapshot with its origin, who set it, why and when."""

    @extend_schema(operation_id="snapshots_read", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, hash: str) -> Response:
        content = selectors.snapshot(hash)
        rows = [row._asdict() for row in selectors.explain_snapshot(hash)]
        return _answer(
            {"hash": hash, "catalogue": content["catalogue"], "bot": content["bot"], "rows": rows}, rows=len(rows)
        )


def _operation(scope: Scope, name: str, value: Any) -> services.Operation:
    """null lets the parameter be inherited again: also where null is a value the parameter may have."""
    pointer = "/parameters/" + name.replace("~", "~0").replace("/", "~1")
    if value is None:
        return services.ClearValue(scope, TRADING, name, pointer)
    return services.SetValue(scope, TRADING, name, value, pointer)


def _change(
    request: Request, operations: list[services.Operation], wish: requests.Wish, *, kind: str
) -> services.Applied:
    return services.change(
        actor=services.Actor("user", str(request.user.pk), request.user.get_username()),
        source="api",
        kind=kind,
        reason=wish.reason,
        on_behalf_of=wish.on_behalf_of,
        operations=operations,
        base_version=wish.base_version,
        idempotency_key=request.headers.get("Idempotency-Key"),
        request_id=structlog.contextvars.get_contextvars().get("request_id", ""),
        now=datetime.now(UTC),
    )


def _configuration(scope: Scope, *, action: str, changes: Any = None, **metadata: Any) -> Response:
    image = selectors.head()
    data = output.configuration_output(
        scope, selectors.resolve(scope, (TRADING,)), selectors.scope_facts(scope), image.version
    )
    if changes is not None:
        data["changes"] = [output.changed_output(change) for change in changes]
    response = _answer(data, action=action, scope=output.scope_output(scope), **metadata)
    response["ETag"] = f'"cfg-{image.version}-{image.hash[:8]}"'
    return response


def _answer(data: Any, **metadata: Any) -> Response:
    response = Response(data)
    response.metadata = metadata  # type: ignore[attr-defined]  # the envelope's renderer reads it
    return response


def _names_scope(query: Any) -> bool:
    if query.get("side") and not query.get("symbol"):
        raise InputError("side needs a symbol.")
    return bool(query.get("symbol")) or query.get("scope") == "global"
