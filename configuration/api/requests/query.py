"""The query of a request, read name by name and judged as a whole: every fault at once."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from rest_framework.request import Request

from configuration.api.requests.naming import camel_case, unknown_name
from engine.domain.errors import Fault, InputError

LARGEST_VERSION: Final = 2**63 - 1
_FLAGS: Final = {"true": True, "1": True, "false": False, "0": False}

Reader = Callable[[str, str], Any]
"""Name and text to the value; raises Wrong."""


class Wrong(Exception):
    """One name of the query says something that cannot be meant."""

    def __init__(self, code: str, name: str, message: str, allowed: Any, got: Any) -> None:
        super().__init__(message)
        self.fault = Fault(code, f"/{name}", message, allowed, got)


def read(request: Request, readers: Mapping[str, Reader], *, pages: Any = None) -> dict[str, Any]:
    """What each name says, None where it is absent or empty.

    The documents' camelCase spelling of a name means the same. ``pages``: a paginator whose names
    are judged along. Raises InputError with every fault (unknown_field, given_twice, invalid_type,
    out_of_range, not_a_choice, invalid_time, too_long).
    """
    faults: list[Fault] = [] if pages is None else list(pages.faults(request))
    spellings = {spelling: name for name in readers for spelling in (name, camel_case(name))}
    paging = () if pages is None else ("page", "page_size", "pageSize")
    for given in request.query_params:
        if given not in spellings and given not in paging:
            faults.append(unknown_name(given, [*readers, *paging[:2]]))
    values: dict[str, Any] = {}
    for name, reader in readers.items():
        try:
            values[name] = _one(request, name, reader)
        except Wrong as wrong:
            values[name] = None
            faults.append(wrong.fault)
    if faults:
        raise InputError("The query cannot be answered.", faults=faults)
    return values


def text(name: str, given: str) -> str:
    """Any text up to 200 characters."""
    if len(given) > 200:
        raise Wrong("too_long", name, f"{name} has {len(given)} characters, allowed 200.", 200, len(given))
    return given


def upper(name: str, given: str) -> str:
    """A symbol or a side, in capitals."""
    return text(name, given).upper()


def flag(name: str, given: str) -> bool:
    """Yes or no."""
    if given not in _FLAGS:
        message = f"{name} is {given[:40]!r}, allowed true, false."
        raise Wrong("not_a_choice", name, message, ["true", "false"], given)
    return _FLAGS[given]


def instant(name: str, given: str) -> datetime:
    """An instant with its time zone, in UTC."""
    try:
        found = datetime.fromisoformat(given)
        if found.tzinfo is not None:
            return found.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    # In a query a plus sign means a space, and instants are often written with one.
    hint = " (write + as %2B)" if " " in given else ""
    message = f"{name} is {given[:40]!r}, not an instant with a time zone like 2026-01-31T09:30:00Z{hint}."
    raise Wrong("invalid_time", name, message, "YYYY-MM-DDTHH:MM:SSZ", given)


def whole(least: int, most: int = LARGEST_VERSION) -> Reader:
    """A reader of whole numbers in a range."""

    def number(name: str, given: str) -> int:
        if given.isascii() and given.isdigit() and len(given) <= 19 and least <= int(given) <= most:
            return int(given)
        message = f"{name} is {given[:40]!r}, allowed is a whole number from {least} to {most}."
        raise Wrong("out_of_range", name, message, [least, most], given)

    return number


def choice(*allowed: str) -> Reader:
    """A reader of one of some words."""

    def word(name: str, given: str) -> str:
        if given in allowed:
            return given
        message = f"{name} is {given[:40]!r}, allowed {', '.join(allowed)}."
        raise Wrong("not_a_choice", name, message, list(allowed), given)

    return word


def moment(name: str, given: str) -> int | datetime:
    """A version, or an instant."""
    if given.isascii() and given.isdigit():
        number: int = whole(0)(name, given)
        return number
    return instant(name, given)


def _one(request: Request, name: str, reader: Reader) -> Any:
    spellings: Sequence[str] = dict.fromkeys((name, camel_case(name)))  # type: ignore[assignment]  # keys in order
    found = [value for spelling in spellings for value in request.query_params.getlist(spelling)]
    if len(found) > 1:
        raise Wrong("given_twice", name, f"{name} is given {len(found)} times; once is enough.", 1, found)
    given = found[0].strip() if found else ""
    return reader(name, given) if given else None
