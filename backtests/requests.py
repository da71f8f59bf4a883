"""What somebody wants to know: the form of a backtest, and every fault of its shape and ranges."""

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from configuration.mappers import VenueSettings
from engine.domain.enums import Action
from engine.domain.errors import Fault

MAX_SIGNALS = 200_000
# A file of bad lines would otherwise answer with a book.
MAX_SIGNAL_FAULTS = 100
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIELDS = ("bot", "start", "end", "symbols", "datasets", "accept_suspected_splits", "signals", "signals_csv")
_ACTIONS = {"buy": Action.BUY, "sell": Action.SELL, "close": Action.CLOSE, "hold": Action.HOLD}
_SIGNAL_FIELDS = ("symbol", "at", "action", "confidence")


class _Range(NamedTuple):
    kind: type
    least: float
    most: float
    unit: str


_VENUE: Mapping[str, _Range] = {
    "fee_bps": _Range(float, 0, 1000, "basis points of notional, each side"),
    "slippage_bps": _Range(float, 0, 1000, "basis points against us"),
    "max_volume_share": _Range(float, 0, 1, "of a bar's volume; 0 for no limit"),
    "latency_bars": _Range(int, 0, 1000, "bars"),
    "stops_from_next_bar": _Range(bool, 0, 1, ""),
    "stop_beats_signal": _Range(bool, 0, 1, ""),
    "rounding": _Range(bool, 0, 1, ""),
    "size_at_fill": _Range(bool, 0, 1, ""),
}


class GivenSignal(NamedTuple):
    """One signal from outside, and where in the request it stands."""

    pointer: str
    symbol: str
    at_ms: int
    action: int
    confidence: float


class Request(NamedTuple):
    """What somebody wants to know. Times are UTC ms, ``end_ms`` exclusive; None: as far as bars go.

    ``symbols`` None: all of the bot's. ``datasets``: chosen ones by symbol, the usual one for every
    other. ``signals`` None: none were given.
    """

    bot_id: UUID | None
    start_ms: int | None
    end_ms: int | None
    symbols: tuple[str, ...] | None
    datasets: Mapping[str, UUID]
    venue: VenueSettings
    accept_suspected_splits: bool
    signals: tuple[GivenSignal, ...] | None


def request_of(form: Mapping[str, Any]) -> tuple[Request, tuple[Fault, ...]]:
    """The request a form describes, and every fault of its shape and ranges."""
    faults = [_unknown(name) for name in form if name not in _FIELDS and name not in _VENUE]
    request = Request(
        bot_id=_uuid(form, faults),
        start_ms=_instant(form, "start", faults),
        end_ms=_instant(form, "end", faults),
        symbols=_symbols(form, faults),
        datasets=_datasets(form, faults),
        venue=_venue(form, faults),
        accept_suspected_splits=_flag(form, faults),
        signals=_signals(form, faults),
    )
    if request.start_ms is not None and request.end_ms is not None and request.end_ms <= request.start_ms:
        message = f"The end ({form['end']}) is not after the start ({form['start']})."
        faults.append(Fault("end_before_start", "/end", message, None, form["end"]))
    return request, tuple(faults)


def venue_settings(stored: Mapping[str, Any]) -> VenueSettings:
    """The simulated venue's settings as a stored request holds them."""
    return VenueSettings(**stored)


