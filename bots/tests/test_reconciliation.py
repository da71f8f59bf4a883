"""Our books follow the broker's: read once or twice, early or late, with orders of ours, of others, and given up."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from django.contrib.auth.models import User
from django.db import transaction

from bots.brokers import simulated
from bots.brokers.ports import BrokerUnsure, OrderReport, OrderRequest
from bots.brokers.simulated import Simulated
from bots.models import (
    Bot,
    BotStatus,
    BrokerAccount,
    BrokerOrder,
    Fill,
    IntentState,
    OrderFact,
    OrderIntent,
    OrderStatus,
    Outbox,
    Position,
    Trade,
)
from bots.services import leases, lifecycle, recomputing, reconciliation
from bots.services.feeding import Did
from bots.tests.builders import ACTOR, NOW
from bots.tests.little_platform import (
    Killed,
    LittlePlatform,
    a_trader,
    day,
    digest,
    fills,
    orders,
    run_of,
    simulated_bars,
)
from engine.domain.enums import Reason
from engine.domain.values import Bars
from marketdata.services import replay

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "broker"])

D = Decimal

# BUY on bar 5, SELL on bar 7, BUY on bar 9, and a fall through the stop on bar 10: see test_trading.
CLOSES = [100, 100, 100, 100, 100, 101, 102, 100, 100, 103, 90, 90]


@pytest.fixture
def bot(owner: User, little: LittlePlatform) -> Bot:
    """A bot before its first cycle."""
    simulated_bars("AAPL", CLOSES)
    return a_trader(owner)


def reconcile(bot: Bot) -> reconciliation.Found:
    return reconciliation.reconcile(run_of(bot).account_id)


def state(intent: OrderIntent) -> str:
    return str(OrderIntent.objects.get(id=intent.id).state)


# --- twice


@pytest.mark.parametrize("bars", [6, 7, 8, 9, 11])
def test_reconcile__twice__changes_nothing_the_second_time(bot: Bot, little: LittlePlatform, bars: int) -> None:
    # Given: news at the broker that nobody has read: a fill, brackets that end, a stop
    little.bars(bars - 1)
    little.publish()
    reconcile(bot)
    before = digest()
    # When: again, and from the list's very beginning
    assert reconcile(bot).facts == 0
    BrokerAccount.objects.update(cursor=0)
    assert reconcile(bot).facts == 0
    # Then
    assert digest() == before
    little.advance_all()
    assert recomputing.check(run_of(bot)).differences == ()


def test_reconcile__dies_between_reading_and_writing__loses_nothing(bot: Bot, little: LittlePlatform) -> None:
    little.bars(6)
    little.publish()
    for place in ("events_read", "events_taken"):
        with pytest.raises(Killed):
            reconciliation.reconcile(run_of(bot).account_id, checkpoint=little.killed_at(place))
    reconcile(bot)
    assert Fill.objects.count() == 1
    assert OrderFact.objects.filter(cycle__isnull=True).count() == 1


def test_reconcile__the_broker_is_away__says_so_and_changes_nothing(bot: Bot, little: LittlePlatform) -> None:
    little.bars(6)
    little.publish()
    before = digest(without=())
    simulated.fail_next("events", "time_out")
    with pytest.raises(BrokerUnsure):
        reconcile(bot)
    assert digest(without=()) == before


def test_reconcile_due__a_bot_that_does_not_run__is_woken_for_its_fill(bot: Bot, little: LittlePlatform) -> None:
    # Given: stopped with an entry at the broker, which fills
    little.bars(6)
    lifecycle.stop(bot.id, actor=ACTOR, now=NOW)
    account_id = run_of(bot).account_id
    simulated.match(account_id, _one_bar(6, 101.0))
    assert little.advance_all() == []
    # When: the account was not looked at for a while
    BrokerAccount.objects.update(reconciled_at=None)
    assert reconciliation.reconcile_due() == [account_id]
    # just looked at: not again
    assert reconciliation.reconcile_due() == []
    # Then
    assert Bot.objects.get(id=bot.id).wake_at is not None
    assert OrderFact.objects.filter(cycle__isnull=True).count() == 1


def _one_bar(number: int, price: float) -> Bars:
    """A flat bar of the account's only symbol."""
    here, flat = np.zeros(1, np.int32), np.array([price])
    return Bars(np.array([day(number)], np.int64), here, here, flat, flat, flat, flat, np.array([1000.0]))


