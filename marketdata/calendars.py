"""Which trading day a bar belongs to, computed on arrays without pandas.

Calendars are exchange codes ("XNYS"), "24/7" (days of UTC) and "24/5" (forex: the day turns at 17:00 in New York).
"""

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from engine.domain.values import Ints
from marketdata.timeframes import DAY_MS, DURATION_MS, HOUR_MS, MINUTE_MS, is_session_based

ALWAYS = "24/7"
FOREX = "24/5"
ZONES: dict[str, str] = {
    ALWAYS: "UTC",
    FOREX: "America/New_York",
    "XNYS": "America/New_York",
    "XNAS": "America/New_York",
    "XASE": "America/New_York",
    "XTSE": "America/Toronto",
    "XLON": "Europe/London",
    "XETR": "Europe/Berlin",
    "XPAR": "Europe/Paris",
    "XAMS": "Europe/Amsterdam",
    "XSWX": "Europe/Zurich",
    "XTKS": "Asia/Tokyo",
    "XHKG": "Asia/Hong_Kong",
    "XASX": "Australia/Sydney",
}
# The documented windows are New York's, for every symbol.
WINDOW_ZONE = "America/New_York"
FOREX_ROLL_MS = 7 * HOUR_MS
_EPOCH_DATE = date(1970, 1, 1)


def trading_days(open_ms: Ints, calendar: str, *, timeframe: str | None = None) -> NDArray[np.int32]:
    """The trading day of each bar as days since 1970-01-01 of its session date, int32.

    Bars of a day or more are stamped 00:00Z of their session date and keep that date; intraday bars take the date at
    the exchange. Without ``timeframe``, bars that all open at 00:00Z are taken for daily ones.
    """
    dated = is_session_based(timeframe) if timeframe else not np.any(open_ms % DAY_MS)
    if dated or calendar == ALWAYS or not open_ms.size:
        return (open_ms // DAY_MS).astype(np.int32)
    local_ms = open_ms + offsets_ms(open_ms, ZONES[calendar])
    if calendar == FOREX:
        local_ms = local_ms + FOREX_ROLL_MS
    return (local_ms // DAY_MS).astype(np.int32)


def inside_window(open_ms: Ints, window: tuple[int, int], *, timeframe: str) -> NDArray[np.bool_]:
    """Which bars close between two minutes of the day in New York, both included, daylight saving minded.

    Bars of a day or more have no time of day: they are always inside.
    """
    if is_session_based(timeframe) or not open_ms.size:
        return np.ones(open_ms.size, np.bool_)
    close_ms = open_ms + DURATION_MS[timeframe]
    minute = (close_ms + offsets_ms(close_ms, WINDOW_ZONE)) % DAY_MS // MINUTE_MS
    return (minute >= window[0]) & (minute <= window[1])


def offsets_ms(at_ms: Ints, zone: str) -> Ints:
    """What to add to each UTC instant to read a wall clock in ``zone``."""
    starts, offsets = _transitions(zone, int(at_ms.min() // DAY_MS), int(at_ms.max() // DAY_MS))
    found: Ints = offsets[np.searchsorted(starts, at_ms, side="right") - 1]
    return found


@lru_cache(maxsize=64)
def _transitions(zone: str, first_day: int, last_day: int) -> tuple[Ints, Ints]:
    """Instants from which an offset holds, and the offsets. No zone changes twice within a week."""
    clock, week = ZoneInfo(zone), 7 * DAY_MS
    starts, offsets = [first_day * DAY_MS], [_offset_ms(clock, first_day * DAY_MS)]
    for left in range(first_day * DAY_MS, (last_day + 1) * DAY_MS, week):
        after = _offset_ms(clock, left + week)
        if after != offsets[-1]:
            starts.append(_change_between(clock, left, left + week))
            offsets.append(after)
    return np.array(starts, np.int64), np.array(offsets, np.int64)


def _change_between(clock: ZoneInfo, left_ms: int, right_ms: int) -> int:
    before = _offset_ms(clock, left_ms)
    while right_ms - left_ms > MINUTE_MS:
        middle = (left_ms + right_ms) // 2 // MINUTE_MS * MINUTE_MS
        left_ms, right_ms = (middle, right_ms) if _offset_ms(clock, middle) == before else (left_ms, middle)
    return right_ms


def _offset_ms(clock: ZoneInfo, at_ms: int) -> int:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at_ms)
    offset = moment.astimezone(clock).utcoffset() or timedelta()
    return int(offset.total_seconds() * 1000)


def sessions(calendar: str, first_day: int, last_day: int) -> Ints:
    """The exchange's session dates between two days, both included, as days since 1970-01-01.

    Loads pandas (through exchange_calendars): for imports and workers only.
    """
    first, last = (_EPOCH_DATE + timedelta(days=day) for day in (first_day, last_day))
    days = _sessions(calendar, first.year // 10 * 10, last.year // 10 * 10 + 9)
    return days[(days >= first_day) & (days <= last_day)]


@lru_cache(maxsize=32)
def _sessions(calendar: str, first_year: int, last_year: int) -> Ints:
    """Whole decades, so that the imports of one batch share what takes a third of a second to build."""
    import exchange_calendars  # type: ignore[import-untyped]  # noqa: PLC0415 (see above; it ships no types)

    earliest = {"XTKS": "1997-01-01", "XHKG": "1960-01-01"}.get(calendar, "")  # before, the library knows nothing
    start = max(f"{first_year}-01-01", earliest)
    found = exchange_calendars.get_calendar(calendar, start=start, end=f"{last_year}-12-31").sessions
    days: Ints = found.values.astype("datetime64[D]").astype(np.int64)
    return days
