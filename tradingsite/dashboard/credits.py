"""What the pages carry of other people's work, read from the folder it is vendored in."""

import json
from functools import cache
from pathlib import Path
from typing import NamedTuple

from django.conf import settings

VENDOR = Path(settings.BASE_DIR) / "static" / "vendor"


class Credit(NamedTuple):
    """One vendored library with the texts its licence wants shown."""

    name: str
    version: str
    licence: str
    licence_text: str
    notice: str
    files: dict[str, str]


@cache
def credits() -> tuple[Credit, ...]:
    """Every vendored library, by name. The files do not change while the site runs."""
    listed = json.loads((VENDOR / "versions.json").read_text("utf-8"))
    return tuple(_credit(name, one) for name, one in listed.items())


def _credit(name: str, one: dict[str, object]) -> Credit:
    return Credit(
        name=name,
        version=str(one["version"]),
        licence=str(one["licence"]),
        licence_text=_text(one["licence_file"]),
        notice=_text(one["notice_file"]),
        files=dict(one["files"]),  # type: ignore[call-overload]  # a map of names to hashes, as the test checks
    )


def _text(name: object) -> str:
    return (VENDOR / str(name)).read_text("utf-8") if name else ""
