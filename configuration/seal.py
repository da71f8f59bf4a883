"""The text under a change-set's hash, and how it is built from the columns alone.

Each version's hash is sha256 of the hash before it, a line feed, and its canonical text. The text is
JSON with sorted keys, no spaces and no escapes but JSON's own: ``{"format": 1}``, every column of the
change-set but the three below, and under "changes" every column of its changes in their order, but the
foreign key and the surrogate id, which means nothing. So whoever holds the columns can write the text
again and compare; ``scripts/verify_ledger.py`` does so without this package.

A column that is added to the ledger makes a new format: rows keep the one they were sealed under.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from configuration import canonical

FORMAT: Final = 1
SEALS: Final = ("canonical", "prev_hash", "hash")
"""The columns of a change-set that hold the seal itself."""

_LARGEST_FLOAT: Final = 308
"""Its power of ten."""

CHANGE_SET_COLUMNS: Final = (
    "version",
    "created_at",
    "kind",
    "actor_kind",
    "actor_id",
    "actor_label",
    "on_behalf_of",
    "source",
    "reason",
    "request_id",
    "idempotency_key",
    "request_digest",
    "base_version",
    "reverts_version",
    "catalogue_fingerprint",
)
CHANGE_COLUMNS: Final = (
    "ordinal",
    "namespace",
    "scope_kind",
    "bot",
    "symbol",
    "side",
    "parameter",
    "op",
    "old_version",
)
"""With "old" and "new" where they are not SQL NULL: a JSON null is a value."""


def text(change_set: Mapping[str, Any], changes: Sequence[Mapping[str, Any]]) -> str:
    """The canonical text of a change-set from its columns and those of its changes, as JSON values."""
    return canonical.text({"format": FORMAT, **change_set, "changes": changes})


def chained(prev_hash: str, sealed: str) -> str:
    """The hash of a version: of the one before it, and of its own canonical text."""
    return canonical.digest(f"{prev_hash}\n{sealed}")


def instant(time: datetime) -> str:
    """A time as it stands in the text: UTC, to the microsecond."""
    return time.astimezone(UTC).isoformat(timespec="microseconds")


def plain(value: Any) -> Any:
    """A value with each number in its one form, as the database will give it back.

    PostgreSQL writes 1e16 as 10000000000000000 and keeps 2.0: so whole numbers are written as integers
    and others as the shortest float. 2 and 2.0 are one number.
    """
    if isinstance(value, float):
        return number(repr(value))
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def number(written: str) -> int | float | str:
    """A decimal number as Python's int or float, exactly; what neither can hold stays text, and equals nothing."""
    try:
        exact = Decimal(written)
        if exact.adjusted() > _LARGEST_FLOAT:
            return written
        if exact == (whole := exact.to_integral_value()):
            return int(whole)
        nearest = float(written)
        return nearest if Decimal(repr(nearest)) == exact else written
    except (InvalidOperation, ValueError, OverflowError):
        return written


def read(stored: str) -> Any:
    """A value from the database's text of it. What is no value of ours stays text, and equals nothing."""
    try:
        return json.loads(stored, parse_float=number)
    except ValueError:  # a number of thousands of digits
        return stored
