"""Bars and instruments for tests: small, valid, and said in one line."""

import io
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import numpy as np

from engine.domain.values import Series
from marketdata import services

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MINUTE = 60_000
DAY = 86_400_000
START = 1_577_836_800_000  # 2020-01-01T00:00:00Z, a Wednesday
REAL = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "market"
NO_REAL_DATA = "the folder of real market data (../shared/data/market) is not here"


def an_instrument(symbol: str = "BTCUSD", **values) -> str:
    defaults = {
        "asset_class": "crypto",
        "calendar": "24/7",
        "price_tick": Decimal("0.01"),
        "qty_step": Decimal("0.001"),
    }
    return services.define_instrument(services.InstrumentDefinition(symbol=symbol, **{**defaults, **values}), now=NOW)


def an_equity(symbol: str = "ACME", **values) -> str:
    return an_instrument(symbol, asset_class="equity", calendar="XNYS", qty_step=Decimal(1), **values)


def some_bars(count: int, *, first_ms: int = START, step_ms: int = MINUTE) -> Series:
    """Rising minutes around 100, on the tick: close 100.00, 100.01, ... each bar one cent high and low of it."""
    close = (10_000 + np.arange(count) % 5_000) / 100
    cent = (10_000 + np.arange(count) % 5_000 + 1) / 100
    below = (10_000 + np.arange(count) % 5_000 - 1) / 100
    return Series(first_ms + step_ms * np.arange(count), close, cent, below, close, np.arange(count) * 1.5)


def as_csv(series: Series) -> io.BytesIO:
    lines = ["timestamp,open,high,low,close,volume"]
    lines += [",".join(map(repr, row)) for row in zip(*(column.tolist() for column in series), strict=True)]
    return io.BytesIO("\n".join(lines).encode())


def a_file(*rows: str, header: str = "timestamp,open,high,low,close,volume") -> io.BytesIO:
    return io.BytesIO("\n".join([header, *rows]).encode())


def a_dataset(series: Series, *, symbol: str = "BTCUSD", timeframe: str = "1m", source: str = "test", **values) -> UUID:
    request = services.ImportRequest(symbol=symbol, timeframe=timeframe, source=source, **values)
    return services.import_csv(as_csv(series), request, now=NOW)[0].dataset_id


def same(left: Series, right: Series) -> bool:
    """Bit-equal, column by column."""
    return all(a.tobytes() == b.tobytes() for a, b in zip(left, right, strict=True))
