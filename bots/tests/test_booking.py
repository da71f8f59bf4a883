"""The books: positions, trades and the journal, counted by hand; and what the database refuses to change in them."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, connection, transaction
from django.db.models import Sum

from bots.brokers import simulated
from bots.brokers.simulated import Simulated
from bots.mappers import decimal_of
from bots.models import (
    Bot,
    BrokerOrder,
    Cycle,
    Decision,
    EngineRun,
    Fill,
    JournalEntry,
    OrderFact,
    OrderIntent,
    Position,
    Posting,
    Trade,
)
from bots.services import recomputing
from bots.tests.little_platform import (
    LittlePlatform,
    a_trader,
    configure,
    run_of,
    simulated_bars,
    with_venue,
)
from configuration.services import GLOBAL, bot_scope
from engine.domain.events import ROUND_TRIP

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "broker"])

D = Decimal

# BUY on bar 5 (fills at 101), SELL on bar 7 (fills at 100).
LONG = [100, 100, 100, 100, 100, 101, 102, 100, 100, 100]
# SELL on bar 5 (fills at 99), BUY on bar 7 (fills at 100).
SHORT = [100, 100, 100, 100, 100, 99, 98, 100, 100, 100]


def a_run_of(owner: User, little: LittlePlatform, closes: list[Any], **venue: Any) -> Bot:
    """A bot whose run is open, before its first bar, at an account of that venue."""
    simulated_bars("AAPL", closes)
    bot = a_trader(owner)
    little.advance_all()
    if venue:
        with_venue(bot, **venue)
    return bot


def moved(bot: Bot) -> list[Mapping[str, Decimal]]:
    """The postings of each entry of the journal, in order."""
    entries = JournalEntry.objects.filter(bot=bot).order_by("id")
    return [dict(one.postings.values_list("account", "amount")) for one in entries]


def totals(bot: Bot) -> dict[str, Decimal]:
    rows = Posting.objects.filter(entry__bot=bot).values("account").annotate(total=Sum("amount"))
    return {row["account"]: row["total"] for row in rows}


def test_long_with_fees__round_trip__is_booked_as_counted_by_hand(owner: User, little: LittlePlatform) -> None:
    # Given: 10 hundredths of a percent of each notional
    bot = a_run_of(owner, little, LONG, fee_bps=10.0)
    # When: nine shares at 101, and held over bar 6, which closes at 102
    little.bars(7)
    # Then: 9 * 101 = 909; fee 0.909; 9 * (102 - 101) = 9 not realised yet
    position = Position.objects.get()
    assert (position.quantity, position.entry_price, position.cost, position.fees) == (9, 101, 909, D("0.909"))
    assert (position.current_price, position.unrealized_pnl, position.realized_pnl) == (102, 9, 0)
    assert run_of(bot).cash == D("10000") - 909 - D("0.909")
    assert run_of(bot).equity == D("9090.091") + 9 * 102 - D("0.909") + D("0.909")
    # When: sold at 100
    little.bars(2)
    # Then: fee 0.9; 900 - 909 - 0.909 - 0.9 = -10.809
    position.refresh_from_db()
    assert (position.is_open, position.close_reason, position.realized_pnl) == (False, "signal", D("-10.809"))
    assert (position.fees, position.unrealized_pnl, position.quantity, position.cost) == (D("1.809"), 0, 9, 909)
    entry, exit_ = Trade.objects.order_by("timestamp")
    assert (entry.type, entry.quantity, entry.price, entry.commission, entry.profit_loss) == (
        "buy", 9, 101, D("0.909"), None,
    )  # fmt: skip
    assert (exit_.type, exit_.quantity, exit_.price, exit_.commission, exit_.profit_loss) == (
        "sell", 9, 100, D("0.9"), D("-10.809"),
    )  # fmt: skip
    assert entry.indicators_snapshot == {"SMA": "buy"}
    # and: money moved, and none appeared
    assert moved(bot) == [
        {"cash": 10000, "capital": -10000},
        {"cash": D("-909.909"), "position": 909, "fees": D("0.909")},
        {"cash": D("899.1"), "position": -909, "fees": D("0.9"), "realised": 9},
    ]
    run = run_of(bot)
    assert (run.cash, run.equity, run.realised, run.fees) == (D("9989.191"), D("9989.191"), -9, D("1.809"))
    assert Simulated(run.account_id).cash() == run.cash
    assert recomputing.check(run).differences == ()


def test_short_with_fees__round_trip__is_booked_as_counted_by_hand(owner: User, little: LittlePlatform) -> None:
    # Given: ten shares: 1,000 / 99 = 10.1
    configure(GLOBAL, trading__enable_shorts=True, trading__enable_longs=False, trading__position_mode="one-way")
    bot = a_run_of(owner, little, SHORT, fee_bps=10.0)
    configure(bot_scope(str(bot.id)), bot__long_only=False)
    # When: sold at 99, held over bar 6, which closes at 98
    little.bars(7)
    # Then: 10 * 99 = 990 come in, less a fee of 0.99; 10 * (99 - 98) = 10 not realised yet
    position = Position.objects.get()
    assert (position.side, position.quantity, position.cost, position.unrealized_pnl) == ("short", 10, 990, 10)
    # a short's stop lies above: 99 * 1.1 = 108.9; its target below: 99 * 0.8 = 79.2
    assert (position.stop_loss_price, position.take_profit_price) == (D("108.9"), D("79.2"))
    assert (run_of(bot).cash, run_of(bot).equity) == (D("10989.01"), D("10989.01") - 980)
    # When: bought back at 100
    little.bars(2)
    # Then: 990 - 1,000 - 0.99 - 1 = -11.99
    position.refresh_from_db()
    assert (position.is_open, position.realized_pnl, position.fees) == (False, D("-11.99"), D("1.99"))
    assert [(one.type, one.side, one.profit_loss) for one in Trade.objects.order_by("timestamp")] == [
        ("sell", "short", None),
        ("buy", "short", D("-11.99")),
    ]
    assert moved(bot)[1:] == [
        {"cash": D("989.01"), "position": -990, "fees": D("0.99")},
        {"cash": -1001, "position": 990, "fees": 1, "realised": 10},
    ]
    assert run_of(bot).cash == D("9988.01")
    assert recomputing.check(run_of(bot)).differences == ()


def test_partial_fills__of_entry_and_exit__add_up(owner: User, little: LittlePlatform) -> None:
    # Given: the entry fills in two parts, at the opens of bars 6 (101) and 7 (102)
    bot = a_run_of(owner, little, [*LONG[:7], 103, 100, 100, 99, 99], fee_bps=10.0)
    little.bars(6)
    simulated.fail_next("match", "fill_partly")
    little.bars(2)
    # Then: 4 * 101 + 5 * 102 = 914; 914 / 9 = 101.555555556; fees 0.404 + 0.51
    position = Position.objects.get()
    assert (position.quantity, position.cost, position.fees) == (9, 914, D("0.914"))
    assert position.entry_price == D("101.555555556")
    entry = Trade.objects.get()
    assert (entry.quantity, entry.price, entry.commission, entry.status) == (
        9,
        D("101.555555556"),
        D("0.914"),
        "filled",
    )
    # When: bar 8 says SELL; four go at 100 on bar 9, five at 100 on bar 10
    little.bars(1)
    simulated.fail_next("match", "fill_partly")
    little.bars(1)
    # Then: four of nine sold: 400 - 4 * 914 / 9 - 0.4 = -6.622222222 so far
    position.refresh_from_db()
    exit_ = Trade.objects.get(type="sell")
    assert (position.quantity, position.is_open, exit_.quantity, exit_.status) == (5, True, 4, "partially_filled")
    assert position.realized_pnl == exit_.profit_loss == D("-6.622222222")
    little.bars(1)
    # and: 900 - 914 - 0.914 - 0.9 = -15.814 in all
    position.refresh_from_db()
    exit_.refresh_from_db()
    assert (position.is_open, position.realized_pnl, position.fees) == (False, D("-15.814"), D("1.814"))
    assert (exit_.quantity, exit_.price, exit_.profit_loss, exit_.status) == (9, 100, D("-15.814"), "filled")
    run = run_of(bot)
    assert (run.cash, Simulated(run.account_id).cash()) == (D("9984.186"), D("9984.186"))
    assert recomputing.check(run).differences == ()


def test_books__after_many_round_trips__agree_with_engine_and_journal(owner: User, little: LittlePlatform) -> None:
    # Given: longs and shorts by turns, fees, and fills in parts
    configure(GLOBAL, trading__enable_shorts=True, trading__position_mode="one-way")
    steps = np.random.default_rng(7).choice([-2.0, -1.0, 0.0, 1.0, 2.0, 9.0, -9.0], 60)
    closes = [100.0] * 5 + [round(float(close), 2) for close in 100 + np.cumsum(steps)]
    bot = a_run_of(owner, little, closes, fee_bps=7.0)
    configure(bot_scope(str(bot.id)), bot__long_only=False)
    simulated.fail_next("match", "fill_partly", times=8)
    # When
    little.bars(len(closes))
    # Then: each trade's profit is part of a round trip the engine told of
    trips = np.concatenate([np.frombuffer(bytes(one.trips), ROUND_TRIP) for one in Cycle.objects.order_by("number")])
    assert len(trips) > 10
    assert set(trips["side"]) == {0, 1}
    closed = Position.objects.filter(is_open=False).order_by("closed_at", "id")
    assert sorted(one.realized_pnl for one in closed) == sorted(decimal_of(float(pnl)) for pnl in trips["pnl"])
    gained = Trade.objects.filter(position__is_open=False).aggregate(total=Sum("profit_loss"))["total"]
    assert gained == sum((decimal_of(float(pnl)) for pnl in trips["pnl"]), D(0))
    # and: the journal says what the run says
    run = run_of(bot)
    open_cost = sum(
        (one.cost if one.side == "long" else -one.cost for one in Position.objects.filter(is_open=True)), D(0)
    )
    said = totals(bot)
    assert said["capital"] == -10000
    assert abs(said["cash"] - run.cash) < D("0.00001")
    assert abs(said["fees"] - run.fees) < D("0.00001")
    assert abs(said.get("position", D(0)) - open_cost) < D("0.00001")
    assert abs(said["realised"] + run.realised) < D("0.00001")
    assert sum(said.values()) == 0
    # and: so does the broker
    assert abs(Simulated(run.account_id).cash() - run.cash) < D("0.00001")
    held = {(one.symbol, one.side): one.quantity for one in Position.objects.filter(is_open=True)}
    assert Simulated(run.account_id).positions() == held
    assert recomputing.check(run).differences == ()


def test_slippage__of_a_market_order__is_told_per_share(owner: User, little: LittlePlatform) -> None:
    # Given: decided on a close of 101, filled at an open of 103: 2 worse for a buyer
    simulated_bars("AAPL", [100, 100, 100, 100, 100, 101, (103, 104, 103, 104), 104])
    a_trader(owner)
    little.bars(7)
    assert Trade.objects.get().slippage == 2


# --- what the database keeps, whoever writes


@pytest.fixture
def traded(owner: User, little: LittlePlatform) -> EngineRun:
    """A round trip, with every kind of row."""
    bot = a_run_of(owner, little, LONG)
    little.bars(10)
    return run_of(bot)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE bots_fill SET price = price + 1",
        "DELETE FROM bots_fill",
        "UPDATE bots_decision SET signal = 0",
        "DELETE FROM bots_decision",
        "UPDATE bots_posting SET amount = amount * 2",
        "DELETE FROM bots_posting",
        "UPDATE bots_journalentry SET kind = 'gift'",
        "DELETE FROM bots_orderintent",
        "DELETE FROM bots_brokerorder",
        "DELETE FROM bots_orderfact",
        "DELETE FROM bots_cycle",
        # heard once, and for good
        "UPDATE bots_orderfact SET cycle_id = NULL",
        "UPDATE bots_orderfact SET reason = 1",
        # what was decided stays what was decided
        "UPDATE bots_orderintent SET qty = qty + 1",
        "UPDATE bots_orderintent SET client_order_id = client_order_id || 'x'",
        "UPDATE bots_orderintent SET snapshot_id = NULL",
        # states and statuses go forward
        "UPDATE bots_orderintent SET state = 'working' WHERE state = 'filled'",
        "UPDATE bots_orderintent SET state = 'pending' WHERE state = 'canceled'",
        "UPDATE bots_brokerorder SET status = 'working' WHERE status = 'filled'",
        "UPDATE bots_brokerorder SET status = 'canceled' WHERE status = 'filled'",
        "UPDATE bots_brokerorder SET filled_qty = filled_qty - 1 WHERE status = 'filled'",
    ],
)
def test_database__a_statement_that_changes_what_happened__is_refused(traded: EngineRun, statement: str) -> None:
    tables = (Fill, Decision, Posting, JournalEntry, OrderIntent, BrokerOrder, OrderFact, Cycle)
    before = [list(table.objects.order_by("pk").values()) for table in tables]
    assert all(before)
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
    assert [list(table.objects.order_by("pk").values()) for table in tables] == before


def test_database__postings_that_do_not_sum_to_zero__are_refused_at_the_commit(traded: EngineRun) -> None:
    before = Posting.objects.count()
    with pytest.raises(IntegrityError, match="sum to 1"):
        _entry(traded, "1.5", "-0.5")
    assert Posting.objects.count() == before
    # and: those that do are not
    _entry(traded, "1.5", "-1.5")
    assert Posting.objects.count() == before + 2


def _entry(run: EngineRun, *amounts: str) -> None:
    with transaction.atomic():
        entry = JournalEntry.objects.create(bot_id=run.bot_id, run=run, kind="fill", at=run.started_at)
        for account, amount in zip(("cash", "realised"), amounts, strict=True):
            Posting.objects.create(entry=entry, account=account, amount=D(amount))


def _fill(**changes: Any) -> Fill:
    """The first fill once more, under another quantity."""
    facts: dict[str, Any] = dict(Fill.objects.values().order_by("id")[0])
    del facts["id"]
    return Fill(**{**facts, "activity_id": None, "cum_qty": 50, "qty": 1, **changes})


@pytest.mark.parametrize(
    ("column", "value"), [("qty", 0), ("price", 0), ("price", -1), ("fee", -1), ("cum_qty", 0), ("qty", 99)]
)
def test_database__a_fill_that_makes_no_sense__is_refused(traded: EngineRun, column: str, value: int) -> None:
    with pytest.raises(IntegrityError, match="fill_sane"), transaction.atomic():
        _fill(**{column: value}).save()


def test_database__the_same_fill_twice__is_refused(traded: EngineRun) -> None:
    known = Fill.objects.order_by("id")[0]
    with pytest.raises(IntegrityError, match="fill_once"), transaction.atomic():
        _fill(cum_qty=known.cum_qty).save()
    with pytest.raises(IntegrityError, match="activity_id"), transaction.atomic():
        _fill(activity_id=known.activity_id).save()
    _fill().save()


def test_database__a_second_open_position_in_the_same_place__is_refused(traded: EngineRun) -> None:
    rows: dict[str, Any] = {
        "bot_id": traded.bot_id,
        "run": traded,
        "snapshot_id": traded.snapshot_id,
        "symbol": "AAPL",
        "side": "long",
        "quantity": 1,
        "entry_price": 1,
        "cost": 1,
        "current_price": 1,
        "opened_at": traded.started_at,
    }
    Position.objects.create(**rows)
    with pytest.raises(IntegrityError, match="position_one_open"), transaction.atomic():
        Position.objects.create(**rows)
