"""What bots did and hold over HTTP: trades, positions, decisions, orders. Parse, one call, answer."""

from typing import Any
from uuid import UUID

from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from bots.api import output
from bots.api.query import Query
from bots.api.views import actor_of, body_of, seen_by
from bots.payloads import decision_payload
from bots.selectors import decisions, orders, positions, trades
from bots.services import closing
from engine.domain.errors import Fault, InputError

DIRECTIONS = ("asc", "desc")
_BOT = OpenApiParameter("bot", UUID, description="Only this bot's. Also `botId`.")
_SYMBOL = OpenApiParameter("symbol", str, description="Only this symbol.")
_FILTERS = [
    OpenApiParameter("date_range", str, enum=trades.PERIODS, description="Event time, default all. Also `dateRange`."),
    OpenApiParameter("custom_start_date", OpenApiTypes.DATE, description="First day, UTC. Also `customStartDate`."),
    OpenApiParameter("custom_end_date", OpenApiTypes.DATE, description="Last day, UTC. Also `customEndDate`."),
    _BOT,
    _SYMBOL,
    OpenApiParameter("type", str, enum=trades.TYPES, description="Default all."),
]


class Trades(GenericAPIView[Any]):
    """Executed orders of the caller's bots, the newest first unless sorted otherwise."""

    @extend_schema(
        operation_id="trades_list",
        parameters=[
            *_FILTERS,
            OpenApiParameter("sort_field", str, enum=trades.SORTS, description="Default timestamp. Also `sortField`."),
            OpenApiParameter("sort_direction", str, enum=DIRECTIONS, description="Default desc. Also `sortDirection`."),
        ],
        responses=OpenApiTypes.OBJECT,
    )
    def get(self, request: Request) -> Response:
        query = Query(request, pages_of=self)
        wanted = _wanted(query, owner_id=seen_by(request))
        sort = query.word("sort_field", trades.SORTS) or "timestamp"
        is_falling = query.word("sort_direction", DIRECTIONS) != "asc"
        query.refuse_faults()
        page = self.paginate_queryset(trades.listed(wanted, sort=sort, is_falling=is_falling, now=timezone.now()))
        return self.get_paginated_response([output.trade_output(one) for one in page or []])


class TradeStatistics(GenericAPIView[Any]):
    """How the trades did that the same filters choose."""

    pagination_class = None

    @extend_schema(operation_id="trades_stats", parameters=_FILTERS, responses=OpenApiTypes.OBJECT)
    def get(self, request: Request) -> Response:
        query = Query(request)
        wanted = _wanted(query, owner_id=seen_by(request))
        query.refuse_faults()
        return Response(output.statistics_output(trades.statistics(wanted, now=timezone.now())))


class OneTrade(GenericAPIView[Any]):
    """One executed order."""

    @extend_schema(operation_id="trades_read", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, trade_id: UUID) -> Response:
        return Response(output.trade_output(trades.one(trade_id, owner_id=seen_by(request))))


class Positions(GenericAPIView[Any]):
    """What the caller's bots hold, the newest first unless sorted otherwise."""

    @extend_schema(
        operation_id="positions_list",
        parameters=[
            _BOT,
            _SYMBOL,
            OpenApiParameter("state", str, enum=positions.STATES, description="Default open."),
            OpenApiParameter("sort_by", str, enum=positions.SORTS, description="Default opened_at. Also `sortBy`."),
            OpenApiParameter("sort_order", str, enum=DIRECTIONS, description="Default desc. Also `sortOrder`."),
        ],
        responses=OpenApiTypes.OBJECT,
    )
    def get(self, request: Request) -> Response:
        query = Query(request, pages_of=self)
        bot_id, symbol = query.id("bot", "bot_id", "botId"), query.symbol()
        state = query.word("state", positions.STATES) or "open"
        sort = query.word("sort_by", positions.SORTS) or "opened_at"
        sign = "" if query.word("sort_order", DIRECTIONS) == "asc" else "-"
        query.refuse_faults()
        found = positions.matching(owner_id=seen_by(request), bot_id=bot_id, symbol=symbol, state=state)
        page = self.paginate_queryset(found.order_by(f"{sign}{sort}", "id"))
        return self.get_paginated_response([output.position_output(one) for one in page or []])


class OnePosition(GenericAPIView[Any]):
    """One position, open or closed."""

    @extend_schema(operation_id="positions_read", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, position_id: UUID) -> Response:
        return Response(output.position_output(positions.one(position_id, owner_id=seen_by(request))))


class ClosePosition(GenericAPIView[Any]):
    """Sell (or buy back) all that is held, in the operator's name. The order is sent by the bot's worker."""

    @extend_schema(operation_id="positions_close", request=OpenApiTypes.OBJECT, responses={202: OpenApiTypes.OBJECT})
    def post(self, request: Request, position_id: UUID) -> Response:
        form, reason = body_of(request)
        order = closing.close_position(
            position_id,
            actor=actor_of(request),
            now=timezone.now(),
            owner_id=seen_by(request),
            pause_bot=_pause_bot(form),
            reason=reason,
        )
        return Response(output.order_output(order), status=status.HTTP_202_ACCEPTED)


