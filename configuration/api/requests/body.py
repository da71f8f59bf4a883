"""The body of a request: its fields by name and type. Every fault is kept, so that more can be added."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from rest_framework.request import Request

from configuration.api.requests.naming import pointer, unknown_name
from engine.domain.errors import Fault, InputError


class Field(NamedTuple):
    """What a field of a body may be: of these JSON types, and text of at most ``longest`` characters (0: any).

    ``default`` stands for an absent one; ``object`` among the kinds takes any value.
    """

    kinds: tuple[type, ...]
    default: Any = None
    is_required: bool = False
    longest: int = 0


@dataclass(frozen=True)
class Body:
    """The values by field, the defaults where absent or faulty, and everything wrong with them."""

    values: Mapping[str, Any]
    faults: tuple[Fault, ...]
    given: frozenset[str] = frozenset()

    def __getitem__(self, name: str) -> Any:
        return self.values[name]


_TYPE_NAMES = {dict: "map", list: "list", str: "str", bool: "bool", int: "int"}

WRITING: Mapping[str, Field] = {
    "changed_by": Field((str,), "", longest=200),
    "reason": Field((str,), "", longest=2000),
    "validate_only": Field((bool,), False),
    "base_version": Field((int,)),
    "plan_hash": Field((str,), "", longest=64),
}
"""What every write may say beside what it changes."""


def read(request: Request, fields: Mapping[str, Field]) -> Body:
    """The body's fields (unknown_field, invalid_type, empty are told as faults, never raised)."""
    given = request.data
    defaults = {name: field.default for name, field in fields.items()}
    if not isinstance(given, Mapping):
        return Body(defaults, (Fault("invalid_type", "", "The body must be a map.", "map", _short(given)),))
    return judged(given, fields)


def refuse_fields(request: Request) -> None:
    """Raise InputError where a request that takes no fields has some."""
    faults = read(request, {}).faults
    if faults:
        raise InputError("This call takes no fields.", faults=faults)


def judged(given: Mapping[Any, Any], fields: Mapping[str, Field], *, at: str = "") -> Body:
    """The fields of a map that lies at a pointer."""
    faults = [unknown_name(str(name), list(fields), at=at) for name in given if name not in fields]
    values = {name: field.default for name, field in fields.items()}
    for name, field in fields.items():
        if name not in given or (given[name] is None and not field.is_required):
            if field.is_required:
                faults.append(Fault("empty", at + pointer(name), f"{name} is needed.", _named(field), None))
        elif not _is_of(given[name], field.kinds):
            message = f"{name} must be a {_named(field)}."
            faults.append(Fault("invalid_type", at + pointer(name), message, _named(field), _short(given[name])))
        elif field.longest and len(given[name]) > field.longest:
            message = f"{name} has {len(given[name])} characters, allowed {field.longest}."
            faults.append(Fault("too_long", at + pointer(name), message, field.longest, len(given[name])))
        else:
            values[name] = given[name]
    return Body(values, tuple(faults), frozenset(str(name) for name in given if name in fields))


def _is_of(value: Any, kinds: tuple[type, ...]) -> bool:
    # isinstance(True, int): a bool is no version.
    return isinstance(value, kinds) and (bool in kinds or object in kinds or not isinstance(value, bool))


def _named(field: Field) -> str:
    return " or ".join(_TYPE_NAMES[kind] for kind in field.kinds)


def _short(value: Any) -> Any:
    return value if value is None or isinstance(value, bool) else str(value)[:80]
