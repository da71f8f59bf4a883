"""Events of bots: versions without a gap, in the transaction of what they tell; payloads as the API writes."""

import threading
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction

from bots import payloads
from bots.errors import BotNotFound
from bots.models import Bot, BrokerOrder, Cycle, Decision, EngineRun, IntentState, Outbox, Trade
from bots.services import events
from bots.tests import builders, rows

BOT = UUID("11111111-1111-4111-8111-111111111111")


@pytest.fixture
def bot(instruments: None, owner: User) -> Bot:
    return builders.a_bot(owner)


def stored(bot: Bot) -> list[tuple[int, str, dict[str, Any]]]:
    return list(Outbox.objects.filter(bot=bot).order_by("version").values_list("version", "event", "payload"))


def test_emit__several_events__are_numbered_in_order_without_a_gap(bot: Bot) -> None:
    events.emit(bot.id, bot.owner_id, [("cycle", {"n": 1}), ("decision", {"n": 2})])
    events.emit(bot.id, bot.owner_id, [("cycle", {"n": 3})])
    bot.refresh_from_db()
    assert stored(bot) == [(1, "cycle", {"n": 1}), (2, "decision", {"n": 2}), (3, "cycle", {"n": 3})]
    assert bot.event_version == 3
    assert set(Outbox.objects.values_list("owner_id", "sent_at")) == {(bot.owner_id, None)}


def test_emit__transaction_rolled_back__takes_no_version(bot: Bot) -> None:
    with transaction.atomic():
        events.emit(bot.id, bot.owner_id, [("cycle", {})])
        transaction.set_rollback(True)
    events.emit(bot.id, bot.owner_id, [("cycle", {"after": True})])
    assert stored(bot) == [(1, "cycle", {"after": True})]


def test_emit__nothing__writes_nothing(bot: Bot, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        events.emit(bot.id, bot.owner_id, [])


def test_emit__unknown_bot_or_name__is_refused(bot: Bot) -> None:
    with pytest.raises(BotNotFound), transaction.atomic():
        events.emit(uuid4(), bot.owner_id, [("cycle", {})])
    with pytest.raises(ValueError, match="cylce"):
        events.emit(bot.id, bot.owner_id, [("cylce", {})])
    assert not Outbox.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_emit__from_many_threads_at_once__gives_each_version_once(instruments: None, owner: User) -> None:
    bot = builders.a_bot(owner)

    def tell() -> None:
        for _ in range(25):
            events.emit(bot.id, bot.owner_id, [("cycle", {}), ("decision", {})])
        connection.close()

    threads = [threading.Thread(target=tell) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # 4 threads x 25 times x 2 events; ids follow versions, which is what the relay sorts by
    versions = list(Outbox.objects.order_by("id").values_list("version", flat=True))
    assert versions == list(range(1, 201))


# --- payloads


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("0", "0"),
        ("-0.000", "0"),
        ("100", "100"),
        ("100.500000000", "100.5"),
        ("1E+5", "100000"),
        ("0.000000001", "0.000000001"),
        ("-12.340", "-12.34"),
        ("123456789012345.123456789", "123456789012345.123456789"),
        ("0.0000000005", "0"),  # half to even, as Django rounds on the way into the table
        ("0.0000000015", "0.000000002"),
    ],
)
def test_plain__any_decimal__has_no_exponent_and_no_zeros_at_its_end(value: str, text: str) -> None:
    assert payloads.plain(Decimal(value)) == text


def test_plain__nothing__stays_nothing() -> None:
    assert payloads.plain(None) is None
    assert payloads.moment(None) is None


def test_moment__of_another_zone__is_told_in_utc() -> None:
    new_york = timezone(timedelta(hours=-5))
    assert payloads.moment(datetime(2026, 1, 5, 7, 30, tzinfo=new_york)) == "2026-01-05T12:30:00Z"
    assert payloads.moment(datetime(2026, 1, 5, 12, 0, 0, 250000, tzinfo=UTC)) == "2026-01-05T12:00:00.250000Z"


