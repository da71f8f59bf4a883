"""Backtests over HTTP: parse, one call, answer."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from backtests import selectors, services
from backtests.api import output
from backtests.models import Backtest, BacktestStatus
from engine.domain.errors import Fault, InputError

_SYMBOL = OpenApiParameter("symbol", str, description="Only this symbol.")


class Backtests(GenericAPIView[Any]):
    """The caller's backtests, newest first; a superuser sees everybody's."""

    # Two hundred thousand given signals, spelled out, take about nineteen megabytes.
    body_limit_bytes = 32 * 1024 * 1024

    @extend_schema(
        operation_id="backtests_list",
        parameters=[OpenApiParameter("bot", UUID), OpenApiParameter("status", str, enum=BacktestStatus.values)],
        responses=OpenApiTypes.OBJECT,
    )
    def get(self, request: Request) -> Response:
        faults: list[Fault] = []
        bot_id, wanted = _uuid(request, "bot", faults), _status(request, faults)
        _refuse(faults)
        page = self.paginate_queryset(selectors.backtests(owner_id=seen_by(request), bot_id=bot_id, status=wanted))
        return self.get_paginated_response([output.backtest_line(one) for one in page or []])

    @extend_schema(operation_id="backtests_create", request=OpenApiTypes.OBJECT, responses={202: OpenApiTypes.OBJECT})
    def post(self, request: Request) -> Response:
        run = services.queue(
            form=_body(request), owner_id=owner_id(request), bots_of=seen_by(request), now=datetime.now(UTC)
        )
        return Response(output.backtest_output(run), status=status.HTTP_202_ACCEPTED)


class OneBacktest(GenericAPIView[Any]):
    """One backtest: its state, its pins, and its metrics once it is completed."""

    @extend_schema(operation_id="backtests_read", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, backtest_id: UUID) -> Response:
        return Response(output.backtest_output(selectors.backtest(backtest_id, owner_id=seen_by(request))))


class Cancel(GenericAPIView[Any]):
    """End a run: at once while it waits, else after the chunk being computed."""

    @extend_schema(operation_id="backtests_cancel", request=None, responses={202: OpenApiTypes.OBJECT})
    def post(self, request: Request, backtest_id: UUID) -> Response:
        run = services.cancel(backtest_id=backtest_id, owner_id=seen_by(request), now=datetime.now(UTC))
        return Response(output.backtest_output(run), status=status.HTTP_202_ACCEPTED)


class Equity(GenericAPIView[Any]):
    """The equity curve, thinned so that every stretch keeps its extremes."""

    @extend_schema(
        operation_id="backtests_equity",
        parameters=[OpenApiParameter("max_points", int, description="4 to 5000, default 2000.")],
        responses=OpenApiTypes.OBJECT,
    )
    def get(self, request: Request, backtest_id: UUID) -> Response:
        faults: list[Fault] = []
        most = _whole(request, "max_points", 4, selectors.LARGEST_CURVE, faults)
        _refuse(faults)
        run = selectors.completed(backtest_id, owner_id=seen_by(request))
        return Response(output.curve_output(selectors.equity(run, max_points=most or 2_000)))


class Candles(GenericAPIView[Any]):
    """The bars one symbol was run over, and the fills among them."""

    @extend_schema(
        operation_id="backtests_candles",
        parameters=[
            OpenApiParameter("symbol", str, required=True),
            OpenApiParameter("start_ms", int),
            OpenApiParameter("end_ms", int),
            OpenApiParameter("max_points", int, description="1 to 5000, default 2000."),
        ],
        responses=OpenApiTypes.OBJECT,
    )
    def get(self, request: Request, backtest_id: UUID) -> Response:
        faults: list[Fault] = []
        start_ms = _whole(request, "start_ms", 0, 2**53, faults)
        end_ms = _whole(request, "end_ms", 0, 2**53, faults)
        most = _whole(request, "max_points", 1, selectors.LARGEST_CHART, faults)
        _refuse(faults)
        run = selectors.completed(backtest_id, owner_id=seen_by(request))
        found = selectors.candles(
            run, request.query_params.get("symbol", ""), start_ms=start_ms, end_ms=end_ms, max_candles=most or 2_000
        )
        return Response(output.candles_output(found))


class _Records(GenericAPIView[Any]):
    """A page of a list of records; which list, the subclass says."""

    def get(self, request: Request, backtest_id: UUID) -> Response:
        run = selectors.completed(backtest_id, owner_id=seen_by(request))
        # The paginator counts and slices; it needs no queryset.
        page = self.paginate_queryset(self.listing(run, request))
        return self.get_paginated_response([one._asdict() for one in page or []])

    def listing(self, run: Backtest, request: Request) -> Sequence[Any]:
        raise NotImplementedError


@extend_schema(
    parameters=[_SYMBOL, OpenApiParameter("ordering", str, description=f"One of {', '.join(selectors.TRIP_SORTS)}.")],
    responses=OpenApiTypes.OBJECT,
)
class Trips(_Records):
    """Round trips, the last to end first unless ``ordering`` says otherwise."""

    def listing(self, run: Backtest, request: Request) -> Sequence[Any]:
        ordering = request.query_params.get("ordering") or "-exit_row"
        return selectors.trips(run, symbol=_symbol(request), ordering=ordering)


@extend_schema(parameters=[_SYMBOL], responses=OpenApiTypes.OBJECT)
class Fills(_Records):
    """Fills in the order they happened."""

    def listing(self, run: Backtest, request: Request) -> Sequence[Any]:
        return selectors.fills(run, symbol=_symbol(request))


@extend_schema(parameters=[_SYMBOL], responses=OpenApiTypes.OBJECT)
class Orders(_Records):
    """Orders in the order they were asked."""

    def listing(self, run: Backtest, request: Request) -> Sequence[Any]:
        return selectors.orders(run, symbol=_symbol(request))


@extend_schema(
    parameters=[_SYMBOL, OpenApiParameter("reason", str), OpenApiParameter("signal", str)],
    responses=OpenApiTypes.OBJECT,
)
class Decisions(_Records):
    """Decisions in time order, all or those with one reason or signal."""

    def listing(self, run: Backtest, request: Request) -> Sequence[Any]:
        query = request.query_params
        return selectors.decisions(
            run, symbol=_symbol(request), reason=query.get("reason") or None, signal=query.get("signal") or None
        )


class Decision(GenericAPIView[Any]):
    """One decision with everything that led to it: bar, votes, values and who set them, orders, fills."""

    @extend_schema(operation_id="backtests_decision", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, backtest_id: UUID, row: int) -> Response:
        run = selectors.completed(backtest_id, owner_id=seen_by(request))
        return Response(output.explanation_output(selectors.decision(run, row)))


def owner_id(request: Request) -> int:
    """The caller's id; anonymous callers never come this far."""
    return int(request.user.pk or 0)


