"""Values that documented environment variables supply: below every stored value, above the defaults.

Read once when a process first needs configuration. Only a parameter that declares a variable has
one, and only when it is set; a bad value stops the start (``configuration.checks``).
"""

import os
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from django.conf import settings

from configuration import canonical, values
from configuration.catalogue import Catalogue
from engine.domain.declarations import Parameter
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
            found = [_supplied(parameter, name, environ) for name in names(parameter) if environ.get(name, "").strip()]
            wrong = [fault for _, judged in found for fault in judged.faults] or _disagreement(parameter, found)
            faults += wrong
            if found and not wrong:
                name, judged = found[0]
                supplied[namespace, parameter.name] = Supplied(judged.value, name)
    return Reading(supplied, tuple(faults))


def variables() -> Mapping[str, str]:
    """What this process is told: the deployment's files of settings, and over them its real environment."""
    told = {name: value for name, value in os.environ.items() if value.strip()}
    return {**settings.CONFIG_VARIABLES, **told}


def names(parameter: Parameter) -> tuple[str, ...]:
    """Every variable that may supply a parameter, its own name first."""
    return (parameter.environment, *parameter.environment_aliases) if parameter.environment else ()


def _supplied(parameter: Parameter, name: str, environ: Mapping[str, str]) -> tuple[str, values.Judged]:
    return name, values.from_text(parameter, environ[name], pointer=f"/environment/{name}")


def _disagreement(parameter: Parameter, found: Sequence[tuple[str, values.Judged]]) -> list[Fault]:
    """Two names of one parameter with two values: neither can be what was meant."""
    different = {canonical.text(judged.value) for _, judged in found}
    if len(different) < 2:
        return []
    said = " and ".join(f"{name} {values.shown(judged.value)}" for name, judged in found)
    message = f"{parameter.name} is told two values: {said}."
    return [
        Fault("given_twice", f"/environment/{found[-1][0]}", message, "one value", values.shown(found[-1][1].value))
    ]
