"""Running: one hand-computed trade, real bars, crashes, double delivery, cancellation."""

import json
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

import numpy as np
import pytest
from celery import current_app
from django.core.management import call_command
from django.db.models.functions import Now
from kombu import Connection

from backtests import ports, records, selectors, services, tasks
from backtests.models import Backtest, BacktestStatus, RecordKind, SavedState
from backtests.services import leases
from backtests.tests.builders import (
    DAY,
    FOUR_SYMBOLS,
    NOW,
    Killed,
    a_bot,
    a_follower,
    a_signal,
    everything,
    queued,
    ran,
    worker_dies,
)
from engine.domain.values import Series
from marketdata import services as marketdata

pytestmark = pytest.mark.django_db


def dies_at(name: str, *, time: int):
    """A checkpoint where the worker is killed, the ``time``-th time it passes there."""
    passed = []

    def checkpoint(here: str) -> None:
        if here == name:
            passed.append(here)
        if len(passed) == time:
            raise Killed

    return checkpoint


def test_run__one_trade_told_from_outside__earns_what_a_hand_computes(owner, ten_days) -> None:
    # Given: told to buy on the 2nd and to sell on the 5th; 10 basis points of fees
    signals = [a_signal(2, "buy"), a_signal(5, "sell")]
    # When
    backtest = ran(owner, a_follower(owner), signals=signals, fee_bps=10)
    # Then: 10 % of 10,000 at the close of the 2nd (100.00) is 10 shares, bought at the open of the
    # 3rd (101.00), sold at the open of the 6th (105.00)
    assert backtest.status == BacktestStatus.COMPLETED, backtest.error_message
    (trip,) = selectors.trips(backtest)
    assert (trip.symbol, trip.side, trip.cause, trip.qty) == ("ACME", "long", "signal", 10)
    assert (trip.entry_price, trip.exit_price) == (Decimal("101"), Decimal("105"))
    assert (f"{trip.entry_at:%m-%d}", f"{trip.exit_at:%m-%d}") == ("01-03", "01-06")
    # fees: 10 x 101 x 0.001 + 10 x 105 x 0.001 = 1.01 + 1.05; gain: 10 x (105 - 101) - 2.06
    assert (trip.fees, trip.pnl) == (Decimal("2.06"), Decimal("37.94"))
    assert backtest.metrics["final_equity"] == "10037.94"
    assert backtest.metrics["trips"] == 1
    # equity: while it is held, 10 shares at each close; 8,988.99 of cash after buying
    curve = selectors.equity(backtest)
    assert curve.equity[1] == 10_000.0
    assert curve.equity[2] == pytest.approx(10_000 - 1010 - 1.01 + 10 * 102)
    assert curve.equity[-1] == pytest.approx(10_037.94)


def test_run__costs_of_the_venue__come_from_the_request(owner, ten_days) -> None:
    signals = [a_signal(2, "buy"), a_signal(5, "sell")]
    backtest = ran(owner, a_follower(owner), signals=signals, slippage_bps=100)
    (trip,) = selectors.trips(backtest)
    # 1 % against us on both: 101 x 1.01 = 102.01, 105 x 0.99 = 103.95
    assert (trip.entry_price, trip.exit_price) == (Decimal("102.01"), Decimal("103.95"))


def test_run__real_bars_of_four_shares__trades_and_adds_up(owner, samples) -> None:
    # When
    backtest = ran(owner, a_bot(owner))
    # Then
    assert backtest.status == BacktestStatus.COMPLETED, backtest.error_message
    assert backtest.progress == 1.0
    assert backtest.rows_done == backtest.rows_total == 11_958  # 3270 days of three shares, 2148 of GOOG
    trips = records.everything(backtest.id, RecordKind.TRIP)
    fills = records.everything(backtest.id, RecordKind.FILL)
    equity = records.everything(backtest.id, RecordKind.EQUITY)
    assert len(trips) > 100
    assert set(selectors.symbols(backtest)) == set(FOUR_SYMBOLS)
    # every number on the page is the records': cash from the fills alone, and what is still held
    cash = 10_000 - float((fills["qty"] * fills["price"] * fills["action"]).sum()) - float(fills["fee"].sum())
    last = {symbol: records_close(backtest, symbol) for symbol in FOUR_SYMBOLS}
    held = sum(
        float((fills["qty"] * fills["action"])[fills["symbol"] == place].sum()) * last[symbol]
        for place, symbol in enumerate(selectors.symbols(backtest))
    )
    assert equity["equity"][-1] == pytest.approx(cash + held, rel=1e-9)
    assert float(backtest.metrics["final_equity"]) == pytest.approx(cash + held, rel=1e-9)
    assert backtest.metrics["trips"] == len(trips)


def records_close(backtest: Backtest, symbol: str) -> float:
    return float(selectors.candles(backtest, symbol, max_candles=5000).series.close[-1])


