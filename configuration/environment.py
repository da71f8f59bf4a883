"""Values that documented environment variables supply: below every stored value, above the defaults.

Read once when a process first needs configuration. Only a parameter that declares a variable has
one, and only when it is set; a bad value stops the start (``configuration.checks``).
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from configuration import values
from configuration.catalogue import Catalogue
from engine.domain.errors import Fault


class Supplied(NamedTuple):
    """A value and the name of the variable it came from."""

    value: Any
    name: str


class Reading(NamedTuple):
    """What the environment supplies, by (namespace, parameter), and everything wrong with it."""

    supplied: dict[tuple[str, str], Supplied]
    faults: tuple[Fault, ...]


def read(catalogue: Catalogue, environ: Mapping[str, str]) -> Reading:
    """Every documented variable that is set. A faulty one is reported and not supplied."""
    supplied: dict[tuple[str, str], Supplied] = {}
    faults: list[Fault] = []
    for namespace in catalogue.namespaces():
        for parameter in catalogue.parameters(namespace):
            name = parameter.environment
            if name is None or not environ.get(name, "").strip():
                continue
            judged = values.from_text(parameter, environ[name], pointer=f"/environment/{name}")
            faults += judged.faults
            if not judged.faults:
                supplied[namespace, parameter.name] = Supplied(judged.value, name)
    return Reading(supplied, tuple(faults))
