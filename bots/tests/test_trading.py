"""A bot's cycle, from published bars to orders at the broker: what is stepped, stored and sent, and when.

The prices are made up and every decision can be read off them; see ``little_platform``.
"""

import threading
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection, connections, transaction
from django.test.utils import CaptureQueriesContext

from bots.brokers import simulated
from bots.brokers.simulated import Simulated
from bots.models import (
    Bot,
    BotStatus,
    Cycle,
    CycleKind,
    CycleState,
    Decision,
    EngineRun,
    OrderIntent,
    Outbox,
    Position,
    Trade,
)
from bots.services import leases, lifecycle, recomputing
from bots.services.feeding import Did
from bots.tests.builders import ACTOR, NOW, redefined
from bots.tests.little_platform import (
    LittlePlatform,
    a_trader,
    bar_of,
    configure,
    day,
    digest,
    fills,
    orders,
    run_of,
    simulated_bars,
)
from configuration import selectors as configuration
from configuration.services import GLOBAL, bot_scope
from engine.domain.enums import Reason
from marketdata import selectors as marketdata

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "broker"])

D = Decimal

# Five flat bars until it votes; BUY on bar 5, SELL on bar 7, BUY on bar 9; on bar 10 the price falls through the stop.
# 10 % of 10,000 is 1,000: nine shares at 101. 10 % of 9,991 is 999.10: nine shares at 103.
CLOSES = [100, 100, 100, 100, 100, 101, 102, 100, 100, 103, 90, 90, 90]


def decisions(bot: Bot, **wanted: Any) -> list[tuple[Any, ...]]:
    """(bar, signal, reason, orders, fills) of each decision."""
    rows = Decision.objects.filter(bot=bot, **wanted).order_by("number")
    return [(bar_of(one.open_ms), one.signal, Reason(one.reason).name, one.orders, one.fills) for one in rows]


def companion(owner: User, bars: int = 40) -> Bot:
    """A bot that sees flat prices for long: it keeps the feed going while another one rests."""
    simulated_bars("IBM", [50] * bars)
    return a_trader(owner, "IBM")


# --- bars


def test_cycles__a_whole_series__decide_send_and_book_as_counted_by_hand(owner: User, little: LittlePlatform) -> None:
    # Given
    simulated_bars("AAPL", CLOSES)
    bot = a_trader(owner)
    # When
    assert little.until_the_end() == 13
    # Then: a decision meets the next bar's open; brackets stand from the fill on, 10 % below and 20 % above it
    assert fills(bot) == [(6, 9, 101), (8, 9, 100), (10, 9, 103), (10, 9, D("92.7"))]
    assert orders(bot) == [
        (5, 0, "buy", 9, "filled"),
        (6, 1, "sell", 9, "canceled"),
        (6, 2, "sell", 9, "canceled"),
        (7, 0, "sell", 9, "filled"),
        (9, 0, "buy", 9, "filled"),
        (10, 1, "sell", 9, "filled"),
        (10, 2, "sell", 9, "canceled"),
    ]
    assert decisions(bot) == [
        (5, 1, "NONE", 1, 0),
        (6, 1, "ALREADY_HELD", 0, 1),
        (7, -1, "NONE", 1, 0),
        (8, 0, "NO_SIGNAL", 0, 1),
        (9, 1, "NONE", 1, 0),
        (10, -1, "SHORTS_DISABLED", 0, 2),
    ]
    # and: -9 on the first round trip, 9 * (92.7 - 103) = -92.7 on the second
    run = run_of(bot)
    assert (run.equity, run.cash, run.realised, run.rows, run.decisions) == (
        D("9898.3"),
        D("9898.3"),
        D("-101.7"),
        13,
        6,
    )
    assert (run.open_positions, run.exposure, bar_of(run.last_open_ms), run.recorded_ms) == (0, 0, 12, day(12))
    assert Simulated(run.account_id).cash() == run.cash
    assert recomputing.check(run).differences == ()


def test_cycle__each_bar__is_stepped_in_one_cycle_of_its_own(owner: User, little: LittlePlatform) -> None:
    simulated_bars("AAPL", CLOSES)
    bot = a_trader(owner)
    little.bars(4)
    found = Cycle.objects.filter(bot=bot).order_by("number")
    assert [(one.kind, one.state, bar_of(one.first_open_ms), one.bars) for one in found] == [
        ("bars", "done", number, 1) for number in range(4)
    ]
    # due when its bar closes: the next midnight
    assert found[0].due_at == datetime.fromisoformat("2020-01-03T00:00:00Z")