# --- orders of others


def test_external__an_order_placed_at_the_broker__is_kept_and_shown_and_not_fed_to_the_engine(
    bot: Bot, little: LittlePlatform
) -> None:
    # Given
    little.bars(2)
    account_id = run_of(bot).account_id
    request = OrderRequest("by-hand-1", "AAPL", "long", 0, "buy", "market", True, D(3))
    assert isinstance(Simulated(account_id).submit(request), OrderReport)
    # When: it fills on the next bar
    little.bars()
    # Then
    intent = OrderIntent.objects.get()
    assert (intent.origin, intent.client_order_id, intent.qty, intent.cycle_id) == ("external", "by-hand-1", 3, None)
    assert (state(intent), intent.broker_order.status) == ("filled", "filled")
    assert list(Fill.objects.values_list("qty", "price")) == [(3, 100)]
    assert OrderFact.objects.count() == 0
    assert Position.objects.count() == 0
    assert (run_of(bot).cash, run_of(bot).open_positions) == (10000, 0)
    assert Bot.objects.get(id=bot.id).status == BotStatus.RUNNING
    # browsers were told: working, then filled
    told = Outbox.objects.filter(event="order_updated").order_by("version")
    assert [one.payload["state"] for one in told] == ["filled"]
    assert recomputing.check(run_of(bot)).differences == ()


def test_external__twice__is_one_order(bot: Bot, little: LittlePlatform) -> None:
    little.bars(2)
    request = OrderRequest("by-hand-1", "AAPL", "long", 0, "buy", "market", True, D(3))
    Simulated(run_of(bot).account_id).submit(request)
    reconcile(bot)
    BrokerAccount.objects.update(cursor=0)
    reconcile(bot)
    intent = OrderIntent.objects.get()
    assert (str(intent.state), intent.broker_order.status) == ("adopted", "working")
    # it is not ours to cancel
    found = Simulated(run_of(bot).account_id).find("by-hand-1")
    assert found is not None
    assert found.status == "working"


# --- orders that were given up


@pytest.fixture
def given_up(bot: Bot, little: LittlePlatform) -> OrderIntent:
    """An entry that was posted, whose answer was lost, and that was given up; the broker has it."""
    little.bars(5)
    little.publish()
    simulated.fail_next("submit", "lose_answer")
    with pytest.raises(Killed):
        # dies before it looks the order up
        little.advance_all(little.killed_at("sent"))
    intent = OrderIntent.objects.get(leg=0)
    assert intent.state == IntentState.UNKNOWN
    with transaction.atomic():
        reconciliation.end(intent, IntentState.ABANDONED, reason=Reason.NEVER_ARRIVED)
    little.lapse()
    return intent


def test_adopted__an_order_that_was_given_up__is_cancelled_and_its_bot_halted(
    bot: Bot, little: LittlePlatform, given_up: OrderIntent
) -> None:
    # When
    little.advance_all()
    # Then: it was adopted, cancelled at the broker, and the bot trades no more
    assert OrderIntent.objects.get(id=given_up.id).claimed_at is not None
    found = Simulated(given_up.account_id).find(given_up.client_order_id)
    assert found is not None
    assert found.status == "canceled"
    halted = Bot.objects.get(id=bot.id)
    assert (halted.status, halted.error_code, halted.is_active) == (BotStatus.ERROR, "ORDER_ADOPTED", False)
    assert given_up.client_order_id in halted.error_message
    # and: once the broker says so, it is over
    reconcile(bot)
    assert state(given_up) == "canceled"
    assert reconcile(bot).adopted == ()
    told = Outbox.objects.filter(event="bot_status_changed").order_by("version").last()
    assert told is not None
    assert told.payload["error_code"] == "ORDER_ADOPTED"


def test_adopted__the_broker_does_not_answer_the_cancelling__it_is_asked_again(
    bot: Bot, little: LittlePlatform, given_up: OrderIntent
) -> None:
    # Given: the order was adopted, and the worker died before it was cancelled
    with pytest.raises(Killed):
        reconciliation.reconcile(given_up.account_id, checkpoint=little.killed_at("events_taken"))
    assert state(given_up) == "adopted"
    # When: the list has nothing new any more, but the account was not looked at for a while
    BrokerAccount.objects.update(reconciled_at=None)
    simulated.fail_next("cancel", "time_out")
    with pytest.raises(BrokerUnsure):
        reconcile(bot)
    BrokerAccount.objects.update(reconciled_at=None)
    assert reconcile(bot).adopted == (given_up.client_order_id,)
    # Then
    reconcile(bot)
    assert state(given_up) == "canceled"


