"""What a page that follows bots starts from: everything at one instant, with the versions it holds.

One transaction sees one instant (REPEATABLE READ), so no event is half in it: a page applies the
events after ``event_version`` of each bot and misses none. The number of queries does not depend on
how many bots there are. Trades are those of each bot's newest run: the same dates come again in the
next round of the replay.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from django.contrib.postgres.expressions import ArraySubquery
from django.db import connection, transaction
from django.db.models import OuterRef

from bots.models import Bot, Decision, EngineRun, OrderIntent, Position, Trade
from bots.selectors import definitions, market, orders, positions, summary
from bots.selectors.summary import Figures, Summary
from configuration import selectors as configuration
from configuration.selectors import Scope
from marketdata.selectors import Feed

NEWEST_OF_ALL = 20
NEWEST_OF_ONE = 50


class Shown(NamedTuple):
    """A bot as a page that follows it draws it. ``capital``: as configured now."""

    bot: Bot
    figures: Figures
    capital: Decimal
    last_decision: Decision | None


class Overview(NamedTuple):
    """All bots an owner has in service. Decisions and trades: the newest twenty, newest first."""

    bots: Sequence[Shown]
    summary: Summary
    clocks: Mapping[str, Feed]
    positions: Sequence[Position]
    decisions: Sequence[Decision]
    trades: Sequence[Trade]


class Page(NamedTuple):
    """One bot. Decisions, orders and trades: the newest fifty, newest first. ``datasets``: of its newest run."""

    bot: Shown
    datasets: Sequence[Mapping[str, str]]
    clocks: Mapping[str, Feed]
    positions: Sequence[Position]
    decisions: Sequence[Decision]
    orders: Sequence[OrderIntent]
    trades: Sequence[Trade]


def overview(owner_id: int | None, *, now: datetime) -> Overview:
    """Everything at this instant. ``owner_id`` None: everybody's bots. ``now``: where no replay says what day it is."""
    with _one_instant():
        bots = list(definitions.bots(owner_id=owner_id))
        newest, last = _decisions(bots, most=NEWEST_OF_ALL)
        shown = _shown(bots, last, now=now)
        return Overview(
            bots=shown,
            summary=summary.of_owner(owner_id, now=now),
            clocks=market.clocks(),
            positions=list(positions.matching(owner_id=owner_id).order_by("symbol", "opened_at", "id")),
            decisions=newest,
            trades=_trades(shown, most=NEWEST_OF_ALL),
        )


def one_bot(bot_id: UUID, *, owner_id: int | None, now: datetime) -> Page:
    """One bot at this instant; the parameters as for ``overview``. Raises: BOT_NOT_FOUND."""
    with _one_instant():
        bot = definitions.bot(bot_id, owner_id=owner_id)
        newest, last = _decisions([bot], most=NEWEST_OF_ONE)
        shown = _shown([bot], last, now=now)
        return Page(
            bot=shown[0],
            datasets=_datasets(shown[0].figures.run),
            clocks=market.clocks(),
            positions=list(positions.matching(bot_id=bot_id).order_by("symbol", "opened_at", "id")),
            decisions=newest,
            orders=list(orders.matching(bot_id=bot_id)[:NEWEST_OF_ONE]),
            trades=_trades(shown, most=NEWEST_OF_ONE),
        )


@contextmanager
def _one_instant() -> Iterator[None]:
    """A read-only transaction that sees one instant; inside a caller's transaction, that one."""
    is_ours = not connection.in_atomic_block
    with transaction.atomic():
        if is_ours:
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


def _shown(bots: Sequence[Bot], last: Mapping[UUID, Decision], *, now: datetime) -> list[Shown]:
    figures = summary.figures(bots, now=now)
    resolved = configuration.resolve_many([(Scope("bot", str(bot.id)), ["bot"]) for bot in bots])
    return [
        Shown(bot, figures[bot.id], Decimal(parameters["bot.capital"].value), last.get(bot.id))
        for bot, parameters in zip(bots, resolved, strict=True)
    ]


def _datasets(run: EngineRun | None) -> Sequence[Mapping[str, str]]:
    return [] if run is None else EngineRun.objects.filter(id=run.id).values_list("datasets", flat=True)[0]


def _decisions(bots: Iterable[Bot], *, most: int) -> tuple[list[Decision], dict[UUID, Decision]]:
    """The newest of all these bots together, and the newest of each. Two queries."""
    # By bot, each from its end of the index: sorting everybody's decisions would get slower with each bar.
    of_bot = Decision.objects.filter(bot=OuterRef("id")).order_by("-id").values("id")[:most]
    ids = dict(Bot.objects.filter(id__in=[bot.id for bot in bots]).values_list("id", ArraySubquery(of_bot)))
    wanted = {*sorted((one for mine in ids.values() for one in mine), reverse=True)[:most]}
    rows = Decision.objects.in_bulk(wanted | {mine[0] for mine in ids.values() if mine})
    newest = sorted((rows[one] for one in wanted), key=lambda decision: -decision.id)
    return newest, {bot_id: rows[mine[0]] for bot_id, mine in ids.items() if mine}


def _trades(bots: Iterable[Shown], *, most: int) -> list[Trade]:
    """The newest of the bots' newest runs."""
    runs = [one.figures.run.id for one in bots if one.figures.run is not None]
    found = Trade.objects.filter(run__in=runs).select_related("intent__broker_order")
    return list(found.order_by("-timestamp", "-intent_id")[:most])
