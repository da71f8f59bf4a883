"""Feeder, dispatcher and worker in one process, for tests that let bots trade.

The price series are made up, and say so in their source (``simulation``). The bot votes with one moving average
over two closes: from the fifth bar on, a close more than 0.2 % above the one before is a BUY, one as far below it
a SELL, anything else nothing. So every decision can be read off the closes.
"""

import hashlib
import io
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from django.contrib.auth.models import User
from django.db import connection
from django.db.models.functions import Now

from bots.brokers import simulated
from bots.brokers.simulated import Simulated
from bots.models import Bot, BrokerAccount, EngineRun, OrderIntent
from bots.services import feeding, leases, lifecycle, trading
from bots.services.checkpoints import Checkpoint, nowhere
from bots.services.feeding import Did, Turn
from bots.tests import builders
from bots.tests.builders import ACTOR, NOW
from configuration import services as configuration
from configuration.mappers import VenueSettings
from configuration.services import Scope, SetValue
from engine.domain.values import Instrument
from marketdata import selectors as marketdata
from marketdata import services as marketdata_services

DAY = 86_400_000
FIRST = 1_577_923_200_000  # 2020-01-02T00:00:00Z

type Bar = tuple[float, float, float, float]


class Killed(BaseException):
    """The worker died here. Not an Exception: nothing may catch it, as nothing catches kill -9."""


def day(number: int) -> int:
    """Open of the ``number``-th bar, counted from 0."""
    return FIRST + number * DAY


def simulated_bars(symbol: str, bars: Iterable[float | Bar], *, first: int = 0) -> None:
    """Store made-up daily bars: each a close (it opens at the one before) or (open, high, low, close)."""
    lines, before = ["timestamp,open,high,low,close,volume"], None
    for number, bar in enumerate(bars, start=first):
        if not isinstance(bar, tuple):
            opened = bar if before is None else before
            bar = (opened, max(opened, bar), min(opened, bar), bar)
        lines.append(",".join(str(value) for value in (day(number), *bar, 1000)))
        before = bar[3]
    request = marketdata_services.ImportRequest(
        symbol=symbol, timeframe="1d", source="simulation", adjustment="adjusted", name=f"Simulation: {symbol}"
    )
    marketdata_services.import_csv(io.BytesIO("\n".join(lines).encode()), request, now=NOW)


def a_trader(owner: User, *symbols: str, is_started: bool = True, **changes: Any) -> Bot:
    """A bot of one voter (see above), with 10,000 in cash, a stop 10 % and a target 20 % from its entry."""
    form = {
        "name": f"Trader {uuid4().hex[:6]}",
        "symbols": list(symbols or ("AAPL",)),
        "indicators": {"SMA": {"period": 2}},
        "voting": "single",
        "risk_management": {"stop_loss": 10, "take_profit": 20},
    }
    bot = builders.a_bot(owner, **{**form, **changes})
    if is_started:
        lifecycle.start(bot.id, actor=ACTOR, now=NOW)
    return Bot.objects.get(id=bot.id)


def configure(scope: Scope, **values: Any) -> int:
    """Set parameters (``namespace__name=value``) of a scope; the version after it."""
    split = [(*name.split("__", 1), value) for name, value in values.items()]
    operations = [SetValue(scope, namespace, name, value) for namespace, name, value in split]
    return configuration.change(
        actor=ACTOR, source="test", reason="trying it out", operations=operations, now=NOW
    ).version


def with_venue(bot: Bot, **venue: Any) -> EngineRun:
    """Move the bot's run, before its first order, to an account whose venue has these settings."""
    run = run_of(bot)
    account = BrokerAccount.objects.create(id=uuid4(), broker="simulated")
    instruments = [Instrument(**fields) for fields in run.instruments]
    simulated.open_account(
        account.id, symbols=run.symbols, instruments=instruments, capital=run.capital, venue=VenueSettings(**venue)
    )
    EngineRun.objects.filter(id=run.id).update(account=account)
    return run_of(bot)