def test_cycle__delivered_twice__does_nothing_the_second_time(owner: User, little: LittlePlatform) -> None:
    # Given: bar 5 is published, on which an order is decided
    simulated_bars("AAPL", CLOSES)
    bot = a_trader(owner)
    little.bars(5)
    little.publish()
    [(bot_id, token)] = leases.dispatch()
    # When
    assert little.advance(bot_id, token) == "done"
    before = digest()
    # Then: neither the message nor a new one for the same bar does anything
    assert little.advance(bot_id, token) is None
    leases.wake([bot_id])
    assert little.advance_all() == ["nothing new"]
    assert digest() == before
    assert orders(bot) == [(5, 0, "buy", 9, "working"), (None, 1, "sell", 9, "held"), (None, 2, "sell", 9, "held")]


def test_cycle__nothing_new__stores_nothing(owner: User, little: LittlePlatform) -> None:
    simulated_bars("AAPL", CLOSES)
    bot = a_trader(owner)
    little.bars(6)
    before, run_at = digest(), Bot.objects.get(id=bot.id).last_run_at
    leases.wake([bot.id])
    assert little.advance_all() == ["nothing new"]
    assert digest() == before
    # but it looked
    later = Bot.objects.get(id=bot.id).last_run_at
    assert run_at is not None
    assert later is not None
    assert later > run_at


def test_cycle__two_bars_missed__steps_both_and_sends_only_what_the_newest_says(
    owner: User, little: LittlePlatform
) -> None:
    # Given: bars 5 and 6, both a BUY, were published while every worker was away
    simulated_bars("AAPL", CLOSES)
    bot = a_trader(owner)
    little.bars(5)
    little.skip(2)
    # When
    assert little.advance_all() == ["done"]
    # Then: one cycle for both; the older bar's order never left us, and the engine was told so
    cycle = Cycle.objects.filter(bot=bot).latest("number")
    assert (bar_of(cycle.first_open_ms), bar_of(cycle.last_open_ms), cycle.bars) == (5, 6, 2)
    assert orders(bot)[:2] == [(5, 0, "buy", 9, "unsent"), (6, 0, "buy", 9, "working")]
    stale = OrderIntent.objects.get(state="unsent")
    assert (stale.reason, stale.claimed_at, hasattr(stale, "broker_order")) == (Reason.STALE_BAR, None, False)
    assert decisions(bot) == [(5, 1, "NONE", 1, 0), (5, 0, "STALE_BAR", 0, 0), (6, 1, "NONE", 1, 0)]
    # and: only the newer one fills
    little.bars()
    assert fills(bot) == [(7, 9, 102)]
    assert recomputing.check(run_of(bot)).differences == ()


def test_cycle__bars_missed_with_a_fill_in_between__books_the_fill_on_its_own_bar(
    owner: User, little: LittlePlatform
) -> None:
    # Given: an entry is working when bars 6 and 7 are missed; it fills at the open of bar 6
    simulated_bars("AAPL", CLOSES)
    bot = a_trader(owner)
    little.bars(6)
    little.skip(2)
    # When
    little.advance_all()
    # Then: bar 6 finds it held already, bar 7 sells it
    assert decisions(bot) == [(5, 1, "NONE", 1, 0), (6, 1, "ALREADY_HELD", 0, 1), (7, -1, "NONE", 1, 0)]
    position = Position.objects.get()
    assert (position.quantity, position.entry_price, position.current_price) == (9, 101, 100)
    assert (bar_of(int(position.opened_at.timestamp()) * 1000), position.unrealized_pnl) == (6, -9)


# --- bots that do not run


def test_paused__its_resting_order_fills__books_it_and_decides_nothing(owner: User, little: LittlePlatform) -> None:
    # Given: paused with an entry at the broker
    simulated_bars("AAPL", CLOSES)
    bot = a_trader(owner)
    companion(owner)
    little.bars(6)
    lifecycle.pause(bot.id, actor=ACTOR, now=NOW)
    # When: bar 6, which fills it and would be another BUY
    little.bars()
    # Then
    cycle = Cycle.objects.filter(bot=bot).latest("number")
    assert (cycle.kind, cycle.state, cycle.bars, cycle.facts) == (CycleKind.FACTS, CycleState.DONE, 0, 1)
    assert decisions(bot) == [(5, 1, "NONE", 1, 0)]
    assert orders(bot) == [(5, 0, "buy", 9, "filled"), (6, 1, "sell", 9, "working"), (6, 2, "sell", 9, "working")]
    position = Position.objects.get()
    assert (position.quantity, position.stop_loss_price, position.take_profit_price) == (9, D("90.9"), D("121.2"))
    assert bar_of(run_of(bot).last_open_ms) == 5


