"""The feed: bars in lock-step with bots, each account matched exactly once, whoever dies in between."""

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import User
from django.db import connections
from django.db.models.functions import Now

from bots.brokers import simulated
from bots.brokers.ports import BrokerUnsure, OrderReport, OrderRequest
from bots.brokers.simulated import Simulated
from bots.models import Bot, BotStatus, Cycle, CycleState, EngineRun, Outbox, SimulatedAccount
from bots.services import feeding, pacing, runs
from bots.services.checkpoints import Checkpoint, nowhere
from bots.services.feeding import Did, Turn
from bots.tests.builders import NOW
from bots.tests.markets import DAY, FIRST, a_bot_of, becomes, day, days_of, joined, record
from marketdata import selectors as marketdata
from marketdata.services import replay

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "broker"])


class Died(Exception):
    """The process ended here."""


@pytest.fixture(autouse=True)
def market(instruments: None, settings, tmp_path: Path) -> None:
    """AAPL on days 0, 1, 2 and 4; IBM on days 1, 2 and 3; a pace that never holds anybody up."""
    settings.DATA_DIR = tmp_path
    settings.REPLAY_BARS_PER_SECOND = Decimal(1000)
    days_of("AAPL", 0, 1, 2, 4)
    days_of("IBM", 1, 2, 3, price=200)


def turn(checkpoint: Checkpoint = nowhere) -> Turn:
    """The next turn that is not too early: at this pace a millisecond after the one before."""
    while (done := feeding.turn(timeframe="1d", checkpoint=checkpoint)).did == Did.EARLY:
        pass
    return done


def stand() -> tuple[int, int | None]:
    feed = marketdata.feed("1d")
    return feed.epoch, None if feed.now_ms is None else (feed.now_ms - FIRST) // DAY


def buy(engine_run: EngineRun, qty: int = 5, symbol: str = "AAPL") -> OrderReport:
    """A market order that rests at the broker until the next bar of its symbol."""
    request = OrderRequest(str(uuid4()), symbol, "long", 0, "buy", "market", True, Decimal(qty))
    report = Simulated(engine_run.account_id).submit(request)
    assert isinstance(report, OrderReport)
    return report


