"""One envelope around every answer of the API, good or bad."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import structlog
from rest_framework.renderers import JSONRenderer
from rest_framework.response import Response
from rest_framework.utils.encoders import JSONEncoder

from engine.domain.errors import Fault, PlatformError


class ExactEncoder(JSONEncoder):
    """Decimals as text, in plain notation: DRF's own encoder would make them floats."""

    def default(self, o: Any) -> Any:
        return format(o, "f") if isinstance(o, Decimal) else super().default(o)


class EnvelopeRenderer(JSONRenderer):
    """Wraps plain data as ``{"success", "data", "metadata"}``.

    A response may carry a ``metadata`` attribute (the paginator's does); it is merged in. Errors come
    from the exception handler already in their envelope, and pass through.
    """

    encoder_class = ExactEncoder

    def render(
        self, data: Any, accepted_media_type: str | None = None, renderer_context: Mapping[str, Any] | None = None
    ) -> bytes:
        response: Response | None = (renderer_context or {}).get("response")
        if response is not None and response.status_code == 204:
            return b""
        if response is not None and not isinstance(response, ErrorResponse):
            data = success(data, metadata=getattr(response, "metadata", None))
        return super().render(data, accepted_media_type, renderer_context)


class ErrorResponse(Response):
    """A response whose data is an error envelope."""

    def __init__(self, error: PlatformError, *, trace: str | None = None) -> None:
        super().__init__(failure(error, trace=trace), status=error.status)


def success(data: Any, *, metadata: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The envelope of an answer; ``metadata`` is added to the request id and the time."""
    return {"success": True, "data": data, "metadata": {**_stamp(), **(metadata or {})}}


def failure(error: PlatformError, *, trace: str | None = None) -> dict[str, Any]:
    """The envelope of an error; ``trace`` only where the caller may see code."""
    body: dict[str, Any] = {
        "code": error.specific_code,
        "message": error.message,
        "component": error.component,
        "details": [_detail(fault) for fault in error.faults],
        "gates": list(getattr(error, "gates", ())),
        **_stamp(),
    }
    if trace is not None:
        body["trace"] = trace
    return {"success": False, "error": body}


def _detail(fault: Fault) -> dict[str, Any]:
    # What was sent comes back as it was read; text is cut so that an error never becomes a megabyte.
    got = fault.got[:200] if isinstance(fault.got, str) else fault.got
    return {**fault._asdict(), "got": got}


def _stamp() -> dict[str, Any]:
    request_id = structlog.contextvars.get_contextvars().get("request_id", "")
    return {"request_id": request_id, "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds")}