def test_paused__bars_without_news_for_it__pass_it_by(owner: User, little: LittlePlatform) -> None:
    simulated_bars("AAPL", CLOSES)
    bot = a_trader(owner)
    companion(owner)
    little.bars(2)
    lifecycle.pause(bot.id, actor=ACTOR, now=NOW)
    little.bars(3)
    assert Cycle.objects.filter(bot=bot).count() == 2


def test_stopped__its_stop_is_hit__closes_the_position_and_the_books_say_so(
    owner: User, little: LittlePlatform
) -> None:
    # Given: nine shares bought at 101; the stop rests at 90.9
    simulated_bars("AAPL", [*CLOSES[:7], 102, 85, 85])
    bot = a_trader(owner)
    companion(owner)
    little.bars(7)
    lifecycle.stop(bot.id, actor=ACTOR, now=NOW)
    # When: bar 8 falls from 102 to 85
    little.bars(2)
    # Then: 9 * (90.9 - 101) = -90.9
    assert fills(bot) == [(6, 9, 101), (8, 9, D("90.9"))]
    position = Position.objects.get()
    assert (position.is_open, position.close_reason, position.realized_pnl) == (False, "stop", D("-90.9"))
    run = run_of(bot)
    assert (run.cash, run.equity, run.open_positions) == (D("9909.1"), D("9909.1"), 0)
    assert [(one.type, one.profit_loss) for one in Trade.objects.order_by("timestamp")] == [
        ("buy", None),
        ("sell", D("-90.9")),
    ]
    assert Bot.objects.get(id=bot.id).status == BotStatus.STOPPED
    assert recomputing.check(run).differences == ()


def test_resume__bars_were_missed__steps_them(owner: User, little: LittlePlatform) -> None:
    # Given: paused after its BUY on bar 5; the fill on bar 6 was booked; bar 7 is a SELL
    simulated_bars("AAPL", CLOSES)
    bot = a_trader(owner)
    companion(owner)
    little.bars(6)
    lifecycle.pause(bot.id, actor=ACTOR, now=NOW)
    little.bars(2)
    # When
    lifecycle.resume(bot.id, actor=ACTOR, now=NOW)
    little.advance_all()
    # Then
    cycle = Cycle.objects.filter(bot=bot).latest("number")
    assert (bar_of(cycle.first_open_ms), bar_of(cycle.last_open_ms)) == (6, 7)
    assert orders(bot)[-1] == (7, 0, "sell", 9, "working")
    little.bars()
    assert fills(bot) == [(6, 9, 101), (8, 9, 100)]
    assert recomputing.check(run_of(bot)).differences == ()


def test_start__the_bots_symbols_changed__begins_a_new_run(owner: User, little: LittlePlatform) -> None:
    # Given: flat after bar 2, then redefined
    simulated_bars("AAPL", CLOSES)
    simulated_bars("GOOG", [20] * 13)
    bot = a_trader(owner)
    companion(owner)
    little.bars(3)
    lifecycle.stop(bot.id, actor=ACTOR, now=NOW)
    redefined(bot, name=bot.name, symbols=["GOOG"], indicators={"SMA": {"period": 2}}, voting="single")
    # When
    lifecycle.start(bot.id, actor=ACTOR, now=NOW)
    little.bars(2)
    # Then: the new run starts after the bars that were published before it
    found = EngineRun.objects.filter(bot=bot).order_by("number")
    told = [(one.number, one.epoch, one.symbols, one.end_reason, bar_of(one.after_ms), one.rows) for one in found]
    assert told == [(1, 1, ["AAPL"], "definition changed", None, 3), (2, 1, ["GOOG"], "", 2, 2)]
    assert found[0].account_id != found[1].account_id


