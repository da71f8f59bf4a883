"""Under which conditions a request is meant: ETags and idempotency keys."""

import re
from collections.abc import Sequence
from typing import Final

from django.utils.http import parse_etags
from rest_framework.request import Request

from configuration.image import Image
from engine.domain.errors import Fault, InputError

_ETAG: Final = re.compile(r'(?:W/)?"cfg-(\d{1,18})-[0-9a-f]{0,8}"')


def etag_of(image: Image) -> str:
    """The ETag of everything configured at an image's version."""
    return f'"cfg-{image.version}-{image.head_hash[:8]}"'


def is_known(request: Request, etag: str) -> bool:
    """Whether the caller's If-None-Match names what would be answered."""
    known: Sequence[str] = parse_etags(request.headers.get("If-None-Match", ""))
    return etag in [tag.removeprefix("W/") for tag in known] or known == ["*"]


def if_match(request: Request) -> int | None:
    """The version an If-Match header names. Raises InputError (invalid_etag)."""
    header = request.headers.get("If-Match", "").strip()
    if header in ("", "*"):
        return None
    match = _ETAG.fullmatch(header)
    if match is None:
        message = "If-Match is not an ETag of the configuration; send back the one you were given."
        raise InputError(message, faults=[Fault("invalid_etag", "/headers/If-Match", message, None, header[:80])])
    return int(match[1])


def idempotency_key(request: Request) -> str | None:
    """What makes sending the request again harmless."""
    return request.headers.get("Idempotency-Key")
