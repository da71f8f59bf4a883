"""Imports as a whole: the sample, revisions, factors, and what a backtest may use."""

import sys
from datetime import UTC, datetime
from io import BytesIO

import numpy as np
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from engine.domain.errors import InputError, WrongState
from marketdata import barstore, selectors, services
from marketdata.models import BarChunk, Dataset, Instrument
from marketdata.tests.builders import (
    DAY,
    MINUTE,
    NOW,
    START,
    a_dataset,
    a_file,
    an_equity,
    an_instrument,
    same,
    some_bars,
)  # fmt: skip

pytestmark = pytest.mark.django_db


def day_ms(year: int, month: int, day: int) -> int:
    return int(datetime(year, month, day, tzinfo=UTC).timestamp() * 1000)


def test_import_samples__fresh_platform__has_four_adjusted_series() -> None:
    imported = services.import_samples(NOW)

    assert all(found.is_new for found in imported)
    infos = {info.symbol: info for info in selectors.datasets()}
    # 2000-03-01 to 2013-03-01; Google went public on 2004-08-19.
    assert {symbol: info.bar_count for symbol, info in infos.items()} == {
        "AAPL": 3_270, "GOOG": 2_148, "IBM": 3_270, "MSFT": 3_270,
    }  # fmt: skip
    assert {info.adjustment for info in infos.values()} == {"adjusted"}
    assert infos["AAPL"].first_open_ms == day_ms(2000, 3, 1)
    assert infos["GOOG"].first_open_ms == day_ms(2004, 8, 19)
    assert all(info.last_open_ms == day_ms(2013, 3, 1) for info in infos.values())


def test_import_samples__first_apple_bar__is_the_raw_one_times_adjusted_over_close() -> None:
    services.import_samples(NOW)
    bars = selectors.closed_bars(selectors.default_dataset("AAPL", "1d").id)

    # Raw 2000-03-01: 118.56, 132.06, 118.50, 130.31, adjusted close 4.186662803811, volume 9,616,100.
    # Factor 4.186662803811 / 130.31 = 0.03212848441: to a hundredth of a cent:
    assert [column[0] for column in bars[1:5]] == [3.8092, 4.2429, 3.8072, 4.1867]
    assert bars.volume[0] == 299_301_389  # 9,616,100 / 0.03212848441 = 299,301,388.65


def test_import_samples__two_for_one_split_of_2005__is_no_crash() -> None:
    services.import_samples(NOW)
    bars = selectors.closed_bars(selectors.default_dataset("AAPL", "1d").id)
    split = int(np.searchsorted(bars.open_ms, day_ms(2005, 2, 28)))

    # Raw: close 88.99 on the 25th, open 44.68 on the 28th; adjusted it opens within 2 % of the last close.
    assert abs(bars.open[split] / bars.close[split - 1] - 1) < 0.02
    assert selectors.dataset(selectors.default_dataset("AAPL", "1d").id).marks == ()


def test_import_samples__prices__lie_on_the_tick_with_the_high_on_top() -> None:
    services.import_samples(NOW)
    for info in selectors.datasets():
        bars = selectors.closed_bars(info.id)
        for column in bars[1:5]:
            assert np.array_equal(column, np.round(column * 10_000) / 10_000)
        assert np.all(bars.low <= np.minimum(bars.open, bars.close))
        assert np.all(bars.high >= np.maximum(bars.open, bars.close))


def test_import_samples__second_time__changes_nothing_and_loads_no_pandas() -> None:
    first = services.import_samples(NOW)
    modules = set(sys.modules)

    second = services.import_samples(NOW)

    assert [found.dataset_id for found in second] == [found.dataset_id for found in first]
    assert not any(found.is_new for found in second)
    assert Dataset.objects.count() == 4
    assert set(sys.modules) - modules == set()


def test_import_samples__one_was_retired__stays_retired_at_the_next_start() -> None:
    services.import_samples(NOW)
    services.retire_dataset(selectors.default_dataset("IBM", "1d").id, now=NOW)

    assert not any(found.is_new for found in services.import_samples(NOW))
    assert selectors.default_dataset("IBM", "1d") is None


