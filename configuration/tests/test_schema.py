"""The schemas against an independent validator: what it accepts and what the catalogue accepts."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from configuration import schema, values
from configuration.catalogue import CATALOGUE
from engine.domain.declarations import Parameter
from engine.domain.errors import NotFound

EVERY = [(namespace, one) for namespace in CATALOGUE.namespaces() for one in CATALOGUE.parameters(namespace)]
per_namespace = pytest.mark.parametrize("namespace", CATALOGUE.namespaces())
per_parameter = pytest.mark.parametrize(("namespace", "parameter"), EVERY, ids=lambda one: getattr(one, "name", one))


def accepts(parameter: Parameter, value: Any) -> bool:
    return Draft202012Validator(schema.parameter_schema(parameter)).is_valid(value)


def passes(parameter: Parameter, value: Any) -> bool:
    return not values.judge(parameter, value, pointer="").faults


@per_namespace
def test_schema__each_namespace__is_valid_and_its_defaults_pass_it(namespace: str) -> None:
    told = schema.json_schema(namespace)

    Draft202012Validator.check_schema(told)
    Draft202012Validator(told).validate({one.name: one.default for one in CATALOGUE.parameters(namespace)})
    assert told["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert not Draft202012Validator(told).is_valid({"leverag": 1})


@per_parameter
def test_parameter__its_default_and_example__pass_its_own_schema_and_judge(
    namespace: str, parameter: Parameter
) -> None:
    for value in (parameter.default, parameter.example):
        assert accepts(parameter, value)
        assert passes(parameter, value)


@per_parameter
def test_parameter__its_schema__tells_everything_an_agent_needs(namespace: str, parameter: Parameter) -> None:
    told = schema.json_schema(namespace)["properties"][parameter.name]

    assert (told["description"], told["x-impact"], told["x-when-to-change"]) == (
        parameter.description, parameter.impact, parameter.when_to_change,
    )  # fmt: skip
    assert (told["x-risk"], told["x-reload"], told["x-scopes"]) == (
        parameter.risk, parameter.reload, list(parameter.scopes),
    )  # fmt: skip
    assert (told["x-unit"] or "", told["x-environment"], told["x-synonyms"], told["x-group"]) == (
        parameter.unit, parameter.environment, list(parameter.synonyms), parameter.group,
    )  # fmt: skip
    assert told["examples"] == [parameter.example]


@per_parameter
def test_parameter__just_outside_its_range__is_refused_by_both(namespace: str, parameter: Parameter) -> None:
    if parameter.kind not in ("int", "float"):
        return
    by = 1 if parameter.kind == "int" else 1e-6
    for bound, outside in ((parameter.minimum, -by), (parameter.maximum, by)):
        if bound is not None:
            beyond = int(bound) + int(outside) if parameter.kind == "int" else bound + outside
            assert not accepts(parameter, beyond)
            assert not passes(parameter, beyond)


anything = st.recursive(
    st.none() | st.booleans() | st.integers(-10, 200) | st.floats(-2, 200) | st.sampled_from(
        ["", " ", "x", "isolated", "RSI", "EGLC", "1h", "12.5", "true"]
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["1h", "x", ""]), inner, max_size=2),
    max_leaves=4,
)  # fmt: skip


@given(value=anything, at=st.sampled_from(EVERY))
def test_judge__what_it_lets_pass__the_schema_accepts(value: Any, at: tuple[str, Parameter]) -> None:
    _, parameter = at
    if passes(parameter, value):
        assert accepts(parameter, value)


@given(value=anything, at=st.sampled_from(EVERY))
def test_schema__what_it_accepts__the_judge_lets_pass_but_for_what_it_cannot_say(
    value: Any, at: tuple[str, Parameter]
) -> None:
    _, parameter = at
    # Not said: money as text, a fractional step; and to JSON 10.0 is an integer.
    unsaid = {"decimal": {"out_of_range"}, "int": {"invalid_type"}, "float": {"not_a_step"}}
    if accepts(parameter, value):
        codes = {fault.code for fault in values.judge(parameter, value, pointer="").faults}
        assert codes <= unsaid.get(parameter.kind, set())


def test_schema__of_trading__counts_31_lists_its_extras_and_tells_its_rules() -> None:
    told = schema.json_schema("trading")

    assert (told["x-total-parameters"], len(told["x-extras"]), len(told["properties"])) == (31, 6, 37)
    assert (
        told["properties"]["leverage"] | {"maximum": 125, "minimum": 1, "type": "integer", "default": 10}
        == (told["properties"]["leverage"])
    )
    assert told["properties"]["override_min_qty"]["type"] == ["number", "null"]
    assert told["properties"]["margin_type"]["enum"] == ["isolated", "cross"]
    assert [rule["code"] for rule in told["x-rules"]] == ["min_above_max", "overrides_missing"]
    assert all(rule["description"] for rule in told["x-rules"])
    assert told["x-is-installed"] is True


def test_schema__of_what_is_not_installed__says_so() -> None:
    told = schema.json_schema("orderbook_skew")

    assert told["x-is-installed"] is False
    assert "Not installed yet" in told["description"]
    assert (told["x-category"], told["x-style"]) == ("Realtime Data", "microstructure")


def test_step__whole_or_fractional__is_told_where_validators_agree_on_it() -> None:
    lots = Parameter("lots", "int", 10, "lots", "G", "D.", "I.", "W.", step=5)
    cents = lots._replace(kind="float", step=0.01)

    assert schema.parameter_schema(lots)["multipleOf"] == 5
    assert "multipleOf" not in schema.parameter_schema(cents)
    assert schema.parameter_schema(cents)["x-step"] == 0.01


@pytest.mark.parametrize(
    ("namespace", "name", "value"),
    [
        ("indicator_voting", "indicators", []),
        ("indicator_voting", "indicators", ["RSI", "RSI"]),
        ("indicator_voting", "indicators", ["FOO"]),
        ("cross_exchange_spread", "exchanges", ["binance"]),
        ("cross_exchange_spread", "exchanges", ["binance", " "]),
        ("trading", "timeframe_weights", {"7m": 1.0}),
        ("trading", "strategy_weights", {"mine": -0.1}),
        ("trading", "strategy_weights", {" ": 1.0}),
        ("trading", "leverage", None),
        ("trading", "leverage", True),
        ("bot", "capital", "ten"),
    ],
)
def test_schema__value_of_no_use__is_refused_as_the_judge_does(namespace: str, name: str, value: Any) -> None:
    parameter = CATALOGUE.get(namespace, name)
    assert not passes(parameter, value)
    assert not accepts(parameter, value)


def test_schema__unknown_namespace__is_not_found() -> None:
    with pytest.raises(NotFound):
        schema.json_schema("astrology")
