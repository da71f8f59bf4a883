"""What bodies the API reads: strict JSON."""

import json
import math
from collections.abc import Mapping
from typing import IO, Any, NoReturn

from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser

from tradingsite.api.envelope import EnvelopeRenderer
from tradingsite.api.errors import TooLarge

# What any ordinary request stays far below. A view that takes more says so in ``body_limit_bytes``.
BODY_LIMIT_BYTES = 1024 * 1024


class StrictJSON(BaseParser):
    """JSON as the standard means it: no NaN, no infinity, no key twice, no text that
    cannot be stored.

    A key given twice would silently lose one of its values; PostgreSQL stores neither NUL nor half a
    surrogate pair.
    """

    media_type = "application/json"
    renderer_class = EnvelopeRenderer

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        try:
            text = _within(stream, parser_context or {}).decode("utf-8")
            value = json.loads(text, parse_constant=_refuse, parse_float=_finite, object_pairs_hook=_once)
        except RecursionError as error:
            raise ParseError("The body is nested too deeply.") from error
        except ValueError as error:
            raise ParseError(f"The body is not JSON: {error}") from error
        if "\\u" in text and not _is_storable(value):
            raise ParseError("The body contains a NUL character or half a surrogate pair.")
        return value


def _within(stream: IO[Any], context: Mapping[str, Any]) -> bytes:
    limit: int = getattr(context.get("view"), "body_limit_bytes", BODY_LIMIT_BYTES)
    body: bytes = stream.read(limit + 1)
    if len(body) > limit:
        raise TooLarge(f"The body is larger than {limit:,} bytes, the most this address reads. Send less at once.")
    return body


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"{digits[:20]} is larger than a number can be")
    return number


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = sorted({name for name in names if names.count(name) > 1})
        raise ValueError(f"{', '.join(twice)} is given more than once")
    return found


def _is_storable(value: Any) -> bool:
    if isinstance(value, str):
        return "\x00" not in value and not any("\ud800" <= character <= "\udfff" for character in value)
    if isinstance(value, dict):
        return all(_is_storable(key) and _is_storable(item) for key, item in value.items())
    return not isinstance(value, list) or all(_is_storable(item) for item in value)
