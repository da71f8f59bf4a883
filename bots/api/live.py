"""What a page that follows bots reads first; the socket at /ws/live tells what happens after it."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from bots import mappers, payloads
from bots.api.views import seen_by
from bots.models import EngineRun
from bots.payloads import moment, plain
from bots.selectors import live
from bots.selectors.live import Shown
from bots.selectors.summary import Summary
from marketdata.selectors import Feed
from marketdata.timeframes import DURATION_MS

Output = dict[str, Any]


class LiveOverview(APIView):
    """The caller's bots, what they hold and did last, at one instant; a superuser sees everybody's."""

    @extend_schema(operation_id="live_overview", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request) -> Response:
        at = datetime.now(UTC)
        found = live.overview(seen_by(request), now=at)
        return Response(
            {
                **_common(at, found.bots, found.clocks.values()),
                "totals": _totals(found.summary, found.bots),
                "positions": [payloads.position_payload(one) for one in found.positions],
                "decisions": [payloads.decision_payload(one) for one in found.decisions],
                "trades": [payloads.trade_payload(one) for one in found.trades],
            }
        )


class LiveBot(APIView):
    """One bot, what it holds, asked for and did last, at one instant."""

    @extend_schema(operation_id="live_bot", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, bot_id: UUID) -> Response:
        at = datetime.now(UTC)
        found = live.one_bot(bot_id, owner_id=seen_by(request), now=at)
        return Response(
            {
                **_common(at, [found.bot], found.clocks.values()),
                "feeds": _feeds(found),
                "positions": [payloads.position_payload(one) for one in found.positions],
                "decisions": [payloads.decision_payload(one) for one in found.decisions],
                "orders": [payloads.order_payload(one) for one in found.orders],
                "trades": [payloads.trade_payload(one) for one in found.trades],
            }
        )


def _common(at: datetime, shown: Iterable[Shown], clocks: Iterable[Feed]) -> Output:
    return {
        "at": moment(at),
        "versions": {str(one.bot.id): one.bot.event_version for one in shown},
        "clocks": [_clock(one) for one in clocks],
        "bots": [_bot(one) for one in shown],
    }


def _bot(shown: Shown) -> Output:
    bot, figures, run, last = shown.bot, shown.figures, shown.figures.run, shown.last_decision
    return {
        **payloads.status_payload(bot),
        "name": bot.name,
        "strategy": bot.strategy,
        "timeframe": bot.timeframe,
        "symbols": bot.symbols,
        "capital": plain(shown.capital),
        "last_run_at": moment(bot.last_run_at),
        "today_pnl": plain(figures.today_pnl),
        "total_pnl": plain(figures.tally.pnl),
        "trades_today": figures.trades_today,
        "run": run and run.number,
        "epoch": run and run.epoch,
        "rows": run.rows if run else 0,
        "recorded_at": _recorded_at(run) if run else None,
        "equity": plain(run.equity) if run else None,
        "cash": plain(run.cash) if run else None,
        "realised": plain(run.realised) if run else None,
        "open_positions": run.open_positions if run else 0,
        "last_decision": payloads.decision_payload(last) if last else None,
    }


def _recorded_at(run: EngineRun) -> str | None:
    """Event time, as cycles tell it: the close of the newest bar that is recorded."""
    return None if run.recorded_ms is None else moment(mappers.moment_of(run.recorded_ms + DURATION_MS[run.timeframe]))


def _totals(summary: Summary, shown: Iterable[Shown]) -> Output:
    runs = [one.figures.run for one in shown if one.figures.run is not None]
    return {
        "equity": plain(sum((run.equity for run in runs), start=summary.capital * 0)),
        "capital": plain(summary.capital),
        "total_pnl": plain(summary.total_pnl),
        "pnl_percentage": plain(summary.pnl_percentage),
        "today_pnl": plain(summary.today_pnl),
        "unrealized_pnl": plain(summary.unrealized_pnl),
        "open_positions": summary.open_positions,
        "positions_value": plain(summary.positions_value),
        "trades_today": summary.total_trades_today,
        "win_rate": plain(summary.win_rate),
        "bots": {
            "running": summary.running_bots,
            "paused": summary.paused_bots,
            "stopped": summary.stopped_bots,
            "error": summary.error_bots,
        },
    }


def _clock(feed: Feed) -> Output:
    """``now``: event time, the close of the newest published bar; null before the first."""
    return {
        "timeframe": feed.timeframe,
        "epoch": feed.epoch,
        "now": None if feed.due_ms is None else moment(mappers.moment_of(feed.due_ms)),
        "is_running": feed.is_running,
        "is_open": feed.is_open,
        "bars_per_second": plain(feed.bars_per_second),
    }


def _feeds(found: live.Page) -> list[Output]:
    """Whose bars to draw, and up to which opening (inclusive): later ones are stored, but not published."""
    clock = found.clocks.get(found.bot.bot.timeframe)
    return [
        {"symbol": one["symbol"], "dataset": one["id"], "now_ms": clock.now_ms if clock else None}
        for one in found.datasets
    ]
