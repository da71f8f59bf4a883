"""What the catalogue says, as JSON."""

from typing import Any

from configuration.api.output.places import address_of, schema_address
from configuration.catalogue import CATALOGUE, Namespace
from configuration.scopes import GLOBAL
from engine.domain.declarations import Parameter


def parameter_output(parameter: Parameter) -> dict[str, Any]:
    """Everything the catalogue says about a parameter, under the documents' names."""
    return {
        "name": parameter.name,
        "type": parameter.kind,
        "description": parameter.description,
        "default": parameter.default,
        "min": parameter.minimum,
        "max": parameter.maximum,
        "step": parameter.step,
        "allowed_values": list(parameter.choices) or None,
        "allowed_keys": None if parameter.keys is None else list(parameter.keys),
        "nullable": parameter.nullable,
        "example": parameter.example,
        "unit": parameter.unit,
        "group": parameter.group,
        "impact": parameter.impact,
        "when_to_change": parameter.when_to_change,
        "risk": parameter.risk,
        "reload": parameter.reload,
        "scopes": list(parameter.scopes),
        "environment": parameter.environment,
        "synonyms": list(parameter.synonyms),
        "is_extra": parameter.is_extra,
    }


def limits_output(parameter: Parameter) -> dict[str, Any]:
    """What a value of the parameter must keep to."""
    said = parameter_output(parameter)
    return {name: said[name] for name in ("type", "min", "max", "step", "allowed_values", "allowed_keys", "nullable")}


def namespace_output(about: Namespace) -> dict[str, Any]:
    """What a namespace is, and where it is read, described and changed."""
    return {
        "namespace": about.name,
        "title": about.title,
        "description": about.description,
        "kind": about.kind,
        "scopes": list(about.scopes),
        "is_installed": about.is_installed,
        "parameter_count": len(about.documented),
        "extra_count": len(about.extras),
        "schema": schema_address(about.name),
        "address": None if about.kind == "bot" else address_of(about.name, GLOBAL),
    }


def found_output(namespace: str, parameter: Parameter, score: float) -> dict[str, Any]:
    """One parameter a search found, with the call that explains it."""
    return {
        "namespace": namespace,
        "parameter": parameter.name,
        "score": round(score, 3),
        "title": CATALOGUE.about(namespace).title,
        "about": parameter_output(parameter),
        "explain": {
            "method": "GET",
            "path": f"/api/v1/config/explain?namespace={namespace}&parameter={parameter.name}",
        },
    }
