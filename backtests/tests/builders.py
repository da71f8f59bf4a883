"""Backtests for tests, said in one line. Bots are made through the API: this app does not know them."""

import io
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.contrib.auth.models import User
from django.db.models.functions import Now
from rest_framework.test import APIClient

from backtests import records, services
from backtests.models import Backtest, RecordKind
from marketdata import services as marketdata

NOW = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)

DAY = 86_400_000  # ms

# open, high, low, close of 2024-01-01 to 2024-01-10; volume is 1000 throughout.
TEN_DAYS = [
    (99.00, 101.00, 98.00, 100.00),
    (100.00, 101.00, 99.00, 100.00),
    (101.00, 103.00, 100.00, 102.00),
    (102.00, 105.00, 101.00, 104.00),
    (104.00, 106.00, 103.00, 105.00),
    (105.00, 107.00, 104.00, 106.00),
    (106.00, 107.00, 104.00, 105.00),
    (105.00, 106.00, 103.00, 104.00),
    (104.00, 105.00, 102.00, 103.00),
    (103.00, 104.00, 101.00, 102.00),
]
FOUR_SYMBOLS = ["AAPL", "GOOG", "IBM", "MSFT"]
KINDS = (RecordKind.EQUITY, RecordKind.ORDER, RecordKind.FILL, RecordKind.TRIP, RecordKind.DECISION)


class Killed(BaseException):
    """The process is gone: no handler of ours gets to run."""


def an_equity(symbol: str) -> None:
    wanted = marketdata.InstrumentDefinition(symbol=symbol, asset_class="equity", calendar="24/7")
    marketdata.define_instrument(wanted, now=NOW)


def a_dataset(
    symbol: str, bars: list[tuple[float, ...]], *, adjustment: str = "adjusted", source: str = "test"
) -> UUID:
    """Daily bars from 2024-01-01 on."""
    lines = ["timestamp,open,high,low,close,volume"]
    lines += [
        f"{datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=day):%Y-%m-%d},{','.join(map(str, bar))},1000"
        for day, bar in enumerate(bars)
    ]
    request = marketdata.ImportRequest(symbol=symbol, timeframe="1d", source=source, adjustment=adjustment)
    return marketdata.import_csv(io.BytesIO("\n".join(lines).encode()), request, now=NOW)[0].dataset_id


def a_bot(owner: User, **changes: Any) -> str:
    """The id of a bot that four trend followers drive over the sample symbols."""
    form = {
        "name": "Trend",
        "timeframe": "1d",
        "symbols": FOUR_SYMBOLS,
        "capital": 10000,
        "indicators": {"MACD": {}, "SMA": {}, "EMA": {}, "OBV": {}},
        "risk_management": {"stop_loss": 8, "take_profit": 20, "max_position_size": 25, "max_concurrent_positions": 4},
        "reason": "for a test",
    }
    client = APIClient()
    client.force_login(owner)
    asked = {name: value for name, value in {**form, **changes}.items() if value is not None}
    answer = client.post("/api/v1/bots", asked)
    assert answer.status_code == 201, answer.json()
    bot_id: str = answer.json()["data"]["id"]
    return bot_id


def a_follower(owner: User) -> str:
    """The id of a bot that does what it is told in ACME: no stop is near."""
    return a_bot(
        owner,
        name="Follower",
        strategy="external",
        symbols=["ACME"],
        indicators=None,
        risk_management={"stop_loss": 50, "take_profit": 100, "max_position_size": 10},
    )


def a_signal(day: int, action: str, **changes: Any) -> dict[str, Any]:
    """A signal at noon of that day of January 2024."""
    return {"symbol": "ACME", "at": f"2024-01-{day:02}T12:00:00+00:00", "action": action, "confidence": 1, **changes}


def queued(owner: User, bot_id: str, **changes: Any) -> Backtest:
    return services.queue(form={"bot": bot_id, **changes}, owner_id=owner.pk, bots_of=None, now=NOW)


def ran(owner: User, bot_id: str, **changes: Any) -> Backtest:
    """A backtest that was queued and run to its end."""
    backtest = queued(owner, bot_id, **changes)
    services.run_chunked(backtest_id=backtest.id, worker="test")
    backtest.refresh_from_db()
    return backtest


def everything(backtest: Backtest) -> dict[str, bytes]:
    """All records a run left behind, as bytes: equal means equal to the last bit."""
    return {kind: records.everything(backtest.id, kind).tobytes() for kind in KINDS}


def worker_dies(backtest: Backtest) -> None:
    """Its heartbeat stops, and a good while passes."""
    Backtest.objects.filter(id=backtest.id).update(heartbeat_at=Now() - timedelta(minutes=5))
