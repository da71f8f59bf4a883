"""What counts as a value, beyond the documents' bounds: numbers that are none, truths, texts, maps."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from configuration import canonical, values
from configuration.catalogue import CATALOGUE
from engine.domain.declarations import Parameter

LEVERAGE = CATALOGUE.get("trading", "leverage")
STOP = CATALOGUE.get("trading", "stop_loss_pct")
WEIGHTS = CATALOGUE.get("trading", "strategy_weights")
CAPITAL = CATALOGUE.get("bot", "capital")
INDICATORS = CATALOGUE.get("indicator_voting", "indicators")


def codes(parameter: Parameter, raw: Any) -> list[tuple[str, str]]:
    return [(fault.code, fault.pointer) for fault in values.judge(parameter, raw, pointer="/p").faults]


@pytest.mark.parametrize("parameter", [LEVERAGE, STOP])
def test_number__true__is_not_one(parameter: Parameter) -> None:
    assert codes(parameter, True) == [("invalid_type", "/p")]


@pytest.mark.parametrize("raw", [float("nan"), float("inf"), float("-inf")])
def test_number__not_finite__is_refused(raw: float) -> None:
    assert codes(STOP, raw) == [("not_finite", "/p")]
    assert codes(LEVERAGE, raw) == [("not_finite", "/p")]
    assert codes(WEIGHTS, {"a": raw}) == [("not_finite", "/p/a")]
    assert codes(CAPITAL, str(raw)) == [("not_finite", "/p")]


def test_number__an_int_where_a_float_is_declared__becomes_a_float() -> None:
    judged = values.judge(STOP, 2, pointer="/p")
    assert (judged.value, type(judged.value)) == (2.0, float)


def test_number__a_float_where_an_int_is_declared__is_refused() -> None:
    assert codes(LEVERAGE, 10.0) == [("invalid_type", "/p")]


def test_number__larger_than_a_float_can_be__is_a_fault_not_a_crash() -> None:
    assert codes(STOP, 10**400) == [("out_of_range", "/p")]
    assert codes(LEVERAGE, 10**5000) == [("out_of_range", "/p")]
    assert codes(WEIGHTS, {"a": 10**400}) == [("not_finite", "/p/a")]


def test_number__negative_zero__is_zero() -> None:
    slippage = CATALOGUE.get("trading", "slippage_tolerance_pct")
    assert canonical.text(values.judge(slippage, -0.0, pointer="").value) == "0.0"


def test_null__where_it_means_not_set__passes_and_elsewhere_is_refused() -> None:
    assert codes(CATALOGUE.get("trading", "override_min_qty"), None) == []
    assert codes(LEVERAGE, None) == [("invalid_type", "/p")]


def test_map__several_faults__are_all_reported_at_their_keys() -> None:
    faulty = {"": 1.0, "a/b": -1.0, "c": "x", "d": True, "fine": 2}
    assert codes(WEIGHTS, faulty) == [
        ("empty", "/p/"), ("out_of_range", "/p/a~1b"), ("invalid_type", "/p/c"), ("invalid_type", "/p/d"),
    ]  # fmt: skip


def test_list__names_twice_or_unknown_or_none__are_all_reported() -> None:
    assert codes(INDICATORS, ["RSI", "RSI", "FOO", 7]) == [
        ("duplicate", "/p/1"), ("not_a_choice", "/p/2"), ("invalid_type", "/p/3"),
    ]  # fmt: skip
    assert codes(INDICATORS, []) == [("empty", "/p")]
    assert codes(INDICATORS, "RSI") == [("invalid_type", "/p")]


@pytest.mark.parametrize("raw", ["25000.50", 25000.5, Decimal("25000.500"), " 25000.5 "])
def test_decimal__however_written__has_one_form(raw: Any) -> None:
    assert values.judge(CAPITAL, raw, pointer="").value == "25000.5"


@pytest.mark.parametrize(("raw", "code"), [("1e3000", "out_of_range"), ("1.0000000001", "out_of_range"), ("a", "invalid_type"), (True, "invalid_type"), ("", "invalid_type")])  # fmt: skip  # noqa: E501
def test_decimal__no_amount_of_money__is_refused(raw: Any, code: str) -> None:
    assert codes(CAPITAL, raw) == [(code, "/p")]


@pytest.mark.parametrize(
    ("parameter", "text", "value"),
    [
        (LEVERAGE, " 12 ", 12),
        (STOP, "1.5", 1.5),
        (CATALOGUE.get("trading", "enabled"), "false", False),
        (CATALOGUE.get("trading", "position_mode"), "one-way", "one-way"),
        (CATALOGUE.get("trading", "timeframe_weights"), "1h=1.5\n4h = 2", {"1h": 1.5, "4h": 2.0}),
        (INDICATORS, "RSI, MACD", ["RSI", "MACD"]),
        (CAPITAL, "500", "500"),
    ],
)
def test_text__as_people_write_it__is_read(parameter: Parameter, text: str, value: Any) -> None:
    assert values.from_text(parameter, text, pointer="") == values.Judged(value)


@pytest.mark.parametrize(("parameter", "text"), [(LEVERAGE, "1.5"), (LEVERAGE, "ten"), (WEIGHTS, "a"), (WEIGHTS, "a=1,a=2")])  # fmt: skip  # noqa: E501
def test_text__of_another_type__is_refused(parameter: Parameter, text: str) -> None:
    assert [fault.code for fault in values.from_text(parameter, text, pointer="").faults] == ["invalid_type"]


@given(st.dictionaries(st.text("abc", min_size=1), st.floats(0, 1e300)))
def test_shown__any_map__reads_back_exactly(weights: dict[str, float]) -> None:
    assert values.from_text(WEIGHTS, values.shown(weights), pointer="").value == weights


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
)


@given(
    raw=json_values, parameter=st.sampled_from([p for ns in CATALOGUE.namespaces() for p in CATALOGUE.parameters(ns)])
)
def test_judge__anything_at_all__answers_and_its_values_are_stable(raw: Any, parameter: Parameter) -> None:
    judged = values.judge(parameter, raw, pointer="/p")
    canonical.text([fault._asdict() for fault in judged.faults])  # every fault can be sent as strict JSON
    if not judged.faults:
        assert values.judge(parameter, judged.value, pointer="/p") == judged
        canonical.text(judged.value)


@pytest.mark.parametrize(
    ("kind", "step", "fits", "misses"),
    [
        ("int", 5, (0, 5, -10, 10**6), (1, 4, 6)),
        ("float", 0.01, (0.0, 0.07, 1.13, -0.03, 2999.99, 1e15), (0.005, 0.1 + 0.2, 1e-9)),
        ("float", 0.25, (0.5, 2, 0.75), (0.3, 0.26)),
        ("decimal", 0.01, ("0.07", "1000000000000.01", "3"), ("0.001", "1000000000000.001")),
    ],
)
def test_step__counted_from_zero__is_exact_in_decimals(
    kind: str, step: float, fits: tuple[Any, ...], misses: tuple[Any, ...]
) -> None:
    stepped = CAPITAL._replace(kind=kind, step=step, minimum=None, maximum=None)  # type: ignore[arg-type]  # from the table

    for raw in fits:
        assert codes(stepped, raw) == []
    for raw in misses:
        assert codes(stepped, raw) == [("not_a_step", "/p")]


def test_step__out_of_range_too__is_told_once() -> None:
    assert codes(LEVERAGE._replace(step=5), 126) == [("out_of_range", "/p")]


def test_step__of_a_map__binds_each_of_its_numbers() -> None:
    assert codes(WEIGHTS._replace(step=0.5), {"a": 0.5, "b": 0.7}) == [("not_a_step", "/p/b")]


def test_list__bounds_of_its_length__are_told() -> None:
    few = INDICATORS._replace(minimum=2, maximum=3)

    assert codes(few, ["RSI"]) == [("too_few", "/p")]
    assert codes(few, ["RSI", "MACD", "SMA", "EMA"]) == [("too_many", "/p")]
    assert codes(few, ["RSI", "FOO"]) == [("not_a_choice", "/p/1")]
    assert codes(few._replace(minimum=0), []) == []


def test_list__without_names__is_written_none() -> None:
    empty = INDICATORS._replace(minimum=0)

    assert values.shown([]) == "none"
    assert values.from_text(empty, "none", pointer="") == values.Judged([])
    assert [fault.code for fault in values.from_text(INDICATORS, "none", pointer="").faults] == ["empty"]
