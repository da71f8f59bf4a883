"""Bots: the list; one, followed live, with what it resolves to and the form that backtests it."""

from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from backtests import selectors as backtests
from backtests import services as backtest_services
from bots import selectors
from bots.selectors import Bot, Described, curves, decisions
from configuration import selectors as configuration
from configuration.selectors import Scope
from engine.domain.errors import NotFound, PlatformError
from marketdata import selectors as marketdata
from marketdata.timeframes import DURATION_MS
from tradingsite.access.judging import may
from tradingsite.dashboard import backtest_form, parameters
from tradingsite.dashboard import curves as drawn
from tradingsite.dashboard.access import owner_seen_by, page, principal_of
from tradingsite.dashboard.forms import BoundForm, bound, values_of
from tradingsite.dashboard.views.backtests import lines

PER_PAGE = 25
RECENT = 8
SIDES = ("LONG", "SHORT")


class Line(NamedTuple):
    """A bot as a list shows it."""

    bot: Bot
    capital: Any
    indicators: tuple[str, ...]
    stop_loss: Any
    take_profit: Any


def lines_of(described: list[Described]) -> list[Line]:
    """Bots with the values a list shows; no query."""
    return [_line(one) for one in described]


@page
def index(request: HttpRequest) -> HttpResponse:
    """Every bot in service."""
    pages = Paginator(selectors.bots(owner_id=owner_seen_by(request)), PER_PAGE).get_page(request.GET.get("page"))
    context = {"section": "bots", "bots": lines_of(selectors.described(pages)), "page_obj": pages}
    return render(request, "bots/list.html", context)


@page
def detail(request: HttpRequest, bot_id: UUID) -> HttpResponse:
    """One bot. A POST starts a backtest of it; when that is refused, every fault stands beside its field."""
    bot = selectors.bot(bot_id, owner_id=owner_seen_by(request))
    fields = backtest_form.fields(bot, marketdata.default_datasets(bot.symbols, bot.timeframe))
    if request.method != "POST":
        like = backtest_form.like(fields, _earlier(request))
        return render(request, "bots/bot.html", _context(request, bot, bound(like)))
    try:
        run = backtest_services.queue(
            form={"bot": bot.id, **values_of(fields, request.POST)},
            owner_id=principal_of(request),
            bots_of=owner_seen_by(request),
            now=datetime.now(UTC),
        )
    except PlatformError as refused:
        form = bound(fields, posted=request.POST, faults=refused.faults)
        return render(request, "bots/bot.html", _context(request, bot, form), status=refused.status)
    return redirect("pages:backtest", run.id)


@page
def curve(request: HttpRequest, bot_id: UUID) -> HttpResponse:
    """The columns of the chart of the newest run's equity, in the API's envelope; empty before the first start."""
    bot = selectors.bot(bot_id, owner_id=owner_seen_by(request))
    found = curves.equity(bot.id)
    columns = drawn.recorded(found.points, float(found.run.capital), DURATION_MS[bot.timeframe]) if found.run else {}
    return JsonResponse({"success": True, "data": {"open_ms": [], **columns}, "metadata": {}})


def _live_data(request: HttpRequest, bot: Bot) -> dict[str, Any]:
    """What the page's script has to know before it asks for anything."""
    run = curves.newest_run(bot.id)
    stored = {symbol: str(one.id) for symbol, one in marketdata.default_datasets(bot.symbols, bot.timeframe).items()}
    replayed = {one["symbol"]: one["id"] for one in run.datasets} if run else {}
    return {
        "bot": str(bot.id),
        "timeframe": bot.timeframe,
        "durations": dict(DURATION_MS),
        "datasets": {**stored, **replayed},
        "curve": reverse("pages:bot-curve", args=[bot.id]),
        "may_act": may(request.user, "api-bot-start", "POST"),
    }


def _line(one: Described) -> Line:
    value = one.definition.parameters
    return Line(
        bot=one.bot,
        capital=value[("bot", "capital")],
        indicators=tuple(value.get((one.bot.strategy, "indicators")) or ()),
        stop_loss=value[("trading", "stop_loss_pct")],
        take_profit=value[("trading", "take_profit_pct")],
    )


def _context(request: HttpRequest, bot: Bot, form: BoundForm) -> dict[str, Any]:
    frozen = configuration.snapshot_for(selectors.scope_of(bot))
    node = _node(request, bot)
    listed = lines(backtests.backtests(owner_id=owner_seen_by(request), bot_id=bot.id)[:RECENT])
    newest = decisions.matching(bot_id=bot.id).first()
    return {
        "section": "bots",
        "bot": bot,
        "live_data": _live_data(request, bot),
        "may_act": may(request.user, "api-bot-start", "POST"),
        "newest_snapshot": newest.snapshot_id if newest else None,
        "summary": _line(selectors.described([bot])[0]),
        "version": configuration.head().version,
        "form": form,
        "form_groups": [form.group(backtest_form.MAIN), form.group(backtest_form.MORE)],
        "may_run": may(request.user, "pages:bot", "POST"),
        "nodes": _nodes(bot),
        "chosen_node": node,
        "parameters": parameters.in_force(_scope(bot, node), _namespaces(bot, node)),
        "snapshot_hash": frozen.hash,
        "snapshot_is_kept": any(line.run.snapshot_id == frozen.hash for line in listed),
        "backtests": listed,
    }


def _nodes(bot: Bot) -> list[tuple[str, str]]:
    """The places a bot's parameters may differ in: itself, each symbol, each side of each symbol."""
    nodes = ["", *(f"{symbol}/{side}" for symbol in bot.symbols for side in SIDES)]
    return [(node, parameters.place_of(node)) for node in nodes]


def _node(request: HttpRequest, bot: Bot) -> str:
    wanted = request.GET.get("node", "")
    return wanted if wanted in dict(_nodes(bot)) else ""


def _scope(bot: Bot, node: str) -> Scope:
    symbol, _, side = node.partition("/")
    return Scope("bot", str(bot.id), symbol, side)


def _namespaces(bot: Bot, node: str) -> tuple[str, ...]:
    return (bot.strategy, "trading") if node else ("bot", bot.strategy, "trading")


def _earlier(request: HttpRequest) -> dict[str, Any] | None:
    """The request of the run named by ``?like=``, where there is one the caller may see."""
    try:
        run = backtests.backtest(UUID(request.GET["like"]), owner_id=owner_seen_by(request))
    except (KeyError, ValueError, NotFound):
        return None
    return dict(run.request)
