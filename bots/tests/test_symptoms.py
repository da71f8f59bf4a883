"""What was once seen to go wrong with a bot's cycles and orders; each test is named after what one saw.

The prices are made up and every decision can be read off them; see ``little_platform``.
"""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db.models import F
from django.db.models.functions import Now

from bots import payloads
from bots.brokers import simulated
from bots.brokers.simulated import Simulated
from bots.models import AccountState, Bot, BrokerAccount, Cycle, Decision, EngineRun, OrderIntent, Outbox, Position
from bots.services import closing, definition, leases, lifecycle, recomputing, reconciliation, runs
from bots.services.feeding import Did
from bots.tests.builders import ACTOR, NOW, a_replay, redefined
from bots.tests.little_platform import (
    Killed,
    LittlePlatform,
    a_trader,
    configure,
    day,
    fills,
    orders,
    run_of,
    simulated_bars,
)
from configuration.services import bot_scope
from engine.domain.enums import Reason

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "broker"])

# BUY on bar 5, filled with nine shares at 101 on bar 6; SELL on bar 7.
CLOSES = [100, 100, 100, 100, 100, 101, 102, 100, 100, 100, 100, 100]
# The same, and then it rises without end: nothing is sold.
RISING = [*CLOSES[:7], 103, 104, 105, 106, 107]


def closed(bot: Bot, **changes: Any) -> OrderIntent:
    """The operator closes what the bot holds."""
    position = Position.objects.get(bot=bot, is_open=True)
    return closing.close_position(position.id, actor=ACTOR, now=NOW, **changes)


def cycles(bot: Bot) -> list[tuple[int, str, str]]:
    return list(Cycle.objects.filter(bot=bot).order_by("id").values_list("number", "kind", "state"))


# --- cycles that nobody finished


def test_clock__worker_died_in_a_cycle_of_facts__goes_on(owner: User, little: LittlePlatform) -> None:
    # Given: an operator's close, and a worker that dies when it has opened the cycle that hears of it
    simulated_bars("AAPL", RISING)
    bot = a_trader(owner)
    little.bars(7)
    closed(bot, pause_bot=False)
    with pytest.raises(Killed):
        little.advance_all(little.killed_at("cycle_opened"))
    little.lapse()
    # When
    assert little.advance_all() == ["done"]
    # Then
    assert cycles(bot)[-2:] == [(8, "facts", "skipped"), (9, "facts", "done")]
    assert little.publish().did == Did.PUBLISHED


def test_clock__redefined_and_started_before_the_dead_workers_cycle_was_found__goes_on(
    owner: User, little: LittlePlatform
) -> None:
    # Given: flat, with a cycle that was opened and left
    simulated_bars("AAPL", CLOSES)
    simulated_bars("GOOG", [20] * 12)
    bot = a_trader(owner)
    little.bars(2)
    little.publish()
    with pytest.raises(Killed):
        little.advance_all(little.killed_at("cycle_opened"))
    # When: all of it before the lease lapses
    lifecycle.stop(bot.id, actor=ACTOR, now=NOW)
    redefined(bot, name=bot.name, symbols=["GOOG"], indicators={"SMA": {"period": 2}}, voting="single")
    lifecycle.start(bot.id, actor=ACTOR, now=NOW)
    little.lapse()
    little.advance_all()
    # Then
    assert [state for _, _, state in cycles(bot)] == ["done", "done", "skipped"]
    assert little.publish().did == Did.PUBLISHED


def test_check__facts_were_heard_between_a_cycles_failure_and_its_second_try__computes_the_same(
    owner: User, little: LittlePlatform
) -> None:
    # Given: bar 7, which wants to sell, broke; the bot was paused, the operator closed, and that was heard
    simulated_bars("AAPL", CLOSES)
    bot = a_trader(owner)
    little.bars(7)
    little.publish()

    def breaks(name: str) -> None:
        if name == "stepped":
            raise RuntimeError

    assert little.advance_all(breaks) == ["failed"]
    closed(bot)
    assert little.advance_all() == ["done"]
    # When: it goes on at the same bar
    lifecycle.resume(bot.id, actor=ACTOR, now=NOW)
    assert little.advance_all() == ["done"]
    # Then: its cycle has the number of the order in which they were decided
    assert cycles(bot)[-2:] == [(10, "bars", "done"), (9, "facts", "done")]
    assert recomputing.check(run_of(bot)).differences == ()
    little.bars(2)
    assert not Position.objects.filter(is_open=True).exists()
    assert [one for one in orders(bot) if one[1] == 0][-1][2:] == ("sell", 9, "filled")


# --- an operator's order


