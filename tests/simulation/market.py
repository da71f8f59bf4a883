"""The little market of the simulation, invented for it: eight zigzagging symbols, six bots that trade on most bars.

Made once for many seeds; ``begin`` puts everything a seed changes back to the beginning.
"""

import io
import math
import random
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final, NamedTuple
from uuid import UUID

from django.contrib.auth.models import User
from django.db import connection

from bots.models import Bot, BotStatus
from bots.services import definition
from configuration import services as configuration
from configuration.services import Actor, SetValue, bot_scope
from marketdata import services as marketdata
from marketdata.services import replay
from tests.simulation.clock import START

DAY: Final = 86_400_000
FIRST: Final = 1_577_923_200_000  # 2020-01-02T00:00:00Z
BARS: Final = 16
VOTERS_NEED: Final = 5
"""No indicator votes before so many bars."""
TIMEFRAME: Final = "1d"
OPERATOR: Final = Actor(kind="user", id="1", label="simulation")
PACE: Final = Decimal(1000)

_SYMBOLS: Final = tuple(f"SIM{number}" for number in range(8))
# (symbols, voters, stop, target): single voters change their mind often; stops and targets are within a bar's range.
_BOTS: Final[tuple[tuple[tuple[str, ...], Mapping[str, Mapping[str, int]], float, float], ...]] = (
    (("SIM0",), {"SMA": {"period": 2}}, 1.0, 1.5),
    (("SIM1", "SIM2"), {"SMA": {"period": 2}}, 2.0, 2.5),
    (("SIM3",), {"OBV": {}}, 1.5, 6.0),
    (("SIM4", "SIM5"), {"EMA": {"period": 2}}, 8.0, 2.0),
    (("SIM6",), {"EMA": {"period": 3}}, 20.0, 30.0),
    (("SIM7", "SIM0"), {"OBV": {}}, 3.0, 1.0),
)
STOPS: Final = (1.0, 1.5, 2.5, 5.0)
"""Stop distances, in percent, that an operator changes to."""

_EMPTIED: Final = (
    "bots_posting, bots_journalentry, bots_trade, bots_position, bots_orderfact, bots_fill, bots_brokerorder, "
    "bots_orderintent, bots_decision, bots_cycle, bots_enginerun, bots_leveragestatus, bots_brokeraccount, "
    "bots_outbox, bots_worker, bots_simulatedfault, bots_simulatedevent, bots_simulatedorder, bots_simulatedleverage, "
    "bots_simulatedaccount, marketdata_replayclock"
)


class Trader(NamedTuple):
    """One of the six bots. ``stop``: the stop distance that a seed starts with."""

    id: UUID
    stop: float


class Market:
    """What all seeds share: symbols with bars, an owner, stopped bots."""

    def __init__(self) -> None:
        owner = User.objects.create_user("simulation")
        for place, symbol in enumerate(_SYMBOLS):
            marketdata.define_instrument(
                marketdata.InstrumentDefinition(symbol=symbol, asset_class="equity", calendar="XNYS"), now=START
            )
            _bars_of(symbol, random.Random(place))
        self.traders = [
            Trader(_bot(owner.pk, number, symbols, voters, stop, target), stop)
            for number, (symbols, voters, stop, target) in enumerate(_BOTS)
        ]
        self._stops = {trader.id: trader.stop for trader in self.traders}

    def begin(self) -> None:
        """An empty ledger, every bot stopped and configured as it was made, the replay before its first bar."""
        for trader in self.traders:
            if self._stops[trader.id] != trader.stop:
                self.set_stop(trader.id, trader.stop)
        with connection.cursor() as cursor:
            cursor.execute(f"TRUNCATE {_EMPTIED} RESTART IDENTITY")
        Bot.objects.update(
            status=BotStatus.STOPPED,
            is_active=False,
            error_count=0,
            error_code="",
            error_message="",
            wake_at=None,
            lease_token=0,
            lease_owner=None,
            lease_until=None,
            event_version=0,
            last_run_at=None,
        )
        replay.ensure(TIMEFRAME, bars_per_second=PACE)

    def set_stop(self, bot_id: UUID, percent: float) -> None:
        """What an operator does in the configuration: another stop distance for one bot."""
        wanted = SetValue(bot_scope(str(bot_id)), "trading", "stop_loss_pct", percent)
        configuration.change(actor=OPERATOR, source="test", reason="simulated change", operations=[wanted], now=START)
        self._stops[bot_id] = percent


def _bot(
    owner_id: int,
    number: int,
    symbols: Sequence[str],
    voters: Mapping[str, Mapping[str, int]],
    stop: float,
    target: float,
) -> UUID:
    form = {
        "name": f"Simulated {number}",
        "strategy": "indicator_voting",
        "timeframe": TIMEFRAME,
        "symbols": list(symbols),
        "capital": 10000,
        "indicators": voters,
        "voting": "single",
        "trading_frequency": 60,
        "risk_management": {"stop_loss": stop, "take_profit": target, "max_position_size": 40},
    }
    made = definition.define(
        owner_id=owner_id, form=form, actor=OPERATOR, source="test", reason="simulated bot", now=START
    )
    return made.id


def _bars_of(symbol: str, rng: random.Random) -> None:
    """``BARS`` daily bars that turn every other day or so; invented, and only ever stored in a test's database."""
    lines = ["timestamp,open,high,low,close,volume"]
    close = 100.0 + rng.randrange(50)
    for day in range(BARS):
        opened = round(close * (1 + rng.uniform(-0.004, 0.004)), 2)
        close = round(
            opened
            * (1 + rng.uniform(0.005, 0.03) * (1 if math.sin(day * 1.7 + len(lines)) > rng.uniform(-0.6, 0.6) else -1)),
            2,
        )
        high = round(max(opened, close) * (1 + rng.uniform(0, 0.02)), 2)
        low = round(min(opened, close) * (1 - rng.uniform(0, 0.02)), 2)
        lines.append(f"{FIRST + day * DAY},{opened},{high},{low},{close},{1000 + rng.randrange(500)}")
    request = marketdata.ImportRequest(symbol=symbol, timeframe=TIMEFRAME, source="test", adjustment="adjusted")
    marketdata.import_csv(io.BytesIO("\n".join(lines).encode()), request, now=START)
