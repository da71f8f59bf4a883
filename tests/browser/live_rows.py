"""A bot that trades, told by rows and events, and no engine that makes them: what cycles, orders and fills leave.

Called in a process beside the web process (``Site.facts``), so that all it writes is committed there.
"""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.db.models import F
from django.db.models.functions import Now

from bots import payloads
from bots.models import Bot, Cycle, CycleState, Decision, EngineRun, IntentState, OrderStatus, Outbox
from bots.payloads import EventName
from bots.services import events, lifecycle, relaying
from bots.tests import builders, rows
from bots.tests.builders import ACTOR
from engine.domain.enums import Reason
from marketdata import selectors as marketdata
from marketdata.services import replay

DAY_MS = 86_400_000
BARS_BEFORE = 90
# Two bits for each indicator: RSI hold, MACD buy, SMA buy, EMA sell, the others have seen too few bars.
VOTES = 1 | 2 << 2 | 2 << 4 | 3 << 6


def a_trading_bot(*, owner: str = "admin", name: str = "Live two voters") -> dict[str, Any]:
    """A running bot after 90 bars of AAPL: up 250, holding five AAPL, one round trip of IBM behind it."""
    user = get_user_model().objects.get(username=owner)
    bot = builders.a_bot(user, name=name)
    series = marketdata.default_datasets(bot.symbols, bot.timeframe)
    opens = [int(ms) for ms in marketdata.closed_bars(series["AAPL"].id).open_ms[:BARS_BEFORE]]
    _bring_clock_to(opens[-1])
    bot = lifecycle.start(bot.id, actor=ACTOR, now=datetime.now(UTC))
    run = rows.a_run(
        bot,
        datasets=[{"symbol": symbol, "id": str(one.id), "calendar": one.calendar} for symbol, one in series.items()],
        equity=Decimal("10250.5"),
        cash=Decimal("9620.5"),
        realised=Decimal("120.25"),
        recorded_ms=opens[-1],
        last_open_ms=opens[-1],
        rows=len(opens),
        open_positions=1,
    )
    for number, open_ms in enumerate(opens, start=1):
        _cycle(run, number, open_ms, Decimal(10_000) + Decimal(number * 25) / 9 + (number % 7) * 12)
    _past(run, opens)
    return {"bot": str(bot.id), "run": run.pk, "name": name}


def next_bar(bot_id: str, *, equity: str, is_lost: bool = False, buys: bool = False) -> dict[str, Any]:
    """One more bar: the clock moves, the bot decides, and tells of it. ``is_lost``: the relay never sends it."""
    run = EngineRun.objects.select_related("bot").get(bot_id=UUID(bot_id), ended_at__isnull=True)
    last_ms = run.recorded_ms or 0
    dataset = next(one["id"] for one in run.datasets if one["symbol"] == "AAPL")
    open_ms = int(marketdata.closed_bars(dataset, start_ms=last_ms + 1).open_ms[0])
    if marketdata.feed("1d").now_ms != open_ms:
        replay.advance("1d", epoch=1, from_ms=last_ms, to_ms=open_ms)
    number = run.rows + 1
    cycle = _cycle(run, number, open_ms, Decimal(equity))
    EngineRun.objects.filter(pk=run.pk).update(equity=equity, recorded_ms=open_ms, last_open_ms=open_ms, rows=number)
    run.refresh_from_db()
    decision = _decision(run, cycle, number, open_ms, signal=1, target=1, reason=0, orders=1)
    told: list[tuple[EventName, Any]] = [(EventName.DECISION, payloads.decision_payload(decision))]
    trade = _bought(run, decision, open_ms) if buys else None
    if trade is not None:
        told += [
            (EventName.TRADE_EXECUTED, payloads.trade_payload(trade)),
            (EventName.POSITION_UPDATED, payloads.position_payload(trade.position)),
        ]
    told.append((EventName.CYCLE, payloads.cycle_payload(cycle, run)))
    events.emit(run.bot_id, run.bot.owner_id, told)
    if is_lost:
        Outbox.objects.filter(bot_id=run.bot_id, sent_at__isnull=True).update(sent_at=Now())
    else:
        relaying.pump()
    return {"decision": decision.pk, "version": Bot.objects.get(id=run.bot_id).event_version}


def fail(bot_id: str, *, code: str, message: str) -> None:
    """Take the bot out of trading, as five failed cycles do."""
    bot = Bot.objects.get(id=UUID(bot_id))
    lifecycle.fail(bot, code=code, message=message)
    relaying.pump()


