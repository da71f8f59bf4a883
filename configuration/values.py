"""Is this a legal value of that parameter? Every fault is collected; legal values get one form.

The form is what is stored, hashed and compared: int, float (an int given for a float becomes one),
bool, str, a decimal as plain text without trailing zeros, a list, a map of floats, or None.
"""

import math
import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any, Final, NamedTuple

from engine.domain.declarations import Parameter
from engine.domain.errors import Fault

DECIMAL_PLACES: Final = 9
"""Money is stored as numeric(24, 9): more places could not be kept."""

NONE: Final = "none"
"""How a person writes a list without names, where that is allowed."""

_RANGE: Final = re.compile(r"-?\d+ to -?\d+")


class Judged(NamedTuple):
    """The value in its stored form, and what is wrong with it. With faults the value means nothing."""

    value: Any
    faults: tuple[Fault, ...] = ()


def judge(parameter: Parameter, raw: Any, *, pointer: str) -> Judged:
    """The stored form of ``raw``, or every fault found in it.

    Codes: invalid_type, not_finite, out_of_range, not_a_step, not_a_choice, unknown_key, empty,
    duplicate, too_few, too_many.
    A wrong type ends the checks of that value.
    """
    if raw is None:
        return Judged(None) if parameter.nullable else _wrong_type(parameter, raw, pointer)
    return _JUDGES[parameter.kind](parameter, raw, pointer)


def from_text(parameter: Parameter, text: str, *, pointer: str) -> Judged:
    """As ``judge``, for a value that arrives as text: an environment variable or a form field."""
    try:
        return judge(parameter, _READERS[parameter.kind](text.strip()), pointer=pointer)
    except (ValueError, KeyError):
        return _wrong_type(parameter, text, pointer)


def read(parameter: Parameter, text: str) -> Any:
    """What a text says in the notation of ``shown``, not judged; the text itself where it says nothing."""
    try:
        return _READERS[parameter.kind](text.strip())
    except (ValueError, KeyError):
        return text


def _number(parameter: Parameter, raw: Any, pointer: str) -> Judged:
    # A bool is an int to Python; "leverage: true" is a mistake all the same.
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        return _wrong_type(parameter, raw, pointer)
    if isinstance(raw, float) and not math.isfinite(raw):
        return Judged(None, (_not_finite(parameter.name, raw, pointer),))
    faults = _range_faults(parameter, raw, pointer) or _step_faults(parameter, raw, pointer)
    # An int too large for a float is always out of range where a maximum is declared.
    return Judged(None, faults) if faults else Judged(float(raw) + 0.0)  # + 0.0: no negative zero


def _integer(parameter: Parameter, raw: Any, pointer: str) -> Judged:
    if isinstance(raw, float) and not math.isfinite(raw):
        return Judged(None, (_not_finite(parameter.name, raw, pointer),))
    if isinstance(raw, bool) or not isinstance(raw, int):
        return _wrong_type(parameter, raw, pointer)
    return Judged(raw, _range_faults(parameter, raw, pointer) or _step_faults(parameter, raw, pointer))


def _decimal(parameter: Parameter, raw: Any, pointer: str) -> Judged:
    if isinstance(raw, bool) or not isinstance(raw, int | float | str | Decimal):
        return _wrong_type(parameter, raw, pointer)
    try:
        number = Decimal(str(raw).strip())
    except InvalidOperation:
        return _wrong_type(parameter, raw, pointer)
    if not number.is_finite():
        return Judged(None, (_not_finite(parameter.name, raw, pointer),))
    faults = (
        _range_faults(parameter, number, pointer)
        or _places_faults(parameter, number, pointer)
        or _step_faults(parameter, number, pointer)
    )
    return Judged(None, faults) if faults else Judged(format(number.normalize(), "f"))


def _boolean(parameter: Parameter, raw: Any, pointer: str) -> Judged:
    return Judged(raw) if isinstance(raw, bool) else _wrong_type(parameter, raw, pointer)


def _text(parameter: Parameter, raw: Any, pointer: str) -> Judged:
    if not isinstance(raw, str):
        return _wrong_type(parameter, raw, pointer)
    if not raw.strip():
        return Judged(None, (Fault("empty", pointer, f"{parameter.name} must not be blank.", None, raw),))
    return Judged(raw, _choice_faults(parameter, raw, pointer))