def test_decision_payload__packed_words__are_unpacked() -> None:
    decision = Decision(
        id=7, bot_id=BOT, symbol="AAPL", at=datetime(2024, 1, 2, tzinfo=UTC), signal=1,
        target=1 | 8,  # enter long, exit short
        reason=21, votes=2 | 3 << 4,  # RSI (bits 0, 1) buy, SMA (bits 4, 5) sell
        confidence=0.75, price=Decimal("185.50"), orders=0, fills=2, snapshot_id="a" * 64,
    )  # fmt: skip
    assert payloads.decision_payload(decision) == {
        "id": 7,
        "bot_id": str(BOT),
        "symbol": "AAPL",
        "at": "2024-01-02T00:00:00Z",
        "signal": "buy",
        "target": ["enter_long", "exit_short"],
        "reason": "longs_disabled",
        "sentence": ("New long positions are switched off (enable_longs), and no short position was there to close."),
        "votes": {"RSI": "buy", "SMA": "sell"},
        "confidence": 0.75,
        "price": "185.5",
        "orders": 0,
        "fills": 2,
        "snapshot": "a" * 64,
    }
    decision.confidence = float("nan")  # jsonb takes none
    assert payloads.decision_payload(decision)["confidence"] is None


def test_cycle_payload__after_a_cycle__tells_the_runs_money() -> None:
    run = EngineRun(
        bot_id=BOT, number=3, epoch=2, equity=Decimal("10012.5"), cash=Decimal("9500.000000000"),
        realised=Decimal("-3.10"), day_realised=Decimal(0), open_positions=1, rows=42,
    )  # fmt: skip
    cycle = Cycle(number=9, due_at=datetime(2024, 1, 3, tzinfo=UTC))
    assert payloads.cycle_payload(cycle, run) == {
        "bot_id": str(BOT), "run": 3, "epoch": 2, "number": 9, "at": "2024-01-03T00:00:00Z", "equity": "10012.5",
        "cash": "9500", "realised": "-3.1", "today_pnl": "0", "open_positions": 1, "rows": 42,
    }  # fmt: skip


def test_order_and_trade_payload__of_stored_rows__name_the_brokers_order(bot: Bot) -> None:
    run = rows.a_run(bot)
    position = rows.a_position(run)
    intent = rows.an_intent(run, IntentState.SUBMITTING)
    before = payloads.order_payload(intent)
    assert (before["state"], before["filled_qty"], before["leg"]) == ("submitting", "0", "main")
    order = intent_filled(intent)
    told = payloads.order_payload(type(intent).objects.get(id=intent.id))
    assert told == {
        "id": intent.id, "bot_id": str(bot.id), "symbol": "AAPL", "side": "long", "leg": "main", "action": "buy",
        "order_type": "market", "qty": "5", "filled_qty": "2.5", "limit_price": None, "stop_price": None,
        "state": "submitting", "reason": "none", "at": "2026-01-05T12:00:00Z",
    }  # fmt: skip
    trade = Trade(
        bot=bot, run=run, position=position, intent=intent, symbol="AAPL", type="buy", side="long",
        quantity=Decimal("2.5"), price=Decimal("100.10"), timestamp=builders.NOW, status="partially_filled",
    )  # fmt: skip
    assert payloads.trade_payload(trade) == {
        "id": str(trade.id), "bot_id": str(bot.id), "symbol": "AAPL", "type": "buy", "quantity": "2.5",
        "price": "100.1", "timestamp": "2026-01-05T12:00:00Z", "profit_loss": None, "status": "partially_filled",
        "order_id": str(order),
    }  # fmt: skip


def intent_filled(intent: Any) -> UUID:
    """Half of it, at the broker; the broker order's id."""
    return BrokerOrder.objects.create(
        intent=intent, account=intent.account, status="partially_filled", qty=intent.qty, filled_qty=Decimal("2.5")
    ).broker_order_id


def test_position_price_status_and_market_payload__of_rows__are_plain_words(bot: Bot) -> None:
    position = rows.a_position(rows.a_run(bot))
    assert payloads.position_payload(position) == {
        "id": str(position.id), "bot_id": str(bot.id), "symbol": "AAPL", "side": "long", "quantity": "5",
        "entry_price": "100", "current_price": "100", "stop_loss_price": None, "take_profit_price": None,
        "unrealized_pnl": "0", "realized_pnl": "0", "opened_at": "2026-01-05T12:00:00Z", "closed_at": None,
        "is_open": True,
    }  # fmt: skip
    assert payloads.status_payload(bot) == {
        "id": str(bot.id), "status": "stopped", "is_active": False, "error_count": 0, "error_code": "",
        "error_message": "",
    }  # fmt: skip
    price = payloads.price_payload(bot_id=bot.id, symbol="AAPL", price=Decimal("1.50"), at=builders.NOW)
    assert price == {"bot_id": str(bot.id), "symbol": "AAPL", "price": "1.5", "timestamp": "2026-01-05T12:00:00Z"}
    assert payloads.market_payload(is_open=True) == {"is_open": True}
