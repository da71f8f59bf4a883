"""Names in requests: the documents' spelling of them, and what somebody may have meant."""

from collections.abc import Sequence
from difflib import get_close_matches

from engine.domain.errors import Fault


def camel_case(name: str) -> str:
    """The documents' spelling: ``changed_by`` is ``changedBy``."""
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)


def pointer(*parts: object) -> str:
    """A JSON pointer to a part of the request, RFC 6901."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def nearest(name: str, known: Sequence[str]) -> list[str]:
    """Up to three of the known names that look like this one, the likest first."""
    return get_close_matches(name.lower()[:80], known, n=3, cutoff=0.6)


def unknown_name(name: str, known: Sequence[str], *, at: str = "") -> Fault:
    """The fault of a field or a filter that does not exist; names the likest that does."""
    meant = nearest(name, known)
    hint = f" Did you mean {meant[0]}?" if meant else ""
    return Fault(
        "unknown_field", at + pointer(name[:60]), f"There is no {name[:60]!r} here.{hint}", list(known), name[:60]
    )
