"""Feed bots with stored bars in lock-step: the next are published when every attached bot has recorded the last.

    match    each simulated account meets the bars of the next timestamp (its broker remembers which it has met)
    publish  the clock moves, and the bots are woken, in one transaction
    end      where no bar is left, what rests at the brokers expires and the series begin anew in a new epoch

A bot is attached while it runs on the timeframe. Where none is, the feed rests, unless an operator closes a position.
Accounts of bots that are stopped or paused are matched as well: their orders rest at a broker, which does not know
what the bot does. Whatever dies between two steps, the next turn finds what was done and goes on; of two that turn at
once, one publishes.
"""

from collections.abc import Container, Sequence
from datetime import timedelta
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

import numpy as np
import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import BooleanField, Exists, ExpressionWrapper, OuterRef, Q
from django.db.models.functions import Now

from bots import payloads
from bots.brokers import simulated
from bots.brokers.ports import BrokerUnsure
from bots.models import (
    Bot,
    BotQuerySet,
    BotStatus,
    Cycle,
    CycleState,
    EngineRun,
    IntentState,
    OrderIntent,
    Origin,
)
from bots.payloads import EventName
from bots.services import events, leases, lifecycle
from bots.services.checkpoints import Checkpoint, nowhere
from engine.domain.errors import PlatformError
from engine.domain.values import Bars
from marketdata import selectors as marketdata
from marketdata.providers import replay as stored
from marketdata.selectors import Feed
from marketdata.services import replay

logger = structlog.get_logger(__name__)

_SIMULATED = "simulated"


class Did(StrEnum):
    """What a turn did, or why it did nothing."""

    PUBLISHED = "published"
    ENDED = "ended"
    BEHIND = "behind"
    EARLY = "early"
    PAUSED = "paused"
    NOBODY = "nobody"
    NOTHING = "nothing"
    OVERTAKEN = "overtaken"


class Turn(NamedTuple):
    """One step of the feed of one timeframe, from ``epoch`` and ``now_ms``.

    ``wait_seconds``: until the pace allows more, for EARLY. ``woken``: bots made due. ``events``: what brokers wrote.
    """

    did: Did
    epoch: int
    now_ms: int | None
    wait_seconds: float = 0.0
    woken: tuple[UUID, ...] = ()
    events: int = 0


class _Attached(NamedTuple):
    """A bot that runs on the timeframe. ``is_behind``: it has not recorded what was published."""

    id: UUID
    owner_id: int
    is_behind: bool


class _Fed(NamedTuple):
    """An open run of this epoch: its account, and which bars its orders meet."""

    bot_id: UUID
    status: str
    is_attached: bool
    account_id: UUID
    broker: str
    datasets: tuple[UUID, ...]


def timeframes() -> list[str]:
    """Those that somebody has to turn: with an attached bot, or with a clock. Two queries."""
    wanted = set(marketdata.feeds())
    wanted.update(_running().values_list("timeframe", flat=True).distinct())
    return sorted(wanted)


def turn(*, timeframe: str, checkpoint: Checkpoint = nowhere) -> Turn:
    """Publish the next bars of the timeframe if it is time; never waits.

    checkpoint: called as "met" after each account met the bars, "matched" after all did, "expired" after what rested
    at the end of the series, "published" after the commit.
    """
    feed = marketdata.feed(timeframe)
    attached = _attached(feed)
    exits = {} if attached else _exits(feed)
    if not (attached or exits) or not feed.is_running:
        _tell_market(timeframe, attached, feed, is_open=False)
        return _turn(Did.PAUSED if attached or exits else Did.NOBODY, feed)
    if feed.advanced_at is None:
        replay.ensure(timeframe, bars_per_second=settings.REPLAY_BARS_PER_SECOND)
    elif (early := _seconds_early(feed)) > 0:
        return _turn(Did.EARLY, feed)._replace(wait_seconds=early)
    if any(bot.is_behind for bot in attached) or any(exits.values()):
        return _turn(Did.BEHIND, feed)
    fed = _fed(feed)
    next_ms = _next_ms(fed, exits, after_ms=feed.now_ms)
    if next_ms is not None:
        return _publish(feed, fed, next_ms, checkpoint)
    return _end(feed, fed, checkpoint) if feed.now_ms is not None else _turn(Did.NOTHING, feed)