def test_series__at_its_end__the_run_ends_and_another_begins_with_all_capital(
    owner: User, little: LittlePlatform
) -> None:
    # Given: the series ends while nine shares are held
    simulated_bars("AAPL", CLOSES[:7])
    bot = a_trader(owner)
    assert little.until_the_end() == 7
    assert Position.objects.get().is_open
    # When: the next epoch, to its end
    assert little.until_the_end() == 7
    # Then
    first, second = EngineRun.objects.filter(bot=bot).order_by("number")
    assert (first.epoch, first.end_reason, first.rows, first.ended_at is None) == (1, "replay ended", 7, False)
    assert (second.epoch, second.capital, second.after_ms, second.ended_at) == (2, 10000, None, None)
    position = Position.objects.filter(run=first).get()
    assert (position.is_open, position.close_reason) == (False, "replay ended")
    assert bar_of(int(position.closed_at.timestamp()) * 1000 if position.closed_at else 0) == 6
    # and: it did the same again, under other ids
    asked = {run: [one[:4] for one in _orders(run)] for run in (first, second)}
    assert asked[first] == asked[second] == [(5, 0, "buy", 9), (6, 1, "sell", 9), (6, 2, "sell", 9)]
    assert first.rows == second.rows
    assert len(set(OrderIntent.objects.values_list("client_order_id", flat=True))) == 6
    assert Outbox.objects.filter(bot=bot).count() == Bot.objects.get(id=bot.id).event_version


def _orders(run: EngineRun) -> list[tuple[Any, ...]]:
    rows = OrderIntent.objects.filter(run=run).order_by("id")
    return [(bar_of(one.open_ms), one.leg, one.action, one.qty) for one in rows]


# --- failures


def test_cycle__fails_once__counts_it_and_forgets_it_when_the_next_goes_well(
    owner: User, little: LittlePlatform
) -> None:
    # Given
    simulated_bars("AAPL", CLOSES)
    bot = a_trader(owner)
    little.bars(5)
    little.publish()
    # When: the broker does not answer
    simulated.fail_next("events", "time_out")
    assert little.advance_all() == ["failed"]
    # Then
    failed = Bot.objects.get(id=bot.id)
    assert (failed.status, failed.error_count, failed.error_code) == (BotStatus.RUNNING, 1, "BROKER_UNSURE")
    assert little.publish().did == Did.BEHIND
    # When: it does
    leases.wake([bot.id])
    assert little.advance_all() == ["done"]
    # Then
    well = Bot.objects.get(id=bot.id)
    assert (well.error_count, well.error_code, well.error_message) == (0, "", "")
    told = Outbox.objects.filter(bot=bot, event="bot_status_changed").order_by("version")
    assert [(one.payload["error_count"], one.payload["error_code"]) for one in told][-2:] == [
        (1, "BROKER_UNSURE"),
        (0, ""),
    ]
    assert orders(bot)[0] == (5, 0, "buy", 9, "working")


def test_cycle__a_quiet_look_after_a_failure__ends_the_row_of_failures(owner: User, little: LittlePlatform) -> None:
    simulated_bars("AAPL", CLOSES)
    bot = a_trader(owner)
    little.bars(3)
    for _ in range(6):
        simulated.fail_next("events", "time_out")
        leases.wake([bot.id])
        assert little.advance_all() == ["failed"]
        leases.wake([bot.id])
        assert little.advance_all() == ["nothing new"]
    assert (Bot.objects.get(id=bot.id).status, Bot.objects.get(id=bot.id).error_count) == (BotStatus.RUNNING, 0)


def test_cycle__breaks_in_the_middle__is_done_again_and_keeps_no_trace_of_it(
    owner: User, little: LittlePlatform
) -> None:
    simulated_bars("AAPL", CLOSES)
    bot = a_trader(owner)
    little.bars(5)
    little.publish()

    def breaks(name: str) -> None:
        if name == "stepped":
            raise RuntimeError("the secret is 12345")

    assert little.advance_all(breaks) == ["failed"]
    cycle = Cycle.objects.filter(bot=bot).latest("number")
    assert (cycle.state, cycle.error_code) == (CycleState.FAILED, "CYCLE_BROKE")
    assert "12345" not in cycle.error_message
    leases.wake([bot.id])
    assert little.advance_all() == ["done"]
    cycle.refresh_from_db()
    assert (cycle.number, cycle.state, cycle.error_code, cycle.error_message) == (6, CycleState.DONE, "", "")


