"""The replay: clocks that move once however many push, and stored bars by timestamp."""

import threading
from collections.abc import Callable
from decimal import Decimal

import numpy as np
import pytest
from django.db import IntegrityError, connection

from engine.domain.errors import InputError, NotFound
from engine.domain.values import Series
from marketdata import barstore, selectors, services
from marketdata.models import ReplayClock
from marketdata.providers import replay as stored
from marketdata.services import replay
from marketdata.tests.builders import DAY, MINUTE, NOW, START, a_dataset, an_equity, an_instrument, some_bars

FOUR = Decimal(4)


@pytest.fixture
def clock(db) -> str:
    replay.ensure("1m", bars_per_second=FOUR)
    return "1m"


def stand(timeframe: str) -> tuple[int, int | None]:
    found = selectors.feed(timeframe)
    return found.epoch, found.now_ms


# --- the clock


def test_feed__that_never_ran__stands_at_the_start_of_epoch_one(db, settings, django_assert_num_queries) -> None:
    settings.REPLAY_BARS_PER_SECOND = Decimal("2.5")
    with django_assert_num_queries(1):
        found = selectors.feed("1d")
    assert found[:7] == ("1d", 1, None, None, True, Decimal("2.5"), None)
    assert (found.is_open, found.read_at) == (False, None)
    assert not ReplayClock.objects.exists()


def test_feed__after_a_move__is_due_at_the_close_of_the_newest_bar(clock: str, django_assert_num_queries) -> None:
    assert replay.advance(clock, epoch=1, from_ms=None, to_ms=START)
    with django_assert_num_queries(1):
        found = selectors.feed(clock)
    assert (found.epoch, found.now_ms, found.due_ms) == (1, START, START + MINUTE)
    assert found.advanced_at is not None
    assert found.read_at is not None
    assert found.advanced_at <= found.read_at


def test_feeds__of_several_timeframes__come_shortest_first_in_one_query(db, django_assert_num_queries) -> None:
    for timeframe in ("1d", "5m", "1h"):
        replay.ensure(timeframe, bars_per_second=FOUR)
    with django_assert_num_queries(1):
        found = selectors.feeds()
    assert list(found) == ["5m", "1h", "1d"]


def test_ensure__a_clock_that_is_there__keeps_place_and_pace(clock: str) -> None:
    replay.advance(clock, epoch=1, from_ms=None, to_ms=START)
    replay.set_pace(clock, Decimal("0.5"))
    replay.ensure(clock, bars_per_second=FOUR)
    found = selectors.feed(clock)
    assert (found.now_ms, found.bars_per_second) == (START, Decimal("0.5"))


@pytest.mark.parametrize(
    ("epoch", "from_ms"), [(2, START), (1, None), (1, START - MINUTE), (1, START + MINUTE)], ids=str
)
def test_advance__from_where_the_clock_is_not__changes_nothing(clock: str, epoch: int, from_ms: int | None) -> None:
    replay.advance(clock, epoch=1, from_ms=None, to_ms=START)
    assert not replay.advance(clock, epoch=epoch, from_ms=from_ms, to_ms=START + 5 * MINUTE)
    assert stand(clock) == (1, START)


@pytest.mark.parametrize("to_ms", [START, START - 1])
def test_advance__not_forward__is_an_error_of_the_caller(clock: str, to_ms: int) -> None:
    with pytest.raises(ValueError, match="goes forward"):
        replay.advance(clock, epoch=1, from_ms=START, to_ms=to_ms)


def test_new_epoch__asked_twice__begins_once(clock: str) -> None:
    replay.advance(clock, epoch=1, from_ms=None, to_ms=START)
    assert replay.new_epoch(clock, epoch=1)
    assert stand(clock) == (2, None)
    assert not replay.new_epoch(clock, epoch=1)
    assert stand(clock) == (2, None)


def test_pause__until_resumed__neither_moves_nor_begins_an_epoch(clock: str) -> None:
    replay.pause(clock)
    assert not replay.advance(clock, epoch=1, from_ms=None, to_ms=START)
    assert not replay.new_epoch(clock, epoch=1)
    assert stand(clock) == (1, None)
    replay.resume(clock)
    assert replay.advance(clock, epoch=1, from_ms=None, to_ms=START)