def milliseconds(moment: datetime) -> int:
    """An aware datetime as UTC milliseconds."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def _unknown(name: str) -> Fault:
    allowed = [*_FIELDS, *_VENUE]
    return Fault("unknown_field", f"/{name}", f"{name} is not a field of a backtest.", allowed, name)


def _uuid(form: Mapping[str, Any], faults: list[Fault]) -> UUID | None:
    value = form.get("bot")
    if isinstance(value, UUID):
        return value
    if value in (None, ""):
        faults.append(Fault("required", "/bot", "bot is missing: give the id of a bot."))
        return None
    try:
        return UUID(str(value))
    except ValueError:
        faults.append(Fault("invalid_type", "/bot", f"bot is {value!r}, not the id of a bot.", "uuid", value))
        return None


def _instant(form: Mapping[str, Any], name: str, faults: list[Fault]) -> int | None:
    """A day stands for all of itself: as an end it is included."""
    value = form.get(name)
    if value in (None, ""):
        return None
    moment = _moment(value, is_end=name == "end")
    if moment is None:
        message = f"{name} is {value!r}; give a day (2010-01-31) or a time with its offset (2010-01-31T09:30Z)."
        faults.append(Fault("invalid_time", f"/{name}", message, "ISO 8601", str(value)))
        return None
    return milliseconds(moment)


def _moment(value: Any, *, is_end: bool = False) -> datetime | None:
    try:
        if isinstance(value, datetime):
            moment = value
        elif isinstance(value, date):
            return datetime(value.year, value.month, value.day, tzinfo=UTC) + timedelta(days=is_end)
        elif len(str(value)) <= len("2010-01-31"):
            return _moment(date.fromisoformat(str(value)), is_end=is_end)
        else:
            moment = datetime.fromisoformat(str(value))
        # Without an offset nobody knows when it is.
        return moment.astimezone(UTC) if moment.tzinfo else None
    except (ValueError, OverflowError):
        return None


def _symbols(form: Mapping[str, Any], faults: list[Fault]) -> tuple[str, ...] | None:
    value = form.get("symbols")
    if value is None:
        return None
    if isinstance(value, list | tuple) and all(isinstance(item, str) for item in value):
        if value:
            return tuple(item.strip().upper() for item in value)
        faults.append(Fault("no_symbol", "/symbols", "symbols is empty; leave it out to run all of the bot's.", 1, 0))
        return None
    faults.append(Fault("invalid_type", "/symbols", "symbols must be a list of texts.", "list of texts", value))
    return None


def _datasets(form: Mapping[str, Any], faults: list[Fault]) -> dict[str, UUID]:
    value = form.get("datasets") or {}
    if not isinstance(value, Mapping):
        faults.append(Fault("invalid_type", "/datasets", "datasets must map symbols to dataset ids.", "map", value))
        return {}
    found = {}
    for symbol, chosen in value.items():
        try:
            found[str(symbol).strip().upper()] = UUID(str(chosen))
        except ValueError:
            message = f"The dataset of {symbol} is {chosen!r}, not an id."
            faults.append(Fault("invalid_type", f"/datasets/{symbol}", message, "uuid", str(chosen)))
    return found


def _flag(form: Mapping[str, Any], faults: list[Fault]) -> bool:
    value = form.get("accept_suspected_splits", False)
    if isinstance(value, bool):
        return value
    pointer, message = "/accept_suspected_splits", "accept_suspected_splits must be true or false."
    faults.append(Fault("invalid_type", pointer, message, [True, False], value))
    return False


def _venue(form: Mapping[str, Any], faults: list[Fault]) -> VenueSettings:
    chosen = {}
    for name, allowed in _VENUE.items():
        if form.get(name) is None:
            continue
        fault = _range_fault(name, form[name], allowed)
        if fault:
            faults.append(fault)
        else:
            chosen[name] = allowed.kind(form[name])
    return VenueSettings(**chosen)


def _range_fault(name: str, value: Any, allowed: _Range) -> Fault | None:
    if allowed.kind is bool:
        if isinstance(value, bool):
            return None
        return Fault("invalid_type", f"/{name}", f"{name} must be true or false.", [True, False], value)
    numbers = (int,) if allowed.kind is int else (int, float, Decimal)
    if isinstance(value, bool) or not isinstance(value, numbers):
        kind = "a whole number" if allowed.kind is int else "a number"
        return Fault(
            "invalid_type", f"/{name}", f"{name} must be {kind} ({allowed.unit}).", allowed.kind.__name__, value
        )
    if not allowed.least <= value <= allowed.most:  # NaN compares false, too
        message = f"{name} is {value}, allowed {allowed.least:g} to {allowed.most:g} ({allowed.unit})."
        return Fault("out_of_range", f"/{name}", message, [allowed.least, allowed.most], str(value))
    return None


def _signals(form: Mapping[str, Any], faults: list[Fault]) -> tuple[GivenSignal, ...] | None:
    listed, text = form.get("signals"), form.get("signals_csv")
    if listed is not None and text is not None:
        message = "Give signals either as a list or as CSV, not both."
        faults.append(Fault("given_twice", "/signals_csv", message))
        return None
    if text is not None:
        return _signals_of_csv(text, faults)
    if listed is None:
        return None
    if not isinstance(listed, list | tuple):
        faults.append(Fault("invalid_type", "/signals", "signals must be a list.", "list", type(listed).__name__))
        return None
    return _signals_of(((f"/signals/{place}", one) for place, one in enumerate(listed)), len(listed), faults)


def _signals_of_csv(text: Any, faults: list[Fault]) -> tuple[GivenSignal, ...] | None:
    if not isinstance(text, str):
        faults.append(Fault("invalid_type", "/signals_csv", "signals_csv must be text.", "text", type(text).__name__))
        return None
    reader = csv.DictReader(io.StringIO(text))
    missing = [name for name in _SIGNAL_FIELDS if name not in (reader.fieldnames or ())]
    if missing:
        message = f"The first line must name the columns {', '.join(_SIGNAL_FIELDS)}; {', '.join(missing)} is missing."
        faults.append(Fault("missing_column", "/signals_csv", message, list(_SIGNAL_FIELDS), reader.fieldnames))
        return None
    lines = list(reader)
    return _signals_of(((f"/signals_csv/{place}", one) for place, one in enumerate(lines, start=2)), len(lines), faults)


def _signals_of(items: Iterable[tuple[str, Any]], length: int, faults: list[Fault]) -> tuple[GivenSignal, ...] | None:
    if length > MAX_SIGNALS:
        message = f"{length} signals were given, allowed {MAX_SIGNALS}."
        faults.append(Fault("too_many", "/signals", message, MAX_SIGNALS, length))
        return None
    found, wrong = [], []
    for pointer, item in items:
        signal, of_item = _signal(pointer, item)
        wrong += of_item
        if signal:
            found.append(signal)
    faults += shortened(wrong)
    return tuple(found)


def shortened(wrong: Sequence[Fault]) -> list[Fault]:
    """The first faults of a long list of signals, and how many more there are."""
    if len(wrong) <= MAX_SIGNAL_FAULTS:
        return list(wrong)
    more = f"There are {len(wrong) - MAX_SIGNAL_FAULTS} more faults in the signals."
    return [*wrong[:MAX_SIGNAL_FAULTS], Fault("more_faults", "/signals", more)]


def _signal(pointer: str, item: Any) -> tuple[GivenSignal | None, list[Fault]]:
    if not isinstance(item, Mapping):
        return None, [Fault("invalid_type", pointer, "A signal must be a map.", list(_SIGNAL_FIELDS), str(item))]
    wrong = [
        Fault("unknown_field", f"{pointer}/{name}", f"{name} is not a field of a signal.", list(_SIGNAL_FIELDS), name)
        for name in item
        if name not in _SIGNAL_FIELDS
    ]
    moment, confidence = _moment(item.get("at")), _confidence(item.get("confidence", 1.0))
    action = _ACTIONS.get(str(item.get("action")).lower())
    symbol = str(item.get("symbol") or "").strip().upper()
    if moment is None:
        message = f"at is {item.get('at')!r}; give a day or a time with its offset."
        wrong.append(Fault("invalid_time", f"{pointer}/at", message, "ISO 8601", str(item.get("at"))))
    if confidence is None:
        message = f"confidence is {item.get('confidence')!r}, allowed 0 to 1."
        wrong.append(Fault("out_of_range", f"{pointer}/confidence", message, [0, 1], str(item.get("confidence"))))
    if action is None:
        message = f"action is {item.get('action')!r}, allowed {', '.join(_ACTIONS)}."
        wrong.append(Fault("not_a_choice", f"{pointer}/action", message, list(_ACTIONS), str(item.get("action"))))
    if wrong or moment is None or confidence is None or action is None:
        return None, wrong
    return GivenSignal(pointer, symbol, milliseconds(moment), int(action), confidence), wrong


def _confidence(value: Any) -> float | None:
    try:
        number = float(value) if not isinstance(value, bool) and value not in (None, "") else math.nan
    except (TypeError, ValueError):
        return None
    return number if 0.0 <= number <= 1.0 else None
