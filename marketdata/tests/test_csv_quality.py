"""What a CSV file may contain, and what each fault in it is called."""

import gzip
import io
from datetime import UTC, datetime

import numpy as np
import pytest

from engine.domain.errors import InputError
from marketdata import selectors, services
from marketdata.models import BarChunk, Dataset
from marketdata.providers import CsvFile
from marketdata.tests.builders import DAY, MINUTE, NOW, START, a_dataset, a_file, an_equity, an_instrument, some_bars

pytestmark = pytest.mark.django_db
GOOD = "2020-01-01T00:00:00Z,10,12,9,11,5"


def faults_of(file: io.BytesIO, *, timeframe: str = "1m", **values) -> list[tuple[str, str]]:
    """(code, place) of each fault an import finds; nothing may have been stored."""
    an_instrument()
    request = services.ImportRequest(symbol="BTCUSD", timeframe=timeframe, source="test", **values)
    with pytest.raises(InputError) as caught:
        services.import_csv(file, request, now=NOW)
    assert not Dataset.objects.exists()
    assert not BarChunk.objects.exists()
    return [(fault.code, fault.pointer) for fault in caught.value.faults]


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ("2020-01-01T00:01:00Z,10,12,9,nan,5", "not_finite"),
        ("2020-01-01T00:01:00Z,10,inf,9,11,5", "not_finite"),
        ("2020-01-01T00:01:00Z,10,12,0,11,5", "price_out_of_range"),
        ("2020-01-01T00:01:00Z,10,12,-9,11,5", "price_out_of_range"),
        ("2020-01-01T00:01:00Z,10,9,12,11,5", "high_below_low"),
        ("2020-01-01T00:01:00Z,13,12,9,11,5", "open_outside_range"),
        ("2020-01-01T00:01:00Z,10,12,9,8,5", "close_outside_range"),
        ("2020-01-01T00:01:00Z,10,12,9,11,-5", "negative_volume"),
        ("2020-01-01T00:00:00Z,10,12,9,11,5", "duplicate_timestamp"),
        ("2019-12-31T23:59:00Z,10,12,9,11,5", "out_of_order"),
        ("2026-01-01T00:01:00Z,10,12,9,11,5", "future_timestamp"),
        ("2025-12-31T23:59:30Z,10,12,9,11,5", "bar_not_closed"),
        ("2020-01-01T00:01:00,10,12,9,11,5", "naive_timestamp"),
        ("yesterday,10,12,9,11,5", "unparseable_timestamp"),
        ("2020-01-01T00:01:00Z,10,twelve,9,11,5", "unparseable_number"),
        ("2020-01-01T00:01:00Z,10,,9,11,5", "missing_value"),
        ("2020-01-01T00:01:00Z,10,12,9,11", "unparseable_row"),
        ("2020-01-01T00:01:00Z,0.004,0.004,0.004,0.004,1", "price_below_tick"),
    ],
)
def test_import_csv__one_bad_row__is_named_by_code_and_line_and_nothing_is_stored(row: str, code: str) -> None:
    # The header is line 1, the good bar line 2, the bad one line 3.
    assert faults_of(a_file(GOOD, row)) == [(code, "/file/rows/3")]


def test_import_csv__comments_and_blank_lines__are_skipped_and_lines_still_count() -> None:
    file = io.BytesIO(f"# from somewhere\n\ntimestamp,open,high,low,close,volume\n# note\n{GOOD}\n{GOOD}\n".encode())

    assert faults_of(file) == [("duplicate_timestamp", "/file/rows/6")]


def test_import_csv__several_faults__all_are_reported_together() -> None:
    file = a_file(GOOD, "2020-01-01T00:01:00Z,10,9,12,11,-1", "junk,10,12,9,11,5", "2019-01-01T00:00:00Z,10,12,9,99,5")

    assert set(faults_of(file)) == {
        ("unparseable_timestamp", "/file/rows/4"),
        ("high_below_low", "/file/rows/3"),
        ("negative_volume", "/file/rows/3"),
        ("close_outside_range", "/file/rows/5"),
        ("out_of_order", "/file/rows/5"),
    }


def test_import_csv__thousands_of_bad_rows__first_fifty_and_a_count() -> None:
    an_instrument()
    rows = [f"{START + i * MINUTE},10,12,9,nan,5" for i in range(2_000)]
    request = services.ImportRequest(symbol="BTCUSD", timeframe="1m", source="test")

    with pytest.raises(InputError) as caught:
        services.import_csv(a_file(*rows), request, now=NOW)

    faults = caught.value.faults
    assert len(faults) == 51  # fifty rows, and one that counts the other 1,950
    assert faults[-1].message == "1950 more rows have not_finite; 2000 in all."


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "no_rows"),
        (b"timestamp,open,high,low,close,volume\n", "no_rows"),
        (b"timestamp,open,high,low,close\n", "missing_column"),
        (b"\x1f\x8b broken gzip", "unreadable_file"),
        (b"timestamp,open,high,low,close,volume\n\xff\xfe\x00\x01,1,1,1,1,1\n", "unreadable_file"),
        (b'timestamp,open,high,low,close,volume\n"2020,1,1,1,1,1\n', "unreadable_file"),
    ],
)
def test_import_csv__unreadable_file__says_so(content: bytes, code: str) -> None:
    assert [found for found, _ in faults_of(io.BytesIO(content))] == [code]