def test_close__refused_by_the_broker__leaves_the_bot_free_to_sell(owner: User, little: LittlePlatform) -> None:
    # Given: the operator's close is sent before the engine hears of it, and refused
    simulated_bars("AAPL", [*CLOSES[:7], 102, 100, 100, 100])
    bot = a_trader(owner)
    little.bars(7)
    simulated.fail_next("submit", "refuse")
    closed(bot, pause_bot=False)
    little.advance_all()
    # When: bar 8 is a SELL
    little.bars(3)
    # Then
    assert [one for one in orders(bot) if one[1] == 0] == [
        (5, 0, "buy", 9, "filled"),
        (6, 0, "sell", 9, "rejected"),
        (8, 0, "sell", 9, "filled"),
    ]
    assert recomputing.check(run_of(bot)).differences == ()


def test_close__account_halted__leaves_the_bot_free_to_sell(owner: User, little: LittlePlatform) -> None:
    simulated_bars("AAPL", [*CLOSES[:7], 102, 100, 100, 100])
    bot = a_trader(owner)
    little.bars(7)
    BrokerAccount.objects.update(state=AccountState.HALTED)
    closed(bot, pause_bot=False)
    little.advance_all()
    BrokerAccount.objects.update(state=AccountState.ACTIVE)
    little.bars(3)
    assert [one[4] for one in orders(bot) if one[1] == 0] == ["filled", "unsent", "filled"]


def test_close__asked_before_the_engine_heard_that_its_own_exit_was_refused__leaves_the_bot_free_to_sell(
    owner: User, little: LittlePlatform
) -> None:
    # Given: the exit decided on bar 7 was refused; the engine is about to hear of it when the operator asks, too
    simulated_bars("AAPL", [*CLOSES[:8], 102, 101, 100, 100, 100])
    bot = a_trader(owner)
    little.bars(7)
    little.publish()
    simulated.fail_next("submit", "refuse")
    little.advance_all()
    little.publish()
    asked: list[OrderIntent] = []

    def asks(name: str) -> None:
        if name == "stepped" and not asked:
            asked.append(closed(bot, pause_bot=False))

    # When
    little.advance_all(asks)
    # Then: it was refused before it was asked, so the operator's order goes out and fills
    little.bars(2)
    assert [one for one in orders(bot) if one[1] == 0][1:3] == [
        (7, 0, "sell", 9, "rejected"),
        (8, 0, "sell", 9, "filled"),
    ]
    assert recomputing.check(run_of(bot)).differences == ()


def test_close__expired_with_the_series__computes_the_same_again(owner: User, little: LittlePlatform) -> None:
    # Given: closed after the last bar but one, with another bot that keeps the feed going; no bar comes any more
    simulated_bars("AAPL", RISING)
    bot = a_trader(owner)
    little.bars(12)
    closed(bot, pause_bot=False)
    little.advance_all()
    # When: the broker lets it expire, and the bot hears of it before its run ends
    simulated.expire_all(run_of(bot).account_id, at_ms=day(11))
    leases.wake([bot.id])
    assert little.advance_all() == ["done"]
    # Then
    assert orders(bot)[-1] == (11, 0, "sell", 9, "expired")
    assert Reason(Decision.objects.filter(bot=bot).latest("number").reason) == Reason.EXPIRED
    assert recomputing.check(run_of(bot)).differences == ()


def test_close__of_the_only_bot__fills_on_the_next_bar_and_then_the_feed_rests(
    owner: User, little: LittlePlatform
) -> None:
    # Given: the close pauses the bot, and no other one runs
    simulated_bars("AAPL", RISING)
    bot = a_trader(owner)
    little.bars(7)
    closed(bot)
    # When: the order is not at the broker yet
    assert little.publish().did == Did.NOBODY
    little.advance_all()
    # Then: one bar more, and none before the bot has heard of it
    assert [little.publish().did, little.publish().did] == [Did.PUBLISHED, Did.BEHIND]
    little.advance_all()
    assert little.publish().did == Did.NOBODY
    assert fills(bot)[-1] == (7, 9, 102)
    assert not Position.objects.filter(is_open=True).exists()


def test_close__of_the_only_bot_after_the_last_bar__ends_the_series(owner: User, little: LittlePlatform) -> None:
    simulated_bars("AAPL", RISING)
    bot = a_trader(owner)
    little.bars(12)
    closed(bot)
    little.advance_all()
    assert little.publish().did == Did.ENDED
    little.advance_all()
    assert little.publish().did == Did.NOBODY
    assert (run_of(bot).end_reason, orders(bot)[-1][4]) == ("replay ended", "expired")


# --- runs that are over