@pytest.mark.parametrize("place", ["computed", "stored"])
@pytest.mark.parametrize("time", [1, 3])
def test_run__a_worker_killed_between_chunks__is_continued_to_the_same_result(owner, samples, place, time) -> None:
    # Given: the same run twice, once in one go
    bot = a_bot(owner)
    expected = ran(owner, bot)
    interrupted = queued(owner, bot)
    with pytest.raises(Killed):
        services.run_chunked(backtest_id=interrupted.id, worker="first", checkpoint=dies_at(place, time=time))
    interrupted.refresh_from_db()
    stored = time if place == "stored" else time - 1
    assert interrupted.status == BacktestStatus.RUNNING
    assert (interrupted.rows_done > 0) == (stored > 0)
    # When: the worker is found dead, and another one goes on
    worker_dies(interrupted)
    computed = []
    services.run_chunked(backtest_id=interrupted.id, worker="second", checkpoint=computed.append)
    # Then: it computed only what was missing (6 chunks in all), and every bit is the same
    interrupted.refresh_from_db()
    assert interrupted.status == BacktestStatus.COMPLETED
    assert computed.count("computed") == 6 - stored
    assert everything(interrupted) == everything(expected)
    assert interrupted.metrics == expected.metrics
    assert interrupted.data_fingerprint == expected.data_fingerprint
    assert SavedState.objects.count() == 0


def test_run__an_engine_that_changed_under_a_saved_state__starts_again(owner, samples) -> None:
    # Given: a run killed after its first chunk, then an engine of other sources
    backtest = queued(owner, a_bot(owner))
    with pytest.raises(Killed):
        services.run_chunked(backtest_id=backtest.id, worker="first", checkpoint=dies_at("stored", time=1))
    Backtest.objects.update(engine_fingerprint="another engine")
    worker_dies(backtest)
    # When
    computed = []
    services.run_chunked(backtest_id=backtest.id, worker="second", checkpoint=computed.append)
    # Then: nothing of the old half is mixed into the new whole
    assert computed.count("computed") == 6
    assert sum(records.counts(backtest.id, RecordKind.EQUITY).values()) == 3270


def test_run__delivered_twice__runs_once(owner, ten_days) -> None:
    # Given
    backtest = queued(owner, a_follower(owner), signals=[a_signal(2, "buy")])
    second = []

    def delivered_again(name: str) -> None:
        second.append(services.run_chunked(backtest_id=backtest.id, worker="second"))

    # When: the task arrives again while it runs, and once more afterwards
    ended = services.run_chunked(backtest_id=backtest.id, worker="first", checkpoint=delivered_again)
    afterwards = services.run_chunked(backtest_id=backtest.id, worker="third")
    # Then
    assert (ended, afterwards) == ("completed", None)
    assert set(second) == {None}
    backtest.refresh_from_db()
    assert backtest.lease_owner == "first"
    assert sum(records.counts(backtest.id, RecordKind.EQUITY).values()) == 10


def test_run__a_worker_thought_dead_that_wakes_up__writes_nothing_more(owner, samples) -> None:
    # Given: a worker that sleeps in its second chunk until another one has finished the run
    backtest = queued(owner, a_bot(owner))
    passed = []

    def sleeps(name: str) -> None:
        passed.append(name)
        if passed.count("computed") == 2 and name == "computed":
            worker_dies(backtest)
            assert services.run_chunked(backtest_id=backtest.id, worker="second") == "completed"

    # When
    ended = services.run_chunked(backtest_id=backtest.id, worker="first", checkpoint=sleeps)
    # Then: its token is worth nothing any more
    assert ended is None
    backtest.refresh_from_db()
    assert (backtest.status, backtest.lease_owner) == (BacktestStatus.COMPLETED, "second")
    assert sum(records.counts(backtest.id, RecordKind.EQUITY).values()) == 3270


def test_cancel__while_it_waits__ends_it_at_once(owner, ten_days) -> None:
    backtest = queued(owner, a_follower(owner), signals=[a_signal(2, "buy")])
    services.cancel(backtest_id=backtest.id, now=backtest.created_at)
    backtest.refresh_from_db()
    assert backtest.status == BacktestStatus.CANCELLED
    assert services.run_chunked(backtest_id=backtest.id, worker="late") is None


def test_cancel__while_it_runs__is_heard_after_the_chunk(owner, samples) -> None:
    # Given
    backtest = queued(owner, a_bot(owner))
    passed = []

    def cancelled_in_the_second(name: str) -> None:
        passed.append(name)
        if passed.count("computed") == 2 and name == "computed":
            services.cancel(backtest_id=backtest.id, now=backtest.created_at)

    # When
    ended = services.run_chunked(backtest_id=backtest.id, worker="test", checkpoint=cancelled_in_the_second)
    # Then: the chunk being computed was the last, and no half result is left
    assert ended == "cancelled"
    assert passed.count("computed") == 2
    backtest.refresh_from_db()
    assert backtest.status == BacktestStatus.CANCELLED
    assert backtest.finished_at is not None
    assert records.counts(backtest.id, RecordKind.EQUITY) == {}
    assert SavedState.objects.count() == 0


