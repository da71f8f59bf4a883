"""How an operation is described: its parameters by name, its body, its answer, and an example of each."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema

_STAMP: Final = {"request_id": "0d6c3c0f6a0f4d7c9b8e6a5d4c3b2a10", "timestamp": "2026-11-21T04:00:00.000+00:00"}
_ERROR: Final = {"$ref": "#/components/schemas/Error"}

REFUSED: Final = "Asked wrongly; nothing was changed. Every fault, and the call to make next."
ABSENT: Final = "There is no such thing; the gates say where what there is is listed."
STALE: Final = "Somebody changed it since; the gates hold both sides and the change put upon the newest version."
BARRED: Final = "The caller may not change that; the gates say which right it needs."


def described(
    *,
    answer: Any,
    example: Any,
    body: Any = None,
    body_example: Any = None,
    reads: tuple[OpenApiParameter, ...] = (),
    refused: Mapping[int, str] | None = None,
    metadata: Mapping[str, Any] | None = None,
    **more: Any,
) -> Callable[[Any], Any]:
    """The description of one method. ``example`` is the data of a good answer; its envelope is put around it."""
    told = {"success": True, "data": example, "metadata": {**_STAMP, **(metadata or {})}}
    examples = [OpenApiExample("An answer", value=told, response_only=True, status_codes=["200"])]
    if body_example is not None:
        examples.append(OpenApiExample("A request", value=body_example, request_only=True))
    refusals = {
        status: OpenApiResponse(_ERROR, description=words) for status, words in (refused or {422: REFUSED}).items()
    }
    return extend_schema(
        request=body, responses={200: answer, **refusals}, examples=examples, parameters=[*reads], **more
    )


def document(
    *, example: Any, text: str, reads: tuple[OpenApiParameter, ...], refused: Mapping[int, str]
) -> Callable[[Any], Any]:
    """The description of a method that answers a file: YAML or JSON, with no envelope around it."""
    examples = [
        OpenApiExample("As JSON", value=example, response_only=True, media_type="application/json"),
        OpenApiExample("As YAML", value=text, response_only=True, media_type="application/yaml"),
    ]
    refusals = {status: OpenApiResponse(_ERROR, description=words) for status, words in refused.items()}
    return extend_schema(
        responses={(200, "application/json"): dict, (200, "application/yaml"): dict, **refusals},
        examples=examples,
        parameters=[*reads],
        extensions={"x-plain-answer": True},
    )


def named(name: str, about: str, kind: Any = OpenApiTypes.STR, **more: Any) -> OpenApiParameter:
    """One name of a query."""
    return OpenApiParameter(name, kind, description=about, **more)


def chosen(*names: str) -> tuple[OpenApiParameter, ...]:
    """Names of a query that mean the same wherever they are used."""
    return tuple(_KNOWN[name] for name in names)


_INT: Final = OpenApiTypes.INT64
_KNOWN: Final = {
    one.name: one
    for one in (
        named("namespace", "trading, weather, engine or a strategy's id; trading where it is left out."),
        named("symbol", "Such as BTCUSDT; capitals do not matter."),
        named("side", "Of a symbol.", enum=["LONG", "SHORT"]),
        named("bot", "A bot's id: its own values, and with a symbol what it trades that on."),
        named("parameter", "The parameter's name."),
        named("at_version", "As it was when that decision was the newest; 0: before all.", _INT),
        named("at_time", "As it was at an instant with its time zone.", OpenApiTypes.DATETIME),
        named("explain", "full adds who decided each value and what it beats.", enum=["full"]),
        named("extras", "Also the parameters beyond the documented set.", OpenApiTypes.BOOL),
        named("reason", "Why; kept for ever.", OpenApiTypes.STR),
        named("changed_by", "On whose behalf. changedBy means the same."),
        named("validate_only", "Answer what would happen and write nothing.", OpenApiTypes.BOOL),
        named("base_version", "The version that was read; If-Match says the same.", _INT),
        named("plan_hash", "Of a preview: do exactly that, or nothing."),
        named("page", "Which page.", OpenApiTypes.INT, default=1),
        named("page_size", "Rows per page, up to 500.", OpenApiTypes.INT, default=50),
        OpenApiParameter(
            "If-None-Match", str, OpenApiParameter.HEADER, description="An ETag: 304 where nothing is newer."
        ),
        OpenApiParameter(
            "If-Match", str, OpenApiParameter.HEADER, description="An ETag: refused where a value changed since."
        ),
        OpenApiParameter("Idempotency-Key", str, OpenApiParameter.HEADER, description="Sent again, it is done once."),
    )
}
GETS: Final = "What is in force here, each value with its origin. The ETag goes back as If-Match."
MERGES: Final = (
    "Merge the parameters into the scope; null lets one be inherited again. validate_only shows the effects."
)
REPLACES: Final = "Replace all the scope sets by these parameters; what is left out is inherited again."
CLEARS: Final = "Clear the scope: everything is inherited again. 404 where it sets nothing."
CONDITIONS: Final = chosen("If-Match", "Idempotency-Key")
CLEARING: Final = chosen("changed_by", "reason", "validate_only", "base_version", "plan_hash")
WRITE_REFUSED: Final = {403: BARRED, 404: ABSENT, 412: STALE, 422: REFUSED}