def _bring_clock_to(open_ms: int) -> None:
    replay.ensure("1d", bars_per_second=Decimal(1))
    feed = marketdata.feed("1d")
    if feed.now_ms is None:
        replay.advance("1d", epoch=feed.epoch, from_ms=None, to_ms=open_ms)


def _at(open_ms: int) -> datetime:
    return datetime.fromtimestamp(open_ms / 1000, UTC)


def _cycle(run: EngineRun, number: int, open_ms: int, equity: Decimal) -> Cycle:
    return Cycle.objects.create(
        bot_id=run.bot_id,
        run=run,
        number=number,
        epoch=run.epoch,
        due_at=_at(open_ms) + timedelta(milliseconds=DAY_MS),
        lease_token=1,
        state=CycleState.DONE,
        snapshot_id=run.snapshot_id,
        equity=equity,
    )


def _decision(run: EngineRun, cycle: Cycle, number: int, open_ms: int, **changes: Any) -> Decision:
    columns: dict[str, Any] = {"signal": 0, "target": 0, "reason": 1, "orders": 0, "symbol": "AAPL", **changes}
    return Decision.objects.create(
        bot_id=run.bot_id,
        run=run,
        cycle=cycle,
        snapshot_id=run.snapshot_id,
        number=number,
        row=number,
        open_ms=open_ms,
        at=_at(open_ms),
        strategy=0,
        fills=0,
        confidence=0.5,
        votes=VOTES,
        price=Decimal("26.5"),
        equity=run.equity,
        long_qty=5,
        short_qty=0,
        **columns,
    )


def _past(run: EngineRun, opens: list[int]) -> None:
    """A round trip of IBM from the 20th bar to the 50th, AAPL bought on the 70th, its stop and target resting."""
    cycles = {cycle.number: cycle for cycle in Cycle.objects.filter(run=run)}
    bought, sold, held = opens[19], opens[49], opens[69]
    ibm = builders.a_position(
        run,
        "IBM",
        opened_at=_at(bought),
        closed_at=_at(sold),
        realized_pnl=Decimal("120.25"),
        entry_price=Decimal("110"),
        close_reason="target",
    )
    builders.a_trade(ibm, at=_at(bought), price=Decimal("110"), quantity=Decimal(5))
    builders.a_trade(ibm, "120.25", at=_at(sold), price=Decimal("134.05"), quantity=Decimal(5))
    aapl = builders.a_position(
        run,
        "AAPL",
        opened_at=_at(held),
        entry_price=Decimal("25"),
        current_price=Decimal("26.5"),
        unrealized_pnl=Decimal("7.5"),
        stop_loss_price=Decimal("24.5"),
        take_profit_price=Decimal("26.25"),
    )
    builders.a_trade(aapl, at=_at(held), price=Decimal("25"))
    asked = _decision(run, cycles[69], 69, opens[68], signal=1, target=1, reason=0, orders=1)
    parent = builders.an_order(run, "AAPL", origin="bot", cycle=cycles[69], decision=asked, asked_at=asked.at)
    found = builders.a_broker_order(parent)
    builders.a_fill(found, price=Decimal("25"), bar_open_ms=held, executed_at=_at(held))
    for leg, price in ((1, {"stop_price": Decimal("24.5")}), (2, {"limit_price": Decimal("26.25")})):
        child = builders.an_order(
            run,
            "AAPL",
            parent=parent,
            leg=leg,
            action="sell",
            order_type="stop" if leg == 1 else "limit",
            is_entry=False,
            state=IntentState.WORKING,
            asked_at=asked.at,
            bracket_fraction=0.02,
            **price,
        )
        builders.a_broker_order(child, status=OrderStatus.WORKING, filled_qty=0, **price)
    for number, reason in ((60, Reason.NO_SIGNAL), (75, Reason.ALREADY_HELD), (89, Reason.NO_SIGNAL)):
        _decision(run, cycles[number], number, opens[number - 1], reason=reason)


def _bought(run: EngineRun, decision: Decision, open_ms: int) -> Any:
    """Three IBM more, bought on this bar."""
    position = builders.a_position(
        run,
        "IBM",
        opened_at=_at(open_ms),
        quantity=Decimal(3),
        entry_price=Decimal("115"),
        current_price=Decimal("115"),
    )
    EngineRun.objects.filter(pk=run.pk).update(open_positions=F("open_positions") + 1)
    run.refresh_from_db()
    return builders.a_trade(position, at=_at(open_ms), price=Decimal("115"), quantity=Decimal(3))
