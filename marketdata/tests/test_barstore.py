"""Bars survive the way into PostgreSQL, into the cache and back, bit by bit."""

import subprocess
import sys

import numpy as np
import pytest
from django.db import DatabaseError, connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.domain.values import Series
from marketdata import barstore, selectors
from marketdata.errors import BarsCorrupted
from marketdata.models import BarChunk, Dataset
from marketdata.tests.builders import MINUTE, START, a_dataset, an_instrument, same, some_bars

pytestmark = pytest.mark.django_db


def test_closed_bars__series_of_three_chunks__comes_back_bit_equal() -> None:
    an_instrument()
    bars = some_bars(2 * 32_768 + 5)  # two full chunks and five bars

    dataset_id = a_dataset(bars)

    assert same(selectors.closed_bars(dataset_id), bars)
    assert list(BarChunk.objects.order_by("ordinal").values_list("count", flat=True)) == [32_768, 32_768, 5]


@pytest.mark.parametrize("count", [1, 32_767, 32_768, 32_769])
def test_closed_bars__series_ends_at_a_chunk_border__nothing_is_lost(count: int) -> None:
    an_instrument()
    bars = some_bars(count)

    dataset_id = a_dataset(bars)

    assert same(selectors.closed_bars(dataset_id), bars)


def test_closed_bars__arrays__cannot_be_written_to() -> None:
    an_instrument()
    series = selectors.closed_bars(a_dataset(some_bars(3)))

    for column in series:
        with pytest.raises(ValueError, match="read-only"):
            column[0] = 1