def test_cycle__fails_five_times_in_a_row__takes_the_bot_out(owner: User, little: LittlePlatform) -> None:
    simulated_bars("AAPL", CLOSES)
    bot = a_trader(owner)
    little.bars(5)
    little.publish()
    simulated.fail_next("events", "time_out", times=5)
    for _ in range(5):
        leases.wake([bot.id])
        assert little.advance_all() == ["failed"]
    taken_out = Bot.objects.get(id=bot.id)
    assert (taken_out.status, taken_out.error_count, taken_out.error_code) == (BotStatus.ERROR, 5, "BROKER_UNSURE")
    # What made it fail stays told, though looking after its orders goes well.
    leases.wake([bot.id])
    little.advance_all()
    assert Bot.objects.get(id=bot.id).error_code == "BROKER_UNSURE"


# --- configuration


def test_change__between_two_bars__is_obeyed_by_the_next_decision_and_by_none_before(
    owner: User, little: LittlePlatform
) -> None:
    # Given: the first round trip is over
    simulated_bars("AAPL", CLOSES)
    bot = a_trader(owner)
    little.bars(9)
    # When: half as much of the equity; 5 % of 9,991 is 499.55: four shares at 103
    version = configure(GLOBAL, trading__position_size_pct=0.05)
    little.bars(1)
    # Then
    assert [one[3] for one in orders(bot) if one[1] == 0] == [9, 9, 4]
    before, after = Decision.objects.get(open_ms=day(5)), Decision.objects.get(open_ms=day(9))
    assert before.snapshot_id != after.snapshot_id
    run = run_of(bot)
    assert (run.snapshot_id, after.cycle.snapshot_id, after.cycle.config_version) == (
        after.snapshot_id, after.snapshot_id, version,
    )  # fmt: skip
    nodes = configuration.snapshot(after.snapshot_id)["nodes"].values()
    name = "trading.position_size_pct"
    assert {node[name]["value"] for node in nodes if name in node} == {0.05}
    assert {one.snapshot_id for one in Decision.objects.filter(open_ms__lt=day(9))} == {before.snapshot_id}
    assert recomputing.check(run).differences == ()


def test_change__after_the_cycle_was_stepped__is_decided_again(owner: User, little: LittlePlatform) -> None:
    # Given
    simulated_bars("AAPL", CLOSES)
    bot = a_trader(owner)
    little.bars(5)
    little.publish()
    passed: list[str] = []

    def changes(name: str) -> None:
        passed.append(name)
        if passed.count("stepped") == 1 and name == "stepped":
            configure(bot_scope(str(bot.id)), trading__position_size_pct=0.05)

    # When
    assert little.advance_all(changes) == ["done"]
    # Then: 5 % of 10,000 is 500: four shares at 101; what was stepped before left no trace
    assert passed.count("stepped") == 2
    assert orders(bot)[0] == (5, 0, "buy", 4, "working")
    assert decisions(bot) == [(5, 1, "NONE", 1, 0)]
    assert recomputing.check(run_of(bot)).differences == ()


def test_change__again_and_again__is_given_up_and_told(owner: User, little: LittlePlatform) -> None:
    simulated_bars("AAPL", CLOSES)
    bot = a_trader(owner)
    little.bars(5)
    little.publish()
    sizes = iter(range(1, 9))

    def changes(name: str) -> None:
        if name == "stepped":
            configure(bot_scope(str(bot.id)), trading__position_size_pct=next(sizes) / 100)

    assert little.advance_all(changes) == ["failed"]
    assert Bot.objects.get(id=bot.id).error_code == "CYCLE_BLOCKED"
    assert orders(bot) == []


def test_change__of_what_the_bot_does_not_use__does_not_make_it_decide_again(
    owner: User, little: LittlePlatform
) -> None:
    simulated_bars("AAPL", CLOSES)
    a_trader(owner)
    other = companion(owner)
    little.bars(5)
    little.publish()
    passed: list[str] = []

    def changes(name: str) -> None:
        passed.append(name)
        if name == "stepped" and len(passed) < 5:
            configure(bot_scope(str(other.id)), indicator_voting__rsi_period=21)

    [(first, token), (second, other_token)] = sorted(leases.dispatch(), key=lambda one: one[0] == other.id)
    assert little.advance(first, token, checkpoint=changes) == "done"
    assert passed.count("stepped") == 1
    assert little.advance(second, other_token) == "done"


