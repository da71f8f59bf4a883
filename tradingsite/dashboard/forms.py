"""HTML forms as plain fields: text from the browser in, the API's kind of values out, faults back beside their fields.

No rule is checked here. What cannot be read as its kind goes on as the text it was, so that the service that knows
the rules names it together with everything else that is wrong.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from django.http import QueryDict

from engine.domain.errors import Fault


class Field(NamedTuple):
    """One input. ``kind``: text, date, int, decimal, bool, choice or choices (several boxes)."""

    name: str
    label: str
    kind: str = "text"
    unit: str = ""
    help: str = ""
    initial: Any = ""
    choices: tuple[tuple[str, str], ...] = ()
    group: str = ""
    step: str = "any"


class BoundField(NamedTuple):
    """An input with what stands in it and what is wrong with that."""

    field: Field
    value: Any
    errors: tuple[str, ...]

    @property
    def chosen(self) -> frozenset[str]:
        return frozenset(self.value if isinstance(self.value, list | tuple) else ())


class BoundForm(NamedTuple):
    """Fields in order, and the faults that belong to none of them."""

    fields: tuple[BoundField, ...]
    other: tuple[str, ...]

    @property
    def is_refused(self) -> bool:
        return bool(self.other) or any(one.errors for one in self.fields)

    @property
    def fault_count(self) -> int:
        return len(self.other) + sum(len(one.errors) for one in self.fields)

    def group(self, name: str) -> list[BoundField]:
        return [one for one in self.fields if one.field.group == name]


def values_of(fields: Sequence[Field], posted: QueryDict) -> dict[str, Any]:
    """What was sent, as the kinds of values the API takes; an empty input is left out."""
    found = {field.name: _read(field, posted) for field in fields}
    return {name: value for name, value in found.items() if value is not None}


def bound(fields: Sequence[Field], *, posted: QueryDict | None = None, faults: Iterable[Fault] = ()) -> BoundForm:
    """The form as it stands in the page: what was typed is kept, each fault beside its field."""
    by_name: dict[str, list[str]] = {}
    for fault in faults:
        by_name.setdefault(fault.pointer.strip("/").split("/")[0], []).append(fault.message)
    rows = tuple(BoundField(one, _typed(one, posted), tuple(by_name.pop(one.name, ()))) for one in fields)
    return BoundForm(rows, tuple(message for rest in by_name.values() for message in rest))


def _typed(field: Field, posted: QueryDict | None) -> Any:
    if posted is None:
        return field.initial
    if field.kind == "choices":
        return posted.getlist(field.name)
    if field.kind == "bool":
        return field.name in posted
    return posted.get(field.name, "")


def _read(field: Field, posted: QueryDict) -> Any:
    if field.kind == "choices":
        return posted.getlist(field.name)
    if field.kind == "bool":
        return field.name in posted
    text = posted.get(field.name, "").strip()
    if text == "":
        return None
    return _numeral(text) if field.kind in ("int", "decimal") else text


def _numeral(text: str) -> Any:
    """The number a JSON client would have sent; any other text as it is."""
    try:
        value: Mapping[str, Any] | Any = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, int | float) and not isinstance(value, bool) else text