def test_closed_bars__window__starts_included_and_ends_excluded() -> None:
    an_instrument()
    dataset_id = a_dataset(some_bars(10))

    window = selectors.closed_bars(dataset_id, start_ms=START + 2 * MINUTE, end_ms=START + 5 * MINUTE)

    # Bars 2, 3, 4: the bar that opens at the end belongs to the next window, else a live window would look ahead.
    assert ((window.open_ms - START) // MINUTE).tolist() == [2, 3, 4]


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (None, START, []),  # ends where the first bar opens
        (None, START + 1, [0]),
        (START + 1, None, [1, 2]),  # a millisecond late: the bar is gone
        (START + 3 * MINUTE, None, []),
        (START + 2 * MINUTE, START + MINUTE, []),  # end before start: empty, never negative
    ],
)
def test_closed_bars__window_edges__no_bar_too_many(start: int | None, end: int | None, expected: list[int]) -> None:
    an_instrument()
    window = selectors.closed_bars(a_dataset(some_bars(3)), start_ms=start, end_ms=end)

    assert ((window.open_ms - START) // MINUTE).tolist() == expected


def test_closed_bars__chunk_tampered_with__is_refused_and_named() -> None:
    # Given bars of which one price was changed behind everybody's back
    an_instrument()
    dataset_id = a_dataset(some_bars(10))
    damage = "UPDATE marketdata_barchunk SET close = set_byte(close, 3, (get_byte(close, 3) + 1) % 256)"
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # a table with deferred checks pending cannot be altered
        cursor.execute("ALTER TABLE marketdata_barchunk DISABLE TRIGGER chunk_is_sealed")
        cursor.execute(damage)
        cursor.execute("ALTER TABLE marketdata_barchunk ENABLE TRIGGER chunk_is_sealed")

    # Then the cache is not filled with them, and the check names the chunk
    with pytest.raises(BarsCorrupted, match="chunk 0"):
        selectors.closed_bars(dataset_id)
    assert "chunk 0" in selectors.stored_faults(dataset_id)[0]


@pytest.mark.parametrize("attempt", ["UPDATE marketdata_barchunk SET count = 1", "DELETE FROM marketdata_barchunk"])
def test_bar_chunk__somebody_changes_or_deletes_it__database_refuses(attempt: str) -> None:
    an_instrument()
    a_dataset(some_bars(10))

    with pytest.raises(DatabaseError, match="sealed"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(attempt)


def test_cache__file_cut_short__is_filled_again() -> None:
    an_instrument()
    bars = some_bars(100)
    dataset_id = a_dataset(bars)
    selectors.closed_bars(dataset_id)
    barstore._opened.cache_clear()
    file = barstore.cache_folder(selectors.fingerprint(dataset_id)) / "close.npy"
    file.write_bytes(file.read_bytes()[:-8])

    assert same(selectors.closed_bars(dataset_id), bars)


def test_cache__file_with_another_price__is_found_by_verification() -> None:
    an_instrument()
    dataset_id = a_dataset(some_bars(100))
    selectors.closed_bars(dataset_id)
    assert selectors.stored_faults(dataset_id) == []
    barstore._opened.cache_clear()
    file = barstore.cache_folder(selectors.fingerprint(dataset_id)) / "close.npy"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)

    assert "differs" in selectors.stored_faults(dataset_id)[0]


def test_cache__filling_fails__leaves_nothing_behind(data_dir) -> None:
    an_instrument()
    dataset_id = a_dataset(some_bars(10))
    Dataset.objects.update(sealed_count=9)  # the row contradicts its chunks

    with pytest.raises(BarsCorrupted):
        selectors.closed_bars(dataset_id)

    assert list((data_dir / "bars").iterdir()) == []


def test_cache__another_process_was_first__its_folder_stays_and_ours_goes(data_dir) -> None:
    # Given a folder that appeared after this process had found none
    an_instrument()
    bars = some_bars(10)
    dataset_id = a_dataset(bars)
    selectors.closed_bars(dataset_id)
    key = selectors.fingerprint(dataset_id)
    theirs = barstore.cache_folder(key).stat().st_ino

    barstore._fill(barstore.cache_folder(key), dataset_id, key=key, count=10)

    assert [folder.name for folder in (data_dir / "bars").iterdir()] == [key]
    assert barstore.cache_folder(key).stat().st_ino == theirs
    assert same(selectors.closed_bars(dataset_id), bars)


FILL = """
import sys, django
django.setup()
from django.conf import settings
from django.db import connection
from pathlib import Path
connection.settings_dict["NAME"], settings.DATA_DIR = sys.argv[1], Path(sys.argv[2])
from marketdata import selectors
sys.stdin.readline()
print(selectors.closed_bars(sys.argv[3]).close.sum())
"""


@pytest.mark.django_db(transaction=True)
def test_cache__three_processes_fill_it_at_once__all_read_the_same_and_one_folder_stays(data_dir) -> None:
    # Given three processes that wait for the same starting shot
    an_instrument()
    bars = some_bars(40_000)
    dataset_id = a_dataset(bars)
    name = connection.settings_dict["NAME"]
    command = [sys.executable, "-c", FILL, str(name), str(data_dir), str(dataset_id)]
    readers = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(3)]

    # When all fill the cache
    for reader in readers:
        reader.stdin.write("go\n")
        reader.stdin.flush()
    sums = [float(reader.communicate(timeout=60)[0]) for reader in readers]

    # Then each read all bars, and no half-built folder is left
    assert sums == [bars.close.sum()] * 3
    assert [folder.name for folder in (data_dir / "bars").iterdir()] == [selectors.fingerprint(dataset_id)]


prices = st.floats(min_value=1e-9, max_value=1e14, allow_nan=False)


@given(st.lists(st.tuples(st.integers(1, 10**9), st.lists(prices, min_size=4, max_size=4), prices), max_size=60))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_store_then_load__any_valid_series__is_bit_equal(rows: list) -> None:
    open_ms = np.cumsum([step for step, _, _ in rows], dtype=np.int64) if rows else np.empty(0, np.int64)
    four = np.array([sorted(values) for _, values, _ in rows]).reshape(-1, 4)
    volume = np.array([value for _, _, value in rows])
    series = barstore.as_series(open_ms, four[:, 1], four[:, 3], four[:, 0], four[:, 2], volume)

    with transaction.atomic():
        dataset_id = _bare_dataset(series)
        loaded = barstore.sealed(dataset_id, key=Dataset.objects.get().sealed_key, count=len(rows))
        assert same(loaded, series)
        transaction.set_rollback(True)


def _bare_dataset(series: Series):
    from marketdata import services
    from marketdata.tests.builders import NOW

    an_instrument()
    dataset_id = services.open_dataset(symbol="BTCUSD", timeframe="1m", source="test", now=NOW)
    key = barstore.sealed_key(barstore.write(dataset_id, series))
    Dataset.objects.filter(id=dataset_id).update(sealed_key=key)
    return dataset_id