def test_import_csv__same_file_after_live_bars__is_the_same_dataset() -> None:
    an_instrument()
    bars = some_bars(5)
    dataset_id = a_dataset(barstore.cut(bars, 0, 4))
    services.append_bars(dataset_id, barstore.cut(bars, 4, 5), now=NOW)

    assert a_dataset(barstore.cut(bars, 0, 4)) == dataset_id
    assert selectors.dataset(dataset_id).bar_count == 5


def test_import_csv__same_file_again__is_the_same_dataset() -> None:
    an_instrument()

    assert a_dataset(some_bars(5)) == a_dataset(some_bars(5))
    assert BarChunk.objects.count() == 1


def test_import_csv__corrected_file__is_a_new_revision_and_the_old_stays_readable() -> None:
    an_instrument()
    old_bars = some_bars(5)
    old = a_dataset(old_bars)

    new = a_dataset(some_bars(6))

    assert selectors.dataset(new).revision == 2
    assert [info.id for info in selectors.datasets()] == [new]
    assert not selectors.dataset(old).is_current
    assert same(selectors.closed_bars(old), old_bars)
    assert selectors.default_dataset("BTCUSD", "1m").id == new


def test_import_csv__two_sources_of_one_symbol__are_two_datasets() -> None:
    an_instrument()

    a_dataset(some_bars(5), source="one")
    longer = a_dataset(some_bars(6), source="two")

    assert len(selectors.datasets(symbol="btcusd")) == 2
    assert selectors.default_dataset("BTCUSD", "1m").id == longer


FACTORS = "date,price_factor,split_factor,reference_price\n20200103,0.9,0.5,100\n20200106,0.9,1,50\n20501231,1,1,0\n"
SPLIT_ROWS = [
    f"{START + DAY},100,102,98,100,7",
    f"{START + 2 * DAY},100,102,98,100,8",
    f"{START + 5 * DAY},50,51,49,50,10",
    f"{START + 6 * DAY},50,51,49,50,10",
]


def a_split_import() -> list[services.Imported]:
    """Thursday the 2nd, Friday the 3rd, a 2:1 split over the weekend, Monday the 6th, Tuesday the 7th."""
    an_equity()
    request = services.ImportRequest(symbol="ACME", timeframe="1d", source="test", factors=BytesIO(FACTORS.encode()))
    return services.import_csv(a_file(*SPLIT_ROWS), request, now=NOW)


def test_import_csv__with_factors__stores_raw_and_adjusted() -> None:
    raw, adjusted = a_split_import()

    # Up to the 3rd 0.9 * 0.5, on the 6th 0.9 * 1, from the 7th on nothing; volume over the split factor.
    assert selectors.closed_bars(raw.dataset_id).close.tolist() == [100, 100, 50, 50]
    assert selectors.closed_bars(adjusted.dataset_id).close.tolist() == [45, 45, 45, 50]
    assert selectors.closed_bars(adjusted.dataset_id).volume.tolist() == [14, 16, 10, 10]
    assert selectors.dataset(raw.dataset_id).marks == ("unadjusted_split_suspected",)
    assert selectors.dataset(adjusted.dataset_id).marks == ()
    assert selectors.default_dataset("ACME", "1d").id == adjusted.dataset_id


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("", "no_rows"),
        ("20200103,0.9\n", "unparseable_row"),
        ("20200103,0,1,1\n", "factor_out_of_range"),
        ("20200103,1,1,1\n20200102,1,1,1\n", "out_of_order"),
    ],
)
def test_import_csv__bad_factor_file__is_refused(content: str, code: str) -> None:
    an_equity()
    request = services.ImportRequest(symbol="ACME", timeframe="1d", source="test", factors=BytesIO(content.encode()))

    with pytest.raises(InputError) as caught:
        services.import_csv(a_file(*SPLIT_ROWS), request, now=NOW)

    assert [fault.code for fault in caught.value.faults] == [code]
    assert not Dataset.objects.exists()


def test_backtest_faults__raw_bars_across_a_suspected_split__are_refused_unless_the_window_avoids_it() -> None:
    raw, adjusted = a_split_import()
    split_ms = START + 5 * DAY

    across = selectors.backtest_faults([raw.dataset_id, adjusted.dataset_id], None, None)

    assert [(fault.code, fault.pointer) for fault in across] == [("unadjusted_split_suspected", "/datasets/0")]
    assert "2020-01-06 (2:1)" in across[0].message
    assert selectors.backtest_faults([raw.dataset_id], None, split_ms) == []
    assert selectors.backtest_faults([raw.dataset_id], split_ms, None) == []


