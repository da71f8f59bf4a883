"""docs/environment.md against the catalogue: every variable of a parameter is there, with what is true of it."""

import re
from pathlib import Path

import pytest
from django.test import override_settings

from configuration import environment, store, values
from configuration.catalogue import CATALOGUE
from configuration.scopes import GLOBAL
from configuration.tests.examples import value_at
from engine.domain.declarations import Parameter

PAGE = Path(__file__).parents[2] / "docs" / "environment.md"


def rows() -> dict[str, tuple[list[str], str, str]]:
    """Parameter -> its variables, its default, and what is allowed, as the page has them."""
    _, _, section = PAGE.read_text(encoding="utf-8").partition("\n## Parameters\n")
    found = re.findall(r"^\| (`[A-Z].*?) \| `([a-z_.]+)` \| (.*?) \| (.+) \|$", section, re.MULTILINE)
    return {name: (re.findall(r"`(\w+)`", words), default, allowed) for words, name, default, allowed in found}


def allowed(parameter: Parameter) -> str:
    if parameter.kind in ("int", "float"):
        return values.limits(parameter)
    if parameter.kind == "list":
        return "station codes, separated by commas" if parameter.choices else "at least two names, separated by commas"
    return ", ".join(parameter.choices) or "true or false"


def test_page__its_table__is_exactly_the_variables_of_the_catalogue() -> None:
    assert rows() == {
        f"{namespace}.{parameter.name}": (
            list(environment.names(parameter)),
            values.shown(parameter.default),
            allowed(parameter),
        )
        for namespace in CATALOGUE.namespaces()
        for parameter in CATALOGUE.parameters(namespace)
        if environment.names(parameter)
    }


@pytest.mark.django_db
def test_variable__of_the_deployments_files__supplies_its_parameter_unless_the_environment_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def edge_min() -> float:
        store.forget()
        value: float = value_at(GLOBAL, "edge_min", "weather")
        return value

    with override_settings(CONFIG_VARIABLES={"EDGE_MIN": "0.2"}):
        from_file = edge_min()
        monkeypatch.setenv("EDGE_MIN", "  ")  # blank counts as not set
        with_blank = edge_min()
        monkeypatch.setenv("EDGE_MIN", "0.3")
        from_environment = edge_min()
    monkeypatch.undo()

    assert (from_file, with_blank, from_environment, edge_min()) == (0.2, 0.2, 0.3, 0.05)
