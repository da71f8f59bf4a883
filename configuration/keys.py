"""API keys of brokers: how they may be shown, and what they must look like. Their values are never kept here."""

import re
from typing import Any, Final

_FORMS: Final = {
    "alpaca_api_key": (re.compile(r"[A-Z0-9]{16,40}"), "16 to 40 capital letters and digits"),
    "alpaca_secret_key": (re.compile(r"[A-Za-z0-9/+]{32,64}"), "32 to 64 letters, digits, / and +"),
}
_SHORTEST_SHOWN: Final = 4


def masked(key: str) -> str | None:
    """``****`` and the last four characters; of a key shorter than that, nothing. None: there is no key."""
    if not key:
        return None
    return "****" + key[-4:] if len(key) >= _SHORTEST_SHOWN else "****"


def expected(name: str) -> str:
    """What a key must look like."""
    return _FORMS[name][1]


def complaint(name: str, value: Any) -> str | None:
    """What is wrong with a key, or None. Never repeats it."""
    form, words = _FORMS[name]
    if isinstance(value, str) and form.fullmatch(value):
        return None
    return f"must be {words}"