def test_backtest_faults__everything_wrong__is_named_together() -> None:
    an_instrument()
    dataset_id = a_dataset(some_bars(5))
    unknown = "00000000-0000-0000-0000-000000000001"

    faults = selectors.backtest_faults([dataset_id, unknown, "no-uuid"], START + DAY, None)

    assert [fault.code for fault in faults] == ["no_bars_in_window", "unknown_dataset", "unknown_dataset"]
    assert selectors.backtest_faults([dataset_id], 10, 10)[0].code == "end_before_start"


def test_backtest_faults__many_datasets__take_one_query() -> None:
    an_instrument()
    found = [a_dataset(some_bars(5), source=f"s{i}") for i in range(4)]

    with CaptureQueriesContext(connection) as queries:
        assert selectors.backtest_faults(found, None, None) == []

    assert len(queries) == 1


def test_default_datasets__many_symbols__take_one_query() -> None:
    services.import_samples(NOW)

    with CaptureQueriesContext(connection) as queries:
        found = selectors.default_datasets(["AAPL", "IBM", "NOPE"], "1d")

    assert set(found) == {"AAPL", "IBM"}
    assert len(queries) == 1


def test_define_instrument__every_field_wrong__all_faults_and_nothing_stored() -> None:
    from decimal import Decimal

    definition = services.InstrumentDefinition(
        symbol="bad symbol", asset_class="tulips", calendar="MOON", currency="usd", price_tick=Decimal("0.03"),
        qty_step=Decimal(0), min_qty=Decimal(-1), max_leverage=Decimal("0.5"), min_notional=Decimal("1e-10"),
    )  # fmt: skip

    with pytest.raises(InputError) as caught:
        services.define_instrument(definition, now=NOW)

    assert {fault.pointer for fault in caught.value.faults} == {
        "/symbol", "/asset_class", "/calendar", "/currency", "/price_tick", "/qty_step", "/min_qty", "/max_leverage",
        "/min_notional",
    }  # fmt: skip
    assert not Instrument.objects.exists()


def test_define_instrument__coarser_tick_under_stored_bars__is_refused() -> None:
    from decimal import Decimal

    an_instrument()
    a_dataset(some_bars(5))

    an_instrument(price_tick=Decimal("0.001"))  # finer: every stored price still lies on it
    with pytest.raises(WrongState, match="does not divide"):
        an_instrument(price_tick=Decimal("0.01"))


def test_instruments__floats__are_the_nearest_to_the_rows_decimals() -> None:
    from decimal import Decimal

    an_instrument(price_tick=Decimal("0.00000001"))

    assert selectors.instruments(["BTCUSD", "NOPE"])["BTCUSD"].price_tick == 1e-8
    assert set(selectors.instruments(["BTCUSD", "NOPE"])) == {"BTCUSD"}


def test_bars_page__more_bars_than_points__merges_them_exactly() -> None:
    an_instrument()
    bars = some_bars(10)
    page = selectors.bars_page(a_dataset(bars), max_points=4)

    # Ten bars on at most four points: three each, the last point one bar.
    assert page.bars_per_point == 3
    assert ((page.series.open_ms - START) // MINUTE).tolist() == [0, 3, 6, 9]
    assert page.series.open.tolist() == bars.open[[0, 3, 6, 9]].tolist()
    assert page.series.close.tolist() == bars.close[[2, 5, 8, 9]].tolist()
    assert page.series.high.tolist() == bars.high[[2, 5, 8, 9]].tolist()  # prices rise
    assert page.series.low.tolist() == bars.low[[0, 3, 6, 9]].tolist()
    assert page.series.volume.tolist() == [4.5, 18.0, 31.5, 13.5]  # 0+1.5+3, 4.5+6+7.5, 9+10.5+12, 13.5


def test_coverage__gap_of_two_minutes__is_counted() -> None:
    an_instrument()
    bars = some_bars(5)
    keep = np.array([0, 1, 4])

    found = selectors.coverage(a_dataset(type(bars)(*(column[keep] for column in bars))))

    assert found == (START, START + 4 * MINUTE, 3, 2, 0)
