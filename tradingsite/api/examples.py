"""Examples of requests and answers where a view describes none: real ones, kept in examples.json.

What has no serializer is described by its example too: the names that are there, and their types. A test holds each
to a real answer (``CONTRACT_WRITE=1 pytest tests/contract/test_examples.py`` writes them anew).
"""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any, Final

Json = dict[str, Any]

FILE: Final = Path(__file__).with_name("examples.json")
_STAMP: Final = {"request_id": "0d6c3c0f6a0f4d7c9b8e6a5d4c3b2a10", "timestamp": "2026-11-21T04:00:00.000+00:00"}
_ID: Final = re.compile(r"[0-9a-f-]{36}")


@cache
def examples() -> dict[str, Json]:
    """What is sent and answered, by method and path: ``{"body": ..., "data": ..., "metadata": ...}``."""
    found: dict[str, Json] = json.loads(FILE.read_text("utf-8"))
    return found


def give_examples(result: Json, **_: Any) -> Json:
    """Add the examples to the description, and what they tell of shapes."""
    for key, example in examples().items():
        method, path = key.split()
        operation = result["paths"].get(path, {}).get(method.lower())
        if operation is None:
            continue
        for status, response in operation["responses"].items():
            for content in response.get("content", {}).values() if status.startswith("2") else ():
                told = {"success": True, "data": example["data"], "metadata": {**_STAMP, **example["metadata"]}}
                content.setdefault("examples", {"Answer": {"value": told, "summary": "An answer"}})
                content["schema"] = _schema(content.get("schema", {}), example["data"])
        if "body" in example:
            for content in operation["requestBody"]["content"].values():
                content.setdefault("examples", {"Request": {"value": example["body"], "summary": "A request"}})
                content["schema"] = _schema(content.get("schema", {}), example["body"])
    return result


def _schema(described: Json, example: Any) -> Json:
    """What a serializer says, listed where the answer is a list; where none says anything, what the example shows."""
    if "$ref" in described or "items" in described:
        is_one = "$ref" in described and isinstance(example, list)
        return {"type": "array", "items": described} if is_one else described
    return shape_of(example)


def shape_of(value: Any) -> Json:
    """The names and types of an example; anything inside may be null or missing."""
    if isinstance(value, dict):
        inner = {name: _or_null(shape_of(one)) for name, one in value.items()}
        if value and all(_ID.fullmatch(name) for name in value):
            return {"type": "object", "additionalProperties": next(iter(inner.values()))}
        return {"type": "object", "properties": inner}
    if isinstance(value, list):
        return {"type": "array", "items": _or_null(shape_of(value[0])) if value else {}}
    if isinstance(value, bool):
        return {"type": "boolean"}
    if isinstance(value, int | float):
        return {"type": "number"}
    return {"type": "string"} if isinstance(value, str) else {}


def _or_null(schema: Json) -> Json:
    return {**schema, "type": [schema["type"], "null"]} if "type" in schema else schema
