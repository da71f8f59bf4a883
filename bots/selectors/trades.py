"""Executed orders and how they did. Sums and counts are the database's: no row is loaded for them."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import Count, F, Max, Min, Q, QuerySet, Sum
from django.db.models.functions import TruncDate

from bots.errors import TradeNotFound
from bots.models import Trade
from bots.selectors import market
from bots.statistics import Day, Tally, cumulated

TYPES = ("all", "buy", "sell")
PERIODS = ("all", *market.RECENT, "custom")
SORTS = ("timestamp", "symbol", "type", "quantity", "price", "profit_loss")
CLOSED = Q(profit_loss__isnull=False)
WON = Q(profit_loss__gt=0)
LOST = Q(profit_loss__lt=0)


class Wanted(NamedTuple):
    """Which trades. ``owner_id`` None: everybody's. ``first`` and ``last`` (inclusive, UTC) for custom periods."""

    owner_id: int | None = None
    bot_id: UUID | None = None
    symbol: str | None = None
    type: str = "all"
    period: str = "all"
    first: date | None = None
    last: date | None = None


class Group(NamedTuple):
    """The trades of one symbol or bot."""

    key: str
    name: str
    tally: Tally


class Statistics(NamedTuple):
    """A set of trades as sums and counts, and the same by day, by symbol and by bot."""

    total: Tally
    by_date: Sequence[Day]
    by_symbol: Sequence[Group]
    by_bot: Sequence[Group]


def matching(wanted: Wanted, *, now: datetime) -> QuerySet[Trade]:
    """The trades wanted, in no order. ``now`` decides what today is where no replay does."""
    found = _owned(wanted.owner_id)
    if wanted.bot_id is not None:
        found = found.filter(bot_id=wanted.bot_id)
    if wanted.symbol is not None:
        found = found.filter(symbol=wanted.symbol)
    if wanted.type != "all":
        found = found.filter(type=wanted.type)
    return found.filter(_within(wanted, now))


def listed(wanted: Wanted, *, sort: str, is_falling: bool, now: datetime) -> QuerySet[Trade]:
    """The trades wanted with their orders, sorted by one of SORTS; those without a profit or loss last."""
    column = F(sort)
    last = True if sort == "profit_loss" else None  # the others are never empty, and have indexes
    order = column.desc(nulls_last=last) if is_falling else column.asc(nulls_last=last)
    return _with_orders(matching(wanted, now=now)).order_by(order, "id")


def one(trade_id: UUID, *, owner_id: int | None = None) -> Trade:
    """One trade with its order. Raises: TRADE_NOT_FOUND, also for another owner's."""
    trade = _with_orders(_owned(owner_id)).filter(id=trade_id).first()
    if trade is None:
        raise TradeNotFound(f"There is no trade {trade_id}.")
    return trade


def statistics(wanted: Wanted, *, now: datetime) -> Statistics:
    """How the trades wanted did. Four queries, or five where time is counted from now."""
    found = matching(wanted, now=now)
    by_symbol = found.values("symbol").annotate(**SUMS).order_by("symbol")
    by_bot = found.values("bot_id", "bot__name").annotate(**SUMS).order_by("bot__name", "bot_id")
    days = found.filter(CLOSED).values(day=TruncDate("timestamp", tzinfo=UTC)).annotate(pnl=Sum("profit_loss"))
    return Statistics(
        total=tally(found.aggregate(**SUMS)),
        by_date=cumulated((row["day"], row["pnl"]) for row in days.order_by("day")),
        by_symbol=[Group(row["symbol"], row["symbol"], tally(row)) for row in by_symbol],
        by_bot=[Group(str(row["bot_id"]), row["bot__name"], tally(row)) for row in by_bot],
    )


SUMS: dict[str, Any] = {
    "n_trades": Count("id"),
    "n_closed": Count("id", filter=CLOSED),
    "n_winning": Count("id", filter=WON),
    "n_losing": Count("id", filter=LOST),
    "sum_pnl": Sum("profit_loss"),
    "sum_gains": Sum("profit_loss", filter=WON),
    "sum_losses": Sum("profit_loss", filter=LOST),
    "best": Max("profit_loss"),
    "worst": Min("profit_loss"),
}
"""What ``tally`` reads, as aggregates of trades."""


def tally(row: Mapping[str, Any]) -> Tally:
    """The sums of one row of SUMS; a sum of nothing is zero."""
    zero = Decimal(0)
    return Tally(
        trades=row["n_trades"],
        closed=row["n_closed"],
        winning=row["n_winning"],
        losing=row["n_losing"],
        pnl=row["sum_pnl"] or zero,
        gains=row["sum_gains"] or zero,
        losses=row["sum_losses"] or zero,
        best=row["best"],
        worst=row["worst"],
    )


def _owned(owner_id: int | None) -> QuerySet[Trade]:
    return Trade.objects.all() if owner_id is None else Trade.objects.filter(bot__owner_id=owner_id)


def _within(wanted: Wanted, now: datetime) -> Q:
    if wanted.period in market.RECENT:
        return market.recent(wanted.period, now=now)
    found = Q()
    if wanted.period == "custom" and wanted.first is not None:
        found &= Q(timestamp__gte=datetime.combine(wanted.first, time.min, UTC))
    if wanted.period == "custom" and wanted.last is not None:
        found &= Q(timestamp__lte=datetime.combine(wanted.last, time.max, UTC))
    return found


def _with_orders(found: QuerySet[Trade]) -> QuerySet[Trade]:
    return found.select_related("intent__broker_order")