def test_import_csv__request_and_file_both_wrong__faults_of_both() -> None:
    request = services.ImportRequest(symbol="NOPE", timeframe="1m", source="Bad Source", adjustment="half")

    with pytest.raises(InputError) as caught:
        services.import_csv(a_file("2020-01-01T00:00:00Z,10,9,12,11,5"), request, now=NOW)

    codes = {fault.code for fault in caught.value.faults}
    assert codes == {"unknown_symbol", "invalid_source", "unknown_adjustment", "high_below_low"}


def test_import_csv__unknown_timeframe_and_zone__both_are_named() -> None:
    an_instrument()
    request = services.ImportRequest(symbol="BTCUSD", timeframe="7m", source="test", timezone="Mars/Olympus")

    with pytest.raises(InputError) as caught:
        services.import_csv(a_file(GOOD), request, now=NOW)

    assert {fault.code for fault in caught.value.faults} == {"unknown_timeframe", "unknown_timezone"}


def read(file: io.BytesIO, *, timeframe: str = "1m", timezone: str | None = None) -> list[int]:
    reading = CsvFile(file, timezone=timezone).read(timeframe=timeframe)
    assert reading.faults == ()
    return reading.series.open_ms.tolist()


@pytest.mark.parametrize(
    "stamp",
    [
        "2020-01-01T00:00:00Z",
        "2020-01-01 00:00:00+00:00",
        "2019-12-31T19:00:00-05:00",
        "2020-01-01T00:00:00.000Z",
        "1577836800",
        "1577836800.0",
        "1577836800000",
    ],
)
def test_timestamps__same_instant_in_many_spellings__is_one_instant(stamp: str) -> None:
    assert read(a_file(f"{stamp},10,12,9,11,5")) == [START]


def test_timestamps__naive_with_zone_given__are_read_there_with_daylight_saving() -> None:
    rows = ["2020-01-02 09:30:00,10,12,9,11,5", "2020-07-02 09:30:00,10,12,9,11,5"]

    opens = read(a_file(*rows), timezone="America/New_York")

    # 09:30 in New York is 14:30 UTC in winter and 13:30 UTC in summer.
    assert opens == [
        int(datetime(2020, 1, 2, 14, 30, tzinfo=UTC).timestamp() * 1000),
        int(datetime(2020, 7, 2, 13, 30, tzinfo=UTC).timestamp() * 1000),
    ]


@pytest.mark.parametrize("stamp", ["2020-01-01", "20200101", "2020-01-01 00:00:00"])
def test_timestamps__plain_date_of_a_daily_bar__is_its_session_date(stamp: str) -> None:
    assert read(a_file(f"{stamp},10,12,9,11,5"), timeframe="1d") == [START]


@pytest.mark.parametrize(
    "header", ["t,o,h,l,c,v", "Date,Open,High,Low,Close,Volume", "extra,time,open,high,low,close,vol"]
)
def test_header__aliases_any_case_and_extra_columns__are_understood(header: str) -> None:
    row = GOOD if not header.startswith("extra") else f"x,{GOOD}"

    series = CsvFile(a_file(row, header=header)).read(timeframe="1m").series

    assert [column[0] for column in series] == [START, 10, 12, 9, 11, 5]


def test_header__byte_order_mark_and_gzip__make_no_difference() -> None:
    plain = ("\ufeff" + f"timestamp,open,high,low,close,volume\r\n{GOOD}\r\n").encode()

    assert read(io.BytesIO(plain)) == read(io.BytesIO(gzip.compress(plain))) == [START]


def warnings_of(dataset_id) -> dict:
    return {found["code"]: found for found in selectors.quality_report(dataset_id)["warnings"]}


def test_quality__minutes_missing__are_counted_as_gaps() -> None:
    an_instrument()
    bars = some_bars(10)
    keep = np.array([0, 1, 2, 5, 6, 9])  # minutes 3, 4 and 7, 8 are missing

    found = warnings_of(a_dataset(type(bars)(*(column[keep] for column in bars))))

    assert found["gap"]["count"] == 2
    assert found["gap"]["missing_bars"] == 4
    assert found["gap"]["longest_missing_bars"] == 2
    assert found["gap"]["examples"][0]["at"] == "2020-01-01T00:02:00Z"