class LittlePlatform:
    """One feed, one worker. ``publish`` shows bars, ``advance_all`` lets every bot that is due do its work."""

    def __init__(self, timeframe: str = "1d") -> None:
        self.timeframe = timeframe
        self.worker = uuid4()

    def publish(self) -> Turn:
        """The next turn of the feed that is not too early."""
        while (turn := feeding.turn(timeframe=self.timeframe)).did == Did.EARLY:
            pass
        return turn

    def advance_all(self, checkpoint: Checkpoint = nowhere) -> list[str | None]:
        """Dispatch until nobody is due; what was done."""
        leases.beat(self.worker, name="test")
        done = []
        while due := leases.dispatch():
            done += [self.advance(*one, checkpoint=checkpoint) for one in due]
        return done

    def advance(self, bot_id: UUID, token: int, *, checkpoint: Checkpoint = nowhere) -> str | None:
        return trading.advance_bot(bot_id=bot_id, token=token, worker=self.worker, checkpoint=checkpoint)

    def bars(self, count: int = 1, checkpoint: Checkpoint = nowhere) -> None:
        """Publish ``count`` bars, each followed by everybody's cycles."""
        self.advance_all(checkpoint)
        for _ in range(count):
            turn = self.publish()
            assert turn.did == Did.PUBLISHED, turn
            self.advance_all(checkpoint)

    def until_the_end(self) -> int:
        """Publish and advance until the series are over; how many bars that were."""
        self.advance_all()
        count = 0
        while self.publish().did == Did.PUBLISHED:
            self.advance_all()
            count += 1
        return count

    def skip(self, count: int = 1) -> None:
        """Publish bars while every worker is away: nobody is waited for."""
        for _ in range(count):
            now_ms = marketdata.feed(self.timeframe).now_ms
            stood = {run.id: run.recorded_ms for run in EngineRun.objects.filter(ended_at__isnull=True)}
            # To the feed the bots look as if they had kept up; they are put back before anybody works.
            EngineRun.objects.filter(id__in=stood).update(recorded_ms=now_ms)
            assert self.publish().did == Did.PUBLISHED
            for run_id, recorded_ms in stood.items():
                EngineRun.objects.filter(id=run_id).update(recorded_ms=recorded_ms)

    def killed_at(self, place: str, *, times: int = 1) -> Callable[[str], None]:
        """A checkpoint that ends the worker at a named place, ``times`` times."""
        left = [times]

        def checkpoint(name: str) -> None:
            if name == place and left[0]:
                left[0] -= 1
                raise Killed(place)

        return checkpoint

    def lapse(self) -> None:
        """Let time pass until every lease has lapsed."""
        Bot.objects.filter(lease_until__isnull=False).update(lease_until=Now() - timedelta(seconds=1))

    def lease(self, bot: Bot) -> leases.Lease:
        """The bot's lease, taken by this worker."""
        leases.wake([bot.id])
        [token] = [token for bot_id, token in leases.dispatch() if bot_id == bot.id]
        lease = leases.take(bot.id, token, self.worker)
        assert lease is not None
        return lease


# --- what came of it, in short


def run_of(bot: Bot) -> EngineRun:
    """The bot's newest run."""
    return EngineRun.objects.filter(bot=bot).order_by("-number").select_related("account")[:1].get()


def bar_of(at_ms: int | None) -> int | None:
    return None if at_ms is None else (at_ms - FIRST) // DAY


def orders(bot: Bot) -> list[tuple[Any, ...]]:
    """(bar asked on, leg, action, quantity, state) of each order of the bot."""
    rows = OrderIntent.objects.filter(bot=bot).order_by("id")
    return [(bar_of(one.open_ms), one.leg, one.action, one.qty, str(one.state)) for one in rows]


def fills(bot: Bot) -> list[tuple[int | None, Decimal, Decimal]]:
    """(bar, quantity, price) of each fill at the broker of the bot's newest run."""
    listed = Simulated(run_of(bot).account_id).events(after=0)
    return [(bar_of(event.at_ms), event.qty, event.price) for event in listed if event.is_fill]


LEDGERS = (
    "bots_brokeraccount",
    "bots_orderintent",
    "bots_brokerorder",
    "bots_fill",
    "bots_orderfact",
    "bots_position",
    "bots_trade",
    "bots_journalentry",
    "bots_posting",
    "bots_decision",
    "bots_cycle",
    "bots_enginerun",
    "bots_outbox",
)


def digest(tables: Sequence[str] = LEDGERS, *, without: Sequence[str] = ("reconciled_at", "cursor")) -> str:
    """A hash over every row of the tables, but for columns that only tell when and how far somebody looked."""
    found = hashlib.sha256()
    with connection.cursor() as cursor:
        for table in tables:
            # Named by this module alone.
            cursor.execute(f"SELECT (to_jsonb(one) - %s::text[])::text FROM {table} AS one ORDER BY 1", [list(without)])
            for (row,) in cursor.fetchall():
                found.update(row.encode())
    return found.hexdigest()
