"""Rows of bars, runs, cycles, positions and intents for tests that need them there, and no engine to make them."""

import io
from decimal import Decimal
from typing import Any

from bots import selectors
from bots.models import (
    Bot,
    BrokerAccount,
    Cycle,
    CycleState,
    EngineRun,
    IntentState,
    OrderIntent,
    Position,
)
from bots.tests.builders import NOW
from configuration import selectors as configuration
from configuration import services as configuration_services
from marketdata import services as marketdata


def two_bars(symbol: str) -> None:
    """A dataset of two days."""
    lines = ["timestamp,open,high,low,close,volume", "2024-01-02,99,101,98,100,1000", "2024-01-03,100,102,99,101,1000"]
    request = marketdata.ImportRequest(symbol=symbol, timeframe="1d", source="test", adjustment="adjusted")
    marketdata.import_csv(io.BytesIO("\n".join(lines).encode()), request, now=NOW)


def a_run(bot: Bot, **changes: Any) -> EngineRun:
    """The bot's open run, as it is defined now; ``changes`` replace columns."""
    columns: dict[str, Any] = {
        "number": 1,
        "epoch": 1,
        "account": BrokerAccount.objects.create(broker="simulated"),
        "strategy": bot.strategy,
        "timeframe": bot.timeframe,
        "symbols": list(bot.symbols),
        "datasets": [],
        "instruments": [],
        "snapshot_id": configuration_services.keep(configuration.snapshot_for(selectors.scope_of(bot))),
        "engine_fingerprint": "0" * 64,
        "state": b"",
        "capital": 10000,
        "cash": 10000,
        "equity": 10000,
    }
    return EngineRun.objects.create(bot=bot, **{**columns, **changes})


def a_cycle(bot: Bot, state: CycleState = CycleState.OPEN) -> Cycle:
    """One cycle in ``state``, in a run of its own."""
    run = a_run(bot)
    return Cycle.objects.create(
        bot=bot, run=run, number=1, epoch=1, due_at=NOW, lease_token=1, state=state, snapshot_id=run.snapshot_id
    )


def a_position(run: EngineRun, symbol: str = "AAPL") -> Position:
    """Five of ``symbol``, bought at 100."""
    return Position.objects.create(
        bot=run.bot,
        run=run,
        snapshot_id=run.snapshot_id,
        symbol=symbol,
        side="long",
        quantity=Decimal(5),
        entry_price=Decimal(100),
        cost=Decimal(500),
        current_price=Decimal(100),
        opened_at=NOW,
    )


def an_intent(run: EngineRun, state: IntentState, symbol: str = "AAPL") -> OrderIntent:
    """An operator's order to buy five, in ``state``."""
    return OrderIntent.objects.create(
        bot=run.bot,
        run=run,
        account=run.account,
        snapshot_id=run.snapshot_id,
        origin="operator",
        symbol=symbol,
        side="long",
        leg=0,
        action="buy",
        order_type="market",
        is_entry=True,
        qty=Decimal(5),
        state=state,
        client_order_id=f"test-{run.id}-{symbol}-{state}",
        asked_at=NOW,
        claimed_at=NOW,
    )
