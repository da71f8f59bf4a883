"""Reading results: curves, pages and filters over packed records, one decision explained."""

from decimal import Decimal

import numpy as np
import pytest

from backtests import mappers, records, selectors
from backtests.errors import DecisionNotFound
from backtests.models import RecordKind
from backtests.records import EQUITY, Listing
from backtests.tests.builders import a_bot, a_follower, a_signal, ran
from engine.domain.errors import InputError

pytestmark = pytest.mark.django_db


def a_listing(backtest, keep=None) -> Listing:
    return Listing(backtest.id, RecordKind.EQUITY, make=lambda found: found["open_ms"].tolist(), keep=keep)


@pytest.fixture
def in_three_chunks(owner, ten_days):
    """A run whose stored curve is replaced by 0, 1, ... 9 in chunks of 4, 4 and 2."""
    backtest = ran(owner, a_follower(owner), signals=[a_signal(2, "buy")])
    records.erase(backtest.id)
    for sequence, numbers in enumerate(([0, 1, 2, 3], [4, 5, 6, 7], [8, 9]), start=1):
        some = np.zeros(len(numbers), EQUITY)
        some["open_ms"] = numbers
        records.append(backtest.id, RecordKind.EQUITY, sequence, some)
    return backtest


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (slice(0, 3), [0, 1, 2]),
        (slice(3, 6), [3, 4, 5]),
        (slice(4, 8), [4, 5, 6, 7]),
        (slice(7, 100), [7, 8, 9]),
        (slice(20, 30), []),
        (slice(5, 5), []),
    ],
)
def test_listing__a_slice__is_what_the_whole_list_has_there(in_three_chunks, asked, expected) -> None:
    assert a_listing(in_three_chunks)[asked] == expected
    assert len(a_listing(in_three_chunks)) == 10


def test_listing__a_filter__counts_and_slices_what_is_kept(in_three_chunks) -> None:
    listing = a_listing(in_three_chunks, keep=lambda found: found["open_ms"] % 3 == 0)
    assert len(listing) == 4
    assert listing[:] == [0, 3, 6, 9]
    assert listing[1:3] == [3, 6]
    assert listing[-1] == 9


def test_listing__a_page__reads_only_its_chunks(in_three_chunks, django_assert_num_queries) -> None:
    with django_assert_num_queries(2) as asked:  # the counts, then one chunk
        assert a_listing(in_three_chunks)[4:6] == [4, 5]
    assert "IN (2)" in asked.captured_queries[-1]["sql"]


def test_thinned__many_points__keeps_ends_and_extremes() -> None:
    # Given: a flat line with one spike up and one down
    values = np.full(10_000, 100.0)
    values[3_333], values[7_777] = 250.0, 10.0
    # When
    kept = selectors.thinned(values, 50)
    # Then
    assert len(kept) <= 50
    assert {0, 3_333, 7_777, 9_999} <= set(kept.tolist())
    assert (np.diff(kept) > 0).all()


def test_thinned__few_points__keeps_all() -> None:
    assert selectors.thinned(np.arange(50.0), 50).tolist() == list(range(50))


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.1 + 0.2, "0.3"), (101.0, "101"), (1e-9, "0.000000001"), (-2.5, "-2.5"), (1e6, "1000000"), (0.0, "0")],
)
def test_decimal__of_a_float__is_the_number_a_person_would_write(value, text) -> None:
    found = mappers.decimal(value)
    assert found is not None
    assert format(found, "f") == text


def test_decimal__of_what_is_not_set__is_none() -> None:
    assert mappers.decimal(float("nan")) is None
    assert mappers.decimal(float("inf")) is None


def test_trips__sorted__rise_and_fall(owner, samples) -> None:
    backtest = ran(owner, a_bot(owner))
    gains = [trip.pnl for trip in selectors.trips(backtest, ordering="pnl")]
    assert gains == sorted(gains)
    shares = [trip.pnl_percent for trip in selectors.trips(backtest, ordering="-pnl_percent")]
    assert shares == sorted(shares, reverse=True)
    assert {trip.symbol for trip in selectors.trips(backtest, symbol="IBM")[:]} == {"IBM"}
    with pytest.raises(InputError):
        selectors.trips(backtest, ordering="luck")


