"""Configuration as a document: its form, and its text in YAML and JSON, the same bytes for the same values.

A document is a map of ``format``, ``header`` (where it comes from; an import does not read it),
``scopes`` (only where it is limited to some) and ``namespaces``: namespace -> scope -> parameter ->
value. What is read may come from anywhere: nothing is built from it but maps, lists, text, numbers,
true, false and null, and whatever could be read in two ways is refused.
"""

import json
import math
import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import yaml

from configuration.scopes import GLOBAL, Scope, bot_scope, side_scope, symbol_scope
from engine.domain.errors import Fault, InputError

FORMAT: Final = "tradingsite-configuration-1"
FIELDS: Final = ("format", "header", "namespaces", "scopes")
LARGEST_BYTES: Final = 5_000_000
_DEEPEST: Final = 12
_LINE: Final = 1_000_000


def scope_name(scope: Scope) -> str:
    """A scope as documents name it: global, symbol:AAPL, symbol_side:AAPL/LONG, bot:<id>."""
    parts = "/".join(filter(None, (scope.bot, scope.symbol, scope.side)))
    return f"{scope.kind}:{parts}" if parts else scope.kind


def named_scope(name: str) -> Scope:
    """The scope of that name; it may have faults (``scopes.scope_faults``)."""
    kind, _, rest = name.partition(":")
    if kind == "symbol_side":
        symbol, _, side = rest.rpartition("/")  # a symbol may hold a slash, a side does not
        return side_scope(symbol, side)
    if name == "global":
        return GLOBAL
    if kind == "symbol":
        return symbol_scope(rest)
    return bot_scope(rest) if kind == "bot" else Scope(name)


# --- writing


class _Dumper(yaml.CSafeDumper):
    """Every value written out: equal lists are not joined by an alias, which would not diff."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def represent_text(self, text: str) -> yaml.ScalarNode:
        """Quoted where ``read_document`` would take it for something else: 1e5 is text to an older YAML."""
        style = None if isinstance(_plain(text), str) else "'"
        return self.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _Dumper.represent_text)


def as_yaml(document: dict[str, Any]) -> str:
    """The document as YAML: one line for each value, in the order it has."""
    text: str = yaml.dump(
        document, Dumper=_Dumper, default_flow_style=False, sort_keys=False, allow_unicode=True, width=_LINE
    )
    return text


def as_json(document: dict[str, Any]) -> str:
    """The document as JSON: sorted keys, two spaces, a line feed at the end."""
    return json.dumps(document, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


# --- reading


def read_document(text: str | bytes) -> dict[str, Any]:
    """The document in a text: JSON where it begins with a brace, YAML otherwise.

    Numbers, true, false and null are written as in JSON; every other plain word is text (``yes``,
    ``010`` and ``2026-01-01`` too). Raises InputError with every fault: file_too_large, unreadable,
    given_twice (a key), alias (an anchor, alias or tag), not_finite, invalid_type, invalid.
    """
    if len(text) > LARGEST_BYTES or len(encoded := text if isinstance(text, bytes) else _bytes(text)) > LARGEST_BYTES:
        message = f"The document is larger than {LARGEST_BYTES} bytes."
        raise _refused(Fault("file_too_large", "", message, LARGEST_BYTES, len(text)))
    try:
        decoded = encoded.decode("utf-8-sig")
        reading = _read_json(decoded) if decoded.lstrip().startswith("{") else _read_yaml(decoded)
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        # ValueError: not UTF-8, not JSON, or a number of thousands of digits.
        raise _refused(Fault("unreadable", "", f"The document cannot be read: {_said(error)}.")) from error
    faults = [*reading.faults, *_value_faults(reading.value, "", 0)]
    if not isinstance(reading.value, dict):
        faults.append(Fault("invalid_type", "", "A document is a map.", "map", type(reading.value).__name__))
    if faults:
        raise _refused(*faults)
    document: dict[str, Any] = reading.value
    return document


class _Reading(NamedTuple):
    value: Any
    faults: list[Fault]


def _refused(*faults: Fault) -> InputError:
    return InputError("The document was not read.", faults=faults)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")  # half a character fails when it is decoded


def _said(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    return re.sub(r"\s+", " ", str(error))[:300].rstrip(".")


def _read_json(text: str) -> _Reading:
    faults: list[Fault] = []

    def built(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        read: dict[str, Any] = {}
        for key, value in pairs:
            if key in read:
                faults.append(_twice(key, ""))
            read[key] = value
        return read

    return _Reading(json.loads(text, object_pairs_hook=built), faults)


def _twice(key: str, where: str) -> Fault:
    return Fault("given_twice", "", f"The key {key[:60]!r} stands twice in one map{where}.", None, key[:60])


_PLAIN: Final = (
    (re.compile(r"-?(0|[1-9][0-9]*)"), int),
    (re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?"), float),
    (re.compile(r"true|false"), "true".__eq__),
    (re.compile(r"null|~|"), lambda _: None),
    (re.compile(r"[-+]?\.(inf|Inf|INF)"), lambda _: math.inf),
    (re.compile(r"\.(nan|NaN|NAN)"), lambda _: math.nan),
)


class _Open(NamedTuple):
    """A map or list of which not everything is read yet. ``keys``: the key that waits for its value."""

    value: dict[str, Any] | list[Any]
    keys: list[str]


def _read_yaml(text: str) -> _Reading:
    """Built from the parser's events: no tag, anchor or merge can make it build anything else."""
    faults: list[Fault] = []
    opened = [_Open([], [])]
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        where = f" (line {event.start_mark.line + 1})" if event.start_mark else ""
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) or getattr(event, "tag", None):
            message = f"Anchors, aliases and tags are not read here: write the value out{where}."
            faults.append(Fault("alias", "", message))
        if isinstance(event, yaml.AliasEvent):
            _put(None, opened[-1], faults, where)
        elif isinstance(event, yaml.ScalarEvent):
            _put(event if _awaits_key(opened[-1]) else _scalar(event), opened[-1], faults, where)
        elif isinstance(event, yaml.CollectionStartEvent):
            if len(opened) > _DEEPEST:
                raise RecursionError
            opened.append(_Open({} if isinstance(event, yaml.MappingStartEvent) else [], []))
        elif isinstance(event, yaml.CollectionEndEvent):
            closed = opened.pop()
            _put(closed.value, opened[-1], faults, where)
    documents = opened[0].value
    if len(documents) != 1:
        raise ValueError(f"it holds {len(documents)} documents, not one")
    return _Reading(next(iter(documents)), faults)