def seen_by(request: Request) -> int | None:
    """Whose runs the caller sees: their own, or (None) everybody's."""
    return None if getattr(request.user, "is_superuser", False) else owner_id(request)


def _body(request: Request) -> Mapping[str, Any]:
    if isinstance(request.data, Mapping):
        return request.data
    raise InputError("The body must be a map.", faults=[Fault("invalid_type", "", "The body must be a map.", "map")])


def _symbol(request: Request) -> str | None:
    return request.query_params.get("symbol", "").strip().upper() or None


def _uuid(request: Request, name: str, faults: list[Fault]) -> UUID | None:
    text = request.query_params.get(name)
    if not text:
        return None
    try:
        return UUID(text)
    except ValueError:
        faults.append(Fault("invalid_type", f"/{name}", f"{name} is {text!r}, not an id.", "uuid", text))
        return None


def _status(request: Request, faults: list[Fault]) -> str | None:
    text = request.query_params.get("status")
    if text and text not in BacktestStatus.values:
        message = f"status is {text!r}, allowed {', '.join(BacktestStatus.values)}."
        faults.append(Fault("not_a_choice", "/status", message, BacktestStatus.values, text))
    return text or None


def _whole(request: Request, name: str, least: int, most: int, faults: list[Fault]) -> int | None:
    text = request.query_params.get(name)
    if not text:
        return None
    if text.isascii() and text.isdigit() and len(text) < 20 and least <= int(text) <= most:
        return int(text)
    message = f"{name} is {text!r}, allowed is a whole number from {least} to {most}."
    faults.append(Fault("out_of_range", f"/{name}", message, [least, most], text))
    return None


def _refuse(faults: Sequence[Fault]) -> None:
    if faults:
        raise InputError("The request cannot be answered.", faults=faults)