def fills(engine_run: EngineRun) -> list[tuple[int, Decimal, Decimal]]:
    """(day, quantity, price) of each fill at the broker."""
    listed = Simulated(engine_run.account_id).events(after=0)
    return [((event.at_ms - FIRST) // DAY, event.qty, event.price) for event in listed if event.is_fill]


def sleeps(bot_id: UUID) -> bool:
    return Bot.objects.get(id=bot_id).wake_at is None


def dies_at(place: str) -> Callable[[str], None]:
    def checkpoint(name: str) -> None:
        if name == place:
            raise Died(place)

    return checkpoint


# --- lock-step


def test_turn__nobody_attached__rests_and_makes_no_clock(owner: User) -> None:
    a_bot_of(owner, "AAPL", status=BotStatus.STOPPED)
    assert feeding.turn(timeframe="1d").did == Did.NOBODY
    assert feeding.timeframes() == []


def test_turn__a_bot_without_a_run_of_this_epoch__is_waited_for(owner: User) -> None:
    bot = a_bot_of(owner, "AAPL")
    assert feeding.timeframes() == ["1d"]
    assert turn().did == Did.BEHIND
    runs.opened(bot, marketdata.feed("1d"))
    assert turn().did == Did.PUBLISHED


def test_turn__two_bots__publishes_when_both_have_recorded(owner: User) -> None:
    # Given: both stand before day 0
    one, other = joined(owner, "AAPL"), joined(owner, "IBM")
    assert turn().did == Did.PUBLISHED
    assert stand() == (1, 0)
    # When: only one has recorded day 0
    record(one)
    assert turn().did == Did.BEHIND
    # Then: day 1 comes after the other has, too
    record(other)
    published = turn()
    assert (published.did, published.epoch, published.now_ms) == (Did.PUBLISHED, 1, day(0))
    assert set(published.woken) == {one.bot_id, other.bot_id}
    assert stand() == (1, 1)
    assert not sleeps(one.bot_id)
    assert not sleeps(other.bot_id)


@pytest.mark.parametrize("state", [CycleState.OPEN, CycleState.DECIDED])
def test_turn__a_cycle_that_is_not_finished__is_waited_for(owner: User, state: CycleState) -> None:
    run = joined(owner, "AAPL")
    cycle = Cycle.objects.create(
        bot_id=run.bot_id,
        run=run,
        number=1,
        epoch=1,
        due_at=NOW,
        lease_token=1,
        state=state,
        snapshot_id=run.snapshot_id,
    )
    assert turn().did == Did.BEHIND
    Cycle.objects.filter(id=cycle.id).update(state=CycleState.DONE)
    assert turn().did == Did.PUBLISHED


def test_turn__a_run_of_another_timeframe_or_epoch_or_one_that_ended__does_not_count(owner: User) -> None:
    run = joined(owner, "AAPL")
    for wrong in ({"timeframe": "1h"}, {"epoch": 2}, {"ended_at": NOW}):
        EngineRun.objects.filter(id=run.id).update(**wrong)
        assert turn().did == Did.BEHIND, wrong
        EngineRun.objects.filter(id=run.id).update(timeframe="1d", epoch=1, ended_at=None)
    assert turn().did == Did.PUBLISHED


def test_turns__to_the_end_of_the_series__publish_every_timestamp_once_and_begin_anew(owner: User) -> None:
    one, other = joined(owner, "AAPL"), joined(owner, "IBM")
    seen = []
    while (done := turn()).did == Did.PUBLISHED:
        seen.append(stand())
        record(one, other)
    assert seen == [(1, 0), (1, 1), (1, 2), (1, 3), (1, 4)]
    assert done.did == Did.ENDED
    assert set(done.woken) == {one.bot_id, other.bot_id}
    assert stand() == (2, None)
    # In the new epoch nobody has a run yet.
    assert turn().did == Did.BEHIND


def test_turn__the_pace_is_not_over__tells_how_long(owner: User) -> None:
    run = joined(owner, "AAPL")
    replay.ensure("1d", bars_per_second=Decimal("0.5"))
    turn()
    record(run)
    # Just published; the next is due 2 s after it.
    early = feeding.turn(timeframe="1d")
    assert early.did == Did.EARLY
    assert 1.0 < early.wait_seconds <= 2.0
    assert stand() == (1, 0)


def test_turn__no_bar_in_any_series__rests_instead_of_running_through_epochs(owner: User) -> None:
    run = joined(owner, "AAPL")
    EngineRun.objects.filter(id=run.id).update(datasets=[{"symbol": "AAPL", "id": str(uuid4()), "calendar": "XNYS"}])
    assert [turn().did for _ in range(3)] == [Did.NOTHING] * 3
    assert stand() == (1, None)


# --- accounts


def test_turn__resting_orders__meet_the_next_bar_of_their_own_symbol(owner: User) -> None:
    # Given: a run whose symbols are in another order than the datasets' ids, with an order in each
    both, only_ibm = joined(owner, "IBM", "AAPL"), joined(owner, "IBM")
    buy(both, 5, "AAPL"), buy(both, 3, "IBM"), buy(only_ibm, 2, "IBM")
    # When: day 0 has AAPL only
    first = turn()
    assert (fills(both), fills(only_ibm), first.events > 0) == ([(0, Decimal(5), Decimal(100))], [], True)
    # Then: day 1 has both, and a market order fills at the open
    record(both, only_ibm)
    turn()
    assert fills(both) == [(0, Decimal(5), Decimal(100)), (1, Decimal(3), Decimal(200))]
    assert fills(only_ibm) == [(1, Decimal(2), Decimal(200))]


@pytest.mark.parametrize("status", [BotStatus.STOPPED, BotStatus.PAUSED, BotStatus.ERROR])
def test_turn__a_bot_that_does_not_run__has_its_orders_matched_and_is_woken_for_them(
    owner: User, status: BotStatus
) -> None:
    resting, idle, active = joined(owner, "AAPL"), joined(owner, "AAPL"), joined(owner, "AAPL")
    buy(resting)
    becomes(status, resting, idle)
    published = turn()
    assert fills(resting) == [(0, Decimal(5), Decimal(100))]
    assert set(published.woken) == {resting.bot_id, active.bot_id}
    assert sleeps(idle.bot_id)


def test_turn__a_stopped_bots_further_bars__are_published_but_do_not_prolong_the_epoch(owner: User) -> None:
    stopped, active = joined(owner, "AAPL"), joined(owner, "IBM")
    becomes(BotStatus.STOPPED, stopped)
    seen = []
    while (done := turn()).did == Did.PUBLISHED:
        seen.append(stand()[1])
        record(active)
    # IBM ends on day 3; AAPL's day 0 is met on the way, its day 4 is not waited for.
    assert seen == [0, 1, 2, 3]
    assert done.did == Did.ENDED


def test_turn__the_end_of_the_series__expires_what_rests(owner: User) -> None:
    run = joined(owner, "IBM")
    while turn().did == Did.PUBLISHED:
        record(run)
        if stand() == (1, 3):
            order = buy(run, symbol="IBM")
    found = Simulated(run.account_id).find(order.client_order_id)
    assert found is not None
    assert found.status == "expired"
    assert fills(run) == []
    assert stand() == (2, None)


def test_turn__an_account_with_unreadable_books__fails_its_bot_and_holds_up_nobody(owner: User) -> None:
    broken, well = joined(owner, "AAPL"), joined(owner, "AAPL")
    SimulatedAccount.objects.using("broker").filter(id=broken.account_id).delete()
    buy(well)
    assert turn().did == Did.PUBLISHED
    bot = Bot.objects.get(id=broken.bot_id)
    assert (bot.status, bot.error_code) == (BotStatus.ERROR, "UNKNOWN_ACCOUNT")
    assert fills(well) == [(0, Decimal(5), Decimal(100))]
    record(well)
    assert turn().did == Did.PUBLISHED


def test_turn__the_broker_is_away__publishes_nothing(owner: User, monkeypatch: pytest.MonkeyPatch) -> None:
    joined(owner, "AAPL")

    def away(*_: object) -> int:
        raise BrokerUnsure("away")

    with monkeypatch.context() as patched:
        patched.setattr(simulated, "match", away)
        with pytest.raises(BrokerUnsure):
            turn()
    assert stand() == (1, None)
    assert turn().did == Did.PUBLISHED


# --- crashes and rivals


@pytest.mark.parametrize("place", ["met", "matched", "published"])
def test_turn__killed__the_next_one_goes_on_and_each_order_is_matched_once(owner: User, place: str) -> None:
    one, other = joined(owner, "AAPL"), joined(owner, "AAPL")
    buy(one), buy(other)
    with pytest.raises(Died):
        turn(dies_at(place))
    assert stand() == (1, 0 if place == "published" else None)
    # When
    again = turn()
    # Then: published exactly once, both accounts matched with day 0 exactly once, both bots woken
    assert again.did == (Did.BEHIND if place == "published" else Did.PUBLISHED)
    assert stand() == (1, 0)
    assert fills(one) == fills(other) == [(0, Decimal(5), Decimal(100))]
    assert not sleeps(one.bot_id)
    assert not sleeps(other.bot_id)


@pytest.mark.parametrize("place", ["expired", "published"])
def test_turn__killed_at_the_end_of_the_series__begins_one_epoch(owner: User, place: str) -> None:
    run = joined(owner, "IBM")
    while stand() != (1, 3):
        turn()
        record(run)
    order = buy(run, symbol="IBM")
    with pytest.raises(Died):
        turn(dies_at(place))
    turn()
    assert stand() == (2, None)
    statuses = [event.order.client_order_id for event in Simulated(run.account_id).events(after=0)]
    assert statuses == [order.client_order_id] * 2  # working, expired
    assert not sleeps(run.bot_id)


def test_turn__two_streams_at_once__publish_once(owner: User) -> None:
    # Given: a rival that publishes while we have matched
    run = joined(owner, "AAPL")
    buy(run)

    def rival(name: str) -> None:
        if name == "matched":
            thread = threading.Thread(target=lambda: (feeding.turn(timeframe="1d"), connections.close_all()))
            thread.start()
            thread.join()

    assert turn(rival).did == Did.OVERTAKEN
    assert stand() == (1, 0)
    assert fills(run) == [(0, Decimal(5), Decimal(100))]


def test_turn__four_streams_racing_to_the_end__publish_each_bar_once(owner: User) -> None:
    run = joined(owner, "AAPL")
    buy(run)
    advanced: list[int | None] = []
    start = threading.Barrier(4)

    def stream() -> None:
        start.wait()
        while True:
            done = feeding.turn(timeframe="1d")
            if done.did == Did.PUBLISHED:
                advanced.append(done.now_ms)
            if done.epoch == 2:
                break
            record(run)
        connections.close_all()

    threads = [threading.Thread(target=stream) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert stand() == (2, None)
    assert advanced == [None, day(0), day(1), day(2)]  # from where; to days 0, 1, 2 and 4
    assert fills(run) == [(0, Decimal(5), Decimal(100))]


# --- whether the market is open


def told() -> list[tuple[UUID, bool]]:
    rows = Outbox.objects.filter(event="market_status_changed").order_by("id")
    return [(row.bot_id, row.payload["is_open"]) for row in rows]


def test_market__opens_with_the_first_bar_and_closes_when_paused__told_once_to_each_bot(owner: User) -> None:
    runs_of_two = sorted([joined(owner, "AAPL"), joined(owner, "IBM")], key=lambda one: one.bot_id)
    ids = [one.bot_id for one in runs_of_two]
    turn()
    record(*runs_of_two)
    turn()
    assert told() == [(bot_id, True) for bot_id in ids]
    replay.pause("1d")
    assert [turn().did for _ in range(2)] == [Did.PAUSED] * 2
    assert told()[2:] == [(bot_id, False) for bot_id in ids]
    replay.resume("1d")
    record(*runs_of_two)
    turn()
    assert told()[4:] == [(bot_id, True) for bot_id in ids]


def test_market__nobody_attached_any_more__is_closed_and_opens_again_with_bars(owner: User) -> None:
    run = joined(owner, "AAPL")
    turn()
    becomes(BotStatus.STOPPED, run)
    assert turn().did == Did.NOBODY
    assert not marketdata.feed("1d").is_open
    becomes(BotStatus.RUNNING, run)
    record(run)
    turn()
    assert told() == [(run.bot_id, True), (run.bot_id, True)]


# --- bots that nobody woke


def test_rouse__a_bot_that_sleeps_while_all_wait__is_woken_and_others_are_left_alone(owner: User) -> None:
    asleep, recorded, working, failing = (joined(owner, "AAPL") for _ in range(4))
    turn()
    record(recorded)
    Bot.objects.update(wake_at=None)
    Bot.objects.filter(id=working.bot_id).update(lease_until=Now() + timedelta(seconds=60))
    Bot.objects.filter(id=failing.bot_id).update(error_count=1, wake_at=Now() + timedelta(seconds=60))
    assert feeding.rouse(timeframe="1d") == [asleep.bot_id]
    assert not sleeps(asleep.bot_id)
    assert sleeps(recorded.bot_id)
    assert sleeps(working.bot_id)
    assert feeding.rouse(timeframe="1d") == []


# --- the loop


@pytest.fixture
def loop() -> Iterator[Callable[[], "Loop"]]:
    made: list[Loop] = []

    def start() -> Loop:
        made.append(Loop())
        return made[-1]

    yield start
    for one in made:
        one.stop()


class Loop:
    """``pacing.run`` in a thread of its own."""

    def __init__(self) -> None:
        self.dispatched = 0
        self.rounds = 0
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        pacing.run(self._stopped, dispatch=self._dispatch, came_round=self._round)

    def _dispatch(self) -> None:
        self.dispatched += 1

    def _round(self) -> None:
        self.rounds += 1

    def until(self, condition: Callable[[], bool], seconds: float = 10) -> bool:
        waits = threading.Event()
        for _ in range(int(seconds / 0.02)):
            if condition():
                return True
            waits.wait(0.02)
        return False

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join(10)
        assert not self._thread.is_alive()


def test_loop__bots_that_record__are_fed_to_the_end_and_dispatched_each_time(
    owner: User, loop: Callable[[], Loop]
) -> None:
    run = joined(owner, "AAPL")
    running_loop = loop()

    def is_over() -> bool:
        record(run)
        return stand()[0] == 2

    assert running_loop.until(is_over)
    assert running_loop.dispatched >= 5  # four bars and the end


def test_loop__a_failing_feed__goes_on_when_it_is_over(
    owner: User, loop: Callable[[], Loop], monkeypatch: pytest.MonkeyPatch
) -> None:
    joined(owner, "AAPL")
    failed = threading.Event()

    def away(*_: object) -> int:
        failed.set()
        raise BrokerUnsure("away")

    real = simulated.match
    monkeypatch.setattr(simulated, "match", away)
    running_loop = loop()
    assert failed.wait(10)
    monkeypatch.setattr(simulated, "match", real)
    assert running_loop.until(lambda: stand() == (1, 0))


def test_loop__a_bot_nobody_woke__is_roused_after_a_second(owner: User, loop: Callable[[], Loop]) -> None:
    run = joined(owner, "AAPL")
    turn()
    Bot.objects.update(wake_at=None)
    running_loop = loop()
    assert running_loop.until(lambda: not sleeps(run.bot_id))
