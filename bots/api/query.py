"""The query of a list, read name by name and judged as a whole: every fault is told at once."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from rest_framework.generics import GenericAPIView
from rest_framework.request import Request

from configuration.api.requests.naming import camel_case
from engine.domain.errors import Fault, InputError

_PAGE = ("page", "page_size", "pageSize")
_FLAGS = {"true": True, "1": True, "false": False, "0": False}


class Query:
    """What a request asks of a list. Read every name the list knows, then call ``refuse_faults``.

    Names are given as we write them; the documents' camelCase spelling of each, and the others
    named, mean the same. An empty value counts as not given. A list's page is judged along.
    """

    def __init__(self, request: Request, *, pages_of: GenericAPIView[Any] | None = None) -> None:
        self._given = request.query_params
        self._known: list[str] = []
        self._read: dict[str, str | None] = {}
        self._spellings: set[str] = set()
        self._faults: list[Fault] = []
        if pages_of is not None:
            self._known += _PAGE[:2]
            self._spellings |= set(_PAGE)
            self._faults += pages_of.paginator.faults(request)  # type: ignore[union-attr]  # every list has pages

    def text(self, name: str, *others: str) -> str | None:
        """What was given under a name or another spelling of it."""
        if name in self._read:
            return self._read[name]
        spellings = {name: None, camel_case(name): None, **dict.fromkeys(others)}
        self._known.append(name)
        self._spellings |= set(spellings)
        found = [value for spelling in spellings for value in self._given.getlist(spelling)]
        if len(found) > 1:
            self.add(
                Fault("given_twice", f"/{name}", f"{name} is given {len(found)} times; once is enough.", None, found)
            )
        self._read[name] = (found[0].strip() or None) if found else None
        return self._read[name]

    def word(self, name: str, choices: Sequence[str], *others: str) -> str | None:
        """One of ``choices``."""
        text = self.text(name, *others)
        if text is None or text in choices:
            return text
        self.add(
            Fault("not_a_choice", f"/{name}", f"{name} is {text[:40]!r}, allowed {', '.join(choices)}.", choices, text)
        )
        return None

    def symbol(self) -> str | None:
        """A symbol, in capitals; one that does not exist matches nothing."""
        text = self.text("symbol")
        return text and text.upper()

    def id(self, name: str, *others: str) -> UUID | None:
        """The id of something; one that does not exist matches nothing."""
        text = self.text(name, *others)
        if text is None:
            return None
        try:
            return UUID(text)
        except ValueError:
            self.add(Fault("invalid_type", f"/{name}", f"{name} is {text[:40]!r}, not an id.", "uuid", text))
            return None

    def flag(self, name: str) -> bool | None:
        """Yes or no."""
        text = self.word(name, tuple(_FLAGS))
        return None if text is None else _FLAGS[text]

    def date(self, name: str) -> date | None:
        """A date in UTC; of an instant the part before its T."""
        text = self.text(name)
        if text is None:
            return None
        try:
            return date.fromisoformat(text.partition("T")[0])
        except ValueError:
            message = f"{name} is {text[:40]!r}, not a date like 2026-01-31."
            self.add(Fault("invalid_date", f"/{name}", message, "YYYY-MM-DD", text))
            return None

    def instant(self, name: str) -> datetime | None:
        """An instant with its time zone, in UTC."""
        text = self.text(name)
        if text is None:
            return None
        try:
            found = datetime.fromisoformat(text)
            if found.tzinfo is not None:
                return found.astimezone(UTC)
        except (ValueError, OverflowError):
            pass
        message = f"{name} is {text[:40]!r}, not an instant with a time zone like 2026-01-31T09:30:00Z."
        self.add(Fault("invalid_time", f"/{name}", message, "YYYY-MM-DDTHH:MM:SSZ", text))
        return None

    def add(self, fault: Fault) -> None:
        """A fault that only the caller can see."""
        self._faults.append(fault)

    def refuse_faults(self) -> None:
        """Raises: VALIDATION_ERROR with everything found, names nobody knows included."""
        for name in sorted(set(self._given) - self._spellings):
            message = f"{name[:40]!r} filters nothing here, allowed {', '.join(self._known) or 'nothing'}."
            self.add(Fault("unknown_filter", f"/{name[:40]}", message, list(self._known), name))
        if self._faults:
            raise InputError("The request cannot be answered.", faults=self._faults)
