"""Backtests: the list, a result, one decision of it, and the two things a person can do: start and cancel."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST

from backtests import mappers, selectors, services
from backtests.selectors import Backtest, BacktestStatus
from bots import selectors as bots
from engine.domain import reasons
from engine.domain.enums import Reason
from engine.domain.errors import NotFound, WrongState
from marketdata import selectors as marketdata
from marketdata.timeframes import DURATION_MS, is_session_based
from tradingsite.access.judging import may
from tradingsite.dashboard import curves, parameters
from tradingsite.dashboard.access import owner_seen_by, page
from tradingsite.dashboard.figures import headline, remaining

PER_PAGE = 25
# Below this many round trips, ratios say more about luck than about the bot.
SMALL_SAMPLE = 30
UNFINISHED = (BacktestStatus.QUEUED, BacktestStatus.RUNNING)


class Line(NamedTuple):
    """A run as a list shows it."""

    run: Backtest
    symbols: tuple[str, ...]
    start: datetime
    end: datetime
    is_unfinished: bool


def lines(runs: Iterable[Backtest]) -> list[Line]:
    """Runs with what a list needs beside the row; no query."""
    return [
        Line(
            run,
            selectors.symbols(run),
            mappers.at(run.request["start_ms"]),
            mappers.at(run.request["end_ms"] - 1),
            run.status in UNFINISHED,
        )
        for run in runs
    ]


@page
def index(request: HttpRequest) -> HttpResponse:
    """Every run, newest first."""
    pages = Paginator(selectors.backtests(owner_id=owner_seen_by(request)), PER_PAGE).get_page(request.GET.get("page"))
    context = {"section": "backtests", "backtests": lines(pages), "page_obj": pages}
    return render(request, "backtests/list.html", context)


@page
def detail(request: HttpRequest, backtest_id: UUID) -> HttpResponse:
    """A run: its progress while it lasts, then its result."""
    run = selectors.backtest(backtest_id, owner_id=owner_seen_by(request))
    context = {
        "section": "backtests",
        **_about(run),
        "bot_exists": _bot_exists(request, run),
        "may_cancel": may(request.user, "pages:backtest-cancel", "POST"),
        "has_result": run.status == BacktestStatus.COMPLETED,
    }
    if context["has_result"]:
        context |= _result(run)
    return render(request, "backtests/backtest.html", context)


@page
def curve(request: HttpRequest, backtest_id: UUID) -> HttpResponse:
    """The columns of the equity chart, in the API's envelope, so that the pages' one reader reads it."""
    run = selectors.completed(backtest_id, owner_id=owner_seen_by(request))
    return JsonResponse({"success": True, "data": curves.curve(run), "metadata": {}})


@page
@require_POST
def cancel(request: HttpRequest, backtest_id: UUID) -> HttpResponse:
    """Ask for the end of a run."""
    try:
        services.cancel(backtest_id=backtest_id, owner_id=owner_seen_by(request), now=datetime.now(UTC))
    except WrongState as too_late:
        messages.info(request, too_late.message)
    return redirect("pages:backtest", backtest_id)


@page
def decision(request: HttpRequest, backtest_id: UUID, row: int) -> HttpResponse:
    """Why one thing was done, or not done: bar, votes, signal, reason, orders, and every value that applied."""
    run = selectors.completed(backtest_id, owner_id=owner_seen_by(request))
    found = selectors.decision(run, row)
    sides = list(found.values)
    wanted = request.GET.get("node", "")
    side = wanted if wanted in sides else sides[0]
    context = {
        "section": "backtests",
        "run": run,
        "found": found,
        "decision": found.decisions[-1],
        "others": found.decisions[:-1],
        "is_daily": is_session_based(run.request["timeframe"]),
        "vote_counts": _counts(found.decisions[-1].votes),
        "strategy": run.request["strategy"],
        "nodes": [(one, parameters.place_of(one)) for one in sides] if len(sides) > 1 else [],
        "chosen_node": side,
        "parameters": parameters.explained(found.values[side]),
        "values_title": f"Every value that applied to {parameters.place_of(side)}",
    }
    return render(request, "backtests/decision.html", context)


def _about(run: Backtest) -> dict[str, Any]:
    took = run.finished_at - run.started_at if run.finished_at and run.started_at else None
    return {
        "run": run,
        "line": lines([run])[0],
        "timeframe": run.request["timeframe"],
        "is_unfinished": run.status in UNFINISHED,
        "took_seconds": took.total_seconds() if took else None,
    }


def _bot_exists(request: HttpRequest, run: Backtest) -> bool:
    try:
        bots.bot(run.bot_id, owner_id=owner_seen_by(request))
    except NotFound:
        return False
    return True


def _result(run: Backtest) -> dict[str, Any]:
    trades = run.metrics.get("trips") or 0
    datasets = marketdata.datasets_by_id(one["id"] for one in run.request["datasets"])
    return {
        "trade_count": trades,
        "is_small_sample": trades < SMALL_SAMPLE,
        "small_sample": SMALL_SAMPLE,
        "metrics": headline(run.metrics),
        "more_metrics": remaining(run.metrics),
        "series": [datasets[UUID(one["id"])] for one in run.request["datasets"]],
        "venue": run.request["venue"],
        "reasons": [(reasons.code(one), reasons.code(one).replace("_", " ")) for one in Reason],
        "page_data": _page_data(run),
    }


def _page_data(run: Backtest) -> dict[str, Any]:
    api = f"/api/v1/backtests/{run.id}"
    return {
        "symbols": list(selectors.symbols(run)),
        "start_ms": run.request["start_ms"],
        "end_ms": run.request["end_ms"],
        "interval_ms": DURATION_MS[run.request["timeframe"]],
        "curve": reverse("pages:backtest-curve", args=[run.id]),
        "candles": f"{api}/candles",
        "trades": f"{api}/trades",
        "decision": reverse("pages:decision", args=[run.id, 0]),
    }


def _counts(votes: Any) -> dict[str, int]:
    given = list(votes.values())
    return {kind: given.count(kind) for kind in ("buy", "sell", "hold")}
