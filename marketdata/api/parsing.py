"""Reads queries and bodies: every fault at once, nothing guessed."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from engine.domain.errors import Fault, InputError
from marketdata.selectors import LARGEST_PAGE
from marketdata.timeframes import TIMEFRAMES

DEFAULT_POINTS = 2_000


class Window(NamedTuple):
    """A stretch of time in UTC milliseconds, end excluded, None where open; and how many points may be drawn."""

    start_ms: int | None
    end_ms: int | None
    max_points: int


def window(query: Mapping[str, str]) -> Window:
    """``start`` and ``end`` as ISO-8601 or epoch milliseconds, ``max_points`` 1-5000. Raises: VALIDATION_ERROR."""
    faults: list[Fault] = []
    start_ms, end_ms = (_instant(query, name, faults) for name in ("start", "end"))
    points = _points(query.get("max_points"), faults)
    if start_ms is not None and end_ms is not None and end_ms <= start_ms:
        message = f"end {query['end']} is not after start {query['start']}."
        faults.append(Fault("end_before_start", "/end", message, got=query["end"]))
    if faults:
        raise InputError("The window cannot be read.", faults=faults)
    return Window(start_ms, end_ms, points)


def timeframe(query: Mapping[str, str]) -> str | None:
    """The timeframe to filter by. Raises: VALIDATION_ERROR."""
    name = query.get("timeframe")
    if name is not None and name not in TIMEFRAMES:
        message = f'timeframe is "{name}", allowed {", ".join(TIMEFRAMES)}.'
        fault = Fault("unknown_timeframe", "/timeframe", message, allowed=TIMEFRAMES, got=name)
        raise InputError("The filter cannot be read.", faults=[fault])
    return name


def unknown_fields(body: Iterable[str], known: Iterable[str]) -> list[Fault]:
    """A fault for each field nobody reads: a misspelt option must not be taken for its default."""
    allowed = list(known)
    return [
        Fault("unknown_field", f"/{name}", f'There is no field "{name}"; known are {", ".join(allowed)}.', allowed)
        for name in body
        if name not in allowed
    ]


def study_request(body: Any) -> tuple[str, dict[str, Any]]:
    """Name and parameters of a study asked for. Raises: VALIDATION_ERROR."""
    if not isinstance(body, dict):
        message = "The body must be an object with name and parameters."
        raise InputError(message, faults=[Fault("invalid_type", "", message, "object")])
    faults = unknown_fields(body, ("name", "parameters"))
    name, parameters = body.get("name"), body.get("parameters", {})
    if not isinstance(name, str):
        faults.append(Fault("required", "/name", "name must be the name of a study, such as rsi.", got=name))
    if not isinstance(parameters, dict):
        faults.append(Fault("wrong_type", "/parameters", "parameters must be an object.", got=str(parameters)[:80]))
    if faults:
        raise InputError("The study cannot be computed.", faults=faults)
    return str(name), parameters


def _instant(query: Mapping[str, str], name: str, faults: list[Fault]) -> int | None:
    text = query.get(name)
    if text is None:
        return None
    try:
        if text.lstrip("-").isdigit() and len(text) > 8:
            return _bounded(int(text))
        moment = datetime.fromisoformat(text)
        return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
    except (ValueError, OverflowError):
        message = f'{name} is "{text[:40]}", ISO-8601 (UTC unless it says otherwise) or epoch milliseconds is expected.'
        faults.append(Fault("invalid_timestamp", f"/{name}", message, got=text[:40]))
        return None


def _bounded(instant_ms: int) -> int:
    if abs(instant_ms) >= 1 << 53:
        raise ValueError("beyond any calendar")
    return instant_ms


def _points(text: str | None, faults: list[Fault]) -> int:
    if text is None:
        return DEFAULT_POINTS
    if text.isascii() and text.isdigit() and len(text) <= 6 and 1 <= int(text) <= LARGEST_PAGE:
        return int(text)
    message = f'max_points is "{text[:40]}", allowed 1-{LARGEST_PAGE}.'
    faults.append(Fault("out_of_range", "/max_points", message, allowed=[1, LARGEST_PAGE], got=text[:40]))
    return DEFAULT_POINTS
