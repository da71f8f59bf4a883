"""Resolved configuration as JSON: values, where each comes from, and how fresh the answer is."""

from collections.abc import Mapping, Sequence
from typing import Any

from configuration import effects, selectors
from configuration.api.output.places import scope_output
from configuration.image import Path
from configuration.planning import Changed
from configuration.scopes import Candidate, Resolved, Scope
from configuration.store import Read


def configuration_output(
    namespace: str, scope: Scope, read: Read, facts: selectors.ScopeFacts | None
) -> dict[str, Any]:
    """The resolved values of a scope of a namespace, each with its origin.

    ``version`` is the head's: send it back as base_version or If-Match. ``scope_version`` counts the
    writes to this very scope, ``is_override`` says whether it sets anything itself. ``facts`` None:
    they could not be asked.
    """
    image = read.image
    values = image.resolve(namespace, Path.of(scope))
    return {
        "namespace": namespace,
        "symbol": scope.symbol or None,
        "side": scope.side or None,
        "parameters": {name: value.value for name, value in values.items()},
        "origins": {name: value.origin.as_json() for name, value in values.items()},
        "version": image.version,
        "scope_version": facts.writes if facts else None,
        "source": source_of(values),
        "is_override": bool(image.stored(namespace, scope)),
        "created_at": facts.created_at if facts else None,
        "updated_at": facts.updated_at if facts else None,
        **freshness_output(read),
    }


def freshness_output(read: Read) -> dict[str, Any]:
    """How an answer came about: from memory or not, in how long, and whether the database confirmed it."""
    return {
        "cache_hit": read.is_cache_hit,
        "load_time_ms": round(read.load_ms, 3),
        "is_degraded": read.is_degraded,
    }


def source_of(values: Mapping[str, Resolved]) -> str:
    """The strongest layer that contributed to the values: default, environment or database."""
    layers = {value.origin.scope for value in values.values()}
    if layers <= {"default"}:
        return "default"
    return "environment" if layers <= {"default", "environment"} else "database"


def resolved_output(resolved: Resolved) -> dict[str, Any]:
    """A value with its origin and what it shadows, nearest layer first."""
    return {**candidate_output(resolved), "shadowed": [candidate_output(one) for one in resolved.shadowed]}


def candidate_output(candidate: Candidate | Resolved) -> dict[str, Any]:
    """A value that a layer offers."""
    return {"value": candidate.value, "origin": candidate.origin.as_json()}


def difference_output(difference: selectors.Difference) -> dict[str, Any]:
    """One effective value that is not the same on both sides; null where the parameter did not exist."""
    return {
        "namespace": difference.namespace,
        "parameter": difference.parameter,
        "scope": scope_output(difference.scope),
        "before": None if difference.before is None else candidate_output(difference.before),
        "after": None if difference.after is None else candidate_output(difference.after),
    }


def foreseen(read: Read, changes: Sequence[Changed]) -> Read:
    """What would be read once the changes are made: the next version, which stands at each value set."""
    if not changes:
        return read
    image = effects.after(read.image, changes)
    image.version = read.image.version + 1  # nobody else has this image
    return read._replace(image=image)
