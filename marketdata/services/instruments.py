"""Defining what is traded, and the rules a venue has for it."""

import re
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import transaction

from engine.domain.errors import Fault, InputError, WrongState
from marketdata import calendars
from marketdata.models import SYMBOL_PATTERN, AssetClass, Instrument

LARGEST = Decimal(10) ** 15


@dataclass(frozen=True, kw_only=True)
class InstrumentDefinition:
    """An instrument as asked for. ``price_tick`` and ``qty_step`` > 0, each or its inverse whole; see the model."""

    symbol: str
    asset_class: str
    calendar: str
    name: str = ""
    currency: str = "USD"
    price_tick: Decimal = Decimal("0.01")
    qty_step: Decimal = Decimal(1)
    min_qty: Decimal = Decimal(0)
    min_notional: Decimal = Decimal(0)
    max_leverage: Decimal = Decimal(1)
    is_tradable: bool = True
    filters_known: bool = True


def define_instrument(definition: InstrumentDefinition, *, now: datetime) -> str:
    """Define the instrument, or change the one of that symbol; its symbol.

    Raises: VALIDATION_ERROR with every fault; WRONG_STATE when stored bars would no longer lie on the tick.
    """
    if faults := _value_faults(definition):
        raise InputError("The instrument cannot be defined.", faults=faults)
    values = {name: value for name, value in vars(definition).items() if name != "symbol"} | {"updated_at": now}
    with transaction.atomic():
        row = Instrument.objects.select_for_update().filter(symbol=definition.symbol).first()
        if row is None:
            Instrument.objects.create(symbol=definition.symbol, created_at=now, **values)
        else:
            if faults := _tick_faults(row, definition.price_tick):
                raise WrongState("The instrument has bars.", faults=faults)
            Instrument.objects.filter(pk=row.pk).update(**values)
    return definition.symbol


def instrument_faults(definition: InstrumentDefinition) -> list[Fault]:
    """Why ``define_instrument`` would refuse; empty when it would not."""
    faults = _value_faults(definition)
    row = Instrument.objects.filter(symbol=definition.symbol).first()
    return faults or (_tick_faults(row, definition.price_tick) if row else [])


def _tick_faults(row: Instrument, price_tick: Decimal) -> list[Fault]:
    if not row.price_tick % price_tick or not row.datasets.exists():
        return []
    message = (
        f"price_tick of {row.symbol} is {row.price_tick.normalize():f} and its bars lie on it; "
        f"{price_tick.normalize():f} does not divide it. Choose a finer tick."
    )
    return [Fault("tick_would_break_bars", "/price_tick", message, got=str(price_tick))]


def _value_faults(definition: InstrumentDefinition) -> list[Fault]:
    faults = [
        *_choice_fault("asset_class", definition.asset_class, AssetClass.values),
        *_choice_fault("calendar", definition.calendar, list(calendars.ZONES)),
        *_step_faults("price_tick", definition.price_tick),
        *_step_faults("qty_step", definition.qty_step),
        *_number_faults("min_qty", definition.min_qty, least=Decimal(0)),
        *_number_faults("min_notional", definition.min_notional, least=Decimal(0)),
        *_number_faults("max_leverage", definition.max_leverage, least=Decimal(1)),
    ]
    if not re.fullmatch(SYMBOL_PATTERN, definition.symbol):
        message = f'symbol "{definition.symbol}" must be 1-32 of A-Z, 0-9, ".", "/", "_", "-", first a letter or digit.'
        faults.append(Fault("invalid_symbol", "/symbol", message, got=definition.symbol))
    if not re.fullmatch(r"[A-Z0-9]{2,8}", definition.currency):
        message = f'currency "{definition.currency}" must be 2-8 capital letters or digits, such as USD.'
        faults.append(Fault("invalid_currency", "/currency", message, got=definition.currency))
    if len(definition.name) > 120:
        message = f"name has {len(definition.name)} characters, allowed 120."
        faults.append(Fault("too_long", "/name", message, allowed=120))
    return faults


def _choice_fault(field: str, value: str, allowed: list[str]) -> list[Fault]:
    if value in allowed:
        return []
    message = f'{field} is "{value}", allowed {", ".join(allowed)}.'
    return [Fault(f"unknown_{field}", f"/{field}", message, allowed=allowed, got=value)]


def _step_faults(field: str, value: Decimal) -> list[Fault]:
    if not value.is_finite() or not 0 < value < LARGEST or _too_fine(value):
        message = f"{field} is {value}, must be above 0 with at most 9 decimals."
        return [Fault("out_of_range", f"/{field}", message, got=str(value))]
    if value % 1 and 1 % value:
        message = f"{field} is {value}; it or 1/{field} must be a whole number, as 5, 0.25 or 0.01 are."
        return [Fault("step_not_whole", f"/{field}", message, got=str(value))]
    return []


def _number_faults(field: str, value: Decimal, *, least: Decimal) -> list[Fault]:
    if value.is_finite() and least <= value < LARGEST and not _too_fine(value):
        return []
    message = f"{field} is {value}, must be {least} or more with at most 9 decimals."
    return [Fault("out_of_range", f"/{field}", message, got=str(value))]


def _too_fine(value: Decimal) -> bool:
    return value != value.quantize(Decimal("1e-9"))
