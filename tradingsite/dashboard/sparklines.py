"""A value over time as a line of steps, drawn by the server: the page needs no script for it."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final, NamedTuple

from configuration.selectors import Point

WIDTH: Final = 720
HEIGHT: Final = 72
_MARGIN: Final = 8


class Dot(NamedTuple):
    """One decision on the line."""

    x: float
    y: float
    version: int
    created_at: datetime
    value: Any


class Sparkline(NamedTuple):
    """``path``: of an SVG of WIDTH by HEIGHT. ``low`` and ``high``: the least and the greatest value."""

    path: str
    dots: list[Dot]
    low: Decimal
    high: Decimal
    first: datetime


def step_line(points: Sequence[Point], *, until: datetime) -> Sparkline | None:
    """Each value held until the next was decided, the last one until now; None where nothing can be drawn."""
    numbers = [number(point.value) for point in points]
    known = [value for value in numbers if value is not None]
    if len(known) < len(points) or not known:
        return None
    start = points[0].created_at
    span = max((until - start).total_seconds(), 1.0)
    low, high = min(known), max(known)
    dots = [
        Dot(_x(point.created_at, start, span), _y(value, low, high), point.version, point.created_at, point.value)
        for point, value in zip(points, known, strict=True)
    ]
    path = f"M{dots[0].x:g} {dots[0].y:g}" + "".join(f"H{dot.x:g}V{dot.y:g}" for dot in dots[1:])
    return Sparkline(f"{path}H{WIDTH - _MARGIN}", dots, low, high, start)


def number(value: Any) -> Decimal | None:
    """The value as a number; None where it is none. Money is stored as text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return Decimal(str(value))
    except InvalidOperation:
        return None


def _x(at: datetime, start: datetime, span: float) -> float:
    # A clock that was set back must not draw outside.
    share = min(max((at - start).total_seconds() / span, 0.0), 1.0)
    return round(_MARGIN + share * (WIDTH - 2 * _MARGIN), 1)


def _y(value: Decimal, low: Decimal, high: Decimal) -> float:
    share = float((value - low) / (high - low)) if high > low else 0.5
    return round(HEIGHT - _MARGIN - share * (HEIGHT - 2 * _MARGIN), 1)
