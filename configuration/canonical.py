"""One text for one value: what is hashed, compared and stored where bytes matter."""

import hashlib
import json
from typing import Any


def text(value: Any) -> str:
    """JSON with sorted keys and no spaces. Raises ValueError on NaN and infinities."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest(content: str) -> str:
    """sha256 of the text, as 64 hexadecimal digits."""
    return hashlib.sha256(content.encode()).hexdigest()