def test_quality__exchange_day_missing_and_holiday_traded__are_both_named() -> None:
    an_equity()
    # 2020-01-02 and 03 were sessions, 06 to 08 too; January 1st was a holiday.
    days = [0, 1, 2, 5, 7]  # Wed 1st (holiday), Thu 2nd, Fri 3rd, Mon 6th, Wed 8th: Tuesday the 7th is missing
    rows = [f"{START + day * DAY},10,12,9,11,5" for day in days]
    request = services.ImportRequest(symbol="ACME", timeframe="1d", source="test")

    found = warnings_of(services.import_csv(a_file(*rows), request, now=NOW)[0].dataset_id)

    assert [example["at"][:10] for example in found["missing_session"]["examples"]] == ["2020-01-07"]
    assert [example["at"][:10] for example in found["unexpected_session"]["examples"]] == ["2020-01-01"]


def test_quality__forex_weekend__is_no_gap() -> None:
    an_instrument("EURUSD", asset_class="forex", calendar="24/5")
    friday = int(datetime(2020, 1, 3, 21, tzinfo=UTC).timestamp() * 1000)
    sunday = int(datetime(2020, 1, 5, 22, tzinfo=UTC).timestamp() * 1000)
    rows = [f"{stamp},1.1,1.2,1.0,1.1,0" for stamp in (friday, sunday, sunday + 3 * 60 * MINUTE)]
    request = services.ImportRequest(symbol="EURUSD", timeframe="1h", source="test")

    found = warnings_of(services.import_csv(a_file(*rows), request, now=NOW)[0].dataset_id)

    assert found["gap"]["count"] == 1  # the two hours missing on Monday, not the weekend
    assert found["gap"]["missing_bars"] == 2
    assert found["zero_volume"]["count"] == 3


def test_quality__price_there_and_back_in_one_bar__is_a_spike_and_one_that_stays_a_jump() -> None:
    an_instrument()
    closes = [100, 100, 200, 100, 100, 150, 150]
    rows = [f"{START + i * MINUTE},{c},{c},{c},{c},1" for i, c in enumerate(closes)]
    request = services.ImportRequest(symbol="BTCUSD", timeframe="1m", source="test")

    found = warnings_of(services.import_csv(a_file(*rows), request, now=NOW)[0].dataset_id)

    assert [example["at"] for example in found["spike"]["examples"]] == ["2020-01-01T00:02:00Z"]
    assert [example["at"] for example in found["price_jump"]["examples"]] == ["2020-01-01T00:05:00Z"]


def test_quality__first_print_at_twice_the_price__is_a_spike_and_no_split() -> None:
    # IBM on 2002-12-23: the open is wrong, the close is back where it was.
    an_equity()
    rows = [f"{START + DAY},79.4,80.78,78.74,79.82,7", f"{START + 2 * DAY},159.58,159.58,79.44,80.46,5"]
    request = services.ImportRequest(symbol="ACME", timeframe="1d", source="test")

    dataset_id = services.import_csv(a_file(*rows), request, now=NOW)[0].dataset_id

    assert selectors.dataset(dataset_id).marks == ()
    assert warnings_of(dataset_id)["spike"]["count"] == 1


@pytest.mark.parametrize(
    ("close", "opens", "suspected"),
    [
        (100.0, 50.0, True),  # 2:1
        (101.25, 50.5, True),  # Apple, 2000-06-21: 2.005
        (645.57, 92.7, True),  # Apple, 2014-06-09: 6.964 of 7
        (10.0, 20.0, True),  # 1:2, a reverse split
        (53.5, 28.19, False),  # Apple's crash of 2000-09-29: 1.898 is 5.1 % from 2
        (100.0, 75.0, False),  # 1.33: not beyond 35 %
    ],
)
def test_quality__overnight_ratio__is_suspected_of_a_split_only_near_a_simple_one(
    close: float, opens: float, suspected: bool
) -> None:
    an_equity()
    rows = [f"{START + DAY},{close},{close},{close},{close},1", f"{START + 2 * DAY},{opens},{opens},{opens},{opens},1"]
    request = services.ImportRequest(symbol="ACME", timeframe="1d", source="test")

    info = selectors.dataset(services.import_csv(a_file(*rows), request, now=NOW)[0].dataset_id)

    assert (info.marks == ("unadjusted_split_suspected",)) is suspected


def test_import_csv__prices_off_the_tick__are_rounded_and_counted() -> None:
    an_instrument()
    request = services.ImportRequest(symbol="BTCUSD", timeframe="1m", source="test")
    dataset_id = services.import_csv(a_file(f"{START},10.004,12.006,9.25,11,5"), request, now=NOW)[0].dataset_id

    series = selectors.closed_bars(dataset_id)

    # 10.004 -> 10.00, 12.006 -> 12.01; the other two lie on the cent.
    assert [series.open[0], series.high[0], series.low[0], series.close[0]] == [10.0, 12.01, 9.25, 11.0]
    assert selectors.quality_report(dataset_id)["rounding"]["prices"] == 2
