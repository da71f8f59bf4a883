"""How trades did, as figures: pure functions over sums and counts, exact in decimals.

Closed trades are those with a profit or loss; one of exactly zero is neither won nor lost, and counts
among the closed. ``docs/bots.md`` defines each figure.
"""

from collections.abc import Iterable
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import NamedTuple

NO_LOSSES = Decimal("999.99")
"""The profit factor of gains without a loss, which no division gives."""
_ZERO = Decimal(0)
_HUNDRED = Decimal(100)


class Tally(NamedTuple):
    """What is summed over a set of trades. ``losses`` is zero or negative; best and worst None: none is closed."""

    trades: int = 0
    closed: int = 0
    winning: int = 0
    losing: int = 0
    pnl: Decimal = _ZERO
    gains: Decimal = _ZERO
    losses: Decimal = _ZERO
    best: Decimal | None = None
    worst: Decimal | None = None


class Day(NamedTuple):
    """What the trades closed on one UTC date made, and what all had made by then."""

    date: date
    pnl: Decimal
    cumulative_pnl: Decimal


def win_rate(*, winning: int, closed: int) -> Decimal:
    """Percent of the closed trades that won, to one place; 0 while none is closed."""
    return _rounded(_HUNDRED * winning / closed, "0.1") if closed else _ZERO


def profit_factor(*, gains: Decimal, losses: Decimal) -> Decimal:
    """Gains over losses (zero or negative), to two places; 999.99 without losses, 0 without either."""
    if losses:
        return _rounded(gains / abs(losses), "0.01")
    return NO_LOSSES if gains else _ZERO


def mean(total: Decimal, count: int) -> Decimal:
    """The average; 0 of nothing."""
    return total / count if count else _ZERO


def percent(part: Decimal, whole: Decimal) -> Decimal:
    """``part`` of ``whole`` in percent, to two places; 0 of nothing."""
    return _rounded(_HUNDRED * part / whole, "0.01") if whole else _ZERO


def profit_loss_pct(*, profit_loss: Decimal | None, price: Decimal, quantity: Decimal, side: str) -> Decimal | None:
    """What a trade made, in percent of what its entry cost, to four places; None for an entry.

    What a long exit got, less its profit, is what the entry cost; a short exit pays, so there its
    profit comes on top.
    """
    if profit_loss is None:
        return None
    paid = price * quantity
    cost = paid - profit_loss if side == "long" else paid + profit_loss
    return _rounded(_HUNDRED * profit_loss / cost, "0.0001") if cost > 0 else None


def cumulated(days: Iterable[tuple[date, Decimal]]) -> list[Day]:
    """Each day with the running total; ``days`` in order of time."""
    made: list[Day] = []
    total = _ZERO
    for day, pnl in days:
        total += pnl
        made.append(Day(day, pnl, total))
    return made


def _rounded(value: Decimal, places: str) -> Decimal:
    return value.quantize(Decimal(places), rounding=ROUND_HALF_UP)