class Decisions(GenericAPIView[Any]):
    """What the caller's bots decided, the newest first."""

    @extend_schema(
        operation_id="bot_decisions_list",
        parameters=[
            _BOT,
            _SYMBOL,
            OpenApiParameter("reason", str, description="Code of the reason something was refused for."),
            OpenApiParameter("has_order", bool, description="Only those that asked for an order, or did not."),
            OpenApiParameter("after", OpenApiTypes.DATETIME, description="On bars that opened then or later."),
            OpenApiParameter("before", OpenApiTypes.DATETIME, description="On bars that opened before."),
        ],
        responses=OpenApiTypes.OBJECT,
    )
    def get(self, request: Request) -> Response:
        query = Query(request, pages_of=self)
        found = decisions.matching(
            owner_id=seen_by(request),
            bot_id=query.id("bot", "bot_id", "botId"),
            symbol=query.symbol(),
            reason=query.word("reason", tuple(decisions.REASONS)),
            has_order=query.flag("has_order"),
            after=query.instant("after"),
            before=query.instant("before"),
        )
        query.refuse_faults()
        page = self.paginate_queryset(found)
        return self.get_paginated_response([decision_payload(one) for one in page or []])


class OneDecision(GenericAPIView[Any]):
    """One decision with its cycle and what followed; ``?explain=1`` adds every value in force and who set it."""

    pagination_class = None

    @extend_schema(
        operation_id="bot_decisions_read",
        parameters=[OpenApiParameter("explain", bool, description="Every parameter in force, with its origin.")],
        responses=OpenApiTypes.OBJECT,
    )
    def get(self, request: Request, decision_id: int) -> Response:
        query = Query(request)
        is_explained = query.flag("explain")
        query.refuse_faults()
        found = decisions.one(decision_id, owner_id=seen_by(request))
        values = decisions.explained(found.decision) if is_explained else None
        return Response(output.decision_followed(found, values=values))


class Orders(GenericAPIView[Any]):
    """What was asked of brokers for the caller's bots, the newest first."""

    @extend_schema(
        operation_id="orders_list",
        parameters=[
            _BOT,
            _SYMBOL,
            OpenApiParameter("state", str, enum=orders.STATES),
            OpenApiParameter("origin", str, enum=orders.ORIGINS, description="Who wanted it."),
        ],
        responses=OpenApiTypes.OBJECT,
    )
    def get(self, request: Request) -> Response:
        query = Query(request, pages_of=self)
        found = orders.matching(
            owner_id=seen_by(request),
            bot_id=query.id("bot", "bot_id", "botId"),
            symbol=query.symbol(),
            state=query.word("state", orders.STATES),
            origin=query.word("origin", orders.ORIGINS),
        )
        query.refuse_faults()
        page = self.paginate_queryset(found)
        return self.get_paginated_response([output.order_output(one) for one in page or []])


class OneOrder(GenericAPIView[Any]):
    """One order: the broker's, its fills, and what the engine heard of it."""

    @extend_schema(operation_id="orders_read", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, order_id: int) -> Response:
        return Response(output.order_followed(orders.one(order_id, owner_id=seen_by(request))))


def _wanted(query: Query, *, owner_id: int | None) -> trades.Wanted:
    period = query.word("date_range", trades.PERIODS) or "all"
    dates = {name: query.date(name) for name in ("custom_start_date", "custom_end_date")}
    for name in dates:
        _judge_date(query, name, period)
    first, last = dates.values()
    if first is not None and last is not None and last < first:
        message = f"custom_end_date {last} is before custom_start_date {first}."
        query.add(Fault("end_before_start", "/custom_end_date", message, f">= {first}", str(last)))
    return trades.Wanted(
        owner_id=owner_id,
        bot_id=query.id("bot", "bot_id", "botId"),
        symbol=query.symbol(),
        type=query.word("type", trades.TYPES) or "all",
        period=period,
        first=first,
        last=last,
    )


def _judge_date(query: Query, name: str, period: str) -> None:
    """A custom period has both ends; dates beside another period would be looked past."""
    given = query.text(name)
    if given is None and period == "custom":
        query.add(Fault("required", f"/{name}", f"{name} is missing: date_range is custom."))
    if given is not None and period != "custom":
        message = f"{name} is given, but date_range is {period}; dates need date_range=custom."
        query.add(Fault("not_custom", f"/{name}", message, "custom", period))


def _pause_bot(form: Any) -> bool:
    """Whether the bot is paused with it (the default). Raises: VALIDATION_ERROR with every fault of the body."""
    pause_bot = form.get("pause_bot", True)
    faults = [
        Fault("unknown_field", f"/{name}", f"{name} is not a field of this request.", ["pause_bot", "reason"], name)
        for name in form
        if name != "pause_bot"
    ]
    if not isinstance(pause_bot, bool):
        faults.append(Fault("invalid_type", "/pause_bot", "pause_bot must be true or false.", "boolean", pause_bot))
    if faults:
        raise InputError("The position was not closed.", faults=faults)
    return bool(pause_bot)
