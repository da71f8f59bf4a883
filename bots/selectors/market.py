"""What time it is for bots, and what the market they see is doing: event time, not the wall's clock.

Bots trade on replayed bars. The newest published bar says what day it is; each timeframe has a replay
of its own. Where nothing was published, the caller's time holds.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from django.db.models import Q

from bots.errors import SymbolNotFound
from bots.mappers import decimal_of, moment_of
from engine.domain.errors import DataError
from marketdata import selectors as marketdata
from marketdata.selectors import Feed
from marketdata.timeframes import DURATION_MS

_DAYS = {"today": 0, "week": 7, "month": 30}
RECENT = tuple(_DAYS)
"""Stretches of time that end now."""


class Quote(NamedTuple):
    """The newest published bar of a symbol. ``change`` since the bar before; None for the first."""

    symbol: str
    timeframe: str
    at: datetime
    price: Decimal
    change: Decimal | None
    change_percent: Decimal | None
    volume: Decimal


def event_now(feed: Feed, *, now: datetime) -> datetime:
    """Event time: the close of the newest published bar; ``now`` before the first."""
    return now if feed.due_ms is None else moment_of(feed.due_ms)


def recent(stretch: str, *, now: datetime) -> Q:
    """Trades of ``today`` (since midnight UTC), the last ``week`` (7 days) or ``month`` (30 days).

    Counted back from event time, in the present round of the replay: the same dates come again in
    every round. The last instant of the newest bar decides, since its close is the next day's midnight.
    One query.
    """
    published = {name: feed for name, feed in marketdata.feeds().items() if feed.due_ms is not None}
    found = Q(timestamp__gte=_start(stretch, now), timestamp__lte=now) & ~Q(run__timeframe__in=list(published))
    for timeframe, feed in published.items():
        last = event_now(feed, now=now) - timedelta(milliseconds=1)
        found |= Q(
            run__timeframe=timeframe,
            run__epoch=feed.epoch,
            timestamp__gte=_start(stretch, last),
            timestamp__lte=last,
        )
    return found


def clocks() -> Mapping[str, Feed]:
    """How far each replay is, the shortest bars first."""
    return marketdata.feeds()


def quote(symbol: str, *, timeframe: str | None = None) -> Quote:
    """The newest published bar of a symbol, of this timeframe or the shortest there is.

    Raises: SYMBOL_NOT_FOUND; DATA_ERROR while nothing of it is published.
    """
    wanted = symbol.strip().upper()
    if not marketdata.instruments([wanted]):
        raise SymbolNotFound(f"There is no symbol {wanted[:32]!r}.")
    for name, feed in marketdata.feeds().items():
        if feed.now_ms is not None and timeframe in (None, name):
            dataset = marketdata.default_dataset(wanted, name)
            found = dataset and _quote(wanted, name, dataset.id, feed.now_ms)
            if found:
                return found
    raise DataError(f"No bar of {wanted} is published{f' in {timeframe}' if timeframe else ''} yet.")


def _quote(symbol: str, timeframe: str, dataset_id: UUID, now_ms: int) -> Quote | None:
    bars = marketdata.closed_bars(dataset_id, end_ms=now_ms + 1)
    if not len(bars.open_ms):
        return None
    closes = [decimal_of(close) for close in bars.close[-2:]]
    change = closes[1] - closes[0] if len(closes) == 2 else None
    return Quote(
        symbol=symbol,
        timeframe=timeframe,
        at=moment_of(int(bars.open_ms[-1]) + DURATION_MS[timeframe]),
        price=closes[-1],
        change=change,
        change_percent=None if change is None else round(100 * change / closes[0], 2),
        volume=decimal_of(bars.volume[-1]),
    )


def _start(stretch: str, last: datetime) -> datetime:
    if stretch == "today":
        return datetime.combine(last.astimezone(UTC).date(), time.min, UTC)
    return last - timedelta(days=_DAYS[stretch])