@pytest.mark.parametrize("pace", ["0.1", "1000", "12.345"])
def test_set_pace__within_limits__is_kept_exactly(clock: str, pace: str) -> None:
    replay.set_pace(clock, Decimal(pace))
    assert selectors.feed(clock).bars_per_second == Decimal(pace)


@pytest.mark.parametrize("pace", ["0.099", "1000.001", "0", "-1", "1.2345", "NaN", "Infinity"])
def test_set_pace__outside_limits__is_refused_and_nothing_changes(clock: str, pace: str) -> None:
    with pytest.raises(InputError) as caught:
        replay.set_pace(clock, Decimal(pace))
    assert [(fault.code, fault.pointer) for fault in caught.value.faults] == [("out_of_range", "/bars_per_second")]
    assert selectors.feed(clock).bars_per_second == FOUR


def test_ensure__unknown_timeframe_and_pace__names_both(db) -> None:
    with pytest.raises(InputError) as caught:
        replay.ensure("7m", bars_per_second=Decimal(0))
    assert [fault.code for fault in caught.value.faults] == ["unknown_timeframe", "out_of_range"]


def test_database__a_pace_out_of_range__is_refused_there_too(clock: str) -> None:
    with pytest.raises(IntegrityError, match="replayclock_pace"):
        ReplayClock.objects.filter(timeframe=clock).update(bars_per_second=Decimal("0.05"))


@pytest.mark.parametrize(
    "change", [replay.pause, replay.resume, lambda timeframe: replay.set_pace(timeframe, FOUR)], ids=str
)
def test_change__of_a_replay_that_never_ran__is_not_found(db, change: Callable[[str], None]) -> None:
    with pytest.raises(NotFound):
        change("1d")


def test_tell_open__same_again__is_told_once(clock: str) -> None:
    assert replay.tell_open(clock, is_open=True)
    assert not replay.tell_open(clock, is_open=True)
    assert selectors.feed(clock).is_open
    assert replay.tell_open(clock, is_open=False)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("move", ["advance", "new_epoch", "ensure"])