def rouse(*, timeframe: str) -> list[UUID]:
    """Wake bots that everybody waits for and that sleep; the woken.

    One that started while the clock moved looked at the bars before and was not told of the next. Bots that failed
    are left to the wake-up their failure set.
    """
    asleep = Q(lease_until__isnull=True) & (Q(wake_at__isnull=True) | Q(wake_at__gt=Now()))
    attached = _running().filter(timeframe=timeframe, error_count=0)
    woken = list(attached.filter(_is_behind(marketdata.feed(timeframe)), asleep).values_list("id", flat=True))
    leases.wake(woken)
    return woken


# --- who is fed


def _running() -> BotQuerySet:
    return Bot.objects.in_service().filter(status=BotStatus.RUNNING)


def _attached(feed: Feed) -> list[_Attached]:
    """Every bot that runs on the timeframe, by id. One query."""
    behind = ExpressionWrapper(_is_behind(feed), output_field=BooleanField())
    rows = _running().filter(timeframe=feed.timeframe).annotate(is_behind=behind).order_by("id")
    return [_Attached(*row) for row in rows.values_list("id", "owner_id", "is_behind")]


def _exits(feed: Feed) -> dict[UUID, bool]:
    """Bots that do not run, and whose position an operator closes: whether somebody is at work for each of them.

    A market order fills on the next bar: where nobody runs, the feed goes on until it has.
    """
    asked = OrderIntent.objects.filter(
        origin=Origin.OPERATOR,
        state=IntentState.WORKING,
        run__ended_at__isnull=True,
        run__timeframe=feed.timeframe,
        run__epoch=feed.epoch,
    )
    return {
        bot_id: wake_at is not None or lease_until is not None
        for bot_id, wake_at, lease_until in asked.values_list("bot", "bot__wake_at", "bot__lease_until")
    }


def _is_behind(feed: Feed) -> Q:
    """No run of the bot stands where the feed stands, or a cycle of it is not finished."""
    here = Q(recorded_ms__isnull=True) if feed.now_ms is None else Q(recorded_ms=feed.now_ms)
    of_epoch = EngineRun.objects.filter(ended_at__isnull=True, timeframe=feed.timeframe, epoch=feed.epoch)
    unfinished = Cycle.objects.filter(bot=OuterRef("pk"), state__in=[CycleState.OPEN, CycleState.DECIDED])
    return ~Q(Exists(of_epoch.filter(here, bot=OuterRef("pk")))) | Q(Exists(unfinished))


def _fed(feed: Feed) -> list[_Fed]:
    runs = EngineRun.objects.filter(ended_at__isnull=True, timeframe=feed.timeframe, epoch=feed.epoch)
    rows = runs.order_by("bot_id").values_list(
        "bot_id", "bot__status", "bot__timeframe", "bot__retired_at", "account_id", "account__broker", "datasets"
    )
    return [
        _Fed(
            bot_id=bot_id,
            status=status,
            is_attached=status == BotStatus.RUNNING and timeframe == feed.timeframe and retired_at is None,
            account_id=account_id,
            broker=broker,
            datasets=tuple(UUID(one["id"]) for one in datasets),
        )
        for bot_id, status, timeframe, retired_at, account_id, broker, datasets in rows
    ]


# --- when, and what comes next


def _seconds_early(feed: Feed) -> float:
    """How long until the pace allows the next bars, by the database's clock."""
    assert feed.advanced_at is not None
    assert feed.read_at is not None
    pause = timedelta(seconds=1 / float(feed.bars_per_second))
    return (feed.advanced_at + pause - feed.read_at).total_seconds()


def _next_ms(fed: Sequence[_Fed], exits: Container[UUID], *, after_ms: int | None) -> int | None:
    """The next timestamp of any account's series; None once those of the bots that are waited for are over.

    A stopped bot's resting orders meet every bar of theirs on the way, but do not prolong an epoch that nobody
    trades in.
    """
    wanted = {dataset for one in fed if one.is_attached or one.bot_id in exits for dataset in one.datasets}
    everybody = {dataset for one in fed for dataset in one.datasets}
    next_ms = stored.next_open_ms(list(wanted), after_ms)
    if next_ms is None or everybody == wanted:
        return next_ms
    return stored.next_open_ms(list(everybody), after_ms)