def test_adopted__an_order_that_filled_meanwhile__is_booked(
    bot: Bot, little: LittlePlatform, given_up: OrderIntent
) -> None:
    # Given: it fills before anybody looks
    simulated.match(given_up.account_id, _one_bar(6, 101.0))
    # When
    little.advance_all()
    # Then: the fact counts, whatever we had believed
    assert state(given_up) == "filled"
    assert list(Fill.objects.values_list("qty", "price")) == [(9, 101)]
    assert Bot.objects.get(id=bot.id).error_code == "ORDER_ADOPTED"
    # and: the engine hears it as soon as its bar is published
    heard = OrderFact.objects.filter(kind="filled", cycle__isnull=False)
    assert heard.count() == 0
    assert replay.advance("1d", epoch=1, from_ms=day(5), to_ms=day(6))
    leases.wake([bot.id])
    little.advance_all()
    assert heard.count() == 1
    assert (Position.objects.get().quantity, run_of(bot).cash) == (9, D(10000 - 909))
    assert recomputing.check(run_of(bot)).differences == ()


@pytest.mark.parametrize("given", [IntentState.REJECTED, IntentState.UNSENT])
def test_adopted__also_one_that_was_refused_or_never_sent__is_never_refused_as_a_fact(
    bot: Bot, little: LittlePlatform, given: IntentState
) -> None:
    # Given: decided and not sent, then ended, while a sleeper posts it all the same
    little.bars(5)
    little.publish()
    with pytest.raises(Killed):
        little.advance_all(little.killed_at("claimed" if given == IntentState.REJECTED else "intended"))
    intent = OrderIntent.objects.get(leg=0)
    with transaction.atomic():
        reconciliation.end(intent, given, reason=Reason.REJECTED)
    little.lapse()
    Simulated(intent.account_id).submit(
        OrderRequest(intent.client_order_id, "AAPL", "long", 0, "buy", "market", True, intent.qty)
    )
    # When
    little.advance_all()
    # Then
    assert Bot.objects.get(id=bot.id).error_code == "ORDER_ADOPTED"
    reconcile(bot)
    assert state(intent) == "canceled"


# --- forward only


def test_record__an_older_report__does_not_go_back(bot: Bot, little: LittlePlatform) -> None:
    # Given: a filled entry, and the report of when it had just been placed
    little.bars(6)
    entry = OrderIntent.objects.get(leg=0)
    early = Simulated(entry.account_id).find(entry.client_order_id)
    assert early is not None
    little.bars(1)
    before = digest(("bots_brokerorder", "bots_orderintent", "bots_orderfact", "bots_fill"))
    # When
    with transaction.atomic():
        reconciliation.record(OrderIntent.objects.get(id=entry.id), early)
    # Then
    assert digest(("bots_brokerorder", "bots_orderintent", "bots_orderfact", "bots_fill")) == before
    order = BrokerOrder.objects.get(intent=entry)
    assert (order.status, order.filled_qty) == (OrderStatus.FILLED, 9)


def test_look_up__not_found__is_given_up_after_five_misses_and_two_minutes(bot: Bot, little: LittlePlatform) -> None:
    # Given: a claimed order that never arrived
    little.bars(5)
    little.publish()
    with pytest.raises(Killed):
        little.advance_all(little.killed_at("claimed"))
    intent = OrderIntent.objects.get(leg=0)
    broker = Simulated(intent.account_id)
    # When: five times within two minutes
    for _ in range(5):
        assert reconciliation.look_up(intent.id, broker) == IntentState.UNKNOWN
    # When: three minutes later
    OrderIntent.objects.filter(id=intent.id).update(claimed_at=NOW)
    assert reconciliation.look_up(intent.id, broker) == IntentState.ABANDONED
    # Then: the engine hears that it never arrived
    fact = OrderFact.objects.get()
    assert (fact.intent_id, fact.kind, fact.reason) == (intent.id, "ended", Reason.NEVER_ARRIVED)
    assert {state(one) for one in OrderIntent.objects.exclude(leg=0)} == {"canceled"}


