"""The replay clocks: stored bars of a timeframe are published one timestamp after the other, as if they were live.

A clock moves by one UPDATE that names where it stood; whoever comes second changes nothing. Services called inside a
transaction join it, so that what follows from a move is written with it or not at all.
"""

from decimal import Decimal

from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Now

from engine.domain.errors import Fault, InputError, NotFound
from marketdata.models import ReplayClock
from marketdata.timeframes import TIMEFRAMES

SLOWEST = Decimal("0.1")
FASTEST = Decimal(1000)


def ensure(timeframe: str, *, bars_per_second: Decimal) -> None:
    """Make the clock of this timeframe unless there is one; a pace set by somebody stays.

    Raises: VALIDATION_ERROR for an unknown timeframe and a pace out of range.
    """
    faults = [*_timeframe_faults(timeframe), *_pace_faults(bars_per_second)]
    if faults:
        raise InputError("There can be no such replay clock.", faults=faults)
    clock = ReplayClock(timeframe=timeframe, bars_per_second=bars_per_second)
    ReplayClock.objects.bulk_create([clock], ignore_conflicts=True)


def advance(timeframe: str, *, epoch: int, from_ms: int | None, to_ms: int) -> bool:
    """Publish the bars that open at ``to_ms``; False if the clock is not at ``from_ms`` of ``epoch``, or is paused.

    Raises: ValueError when ``to_ms`` is not after ``from_ms``.
    """
    if from_ms is not None and to_ms <= from_ms:
        raise ValueError(f"A replay clock goes forward: {to_ms} is not after {from_ms}.")
    here = Q(now_ms__isnull=True) if from_ms is None else Q(now_ms=from_ms)
    running = ReplayClock.objects.filter(here, timeframe=timeframe, epoch=epoch, is_running=True)
    return bool(running.update(now_ms=to_ms, advanced_at=Now()))


def new_epoch(timeframe: str, *, epoch: int) -> bool:
    """End ``epoch`` and begin the next before its first bar; False if it has ended already, or is paused."""
    running = ReplayClock.objects.filter(timeframe=timeframe, epoch=epoch, is_running=True)
    return bool(running.update(epoch=F("epoch") + 1, now_ms=None, advanced_at=Now()))


def tell_open(timeframe: str, *, is_open: bool) -> bool:
    """Remember whether bars flow; True for the one caller who changed it and therefore tells others."""
    return bool(ReplayClock.objects.filter(timeframe=timeframe).exclude(is_open=is_open).update(is_open=is_open))


def pause(timeframe: str) -> None:
    """Publish no more bars of this timeframe. Raises: NOT_FOUND where it never ran."""
    _change(timeframe, is_running=False)


def resume(timeframe: str) -> None:
    """Go on where it was paused. Raises: NOT_FOUND where it never ran."""
    _change(timeframe, is_running=True)


def set_pace(timeframe: str, bars_per_second: Decimal) -> None:
    """At most so many timestamps a second, 0.1 to 1000; bots that need longer are waited for.

    Raises: VALIDATION_ERROR for a pace out of range; NOT_FOUND where the timeframe never ran.
    """
    if faults := _pace_faults(bars_per_second):
        raise InputError("The replay cannot have this pace.", faults=faults)
    _change(timeframe, bars_per_second=bars_per_second)


def _change(timeframe: str, **values: object) -> None:
    with transaction.atomic():
        if not ReplayClock.objects.filter(timeframe=timeframe).update(**values):
            raise NotFound(f"There is no replay of {timeframe}.")


def _timeframe_faults(timeframe: str) -> list[Fault]:
    if timeframe in TIMEFRAMES:
        return []
    message = f'timeframe is "{timeframe}", allowed {", ".join(TIMEFRAMES)}.'
    return [Fault("unknown_timeframe", "/timeframe", message, allowed=TIMEFRAMES, got=timeframe)]


def _pace_faults(bars_per_second: Decimal) -> list[Fault]:
    in_range = bars_per_second.is_finite() and SLOWEST <= bars_per_second <= FASTEST
    # Three decimals are what the row holds; a finer value would be rounded silently.
    if in_range and bars_per_second == bars_per_second.quantize(Decimal("0.001")):
        return []
    message = f"bars_per_second is {bars_per_second}, must be {SLOWEST} to {FASTEST} with at most 3 decimals."
    return [Fault("out_of_range", "/bars_per_second", message, allowed=["0.1", "1000"], got=str(bars_per_second))]