def test_cancel__of_a_run_whose_worker_died__is_heard_by_the_next(owner, ten_days) -> None:
    backtest = queued(owner, a_follower(owner), signals=[a_signal(2, "buy")])
    with pytest.raises(Killed):
        services.run_chunked(backtest_id=backtest.id, worker="first", checkpoint=dies_at("claimed", time=1))
    services.cancel(backtest_id=backtest.id, now=backtest.created_at)
    worker_dies(backtest)
    services.run_chunked(backtest_id=backtest.id, worker="second")
    backtest.refresh_from_db()
    assert backtest.status == BacktestStatus.CANCELLED


def test_run__killing_every_worker_that_takes_it__is_given_up(owner, ten_days) -> None:
    backtest = queued(owner, a_follower(owner), signals=[a_signal(2, "buy")])
    for _ in range(leases.MOST_ATTEMPTS):
        with pytest.raises(Killed):
            services.run_chunked(backtest_id=backtest.id, worker="doomed", checkpoint=dies_at("claimed", time=1))
        worker_dies(backtest)
    assert services.run_chunked(backtest_id=backtest.id, worker="doomed") is None
    backtest.refresh_from_db()
    assert (backtest.status, backtest.error_code) == (BacktestStatus.FAILED, "BACKTEST_WORKER_LOST")


def test_run__breaking_in_a_way_nobody_foresaw__fails_and_is_raised(owner, ten_days) -> None:
    backtest = queued(owner, a_follower(owner), signals=[a_signal(2, "buy")])

    def breaks(name: str) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        services.run_chunked(backtest_id=backtest.id, worker="test", checkpoint=breaks)
    backtest.refresh_from_db()
    assert backtest.status == BacktestStatus.FAILED
    assert backtest.error_code == "BACKTEST_BROKE"


def test_task__taken_from_the_queue__runs_what_was_queued(owner, ten_days, django_capture_on_commit_callbacks) -> None:
    if not current_app.conf.broker_url.startswith("memory:"):
        pytest.skip("needs the test settings, whose queue is in memory: this one is somebody's")
    # Given: a request committed, and its hint in the queue
    with django_capture_on_commit_callbacks(execute=True):
        backtest = queued(owner, a_follower(owner), signals=[a_signal(2, "buy")])
    with Connection(current_app.conf.broker_url) as connection, connection.SimpleQueue("backtests") as queue:
        message = queue.get(block=False)
        message.ack()
    assert message.headers["task"] == "backtests.run"
    _, named, _ = message.payload
    assert json.dumps(named) == json.dumps({"backtest_id": str(backtest.id)})
    # When: a newer version may have added arguments this worker does not know
    assert tasks.run_backtest(**named, later="unknown") == "completed"


def test_requeue__the_beat__has_it_in_its_schedule() -> None:
    current_app.loader.import_default_modules()
    current_app.finalize()
    entry = current_app.conf.beat_schedule["backtests.requeue_lost"]
    assert (entry["task"], entry["schedule"]) == ("backtests.requeue_lost", 30)
    assert entry["options"]["queue"] == "backtests"


def test_requeue__hints_that_were_lost__are_sent_again_once(owner, ten_days) -> None:
    # Given: one that just came, one that has waited long, one whose worker is dead, one that runs
    bot = a_follower(owner)
    fresh, waiting, dead, alive = [queued(owner, bot, signals=[a_signal(2, "buy")]) for _ in range(4)]
    long_ago = Now() - timedelta(minutes=10)
    Backtest.objects.filter(id=fresh.id).update(enqueued_at=Now())
    Backtest.objects.filter(id__in=[waiting.id, dead.id, alive.id]).update(enqueued_at=long_ago)
    for one in (dead, alive):
        with pytest.raises(Killed):
            services.run_chunked(backtest_id=one.id, worker="first", checkpoint=dies_at("claimed", time=1))
    worker_dies(dead)
    # When / Then
    assert set(services.requeue_lost()) == {waiting.id, dead.id}
    assert services.requeue_lost() == []


def test_run__bars_appended_later__do_not_belong_to_it(owner, ten_days) -> None:
    bot = a_follower(owner)
    backtest = queued(owner, bot, signals=[a_signal(2, "buy")])
    an_eleventh_day = Series(
        *(np.array([value]) for value in (1_704_844_800_000 + DAY, 102.0, 103.0, 101.0, 102.0, 9.0))
    )
    marketdata.append_bars(UUID(backtest.request["datasets"][0]["id"]), an_eleventh_day, now=NOW)
    services.run_chunked(backtest_id=backtest.id, worker="test")
    backtest.refresh_from_db()
    assert backtest.rows_done == 10


def test_demo_bots__over_the_sample_bars__trade(root, samples) -> None:
    # Given: what a newcomer finds after the first start
    call_command("create_demo_bots")
    demos = ports.bot_definitions().choices(owner_id=root.pk)
    # When / Then: each buys and sells, over years
    assert len(demos) == 2
    for demo in demos:
        backtest = ran(root, str(demo.id))
        assert backtest.status == BacktestStatus.COMPLETED, backtest.error_message
        assert backtest.metrics["trips"] > 100
        assert {trip.symbol for trip in selectors.trips(backtest)[:]} == set(FOUR_SYMBOLS)