def test_decisions__filtered__are_those_with_the_reason_and_the_symbol(owner, samples) -> None:
    # Given
    backtest = ran(owner, a_bot(owner))
    everything = selectors.decisions(backtest)[:]
    # When
    held = selectors.decisions(backtest, reason="already_held", symbol="GOOG")
    # Then
    expected = [one for one in everything if one.reason == "already_held" and one.symbol == "GOOG"]
    assert expected
    assert held[:] == expected
    with pytest.raises(InputError):
        selectors.decisions(backtest, reason="bad luck")


def test_decision__of_an_entry__shows_bar_votes_orders_and_who_set_what(owner, samples) -> None:
    # Given
    backtest = ran(owner, a_bot(owner))
    entry = next(one for one in selectors.decisions(backtest, signal="buy")[:] if one.orders)
    # When
    found = selectors.decision(backtest, entry.row)
    # Then: the bar is the dataset's, the votes are a majority of those that voted
    assert found.bar.close == float(entry.price)
    votes = list(found.decisions[-1].votes.values())
    assert votes.count("buy") > len(votes) / 2
    # and: the market order it asked is there, and its fill comes on the symbol's next bar
    assert [(one.leg, one.action) for one in found.orders if one.symbol == entry.symbol] == [("main", "buy")]
    later = next(one for one in selectors.fills(backtest, symbol=entry.symbol)[:] if one.row > entry.row)
    assert (later.action, later.is_entry) == ("buy", True)
    # and: every value that applied at this symbol and side, with origin and decision
    values = {f"{one.namespace}.{one.parameter}": one for one in found.values[f"{entry.symbol}/LONG"]}
    stop = values["trading.stop_loss_pct"]
    assert (stop.value, stop.origin["scope"], stop.actor_label, stop.reason) == (8.0, "bot", "olga", "for a test")
    assert values["trading.leverage"].origin == {"scope": "default"}
    assert values["indicator_voting.indicators"].value == ["MACD", "SMA", "EMA", "OBV"]
    assert values["bot.capital"].value == "10000"
    assert found.snapshot == backtest.snapshot_id


def test_decision__of_a_refused_short__shows_the_short_side_s_values(owner, samples) -> None:
    backtest = ran(owner, a_bot(owner))
    refused = selectors.decisions(backtest, reason="shorts_disabled")[0]
    found = selectors.decision(backtest, refused.row)
    assert list(found.values) == [f"{refused.symbol}/SHORT"]
    assert "switched off" in found.decisions[-1].sentence


def test_decision__of_a_quiet_bar__is_not_found(owner, ten_days) -> None:
    backtest = ran(owner, a_follower(owner), signals=[a_signal(5, "buy")])
    with pytest.raises(DecisionNotFound):
        selectors.decision(backtest, 0)


def test_fills__of_a_told_trade__are_what_a_hand_computes(owner, ten_days) -> None:
    backtest = ran(owner, a_follower(owner), signals=[a_signal(2, "buy"), a_signal(5, "sell")])
    bought, sold = selectors.fills(backtest)[:]
    # 10 shares at the open of the 3rd, sold at the open of the 6th for 10 x (105 - 101)
    assert (bought.row, bought.qty, bought.price, bought.realised) == (2, 10, 101, 0)
    assert (sold.row, sold.qty, sold.price, sold.realised) == (5, 10, 105, Decimal(40))
    # and the stop half way down and the target twice up, resting from the entry on
    asked = {one.leg: one for one in selectors.orders(backtest)[:] if one.row == 2}
    assert asked["stop"].stop_price == Decimal("50.5")
    assert asked["target"].limit_price == Decimal("202")


def test_candles__of_a_window__come_with_the_fills_inside_it(owner, ten_days) -> None:
    backtest = ran(owner, a_follower(owner), signals=[a_signal(2, "buy"), a_signal(5, "sell")])
    whole = selectors.candles(backtest, "ACME")
    assert (len(whole.series.open_ms), whole.bars_per_candle, len(whole.fills)) == (10, 1, 2)
    merged = selectors.candles(backtest, "ACME", max_candles=5)
    assert (len(merged.series.open_ms), merged.bars_per_candle) == (5, 2)
    assert merged.series.high.tolist() == [101.0, 105.0, 107.0, 107.0, 105.0]
    after_the_entry = int(whole.series.open_ms[3])
    late = selectors.candles(backtest, "ACME", start_ms=after_the_entry)
    assert (len(late.series.open_ms), [one.action for one in late.fills]) == (7, ["sell"])
    with pytest.raises(InputError):
        selectors.candles(backtest, "NOPE")