# --- the steps


def _publish(feed: Feed, fed: Sequence[_Fed], next_ms: int, checkpoint: Checkpoint) -> Turn:
    written = _match(fed, next_ms, checkpoint)
    checkpoint("matched")
    with transaction.atomic():
        if not replay.advance(feed.timeframe, epoch=feed.epoch, from_ms=feed.now_ms, to_ms=next_ms):
            return _turn(Did.OVERTAKEN, feed)
        # Read again: a bot that started meanwhile is to hear of this bar as well.
        attached = _attached(feed)
        woken = {bot.id for bot in attached} | {bot_id for bot_id, count in written.items() if count}
        leases.wake(woken)
        _tell_market(feed.timeframe, attached, feed, is_open=True)
    checkpoint("published")
    return _turn(Did.PUBLISHED, feed)._replace(woken=tuple(sorted(woken)), events=sum(written.values()))


def _end(feed: Feed, fed: Sequence[_Fed], checkpoint: Checkpoint) -> Turn:
    assert feed.now_ms is not None
    written = 0
    for one in fed:
        if one.broker == _SIMULATED:
            written += simulated.expire_all(one.account_id, at_ms=feed.now_ms)
    checkpoint("expired")
    with transaction.atomic():
        if not replay.new_epoch(feed.timeframe, epoch=feed.epoch):
            return _turn(Did.OVERTAKEN, feed)
        woken = {bot.id for bot in _attached(feed)} | {one.bot_id for one in fed}
        leases.wake(woken)
    checkpoint("published")
    logger.info("feed.epoch_ended", timeframe=feed.timeframe, epoch=feed.epoch)
    return _turn(Did.ENDED, feed)._replace(woken=tuple(sorted(woken)), events=written)


def _match(fed: Sequence[_Fed], open_ms: int, checkpoint: Checkpoint) -> dict[UUID, int]:
    """Let every simulated account meet the bars; how many events each bot's broker wrote."""
    datasets = sorted({dataset for one in fed for dataset in one.datasets})
    bars = stored.bars_at(datasets, open_ms)
    if bars is None:
        return {}
    rows = {datasets[place]: row for row, place in enumerate(bars.symbol.tolist())}
    written = {}
    for one in fed:
        if one.broker == _SIMULATED and (own := _bars_of(one, bars, rows)) is not None:
            written[one.bot_id] = _met(one, own)
            checkpoint("met")
    return written


def _bars_of(fed: _Fed, bars: Bars, rows: dict[UUID, int]) -> Bars | None:
    """The bars of a run's own symbols, numbered as the run numbers them; None where none has one."""
    found = [(symbol, rows[dataset]) for symbol, dataset in enumerate(fed.datasets) if dataset in rows]
    if not found:
        return None
    symbols, places = zip(*found, strict=True)
    own = Bars._make(column[list(places)] for column in bars)
    # Days of venues that name them differently must not fall within one timestamp, in whatever order.
    return own._replace(symbol=np.array(symbols, np.int32), day=np.maximum.accumulate(own.day))


def _met(fed: _Fed, bars: Bars) -> int:
    try:
        return simulated.match(fed.account_id, bars)
    except BrokerUnsure:
        raise  # the broker is away: nobody may go on to bars after these
    except PlatformError as broken:
        # One account whose books cannot be read must not hold up everybody else: its bot says so, once.
        if fed.status != BotStatus.ERROR:
            logger.exception("feed.not_matched", bot_id=str(fed.bot_id), error_code=broken.specific_code)
            with transaction.atomic():
                bot = Bot.objects.select_for_update(no_key=True).get(id=fed.bot_id)
                lifecycle.fail(bot, code=broken.specific_code, message=str(broken))
        return 0


def _tell_market(timeframe: str, attached: Sequence[_Attached], feed: Feed, *, is_open: bool) -> None:
    if feed.is_open == is_open:
        return
    with transaction.atomic():
        if replay.tell_open(timeframe, is_open=is_open):
            told = (EventName.MARKET_STATUS_CHANGED, payloads.market_payload(is_open=is_open))
            for bot in attached:
                events.emit(bot.id, bot.owner_id, [told])


def _turn(did: Did, feed: Feed) -> Turn:
    return Turn(did, feed.epoch, feed.now_ms)