def _names(parameter: Parameter, raw: Any, pointer: str) -> Judged:
    if not isinstance(raw, list | tuple):
        return _wrong_type(parameter, raw, pointer)
    faults = list(_length_faults(parameter, len(raw), pointer))
    for index, item in enumerate(raw):
        at = f"{pointer}/{index}"
        if not isinstance(item, str):
            faults.append(Fault("invalid_type", at, f"{parameter.name} holds names, not {item!r}.", "str", item))
        elif item in raw[:index]:
            faults.append(Fault("duplicate", at, f"{parameter.name} names {item[:60]} twice.", None, item))
        elif not item.strip():
            faults.append(Fault("empty", at, f"{parameter.name} holds a blank name.", None, item))
        else:
            faults += _choice_faults(parameter, item, at)
    return Judged(list(raw), tuple(faults))


def _map(parameter: Parameter, raw: Any, pointer: str) -> Judged:
    if not isinstance(raw, dict):
        return _wrong_type(parameter, raw, pointer)
    faults: list[Fault] = []
    values: dict[str, Any] = {}
    for key, item in raw.items():
        at = f"{pointer}/{_escaped(str(key))}"
        faults += _key_faults(parameter, key, at)
        judged = _number(parameter._replace(name=f"{parameter.name}[{key}]", kind="float"), item, at)
        faults += judged.faults
        values[str(key)] = judged.value
    return Judged(values, tuple(faults))


_JUDGES: Final[dict[str, Callable[[Parameter, Any, str], Judged]]] = {
    "int": _integer,
    "float": _number,
    "decimal": _decimal,
    "bool": _boolean,
    "str": _text,
    "list": _names,
    "map": _map,
}


def _pairs(text: str) -> dict[str, float]:
    """``1h=1.0, 4h=1.2`` or one pair per line."""
    pairs: dict[str, float] = {}
    for part in filter(None, (piece.strip() for piece in text.replace("\n", ",").split(","))):
        key, separator, number = part.partition("=")
        if not separator or key.strip() in pairs:
            raise ValueError(part)
        pairs[key.strip()] = float(number)
    return pairs


_READERS: Final[dict[str, Callable[[str], Any]]] = {
    "int": int,
    "float": float,
    "decimal": str,
    "bool": {"true": True, "false": False}.__getitem__,
    "str": str,
    "list": lambda text: [] if text == NONE else [piece.strip() for piece in text.split(",") if piece.strip()],
    "map": _pairs,
}


def shown(value: Any) -> str:
    """A value as a person reads it, in the notation ``from_text`` reads."""
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return ", ".join(f"{key}={number!r}" for key, number in value.items())
    if isinstance(value, list):
        return ", ".join(value) or NONE
    return repr(value) if isinstance(value, float) else str(value)


def limits(parameter: Parameter) -> str:
    """The range of a number as a person reads it: "1-125 x"."""
    low, high = parameter.minimum, parameter.maximum
    if low is not None and high is not None:
        said = f"{_plain(low)}{' to ' if low < 0 else '-'}{_plain(high)}"
    elif low is not None:
        said = f"at least {_plain(low)}"
    else:
        said = "any number" if high is None else f"at most {_plain(high)}"
    is_range = _RANGE.fullmatch(parameter.unit) is not None  # "0.5-1 0 to 1" would say it twice
    return said if is_range else f"{said} {parameter.unit}".strip()


def _range_faults(parameter: Parameter, number: int | float | Decimal, pointer: str) -> tuple[Fault, ...]:
    low, high = parameter.minimum, parameter.maximum
    # Decimal(repr()): 0.01 as declared, not the binary number nearest to it.
    exact = Decimal(repr(number)) if isinstance(number, float) else Decimal(number)
    if (low is None or exact >= Decimal(repr(low))) and (high is None or exact <= Decimal(repr(high))):
        if high is None and isinstance(number, int) and number > 2**1000:
            return (_not_finite(parameter.name, "an integer of over 300 digits", pointer),)
        return ()
    message = f"{parameter.name} is {_brief(number)}, allowed {limits(parameter)}."
    return (Fault("out_of_range", pointer, message, {"minimum": low, "maximum": high}, _brief_json(number)),)


