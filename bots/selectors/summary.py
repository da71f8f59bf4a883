"""How bots are doing, one by one and together."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import Count, F, Q, Sum

from bots import statistics
from bots.models import Bot, BotStatus, EngineRun, Position, Trade
from bots.selectors import definitions, market, positions, trades
from bots.statistics import Tally
from configuration import selectors as configuration
from configuration.selectors import Scope

_ZERO = Decimal(0)


class Figures(NamedTuple):
    """How one bot is doing. ``run`` None: it never ran. Today is event time's."""

    realized_gains: Decimal
    trades_today: int
    today_pnl: Decimal
    tally: Tally
    run: EngineRun | None


class Summary(NamedTuple):
    """How all bots of an owner are doing together."""

    total_pnl: Decimal
    pnl_percentage: Decimal
    today_pnl: Decimal
    capital: Decimal
    total_bots: int
    active_bots: int
    running_bots: int
    paused_bots: int
    stopped_bots: int
    error_bots: int
    open_positions: int
    positions_value: Decimal
    unrealized_pnl: Decimal
    total_trades_today: int
    win_rate: Decimal


def figures(bots: Iterable[Bot], *, now: datetime) -> dict[UUID, Figures]:
    """How each bot is doing. Four queries, for however many bots."""
    ids = [bot.id for bot in bots]
    realized = _realized(ids)
    runs = _newest_runs(ids)
    made = {row["bot_id"]: row for row in _by_bot(ids, market.recent("today", now=now))}
    return {
        bot_id: Figures(
            realized_gains=realized.get(bot_id, _ZERO),
            trades_today=made.get(bot_id, {}).get("n_today", 0),
            today_pnl=made.get(bot_id, {}).get("pnl_today") or _ZERO,
            tally=trades.tally(made[bot_id]) if bot_id in made else Tally(),
            run=runs.get(bot_id),
        )
        for bot_id in ids
    }


def of_owner(owner_id: int | None, *, now: datetime) -> Summary:
    """All bots in service of an owner (None: everybody's) together. Trades and positions of retired ones count too."""
    made = trades.matching(trades.Wanted(owner_id=owner_id), now=now).aggregate(
        **trades.SUMS, **_today(market.recent("today", now=now))
    )
    held = positions.matching(owner_id=owner_id).aggregate(
        count=Count("id"), value=Sum(F("current_price") * F("quantity")), unrealized=Sum("unrealized_pnl")
    )
    bots = list(definitions.bots(owner_id=owner_id).values_list("id", "status"))
    counts = {status: sum(1 for _, one in bots if one == status) for status in BotStatus}
    total, capital = trades.tally(made), _capital(bot_id for bot_id, _ in bots)
    return Summary(
        total_pnl=total.pnl,
        pnl_percentage=statistics.percent(total.pnl, capital),
        today_pnl=made["pnl_today"] or _ZERO,
        capital=capital,
        total_bots=len(bots),
        active_bots=counts[BotStatus.RUNNING] + counts[BotStatus.PAUSED],
        running_bots=counts[BotStatus.RUNNING],
        paused_bots=counts[BotStatus.PAUSED],
        stopped_bots=counts[BotStatus.STOPPED],
        error_bots=counts[BotStatus.ERROR],
        open_positions=held["count"],
        positions_value=held["value"] or _ZERO,
        unrealized_pnl=held["unrealized"] or _ZERO,
        total_trades_today=made["n_today"],
        win_rate=statistics.win_rate(winning=total.winning, closed=total.closed),
    )


def _today(is_today: Q) -> dict[str, Any]:
    return {"n_today": Count("id", filter=is_today), "pnl_today": Sum("profit_loss", filter=is_today)}


def _by_bot(ids: list[UUID], is_today: Q) -> Iterable[Mapping[str, Any]]:
    return Trade.objects.filter(bot_id__in=ids).values("bot_id").annotate(**trades.SUMS, **_today(is_today))


def _realized(ids: list[UUID]) -> dict[UUID, Decimal]:
    closed = Position.objects.filter(bot_id__in=ids, is_open=False)
    return dict(closed.values("bot_id").annotate(made=Sum("realized_pnl")).values_list("bot_id", "made"))


def _newest_runs(ids: list[UUID]) -> dict[UUID, EngineRun]:
    newest = EngineRun.objects.filter(bot_id__in=ids).order_by("bot_id", "-number").distinct("bot_id")
    return {run.bot_id: run for run in newest.defer("state", "datasets", "instruments")}


def _capital(ids: Iterable[UUID]) -> Decimal:
    """What the bots were given together. One query."""
    resolved = configuration.resolve_many([(Scope("bot", str(bot_id)), ["bot"]) for bot_id in ids])
    return sum((Decimal(one["bot.capital"].value) for one in resolved), _ZERO)
