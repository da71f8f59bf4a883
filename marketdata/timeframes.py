"""The lengths a bar may have, by the names the trading parameters use."""

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS

# A month has no fixed length: 31 days is the time after which any month's bar is surely closed.
DURATION_MS: dict[str, int] = {
    "1m": MINUTE_MS,
    "3m": 3 * MINUTE_MS,
    "5m": 5 * MINUTE_MS,
    "15m": 15 * MINUTE_MS,
    "30m": 30 * MINUTE_MS,
    "1h": HOUR_MS,
    "2h": 2 * HOUR_MS,
    "4h": 4 * HOUR_MS,
    "6h": 6 * HOUR_MS,
    "8h": 8 * HOUR_MS,
    "12h": 12 * HOUR_MS,
    "1d": DAY_MS,
    "3d": 3 * DAY_MS,
    "1w": 7 * DAY_MS,
    "1M": 31 * DAY_MS,
}
TIMEFRAMES: tuple[str, ...] = tuple(DURATION_MS)


def is_session_based(timeframe: str) -> bool:
    """True from one day upwards: such a bar is stamped 00:00Z of its (first) session date, which is no instant."""
    return DURATION_MS[timeframe] >= DAY_MS