def test_clock__pushed_by_two_at_once__moves_once(move: str) -> None:
    replay.ensure("1m", bars_per_second=FOUR)
    moves: dict[str, Callable[[], object]] = {
        "advance": lambda: replay.advance("1m", epoch=1, from_ms=None, to_ms=START),
        "new_epoch": lambda: replay.new_epoch("1m", epoch=1),
        "ensure": lambda: replay.ensure("1h", bars_per_second=FOUR),
    }
    start, answers = threading.Barrier(8), []

    def push() -> None:
        connection.ensure_connection()
        start.wait()
        try:
            answers.append(moves[move]())
        finally:
            connection.close()

    threads = [threading.Thread(target=push) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expected = {"advance": (1, START), "new_epoch": (2, None), "ensure": (1, None)}
    assert stand("1m") == expected[move]
    assert len(answers) == 8
    assert answers.count(True) == (0 if move == "ensure" else 1)
    assert ReplayClock.objects.count() == (2 if move == "ensure" else 1)


# --- stored bars by timestamp


def minutes(*places: int, price: float = 100.0) -> Series:
    """A bar at each of these minutes after START; open, high, low, close: price, +2, -1, +1; volume: the minute."""
    at = np.array(places, np.int64)
    flat = np.full(at.size, price)
    return Series(START + MINUTE * at, flat, flat + 2, flat - 1, flat + 1, at.astype(float))


def test_next_open__of_two_series_with_gaps__is_the_earlier_and_none_at_the_end(db) -> None:
    an_instrument("BTCUSD")
    an_instrument("ETHUSD")
    both = [
        a_dataset(minutes(0, 1, 4)),
        a_dataset(minutes(1, 2, 6), symbol="ETHUSD"),
    ]
    seen, at = [], stored.next_open_ms(both, None)
    while at is not None:
        seen.append((at - START) // MINUTE)
        at = stored.next_open_ms(both, at)
    assert seen == [0, 1, 2, 4, 6]
    assert stored.next_open_ms(both[:1], START + 4 * MINUTE) is None
    assert stored.next_open_ms([], None) is None


def test_bars_at__a_minute_both_have__gives_both_in_the_order_asked_for(db, django_assert_num_queries) -> None:
    an_instrument("BTCUSD")
    an_instrument("ETHUSD")
    one, other = a_dataset(minutes(0, 1, 4)), a_dataset(minutes(1, 2, price=200.0), symbol="ETHUSD")
    stored.bars_at([one, other], START)  # fills the cache
    with django_assert_num_queries(1):
        found = stored.bars_at([other, one], START + MINUTE)
    assert found is not None
    assert found.open_ms.tolist() == [START + MINUTE] * 2
    assert found.symbol.tolist() == [0, 1]
    assert [column.tolist() for column in found[3:]] == [
        [200.0, 100.0],
        [202.0, 102.0],
        [199.0, 99.0],
        [201.0, 101.0],
        [1.0, 1.0],
    ]
    assert [column.dtype for column in found[:3]] == [np.int64, np.int32, np.int32]
    assert all(column.dtype == np.float64 and column.flags.c_contiguous for column in found[3:])


def test_bars_at__a_minute_only_the_second_has__keeps_its_place(db) -> None:
    an_instrument("BTCUSD")
    an_instrument("ETHUSD")
    both = [a_dataset(minutes(0, 1, 4)), a_dataset(minutes(1, 2), symbol="ETHUSD")]
    found = stored.bars_at(both, START + 2 * MINUTE)
    assert found is not None
    assert found.symbol.tolist() == [1]
    assert stored.bars_at(both, START + 3 * MINUTE) is None
    assert stored.bars_at(both, START - MINUTE) is None
    assert stored.bars_at(both, START + 9 * MINUTE) is None


def test_bars_at__days__are_those_of_closed_bars_and_never_fall(db) -> None:
    # 2020-01-01T01:00Z is still the last of December in New York: day 18261 there, 18262 in UTC.
    an_equity("ACME")
    an_instrument("BTCUSD")
    hour = minutes(60)
    acme, bitcoin = a_dataset(hour, symbol="ACME"), a_dataset(hour)
    first = stored.bars_at([acme, bitcoin], START + 60 * MINUTE)
    second = stored.bars_at([bitcoin, acme], START + 60 * MINUTE)
    assert first is not None
    assert second is not None
    assert first.day.tolist() == [18261, 18262]
    assert second.day.tolist() == [18262, 18262]


def test_stored__a_live_tail__is_read_after_the_sealed_bars(db, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given: chunks of four bars, and six bars of which two are still in the tail
    monkeypatch.setattr(barstore, "CHUNK_BARS", 4)
    an_instrument("BTCUSD")
    dataset = services.open_dataset(symbol="BTCUSD", timeframe="1m", source="live", now=NOW)
    services.append_bars(dataset, some_bars(6), now=NOW)
    # When / Then: the tail goes on where the chunk ends, and a bar that arrives later is found
    assert stored.next_open_ms([dataset], START + 3 * MINUTE) == START + 4 * MINUTE
    assert stored.next_open_ms([dataset], START + 5 * MINUTE) is None
    found = stored.bars_at([dataset], START + 5 * MINUTE)
    assert found is not None
    assert found.close.tolist() == [100.05]
    services.append_bars(dataset, barstore.cut(some_bars(7), 6, 7), now=NOW)
    assert stored.next_open_ms([dataset], START + 5 * MINUTE) == START + 6 * MINUTE


def test_stored__walked_by_timestamp__gives_exactly_the_closed_bars(db) -> None:
    an_instrument("BTCUSD")
    dataset = a_dataset(some_bars(50, step_ms=DAY), timeframe="1d")
    whole, at, closes = selectors.closed_bars(dataset), None, []
    while (at := stored.next_open_ms([dataset], at)) is not None:
        found = stored.bars_at([dataset], at)
        assert found is not None
        closes += found.close.tolist()
    assert closes == whole.close.tolist()