def test_stopped__the_series_began_again__holds_nothing_that_could_never_be_closed(
    owner: User, little: LittlePlatform
) -> None:
    # Given: stopped with nine shares; another bot goes on to the end of the series
    simulated_bars("AAPL", RISING)
    simulated_bars("IBM", [50] * 12)
    bot = a_trader(owner)
    a_trader(owner, "IBM")
    little.bars(7)
    lifecycle.stop(bot.id, actor=ACTOR, now=NOW)
    assert little.until_the_end() == 5
    # When
    little.advance_all()
    # Then: its books are closed like everybody's, and it can be deleted
    assert run_of(bot).end_reason == "replay ended"
    assert [(one.is_open, one.close_reason) for one in Position.objects.filter(bot=bot)] == [(False, "replay ended")]
    definition.retire(bot_id=bot.id, now=NOW)


def test_run__ended_by_a_new_epoch_with_a_fill_unheard__books_it_first(owner: User, little: LittlePlatform) -> None:
    # Given: paused with an entry at the broker, which fills on the last bar while every worker is away
    simulated_bars("AAPL", [*CLOSES[:6], 102])
    simulated_bars("IBM", [50] * 7)
    bot = a_trader(owner)
    other = a_trader(owner, "IBM")
    little.bars(6)
    lifecycle.pause(bot.id, actor=ACTOR, now=NOW)
    little.publish()
    [token] = [token for bot_id, token in leases.dispatch() if bot_id == other.id]
    assert little.advance(other.id, token) == "done"
    assert little.publish().did == Did.ENDED
    # When
    lifecycle.resume(bot.id, actor=ACTOR, now=NOW)
    little.lapse()
    little.advance_all()
    # Then: nine at 101
    first, second = EngineRun.objects.filter(bot=bot).order_by("number")
    assert (first.end_reason, first.cash, first.cash) == ("replay ended", 9091, Simulated(first.account_id).cash())
    assert (second.epoch, second.cash) == (2, 10000)


def test_stopped__redefined_for_another_timeframe_while_it_holds__still_books_what_its_orders_do(
    owner: User, little: LittlePlatform
) -> None:
    # Given: nine shares with a stop at 90.9; the feed of hours stands long before
    simulated_bars("AAPL", [*CLOSES[:7], 102, 85, 85])
    simulated_bars("IBM", [50] * 10)
    bot = a_trader(owner)
    a_trader(owner, "IBM")
    little.bars(7)
    a_replay("1h", datetime(2000, 1, 3, tzinfo=UTC))
    lifecycle.stop(bot.id, actor=ACTOR, now=NOW)
    redefined(bot, name=bot.name, symbols=["AAPL"], timeframe="1h", indicators={"SMA": {}}, voting="single")
    # When: bar 8 falls through the stop
    little.bars(2)
    # Then
    assert [(one.is_open, one.close_reason) for one in Position.objects.filter(bot=bot)] == [(False, "stop")]


def test_stopped__redefined_for_another_symbol_while_it_holds__still_books_what_its_orders_do(
    owner: User, little: LittlePlatform
) -> None:
    # Given: an entry in AAPL, the run's second symbol, is at the broker; the bot is to trade GOOG alone from now on
    simulated_bars("AAPL", RISING)
    simulated_bars("GOOG", [50] * 12)
    bot = a_trader(owner, "GOOG", "AAPL")
    a_trader(owner, "GOOG")
    little.bars(6)
    lifecycle.stop(bot.id, actor=ACTOR, now=NOW)
    wanted = {"indicators": {"RSI": {}}, "voting": "single", "risk_management": {"stop_loss": 10, "take_profit": 20}}
    redefined(bot, name=bot.name, symbols=["GOOG"], **wanted)
    # When
    little.bars(1)
    # Then: 10 % below and 20 % above 101
    position = Position.objects.get(bot=bot)
    assert (position.symbol, position.stop_loss_price, position.take_profit_price) == (
        "AAPL", Decimal("90.9"), Decimal("121.2"),
    )  # fmt: skip
    assert Bot.objects.get(id=bot.id).error_count == 0
    assert recomputing.check(run_of(bot)).differences == ()


# --- what pages are told


def told(bot: Bot) -> dict[int, tuple[str, ...]]:
    """What the newest event of each order says: its state, stop price and target price."""
    events = Outbox.objects.filter(bot=bot, event="order_updated").order_by("version")
    said = [one.payload for one in events]
    return {one["id"]: (one["state"], one["stop_price"], one["limit_price"]) for one in said}


def stored(bot: Bot) -> dict[int, tuple[str, ...]]:
    rows = [payloads.order_payload(one) for one in OrderIntent.objects.filter(bot=bot).order_by("id")]
    return {one["id"]: (one["state"], one["stop_price"], one["limit_price"]) for one in rows}


