"""What must be right before anything starts: the catalogue with itself, and the environment's values."""

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.apps import AppConfig
from django.core import checks

from configuration import environment, rules, values
from configuration.catalogue import CATALOGUE, Catalogue


@checks.register("configuration")
def environment_values(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[checks.CheckMessage]:
    """E001: an environment variable supplies a value its parameter does not allow. One error for each."""
    return bad_variables(CATALOGUE, os.environ)


@checks.register("configuration")
def catalogue_consistent(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[checks.CheckMessage]:
    """E002: a default outside its own limits. E003: a rule about parameters nobody declared."""
    return [*bad_defaults(CATALOGUE), *bad_rules(CATALOGUE)]


def bad_variables(catalogue: Catalogue, environ: Mapping[str, str]) -> list[checks.CheckMessage]:
    """An E001 for every documented variable that is set to a value its parameter does not allow."""
    return [
        checks.Error(
            f"{fault.pointer.split('/')[2]}: {fault.message}",
            hint=f"Allowed: {fault.allowed}. Correct the variable or unset it.",
            id="configuration.E001",
        )
        for fault in environment.read(catalogue, environ).faults
    ]


def bad_defaults(catalogue: Catalogue) -> Iterator[checks.CheckMessage]:
    """An E002 for every default that its own parameter would refuse, or would store in another form."""
    for namespace in catalogue.namespaces():
        for parameter in catalogue.parameters(namespace):
            judged = values.judge(parameter, parameter.default, pointer=parameter.name)
            if judged.faults or repr(judged.value) != repr(parameter.default):
                said = "; ".join(fault.message for fault in judged.faults) or f"stored as {judged.value!r}"
                yield checks.Error(f"The default of {namespace}.{parameter.name}: {said}", id="configuration.E002")


def bad_rules(catalogue: Catalogue) -> Iterator[checks.CheckMessage]:
    """An E003 for every rule that reads a parameter its namespace does not declare."""
    for namespace in catalogue.namespaces():
        for rule in rules.rules(namespace):
            for name in rule.parameters:
                if catalogue.find(namespace, name) is None:
                    message = f"The rule {rule.code} reads {namespace}.{name}, which is not declared."
                    yield checks.Error(message, id="configuration.E003")
