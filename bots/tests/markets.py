"""A market of few days, and bots at its feed, for tests that publish bars."""

import io
from uuid import uuid4

from django.contrib.auth.models import User

from bots.models import Bot, BotStatus, EngineRun
from bots.services import runs
from bots.tests import builders
from bots.tests.builders import NOW
from marketdata import selectors as marketdata
from marketdata import services as marketdata_services

DAY = 86_400_000
FIRST = 1_577_923_200_000  # 2020-01-02T00:00:00Z


def day(number: int) -> int:
    return FIRST + number * DAY


def days_of(symbol: str, *numbers: int, price: int = 100) -> None:
    """A daily bar on each of these days: open at ``price``, high +2, low -1, close +1."""
    lines = ["timestamp,open,high,low,close,volume"]
    lines += [f"{day(number)},{price},{price + 2},{price - 1},{price + 1},1000" for number in numbers]
    request = marketdata_services.ImportRequest(symbol=symbol, timeframe="1d", source="test", adjustment="adjusted")
    marketdata_services.import_csv(io.BytesIO("\n".join(lines).encode()), request, now=NOW)


def a_bot_of(owner: User, *symbols: str, status: BotStatus = BotStatus.RUNNING) -> Bot:
    """A bot that has no run yet."""
    bot = builders.a_bot(owner, name="-".join(symbols) + str(uuid4())[:4], symbols=list(symbols))
    Bot.objects.filter(id=bot.id).update(status=status, is_active=status == BotStatus.RUNNING)
    return Bot.objects.get(id=bot.id)


def joined(owner: User, *symbols: str) -> EngineRun:
    """A running bot with a run that stands where the feed stands."""
    return runs.opened(a_bot_of(owner, *symbols), marketdata.feed("1d"))


def record(*engine_runs: EngineRun) -> None:
    """What a bot's cycle leaves behind: everything published is recorded."""
    now_ms = marketdata.feed("1d").now_ms
    EngineRun.objects.filter(id__in=[one.id for one in engine_runs]).update(recorded_ms=now_ms)


def becomes(status: BotStatus, *engine_runs: EngineRun) -> None:
    bots = Bot.objects.filter(id__in=[one.bot_id for one in engine_runs])
    bots.update(status=status, is_active=status == BotStatus.RUNNING)
