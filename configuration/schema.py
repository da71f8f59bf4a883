"""A namespace as JSON Schema 2020-12: what a program, or a language model, must know to set a value.

What JSON Schema has no word for stands in ``x-`` members: unit, risk, reload, scopes. Looser than the
catalogue in three places, where validators differ or the words are missing: a step below 1 is only in
``x-step`` (binary floats make validators refuse 0.07 as a multiple of 0.01), money as text has no
range, and rules between parameters are told in ``x-rules`` and judged by the server.
"""

from typing import Any, Final

from configuration import rules
from configuration.catalogue import CATALOGUE, Namespace
from engine.domain.declarations import Parameter

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

_NOT_BLANK: Final = r"\S"
_MONEY: Final = r"^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$"


def json_schema(namespace: str) -> dict[str, Any]:
    """The schema of what may be set in a namespace. Every parameter is optional: one left out is inherited.

    Raises NotFound.
    """
    about = CATALOGUE.about(namespace)
    return {
        "$schema": DIALECT,
        "$id": f"urn:tradingsite:config:{namespace}:{CATALOGUE.fingerprint[:16]}",
        "title": about.title,
        "description": _described(about),
        "type": "object",
        "properties": {parameter.name: parameter_schema(parameter) for parameter in about.parameters},
        "additionalProperties": False,
        "x-kind": about.kind,
        "x-category": about.category or None,
        "x-style": about.style or None,
        "x-is-installed": about.is_installed,
        "x-scopes": list(about.scopes),
        "x-total-parameters": len(about.documented),
        "x-extras": [parameter.name for parameter in about.extras],
        "x-rules": [
            {"code": rule.code, "parameters": list(rule.parameters), "description": rule.says}
            for rule in rules.rules(namespace)
        ],
        "x-catalogue": CATALOGUE.fingerprint,
    }


def parameter_schema(parameter: Parameter) -> dict[str, Any]:
    """The schema of one parameter's value, with everything the catalogue says about it."""
    schema = {
        "title": parameter.name,
        "description": parameter.description,
        **_SHAPES[parameter.kind](parameter),
        "default": parameter.default,
        "examples": [parameter.example],
        "x-kind": parameter.kind,
        "x-unit": parameter.unit or None,
        "x-group": parameter.group,
        "x-impact": parameter.impact,
        "x-when-to-change": parameter.when_to_change,
        "x-risk": parameter.risk,
        "x-reload": parameter.reload,
        "x-scopes": list(parameter.scopes),
        "x-environment": parameter.environment,
        "x-environment-aliases": list(parameter.environment_aliases),
        "x-synonyms": list(parameter.synonyms),
        "x-step": parameter.step,
        "x-is-extra": parameter.is_extra,
        "x-is-read": parameter.is_read,
    }
    return _nullable(schema) if parameter.nullable else schema


def _described(about: Namespace) -> str:
    return about.description if about.is_installed else f"{about.description} Not installed yet: nothing acts on it."


def _number(parameter: Parameter) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "integer" if parameter.kind == "int" else "number", **_range(parameter)}
    if parameter.step is not None and float(parameter.step).is_integer():
        schema["multipleOf"] = parameter.step
    return schema


def _money(parameter: Parameter) -> dict[str, Any]:
    return {"type": ["string", "number"], "pattern": _MONEY, **_range(parameter)}


def _boolean(parameter: Parameter) -> dict[str, Any]:
    return {"type": "boolean"}


def _text(parameter: Parameter) -> dict[str, Any]:
    return {"type": "string", **_names(parameter)}


def _list(parameter: Parameter) -> dict[str, Any]:
    bounds = {"minItems": 1 if parameter.minimum is None else int(parameter.minimum)}
    if parameter.maximum is not None:
        bounds["maxItems"] = int(parameter.maximum)
    return {"type": "array", "items": _text(parameter), "uniqueItems": True, **bounds}


def _map(parameter: Parameter) -> dict[str, Any]:
    allowed = {"pattern": _NOT_BLANK} if parameter.keys is None else {"enum": list(parameter.keys)}
    numbers = _number(parameter._replace(kind="float"))
    return {"type": "object", "propertyNames": allowed, "additionalProperties": numbers}


_SHAPES: Final = {
    "int": _number,
    "float": _number,
    "decimal": _money,
    "bool": _boolean,
    "str": _text,
    "list": _list,
    "map": _map,
}


def _names(parameter: Parameter) -> dict[str, Any]:
    return {"enum": list(parameter.choices)} if parameter.choices else {"pattern": _NOT_BLANK}


def _range(parameter: Parameter) -> dict[str, float]:
    bounds = {"minimum": parameter.minimum, "maximum": parameter.maximum}
    return {word: bound for word, bound in bounds.items() if bound is not None}


def _nullable(schema: dict[str, Any]) -> dict[str, Any]:
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    nullable = {**schema, "type": [*types, "null"]}
    return nullable | ({"enum": [*schema["enum"], None]} if "enum" in schema else {})
