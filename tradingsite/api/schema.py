"""What the OpenAPI description says beyond the views: session and token, the envelope, the errors."""

import re
from typing import Any

from django.conf import settings
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.settings import spectacular_settings

_ERROR = {
    "type": "object",
    "required": ["success", "error"],
    "properties": {
        "success": {"type": "boolean", "enum": [False]},
        "error": {
            "type": "object",
            "required": ["code", "message", "component", "details", "gates", "request_id", "timestamp"],
            "properties": {
                "code": {"type": "string", "description": "Stable; every one is in docs/errors.md."},
                "message": {"type": "string"},
                "component": {"type": "string"},
                "details": {"type": "array", "items": {"$ref": "#/components/schemas/Fault"}},
                "gates": {"type": "array", "items": {"type": "object"}},
                "request_id": {"type": "string"},
                "timestamp": {"type": "string", "format": "date-time"},
            },
        },
    },
}
_FAULT = {
    "type": "object",
    "required": ["code", "pointer", "message", "allowed", "got"],
    "properties": {
        "code": {"type": "string"},
        "pointer": {"type": "string", "description": "JSON pointer into the request."},
        "message": {"type": "string"},
        "allowed": {"description": "The limit, for machines."},
        "got": {"description": "What was sent."},
    },
}
_METHODS = ("get", "post", "put", "patch", "delete")


class Schema(AutoSchema):
    """Names an operation after its whole path: ``config_trading_by_symbol_retrieve``.

    Without the parameters' names one view under three addresses would give three operations one name.
    """

    def get_summary(self) -> str | None:
        """The first sentence of the description, unless a view says otherwise."""
        first = re.split(r"(?<=[.:?])\s", self.get_description().strip(), maxsplit=1)[0]
        return super().get_summary() or first.rstrip(".:") or None

    def get_operation_id(self) -> str:
        path = re.sub(r"\{(\w+?)(?:_id)?\}", r"by_\1", self.path.removeprefix(spectacular_settings.SCHEMA_PATH_PREFIX))
        action = "list" if self.method == "GET" and self._is_list_view() else self.method_mapping[self.method.lower()]
        return "_".join([*re.findall(r"\w+", path), action])


class SessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # theirs has no types
    """The browser's session, as the description names it."""

    target_class = "tradingsite.api.authentication.Session"
    name = "session"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "apiKey", "in": "cookie", "name": settings.SESSION_COOKIE_NAME}


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # theirs has no types
    """A token of a user, for scripts and agents."""

    target_class = "tradingsite.api.authentication.BearerToken"
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        about = (
            "A token that begins with ts_, made at /admin/access/apitoken/ or with POST /api/v1/tokens and shown once. "
            "Its scopes say what it opens: read (GET), configure (changes), trade (bots and positions), admin (tokens)."
        )
        return {"type": "http", "scheme": "bearer", "description": about}


def describe_envelope(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Wrap every answer as the renderer does, and give every operation the error envelope."""
    schemas = result.setdefault("components", {}).setdefault("schemas", {})
    schemas |= {"Error": _ERROR, "Fault": _FAULT}
    for path in result["paths"].values():
        for method in _METHODS:
            if method in path:
                operation = path[method]
                _wrap(operation["responses"], is_plain=operation.pop("x-plain-answer", False))
                if any(one["name"] == "If-None-Match" for one in operation.get("parameters", ())):
                    operation["responses"]["304"] = {"description": "Nothing is newer than what the caller has."}
    return result


def _wrap(responses: dict[str, Any], *, is_plain: bool) -> None:
    """A plain answer is a file: it has no envelope. An error always has one."""
    for status, response in responses.items():
        content = response.get("content", {}).get("application/json")
        if status.startswith("2") and content is not None and not is_plain:
            content["schema"] = _envelope(content.get("schema", {}))
            for example in content.get("examples", {}).values():
                example["value"] = _unlisted(example["value"])
    error = {"schema": {"$ref": "#/components/schemas/Error"}}
    responses["default"] = {"description": "Any error", "content": {"application/json": error}}


def _unlisted(example: Any) -> Any:
    """An example in its envelope as it was given: for a list of things the library makes a list of envelopes of it."""
    is_listed = isinstance(example, list) and len(example) == 1 and isinstance(example[0], dict)
    return example[0] if is_listed and example[0].keys() == {"success", "data", "metadata"} else example


def _envelope(data: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["success", "data", "metadata"],
        "properties": {
            "success": {"type": "boolean", "enum": [True]},
            "data": data,
            "metadata": {
                "type": "object",
                "required": ["request_id", "timestamp"],
                "properties": {
                    "request_id": {"type": "string"},
                    "timestamp": {"type": "string", "format": "date-time"},
                    "pagination": {"type": "object"},
                },
            },
        },
    }
