"""Trading days: New York's with daylight saving, UTC's for crypto, and forex's that turns at 17:00."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketdata import calendars


def ms(*parts: int) -> int:
    return int(datetime(*parts, tzinfo=UTC).timestamp() * 1000)


def days(calendar: str, *opens: int, timeframe: str | None = None) -> list[str]:
    found = calendars.trading_days(np.array(opens), calendar, timeframe=timeframe)
    assert found.dtype == np.int32
    return [date.fromordinal(int(day) + date(1970, 1, 1).toordinal()).isoformat() for day in found]


def test_trading_days__daily_bars_stamped_midnight_utc__keep_their_session_date() -> None:
    assert days("XNYS", ms(2020, 1, 2), ms(2020, 7, 2)) == ["2020-01-02", "2020-07-02"]


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (ms(2020, 1, 3, 4, 59), "2020-01-02"),  # 23:59 in New York, winter
        (ms(2020, 1, 3, 5, 0), "2020-01-03"),
        (ms(2020, 7, 3, 3, 59), "2020-07-02"),  # 23:59 in New York, summer
        (ms(2020, 7, 3, 4, 0), "2020-07-03"),
        (ms(2020, 3, 9, 4, 0), "2020-03-09"),  # the first midnight after the clocks went forward on the 8th
        (ms(2006, 4, 3, 4, 0), "2006-04-03"),  # until 2006 they went in April
    ],
)
def test_trading_days__intraday_in_new_york__turn_at_midnight_there(at: int, expected: str) -> None:
    assert days("XNYS", at, timeframe="1m") == [expected]


def test_trading_days__crypto__turns_at_midnight_utc() -> None:
    assert days("24/7", ms(2020, 1, 2, 23, 59), ms(2020, 1, 3, 0, 0), timeframe="1m") == ["2020-01-02", "2020-01-03"]


def test_trading_days__forex__turns_at_five_in_new_york() -> None:
    # 17:00 in New York is 22:00 UTC in winter.
    assert days("24/5", ms(2020, 1, 6, 21, 59), ms(2020, 1, 6, 22, 0), timeframe="1h") == ["2020-01-06", "2020-01-07"]


def test_trading_days__no_bars__no_days() -> None:
    assert days("XNYS") == []


def test_offsets__every_half_hour_of_a_year__equals_what_zoneinfo_says() -> None:
    zone = ZoneInfo("America/New_York")
    instants = np.arange(ms(2020, 1, 1), ms(2021, 1, 1), 1_800_000)
    expected = [
        datetime.fromtimestamp(at / 1000, UTC).astimezone(zone).utcoffset().total_seconds() * 1000
        for at in instants.tolist()
    ]

    assert calendars.offsets_ms(instants, "America/New_York").tolist() == expected


@given(st.lists(st.integers(ms(1990, 1, 1), ms(2030, 1, 1)), min_size=1, max_size=30))
@settings(deadline=None)
def test_offsets__any_instants__equal_what_zoneinfo_says_one_by_one(instants: list[int]) -> None:
    zone = ZoneInfo("America/New_York")
    expected = [
        datetime.fromtimestamp(at / 1000, UTC).astimezone(zone).utcoffset().total_seconds() * 1000 for at in instants
    ]

    assert calendars.offsets_ms(np.array(instants), "America/New_York").tolist() == expected


def _ms(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


@pytest.mark.parametrize(
    ("closes", "is_inside"),
    [
        # In winter New York is five hours behind UTC: 9:30 is 14:30Z. A fixed offset is right here ...
        ("2024-03-08T14:29:00+00:00", False),
        ("2024-03-08T14:30:00+00:00", True),
        ("2024-03-08T17:00:00+00:00", True),
        ("2024-03-08T17:01:00+00:00", False),
        # ... and wrong from 10 March 2024 on, when the clocks go forward: 9:30 is 13:30Z, noon 16:00Z.
        ("2024-03-11T13:29:00+00:00", False),
        ("2024-03-11T13:30:00+00:00", True),
        ("2024-03-11T16:00:00+00:00", True),
        ("2024-03-11T16:01:00+00:00", False),
        # They go back on 3 November 2024.
        ("2024-11-01T13:30:00+00:00", True),
        ("2024-11-04T13:30:00+00:00", False),
        ("2024-11-04T14:30:00+00:00", True),
    ],
)
def test_inside_window__around_the_change_of_clocks__follows_new_york(closes: str, is_inside: bool) -> None:
    # Given a window from 9:30 to 12:00, both included, and the one-minute bar that closes then
    opens = np.array([_ms(closes) - 60_000], np.int64)
    assert calendars.inside_window(opens, (9 * 60 + 30, 12 * 60), timeframe="1m").tolist() == [is_inside]


def test_inside_window__bars_of_a_day__are_always_inside() -> None:
    assert calendars.inside_window(np.array([0], np.int64), (600, 601), timeframe="1d").tolist() == [True]
