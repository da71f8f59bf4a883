"""The first page: what trades now (its script follows it live), what was tried, on which data, how configured."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from backtests import selectors as backtests
from backtests.selectors import BacktestStatus
from bots import selectors as bots
from configuration import selectors as configuration
from marketdata import selectors as marketdata
from marketdata.timeframes import DURATION_MS
from tradingsite.access.judging import may
from tradingsite.dashboard.access import owner_seen_by, page
from tradingsite.dashboard.views.backtests import lines

SHOWN = 6
SHOWN_DATASETS = 10
# More appear with the first snapshot.
SHOWN_BOTS = 50
SHOWN_CHANGES = 5


@page
def show(request: HttpRequest) -> HttpResponse:
    """The overview; empty parts say what to do next."""
    owner_id = owner_seen_by(request)
    datasets = marketdata.datasets()
    bot_count = bots.bots(owner_id=owner_id).count()
    context = {
        "section": "overview",
        "bots": bots.bots(owner_id=owner_id)[:SHOWN_BOTS],
        "backtests": lines(backtests.backtests(owner_id=owner_id)[:SHOWN]),
        "datasets": datasets[:SHOWN_DATASETS],
        "counts": {
            "bots": bot_count,
            "backtests": backtests.backtests(owner_id=owner_id).count(),
            "unfinished": backtests.backtests(owner_id=owner_id).unfinished().count(),
            "datasets": len(datasets),
            "bars": sum(one.bar_count for one in datasets),
        },
        "version": configuration.head().version,
        "may_act": may(request.user, "api-bot-start", "POST"),
        "live_data": {
            "has_bots": bot_count > 0,
            "may_act": may(request.user, "api-bot-start", "POST"),
            "durations": dict(DURATION_MS),
        },
        **_last_change(),
        **_latest(owner_id),
    }
    return render(request, "dashboard/overview.html", context)


def _last_change() -> dict[str, Any]:
    last = configuration.change_sets().first()
    if last is None:
        return {"last_change": None}
    changes = list(last.changes.all())
    return {"last_change": last, "changes": changes[:SHOWN_CHANGES], "more_changes": len(changes[SHOWN_CHANGES:])}


def _latest(owner_id: int | None) -> dict[str, Any]:
    """The newest result, for the chart that the page's script draws."""
    run = backtests.backtests(owner_id=owner_id, status=BacktestStatus.COMPLETED).first()
    if run is None:
        return {"latest": None}
    page_data = {
        "curve": reverse("pages:backtest-curve", args=[run.id]),
        "interval_ms": DURATION_MS[run.request["timeframe"]],
    }
    return {"latest": run, "page_data": page_data}