def _places_faults(parameter: Parameter, number: Decimal, pointer: str) -> tuple[Fault, ...]:
    exponent = number.normalize().as_tuple().exponent
    if isinstance(exponent, int) and exponent >= -DECIMAL_PLACES:
        return ()
    message = f"{parameter.name} has more than {DECIMAL_PLACES} decimal places."
    return (Fault("out_of_range", pointer, message, {"decimal_places": DECIMAL_PLACES}, str(number)),)


def _step_faults(parameter: Parameter, number: int | float | Decimal, pointer: str) -> tuple[Fault, ...]:
    if parameter.step is None:
        return ()
    # Fractions: exact whatever the size, where a decimal's remainder would run out of digits.
    exact = Fraction(repr(number)) if isinstance(number, float) else Fraction(number)
    if (exact / Fraction(repr(parameter.step))).denominator == 1:
        return ()
    step = _plain(parameter.step)
    message = f"{parameter.name} is {_brief(number)}, allowed whole multiples of {step} {parameter.unit}".strip() + "."
    return (Fault("not_a_step", pointer, message, {"step": parameter.step}, _brief_json(number)),)


def _length_faults(parameter: Parameter, length: int, pointer: str) -> tuple[Fault, ...]:
    least = 1 if parameter.minimum is None else int(parameter.minimum)
    if length == 0 < least:
        return (Fault("empty", pointer, f"{parameter.name} must name at least {_counted(least)}.", None, []),)
    if length < least:
        message = f"{parameter.name} names {_counted(length)}, allowed at least {least}."
        return (Fault("too_few", pointer, message, {"minimum": least}, length),)
    if parameter.maximum is not None and length > parameter.maximum:
        message = f"{parameter.name} names {_counted(length)}, allowed at most {_plain(parameter.maximum)}."
        return (Fault("too_many", pointer, message, {"maximum": parameter.maximum}, length),)
    return ()


def _counted(number: int) -> str:
    return "one" if number == 1 else str(number)


def _choice_faults(parameter: Parameter, item: str, pointer: str) -> tuple[Fault, ...]:
    if not parameter.choices or item in parameter.choices:
        return ()
    allowed = list(parameter.choices)
    message = f"{parameter.name} is {item[:60]!r}, allowed {', '.join(allowed)}."
    return (Fault("not_a_choice", pointer, message, allowed, item),)


def _key_faults(parameter: Parameter, key: Any, pointer: str) -> tuple[Fault, ...]:
    if not isinstance(key, str) or not key.strip():
        return (Fault("empty", pointer, f"{parameter.name} has a blank key.", None, key),)
    if parameter.keys is not None and key not in parameter.keys:
        allowed = list(parameter.keys)
        message = f"{parameter.name} does not know {key[:60]!r}, allowed {', '.join(allowed)}."
        return (Fault("unknown_key", pointer, message, allowed, key),)
    return ()


def _wrong_type(parameter: Parameter, raw: Any, pointer: str) -> Judged:
    allowed = parameter.kind + (" or null" if parameter.nullable else "")
    message = f"{parameter.name} is {_brief(raw)}, expected {allowed}."
    return Judged(None, (Fault("invalid_type", pointer, message, allowed, _brief_json(raw)),))


def _not_finite(name: str, raw: Any, pointer: str) -> Fault:
    return Fault("not_finite", pointer, f"{name} is {raw}, expected a finite number.", "a finite number", str(raw))


def _plain(number: float) -> str:
    return format(Decimal(repr(number)).normalize(), "f")


def _brief(raw: Any) -> str:
    # str() of an int beyond 4300 digits raises: a huge number must not become a crash.
    if isinstance(raw, int) and not isinstance(raw, bool) and abs(raw) > 10**30:
        return "an integer of over 30 digits"
    text = str(raw) if isinstance(raw, int | float | Decimal) and not isinstance(raw, bool) else repr(raw)
    return text if len(text) <= 60 else text[:57] + "..."


def _brief_json(raw: Any) -> Any:
    """What a machine is told it sent: JSON, finite, and short."""
    if isinstance(raw, bool) or raw is None:
        return raw
    if isinstance(raw, int | float):
        return raw if abs(raw) <= 10**30 else _brief(raw)  # NaN fails the comparison and is shown as text
    return raw if isinstance(raw, str) and len(raw) <= 200 else _brief(raw)


def _escaped(key: str) -> str:
    """A key inside a JSON pointer, RFC 6901."""
    return key.replace("~", "~0").replace("/", "~1")
