"""The dashboard's sums and the market the bots see, over HTTP: parse, one call, answer."""

from typing import Any

from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from bots.api import output
from bots.api.query import Query
from bots.api.views import seen_by
from bots.selectors import market, summary
from marketdata.timeframes import TIMEFRAMES


class SummaryOfBots(GenericAPIView[Any]):
    """How the caller's bots do together; a superuser's answer is about everybody's."""

    @extend_schema(operation_id="summary", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request) -> Response:
        return Response(output.summary_output(summary.of_owner(seen_by(request), now=timezone.now())))


class MarketStatus(GenericAPIView[Any]):
    """Whether bars flow, and how far each replay is."""

    @extend_schema(operation_id="market_status", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request) -> Response:
        return Response(output.market_output(market.clocks().values()))


class MarketData(GenericAPIView[Any]):
    """The newest published bar of a symbol."""

    pagination_class = None

    @extend_schema(
        operation_id="market_data",
        parameters=[
            OpenApiParameter("timeframe", str, enum=TIMEFRAMES, description="Default: the shortest that is published.")
        ],
        responses=OpenApiTypes.OBJECT,
    )
    def get(self, request: Request, symbol: str) -> Response:
        query = Query(request)
        timeframe = query.word("timeframe", TIMEFRAMES)
        query.refuse_faults()
        return Response(output.quote_output(market.quote(symbol, timeframe=timeframe)))
