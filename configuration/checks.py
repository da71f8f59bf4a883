"""What must be right before anything starts: the catalogue with itself, and the environment's values."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.apps import AppConfig
from django.core import checks

from configuration import environment, rules, values
from configuration.catalogue import CATALOGUE, Catalogue
from engine.domain.declarations import Parameter


@checks.register("configuration")
def environment_values(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[checks.CheckMessage]:
    """E001: an environment variable supplies a value its parameter does not allow. One error for each."""
    return bad_variables(CATALOGUE, environment.variables())


@checks.register("configuration")
def catalogue_consistent(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[checks.CheckMessage]:
    """What the catalogue says against itself.

    E002: a default or an example outside its own limits. E003: a rule about parameters nobody declared.
    E004: one environment variable for two parameters. E005: words that are missing. E006: one name twice.
    """
    return [
        *bad_defaults(CATALOGUE),
        *bad_rules(CATALOGUE),
        *shared_variables(CATALOGUE),
        *missing_words(CATALOGUE),
        *repeated_names(CATALOGUE),
    ]


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
    """An E002 for every default or example that its own parameter would refuse, or would store in another form."""
    for namespace, parameter in _every(catalogue):
        for what, value in (("default", parameter.default), ("example", parameter.example)):
            if value is None and what == "example":
                continue  # missing: E005
            judged = values.judge(parameter, value, pointer=parameter.name)
            if judged.faults or repr(judged.value) != repr(value):
                said = "; ".join(fault.message for fault in judged.faults) or f"stored as {judged.value!r}"
                yield checks.Error(f"The {what} of {namespace}.{parameter.name}: {said}", id="configuration.E002")


def bad_rules(catalogue: Catalogue) -> Iterator[checks.CheckMessage]:
    """An E003 for every rule that reads a parameter its namespace does not declare."""
    for namespace in catalogue.namespaces():
        for rule in rules.rules(namespace):
            for name in rule.parameters:
                if catalogue.find(namespace, name) is None:
                    message = f"The rule {rule.code} reads {namespace}.{name}, which is not declared."
                    yield checks.Error(message, id="configuration.E003")


def shared_variables(catalogue: Catalogue) -> Iterator[checks.CheckMessage]:
    """An E004 for every environment variable that more than one parameter would listen to."""
    heard: dict[str, list[str]] = {}
    for namespace, parameter in _every(catalogue):
        for variable in environment.names(parameter):
            heard.setdefault(variable, []).append(f"{namespace}.{parameter.name}")
    for variable, parameters in heard.items():
        if len(parameters) > 1:
            yield checks.Error(f"{variable} would supply {' and '.join(parameters)}.", id="configuration.E004")


def missing_words(catalogue: Catalogue) -> Iterator[checks.CheckMessage]:
    """An E005 for every parameter without description, impact, when_to_change or example."""
    for namespace, parameter in _every(catalogue):
        words = (parameter.description, parameter.impact, parameter.when_to_change)
        if parameter.example is None or not all(said.strip() for said in words):
            message = f"{namespace}.{parameter.name} lacks a description, impact, when_to_change or example."
            yield checks.Error(message, id="configuration.E005")


def repeated_names(catalogue: Catalogue) -> Iterator[checks.CheckMessage]:
    """An E006 for every name that is declared more than once in its namespace."""
    counted = Counter((namespace, parameter.name) for namespace, parameter in _every(catalogue))
    for (namespace, name), times in counted.items():
        if times > 1:
            yield checks.Error(f"{namespace}.{name} is declared {times} times.", id="configuration.E006")


def _every(catalogue: Catalogue) -> Iterator[tuple[str, Parameter]]:
    for namespace in catalogue.namespaces():
        for parameter in catalogue.parameters(namespace):
            yield namespace, parameter
