"""From packed records to rows people read: the only conversion.

Floats become Decimals here, once: prices, quantities and fees are on ticks and steps, so the
shortest text that names the float is the decimal it stands for; sums are told to nine decimals.
"""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from backtests.records import Records
from engine import indicators
from engine.domain import reasons
from engine.domain.enums import Action, ExitCause, Leg, OrderType, Side, Target

_PLACES = 9
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def at(moment_ms: int) -> datetime:
    """UTC milliseconds as a datetime."""
    return _EPOCH + timedelta(milliseconds=int(moment_ms))


def decimal(value: float) -> Decimal | None:
    """The decimal a float stands for, to nine places; None for "not set" (NaN) and the infinite."""
    if not math.isfinite(value):
        return None
    found = Decimal(repr(round(float(value), _PLACES)))
    return found.quantize(Decimal(1)) if found == found.to_integral_value() else found.normalize()


class OrderRow(NamedTuple):
    """What was asked of the venue. ``qty`` None: ``spend`` money instead."""

    row: int
    at: datetime
    symbol: str
    side: str
    leg: str
    action: str
    order_type: str
    is_entry: bool
    qty: Decimal | None
    spend: Decimal | None
    limit_price: Decimal | None
    stop_price: Decimal | None


class FillRow(NamedTuple):
    """What was got. ``realised`` is this fill's, before fees; ``remaining`` its order's."""

    row: int
    at: datetime
    symbol: str
    side: str
    leg: str
    action: str
    is_entry: bool
    qty: Decimal | None
    price: Decimal | None
    fee: Decimal | None
    realised: Decimal | None
    remaining: Decimal | None


class TripRow(NamedTuple):
    """A round trip, entry to flat. ``pnl`` after fees; ``pnl_percent`` of what the entry cost."""

    symbol: str
    side: str
    cause: str
    entry_row: int
    exit_row: int
    entry_at: datetime
    exit_at: datetime
    qty: Decimal | None
    entry_price: Decimal | None
    exit_price: Decimal | None
    fees: Decimal | None
    pnl: Decimal | None
    pnl_percent: Decimal | None


class DecisionRow(NamedTuple):
    """What was decided, refused or heard of on one row, and what was held after its fills."""

    row: int
    at: datetime
    symbol: str
    signal: str
    target: tuple[str, ...]
    reason: str
    sentence: str
    votes: Mapping[str, str]
    confidence: float
    fills: int
    orders: int
    price: Decimal | None
    equity: Decimal | None
    long_qty: Decimal | None
    short_qty: Decimal | None


def order_rows(records: Records, symbols: Sequence[str]) -> list[OrderRow]:
    """Packed orders as rows."""
    return [
        OrderRow(
            row=int(one["row"]),
            at=at(one["open_ms"]),
            symbol=symbols[one["symbol"]],
            side=_word(Side, one["side"]),
            leg=_word(Leg, one["leg"]),
            action=_word(Action, one["action"]),
            order_type=_word(OrderType, one["order_type"]),
            is_entry=bool(one["is_entry"]),
            qty=None if one["spend"] > 0 else decimal(one["qty"]),
            spend=decimal(one["spend"]) if one["spend"] > 0 else None,
            limit_price=_price(one["limit_price"]),
            stop_price=_price(one["stop_price"]),
        )
        for one in records
    ]


def fill_rows(records: Records, symbols: Sequence[str]) -> list[FillRow]:
    """Packed fills as rows."""
    return [
        FillRow(
            row=int(one["row"]),
            at=at(one["open_ms"]),
            symbol=symbols[one["symbol"]],
            side=_word(Side, one["side"]),
            leg=_word(Leg, one["leg"]),
            action=_word(Action, one["action"]),
            is_entry=bool(one["is_entry"]),
            qty=decimal(one["qty"]),
            price=decimal(one["price"]),
            fee=decimal(one["fee"]),
            realised=decimal(one["realised"]),
            remaining=decimal(one["remaining"]),
        )
        for one in records
    ]


def trip_rows(records: Records, symbols: Sequence[str]) -> list[TripRow]:
    """Packed round trips as rows."""
    return [
        TripRow(
            symbol=symbols[one["symbol"]],
            side=_word(Side, one["side"]),
            cause=_word(ExitCause, one["cause"]),
            entry_row=int(one["entry_row"]),
            exit_row=int(one["exit_row"]),
            entry_at=at(one["entry_ms"]),
            exit_at=at(one["exit_ms"]),
            qty=decimal(one["qty"]),
            entry_price=decimal(one["entry_price"]),
            exit_price=decimal(one["exit_price"]),
            fees=decimal(one["fees"]),
            pnl=decimal(one["pnl"]),
            pnl_percent=decimal(round(100 * one["pnl"] / (one["qty"] * one["entry_price"]), 4)),
        )
        for one in records
    ]


def decision_rows(records: Records, symbols: Sequence[str]) -> list[DecisionRow]:
    """Packed decisions as rows, each reason with its sentence."""
    return [
        DecisionRow(
            row=int(one["row"]),
            at=at(one["open_ms"]),
            symbol=symbols[one["symbol"]],
            signal=_word(Action, one["signal"]),
            target=tuple(bit.name.lower() for bit in Target if bit and int(one["target"]) & bit),
            reason=reasons.code(int(one["reason"])),
            sentence=reasons.sentence(int(one["reason"])),
            votes=indicators.unpack_votes(int(one["votes"])),
            confidence=float(one["confidence"]),
            fills=int(one["fills"]),
            orders=int(one["orders"]),
            price=decimal(one["price"]),
            equity=decimal(one["equity"]),
            long_qty=decimal(one["long_qty"]),
            short_qty=decimal(one["short_qty"]),
        )
        for one in records
    ]


def stored_metrics(metrics: NamedTuple) -> dict[str, str | int | None]:
    """Metrics for a jsonb column: numbers as text, so that nothing is rounded twice; counts stay whole."""
    return {name: _stored(value) for name, value in metrics._asdict().items()}


def _stored(value: Any) -> str | int | None:
    if value is None or isinstance(value, int):
        return value
    found = decimal(value)
    return None if found is None else format(found, "f")


def _price(value: float) -> Decimal | None:
    """0 stands for "has none" in the price columns of orders."""
    return decimal(value) if value > 0 else None


def _word(words: Any, value: Any) -> str:
    name: str = words(int(value)).name
    return name.lower()