def _awaits_key(inside: _Open) -> bool:
    return isinstance(inside.value, dict) and not inside.keys


def _put(value: Any, inside: _Open, faults: list[Fault], where: str) -> None:
    if isinstance(inside.value, list):
        inside.value.append(value)
    elif inside.keys:
        inside.value[inside.keys.pop()] = value
    elif isinstance(value, yaml.ScalarEvent):
        key = str(value.value)
        if key in inside.value:
            faults.append(_twice(key, where))
        inside.keys.append(key)
    else:
        faults.append(Fault("invalid_type", "", f"A key is text, not a map, list or alias{where}.", "str"))
        inside.keys.append("")


def _scalar(event: yaml.ScalarEvent) -> Any:
    text = str(event.value)
    return text if event.style else _plain(text)  # quoted, or a block: text, whatever it looks like


def _plain(text: str) -> Any:
    for pattern, read in _PLAIN:
        if pattern.fullmatch(text):
            return read(text)
    return text


def _value_faults(value: Any, pointer: str, depth: int) -> Iterator[Fault]:
    if depth > _DEEPEST:
        yield Fault("unreadable", pointer[:200], "The document is nested too deeply.", _DEEPEST)
    elif isinstance(value, float) and not math.isfinite(value):
        yield Fault("not_finite", pointer, f"{pointer} is {value}, expected a finite number.", None, str(value))
    elif isinstance(value, str):
        if not _is_storable(value):
            yield Fault("invalid", pointer, f"{pointer} holds a character that cannot be stored.")
    elif isinstance(value, dict):
        for key, item in value.items():
            at = f"{pointer}/{escaped(key)}"
            if not _is_storable(key):
                at = ascii(at)
                yield Fault("invalid", at, f"The key {key[:60]!a} holds a character that cannot be stored.")
            yield from _value_faults(item, at, depth + 1)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _value_faults(item, f"{pointer}/{index}", depth + 1)


def _is_storable(text: str) -> bool:
    """PostgreSQL keeps neither NUL nor half a surrogate pair."""
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


def escaped(key: str) -> str:
    """A key inside a JSON pointer, RFC 6901."""
    return key.replace("~", "~0").replace("/", "~1")