def test_look_up__two_minutes_but_few_misses__is_asked_again(bot: Bot, little: LittlePlatform) -> None:
    little.bars(5)
    little.publish()
    with pytest.raises(Killed):
        little.advance_all(little.killed_at("claimed"))
    intent = OrderIntent.objects.get(leg=0)
    OrderIntent.objects.filter(id=intent.id).update(claimed_at=NOW)
    for _ in range(4):
        assert reconciliation.look_up(intent.id, Simulated(intent.account_id)) == IntentState.UNKNOWN
    assert reconciliation.look_up(intent.id, Simulated(intent.account_id)) == IntentState.ABANDONED


# --- fills in parts, and late

FLAT_AFTER = [100, 100, 100, 100, 100, 101, 101, 101, 101, 101]


@pytest.fixture
def buyer(owner: User, little: LittlePlatform) -> Bot:
    """Its nine shares bought on bar 5 are working; nothing is decided after that."""
    simulated_bars("GOOG", FLAT_AFTER)
    made = a_trader(owner, "GOOG")
    little.bars(6)
    return made


def test_fill__in_parts__each_is_booked_once_and_the_brackets_cover_what_is_held(
    buyer: Bot, little: LittlePlatform
) -> None:
    # When: bar 6 fills half
    simulated.fail_next("match", "fill_partly")
    little.bars()
    # Then: four of nine (whole shares)
    assert fills(buyer) == [(6, 4, 101)]
    position, trade = Position.objects.get(), Trade.objects.get()
    assert (position.quantity, position.cost, trade.quantity, trade.status) == (4, 404, 4, "partially_filled")
    assert _resting() == [(1, 4, D("90.9"), None), (2, 4, None, D("121.2"))]
    # When: bar 7 fills the rest
    little.bars()
    # Then
    assert fills(buyer) == [(6, 4, 101), (7, 5, 101)]
    position.refresh_from_db()
    trade.refresh_from_db()
    assert (position.quantity, position.cost, trade.quantity, trade.status) == (9, 909, 9, "filled")
    assert _resting() == [(1, 9, D("90.9"), None), (2, 9, None, D("121.2"))]
    assert recomputing.check(run_of(buyer)).differences == ()


def _resting() -> list[tuple[Any, ...]]:
    alive = BrokerOrder.objects.filter(status="working", intent__leg__gt=0).order_by("intent__leg")
    return [(one.intent.leg, one.qty, one.stop_price, one.limit_price) for one in alive]


def test_fill__late__is_booked_on_the_bar_it_came_in(buyer: Bot, little: LittlePlatform) -> None:
    simulated.fail_next("match", "fill_late")
    little.bars()
    assert fills(buyer) == []
    assert Position.objects.count() == 0
    little.bars()
    assert fills(buyer) == [(7, 9, 101)]
    assert Position.objects.get().quantity == 9
    assert orders(buyer) == [(5, 0, "buy", 9, "filled"), (7, 1, "sell", 9, "working"), (7, 2, "sell", 9, "working")]
    assert recomputing.check(run_of(buyer)).differences == ()


def test_fill__the_rest_never_comes__the_order_ends_and_the_part_stays(buyer: Bot, little: LittlePlatform) -> None:
    # Given: four of nine, then the order is cancelled at the broker
    simulated.fail_next("match", "fill_partly")
    little.bars()
    entry = OrderIntent.objects.get(leg=0)
    Simulated(entry.account_id).cancel(entry.client_order_id)
    # When
    little.bars()
    # Then
    assert state(entry) == "canceled"
    assert fills(buyer) == [(6, 4, 101)]
    assert Position.objects.get().quantity == 4
    assert Trade.objects.get().quantity == 4
    assert _resting() == [(1, 4, D("90.9"), None), (2, 4, None, D("121.2"))]
    assert recomputing.check(run_of(buyer)).differences == ()


def test_end_of_the_series__with_an_order_resting__expires_it(buyer: Bot, little: LittlePlatform) -> None:
    little.bars(4)
    assert little.publish().did == Did.ENDED
    little.advance_all()
    states: Callable[[int], str] = lambda leg: str(OrderIntent.objects.get(leg=leg, run__number=1).state)  # noqa: E731
    assert (states(0), states(1), states(2)) == ("filled", "expired", "expired")