def test_page__a_stop_was_replaced__is_told_of_both_and_of_their_prices(owner: User, little: LittlePlatform) -> None:
    # Given: the stop comes nearer while the entry is on its way; 101 less 5 % is 95.95
    simulated_bars("AAPL", RISING)
    bot = a_trader(owner)
    little.bars(6)
    configure(bot_scope(str(bot.id)), trading__stop_loss_pct=5)
    # When
    little.bars(1)
    # Then
    stops = [one for one in stored(bot).values() if one[1] is not None]
    assert [state for state, *_ in stops] == ["canceled", "working"]
    assert stops[1] == ("working", "95.95", None)
    assert told(bot) == stored(bot)


def test_page__an_operators_close_came_too_late__is_told_that_it_was_not_sent(
    owner: User, little: LittlePlatform
) -> None:
    # Given: bar 7 went through the stop, which the bot is about to hear when the operator asks after bar 8
    simulated_bars("AAPL", [*CLOSES[:7], 85, 85])
    bot = a_trader(owner)
    little.bars(7)
    little.skip(2)
    asked: list[OrderIntent] = []

    def asks(name: str) -> None:
        if name == "stepped" and not asked:
            asked.append(closed(bot, pause_bot=False))

    # When
    little.advance_all(asks)
    # Then
    assert OrderIntent.objects.get(id=asked[0].id).state == "unsent"
    assert told(bot) == stored(bot)


def test_page__a_run_ends__is_told_that_its_orders_ended(owner: User, little: LittlePlatform) -> None:
    simulated_bars("AAPL", RISING)
    bot = a_trader(owner)
    little.bars(7)
    runs.ended(run_of(bot), reason="replay ended", at=NOW)
    assert {state for state, *_ in stored(bot).values()} == {"filled", "canceled"}
    assert told(bot) == stored(bot)


# --- orders that protect


def test_paused__a_stop_was_wished_for_while_the_entry_was_on_its_way__is_protected(
    owner: User, little: LittlePlatform
) -> None:
    # Given: an entry without a stop; then one is wanted, and the bot is paused
    simulated_bars("AAPL", RISING)
    bot = a_trader(owner)
    a_trader(owner)
    configure(bot_scope(str(bot.id)), trading__risk_management_enabled=False)
    little.bars(6)
    assert [one[1] for one in orders(bot)] == [0]
    configure(bot_scope(str(bot.id)), trading__risk_management_enabled=True)
    lifecycle.pause(bot.id, actor=ACTOR, now=NOW)
    # When
    little.bars(1)
    # Then
    assert orders(bot)[1:] == [(6, 1, "sell", 9, "working"), (6, 2, "sell", 9, "working")]


# --- bots that are not woken, or too often


def test_stopped__its_fill_was_written_down_by_somebody_who_died__is_woken_to_book_it(
    owner: User, little: LittlePlatform
) -> None:
    # Given: stopped with an entry at the broker, which fills; whoever reads of it dies, and the wake-up is lost
    simulated_bars("AAPL", RISING)
    bot = a_trader(owner)
    a_trader(owner)
    little.bars(6)
    lifecycle.stop(bot.id, actor=ACTOR, now=NOW)
    little.publish()
    Bot.objects.filter(id=bot.id).update(wake_at=None)
    BrokerAccount.objects.update(reconciled_at=None)
    with pytest.raises(Killed):
        reconciliation.reconcile(run_of(bot).account_id, checkpoint=little.killed_at("events_taken"))
    # When
    reconciliation.reconcile_due()
    little.advance_all()
    # Then
    assert Position.objects.get(bot=bot).quantity == 9


def test_accounts__one_cannot_be_read__reconciles_the_others(owner: User, little: LittlePlatform) -> None:
    simulated_bars("AAPL", RISING)
    for _ in range(3):
        a_trader(owner)
    little.bars(7)
    first = BrokerAccount.objects.order_by("id")[:1].get()
    BrokerAccount.objects.update(reconciled_at=None)
    BrokerAccount.objects.filter(id=first.id).update(broker="nobody")
    reconciliation.reconcile_due()
    assert list(BrokerAccount.objects.filter(reconciled_at=None)) == [first]


def test_broker__away_for_a_moment__is_asked_again_ever_later(owner: User, little: LittlePlatform) -> None:
    simulated_bars("AAPL", RISING)
    bot = a_trader(owner)
    little.bars(5)
    little.publish()
    simulated.fail_next("events", "time_out", times=4)
    pauses = []
    for _ in range(4):
        leases.wake([bot.id])
        assert little.advance_all() == ["failed"]
        waits = Bot.objects.annotate(pause=F("wake_at") - Now()).values_list("pause", flat=True).get(id=bot.id)
        pauses.append(round(waits.total_seconds()))
    assert pauses == [1, 2, 4, 8]
