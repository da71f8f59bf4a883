"""Bars that arrive live: appended, corrected, refused, and sealed when there are enough."""

from datetime import UTC, datetime

import numpy as np
import pytest

from engine.domain.errors import InputError, WrongState
from engine.domain.values import Series
from marketdata import barstore, selectors, services
from marketdata.models import BarChunk, Dataset, TailBar
from marketdata.tests.builders import MINUTE, NOW, START, a_dataset, an_instrument, same, some_bars

pytestmark = pytest.mark.django_db


@pytest.fixture
def live():
    """An empty live dataset of minutes."""
    an_instrument()
    return services.open_dataset(symbol="BTCUSD", timeframe="1m", source="stream", now=NOW)


def test_open_dataset__second_time__is_the_same(live) -> None:
    assert services.open_dataset(symbol="BTCUSD", timeframe="1m", source="stream", now=NOW) == live
    assert selectors.dataset(live).bar_count == 0
    assert selectors.closed_bars(live).open_ms.size == 0


def test_append_bars__one_by_one__equal_the_series(live) -> None:
    bars = some_bars(5)

    for place in range(5):
        assert services.append_bars(live, barstore.cut(bars, place, place + 1), now=NOW) == 1

    assert same(selectors.closed_bars(live), bars)
    assert selectors.dataset(live).last_open_ms == bars.open_ms[-1]


def test_append_bars__any_grouping__gives_the_same_fingerprint(live) -> None:
    bars = some_bars(5)
    services.append_bars(live, barstore.cut(bars, 0, 2), now=NOW)
    services.append_bars(live, barstore.cut(bars, 2, 5), now=NOW)
    other = services.open_dataset(symbol="BTCUSD", timeframe="1m", source="other", now=NOW)

    services.append_bars(other, bars, now=NOW)

    assert selectors.fingerprint(live) == selectors.fingerprint(other) != barstore.EMPTY_KEY


def test_append_bars__after_an_import__windows_reach_across_the_border() -> None:
    an_instrument()
    bars = some_bars(10)
    dataset_id = a_dataset(barstore.cut(bars, 0, 6))
    services.append_bars(dataset_id, barstore.cut(bars, 6, 10), now=NOW)

    assert same(selectors.closed_bars(dataset_id), bars)
    window = selectors.closed_bars(dataset_id, start_ms=START + 5 * MINUTE, end_ms=START + 8 * MINUTE)
    assert same(window, barstore.cut(bars, 5, 8))
    page = selectors.bars_page(dataset_id, start_ms=START + 8 * MINUTE)
    assert (page.start_row, page.bar_count) == (8, 2)


def test_append_bars__same_bar_again__changes_nothing(live) -> None:
    bars = some_bars(3)
    services.append_bars(live, bars, now=NOW)
    before = selectors.fingerprint(live)

    assert services.append_bars(live, bars, now=NOW) == 0
    assert selectors.fingerprint(live) == before


def test_append_bars__corrected_bar_in_the_tail__replaces_it_and_renames_the_data(live) -> None:
    bars = some_bars(3)
    services.append_bars(live, bars, now=NOW)
    before = selectors.fingerprint(live)
    corrected = bars._replace(volume=np.array([0.0, 99.0, 3.0]))

    assert services.append_bars(live, corrected, now=NOW) == 0

    assert same(selectors.closed_bars(live), corrected)
    assert selectors.fingerprint(live) != before


def test_append_bars__bar_that_was_skipped__is_out_of_order(live) -> None:
    bars = some_bars(3)
    keep = np.array([0, 2])
    services.append_bars(live, Series._make(column[keep] for column in bars), now=NOW)

    with pytest.raises(WrongState, match="out of order"):
        services.append_bars(live, barstore.cut(bars, 1, 2), now=NOW)

    assert selectors.dataset(live).bar_count == 2


def test_append_bars__bar_inside_a_sealed_chunk__is_refused() -> None:
    an_instrument()
    bars = some_bars(3)
    dataset_id = a_dataset(bars)

    with pytest.raises(WrongState, match="new import"):
        services.append_bars(dataset_id, barstore.cut(bars, 1, 2), now=NOW)


def test_append_bars__contradicting_and_unclosed_bars__all_faults(live) -> None:
    now = datetime(2020, 1, 1, 0, 2, 30, tzinfo=UTC)  # the bar of 00:02 is still open
    bars = some_bars(3)._replace(high=np.array([1.0, 200.0, 200.0]))

    with pytest.raises(InputError) as caught:
        services.append_bars(live, bars, now=now)

    assert {fault.code for fault in caught.value.faults} == {"high_below_low", "bar_not_closed"}
    assert not TailBar.objects.exists()


def test_append_bars__superseded_or_retired__is_refused() -> None:
    an_instrument()
    old = a_dataset(some_bars(3))
    new = a_dataset(some_bars(4))
    services.retire_dataset(new, now=NOW)

    for dataset_id in (old, new):
        with pytest.raises(WrongState, match="superseded or retired"):
            services.append_bars(dataset_id, some_bars(9), now=NOW)


def test_append_bars__chunk_is_full__is_sealed_and_nothing_is_lost(live) -> None:
    # Given all but two bars of a chunk
    bars = some_bars(32_768 + 3)
    services.append_bars(live, barstore.cut(bars, 0, 32_766), now=NOW)
    assert not BarChunk.objects.exists()

    # When the chunk fills up, and one more bar comes
    services.append_bars(live, barstore.cut(bars, 32_766, 32_770), now=NOW)
    row = Dataset.objects.get(id=live)

    # Then 32,768 bars are sealed, two wait in the tail, and readers see all of them
    assert (row.sealed_count, row.bar_count) == (32_768, 32_770)
    assert same(selectors.closed_bars(live), barstore.cut(bars, 0, 32_770))
    services.append_bars(live, barstore.cut(bars, 32_770, 32_771), now=NOW)
    assert same(selectors.closed_bars(live), bars)
    assert TailBar.objects.count() == 3
    assert selectors.stored_faults(live) == []


def test_append_bars__sealed_tail__has_the_same_chunk_as_an_import() -> None:
    an_instrument()
    bars = some_bars(32_768)
    live = services.open_dataset(symbol="BTCUSD", timeframe="1m", source="stream", now=NOW)

    services.append_bars(live, bars, now=NOW)

    assert selectors.fingerprint(live) == selectors.fingerprint(a_dataset(bars))