def test_change__while_decisions_are_written__waits_for_their_commit(owner: User, little: LittlePlatform) -> None:
    # Given: a cycle that has looked at the configuration and cannot finish, because its run's row is locked
    simulated_bars("AAPL", CLOSES)
    bot = a_trader(owner)
    little.bars(5)
    little.publish()
    run = run_of(bot)
    stepped, may_go_on = threading.Event(), threading.Event()

    def waits(name: str) -> None:
        if name == "stepped":
            stepped.set()
            assert may_go_on.wait(20)

    def advance() -> None:
        little.advance_all(waits)

    def change() -> None:
        configure(GLOBAL, trading__position_size_pct=0.05)

    worker = _thread(advance)
    assert stepped.wait(20)
    with transaction.atomic():
        EngineRun.objects.select_for_update(no_key=True).get(id=run.id)
        may_go_on.set()
        _until(lambda: _waiting('UPDATE "bots_enginerun"') == 1)
        # When
        writer = _thread(change)
        # Then: the change waits for the cycle
        _until(lambda: _waiting("configuration_confighead") == 1)
        assert Cycle.objects.filter(bot=bot, number=6).get().state == CycleState.OPEN
    worker.join(20)
    writer.join(20)
    # and: the order was decided under the configuration that was in force when it was committed
    assert orders(bot)[0] == (5, 0, "buy", 9, "working")
    change_set = configuration.change_sets(GLOBAL).first()
    assert change_set is not None
    assert Cycle.objects.get(bot=bot, number=6).config_version == change_set.version - 1


def _thread(work: Callable[[], None]) -> threading.Thread:
    def run() -> None:
        try:
            work()
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def _waiting(what: str) -> int:
    """How many connections of this database wait for a lock in a statement that contains ``what``."""
    with connection.cursor() as cursor:
        # Within a transaction the first look is kept.
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            " AND position(%s in query) > 0",
            [what],
        )
        return int(cursor.fetchone()[0])


def _until(holds: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(400):
        if holds():
            return
        pause.wait(0.05)
    raise AssertionError("It did not happen within 20 s.")


def test_change__of_an_indicators_length__warms_it_again_from_the_bars_of_the_run(
    owner: User, little: LittlePlatform
) -> None:
    # Given: an average over two closes; 102, 100, 101 are the last three
    simulated_bars("AAPL", [100, 100, 100, 100, 100, 100, 100, 102, 100, 101, 101])
    bot = a_trader(owner)
    little.bars(9)
    # When: over three from bar 9 on
    configure(bot_scope(str(bot.id)), indicator_voting__sma_period=3)
    little.bars()
    # Then: 101 is the average of 102, 100 and 101: no vote either way. Two closes would have said BUY (100.5).
    assert decisions(bot, open_ms=day(9)) == [(9, 0, "NO_SIGNAL", 0, 1)]
    # and: on bar 10 the average of 100, 101, 101 is 100.67: BUY; without a warm-up it had no value for five bars
    little.bars()
    assert decisions(bot, open_ms=day(10)) == [(10, 1, "NONE", 1, 0)]
    assert recomputing.check(run_of(bot)).differences == ()


# --- cost


def test_quiet_cycle__after_many_trades__asks_the_database_as_often_as_at_first(
    owner: User, little: LittlePlatform
) -> None:
    # Given: a round trip every four bars, and a bar on which nothing happens at the end of each four
    simulated_bars("AAPL", [100] * 8 + [101, 100, 100, 100] * 15)
    bot = a_trader(owner)
    little.bars(6)
    first = _queries_of_a_bar(little)
    little.bars(60)
    assert Trade.objects.count() >= 28
    stored = Decision.objects.count()
    # When
    last = _queries_of_a_bar(little)
    # Then
    assert Decision.objects.count() == stored
    assert Cycle.objects.filter(bot=bot).latest("number").bars == 1
    assert last == first
    assert first < 50


def _queries_of_a_bar(little: LittlePlatform) -> int:
    little.publish()
    with CaptureQueriesContext(connection) as own, CaptureQueriesContext(connections["broker"]) as brokers:
        assert little.advance_all() == ["done"]
    return len(own) + len(brokers)


def test_little_platform__says_where_the_feed_stands(owner: User, little: LittlePlatform) -> None:
    """Guards the tests above: what they publish is what they think."""
    simulated_bars("AAPL", CLOSES)
    a_trader(owner)
    little.bars(3)
    assert bar_of(marketdata.feed("1d").now_ms) == 2
