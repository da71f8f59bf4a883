"""The weather desk and its engine as the documents state them, typed by hand."""

from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import pytest

from configuration import environment, rules, values
from configuration.catalogue import CATALOGUE
from configuration.parameters.stations import STATIONS
from configuration.scopes import GLOBAL
from configuration.services import ClearValue
from configuration.tests.examples import decide, put, value_at
from engine.domain.errors import InputError


class Row(NamedTuple):
    """One line of the documents' table."""

    namespace: str
    name: str
    default: Any
    passes: tuple[Any, ...]
    fails: tuple[Any, ...]
    variable: str | None
    reload: str = "next_cycle"
    code: str = "out_of_range"


T = (
    Row("weather", "active_stations", ["EGLC", "KLGA"], (["KDEN"], ["KNYC", "KLAX", "KMIA", "KPHL", "KAUS", "KMDW"]),
        (["XXXX"],), "ACTIVE_STATIONS", "restart", "not_a_choice"),
    Row("weather", "edge_min", 0.05, (0.01, 0.50), (0.009, 0.501), "EDGE_MIN"),
    Row("weather", "fee_bp", 50, (0, 1000), (-1, 1001), "FEE_BP"),
    Row("weather", "slippage_bp", 30, (0, 1000), (-1, 1001), "SLIPPAGE_BP"),
    Row("weather", "kelly_cap", 0.10, (0.01, 0.50), (0.009, 0.501), "KELLY_CAP"),
    Row("weather", "daily_bankroll_cap", 3000.0, (0.0, 1e9), (-0.01,), "DAILY_BANKROLL_CAP"),
    Row("weather", "per_market_cap", 500.0, (0.0, 1e9), (-0.01,), "PER_MARKET_CAP"),
    Row("weather", "liquidity_min_usd", 1000.0, (0.0, 1e9), (-0.01,), "LIQUIDITY_MIN_USD"),
    Row("weather", "model_mode", "spread", ("spread", "bands"), ("points",), "MODEL_MODE", code="not_a_choice"),
    Row("weather", "zeus_likely_pct", 0.80, (0.50, 0.99), (0.499, 0.991), "ZEUS_LIKELY_PCT"),
    Row("weather", "zeus_possible_pct", 0.95, (0.80, 0.99), (0.799, 0.991), "ZEUS_POSSIBLE_PCT"),
    Row("weather", "sigma_default", 2.0, (0.1, 10.0), (0.09, 10.01), None),
    Row("weather", "sigma_min", 0.5, (0.1, 10.0), (0.09, 10.01), None),
    Row("weather", "sigma_max", 10.0, (0.1, 20.0), (0.09, 20.01), None),
    Row("weather", "bracket_interval", "continuity", ("continuity", "literal"), ("exact",), None, code="not_a_choice"),
    Row("engine", "interval_seconds", 900, (60, 3600), (59, 3601), "DYNAMIC_INTERVAL_SECONDS", "restart"),
    Row("engine", "lookahead_days", 2, (1, 7), (0, 8), "DYNAMIC_LOOKAHEAD_DAYS", "restart"),
    Row("engine", "execution_mode", "paper", ("paper", "live"), ("dry",), "EXECUTION_MODE", "restart", "not_a_choice"),
)  # fmt: skip
per_row = pytest.mark.parametrize("row", T, ids=lambda row: f"{row.namespace}.{row.name}")


def test_table__every_row__is_declared_and_nothing_else_is() -> None:
    for namespace in ("weather", "engine"):
        declared = [parameter.name for parameter in CATALOGUE.parameters(namespace)]
        assert sorted(declared) == sorted(row.name for row in T if row.namespace == namespace)
        assert CATALOGUE.about(namespace).is_installed is False


@per_row
def test_parameter__as_documented__has_default_scope_reload_and_variable(row: Row) -> None:
    parameter = CATALOGUE.get(row.namespace, row.name)

    assert (parameter.default, type(parameter.default)) == (row.default, type(row.default))
    assert (parameter.scopes, parameter.reload, parameter.environment) == (("global",), row.reload, row.variable)


@per_row
def test_parameter__at_and_beyond_its_bounds__passes_and_is_refused(row: Row) -> None:
    parameter = CATALOGUE.get(row.namespace, row.name)
    for value in row.passes:
        assert values.judge(parameter, value, pointer="/x") == values.Judged(value)
    for value in row.fails:
        assert [fault.code for fault in values.judge(parameter, value, pointer="/x").faults] == [row.code]


@pytest.mark.parametrize("row", [row for row in T if row.variable], ids=lambda row: row.variable)
def test_variable__documented_name__supplies_its_parameter(row: Row) -> None:
    other = row.passes[0]

    reading = environment.read(CATALOGUE, {row.variable or "": values.shown(other)})

    assert reading == ({(row.namespace, row.name): environment.Supplied(other, row.variable)}, ())


def test_money__a_fraction_of_a_cent__is_refused_and_any_cent_is_not() -> None:
    cap = CATALOGUE.get("weather", "daily_bankroll_cap")

    # 0.07 / 0.01 is 7.000000000000001 in binary floats; as decimals it is 7
    assert values.judge(cap, 0.07, pointer="/x") == values.Judged(0.07)
    assert values.judge(cap, 2999.99, pointer="/x") == values.Judged(2999.99)
    (fault,) = values.judge(cap, 0.005, pointer="/x").faults
    assert (fault.code, fault.allowed) == ("not_a_step", {"step": 0.01})
    assert "allowed whole multiples of 0.01 USD" in fault.message


def test_stations__each__has_a_code_a_place_and_a_zone_that_exists() -> None:
    assert list(STATIONS) == ["EGLC", "KLGA", "KNYC", "KLAX", "KMIA", "KPHL", "KAUS", "KMDW", "KDEN"]
    for code, station in STATIONS.items():
        assert station.code == code
        assert -90 <= station.latitude <= 90
        assert -180 <= station.longitude <= 180
        assert ZoneInfo(station.time_zone).key == station.time_zone
    assert (STATIONS["EGLC"].city, STATIONS["EGLC"].time_zone) == ("London", "Europe/London")
    assert (STATIONS["KLGA"].latitude, STATIONS["KLGA"].longitude) == (40.7769, -73.874)
    assert [code for code, station in STATIONS.items() if station.venue_hint] == ["EGLC", "KLGA"]


def test_stations__unknown_code__is_named_with_those_there_are() -> None:
    stations = CATALOGUE.get("weather", "active_stations")

    (fault,) = values.judge(stations, ["EGLC", "KXYZ"], pointer="/x").faults

    assert fault.pointer == "/x/1"
    assert "'KXYZ'" in fault.message
    assert fault.allowed == list(STATIONS)


def complaints(**changed: Any) -> list[str]:
    effective = {parameter.name: parameter.default for parameter in CATALOGUE.parameters("weather")} | changed
    return [rule.code for rule in rules.rules("weather") if rule.complaint(effective)]


@pytest.mark.parametrize(
    ("changed", "codes"),
    [
        ({}, []),
        ({"zeus_likely_pct": 0.95}, ["not_rising"]),  # equal is not above
        ({"zeus_likely_pct": 0.949}, []),
        ({"zeus_likely_pct": 0.50}, []),  # spread does not read it
        ({"zeus_likely_pct": 0.50, "model_mode": "bands"}, ["band_without_width"]),
        ({"zeus_likely_pct": 0.51, "model_mode": "bands"}, []),
        ({"sigma_min": 2.0}, []),  # equal is allowed
        ({"sigma_min": 2.01}, ["sigmas_unordered"]),
        ({"sigma_max": 1.99}, ["sigmas_unordered"]),
        ({"sigma_max": 2.0}, []),
    ],
)
def test_rules__of_the_desk__hold_between_its_values(changed: dict[str, Any], codes: list[str]) -> None:
    assert complaints(**changed) == codes


@pytest.mark.django_db
def test_change__likely_alone_above_the_possible_in_force__is_refused_and_both_together_are_not() -> None:
    # Given: possible was lowered before, so that 0.9 is above it though it is below the default 0.95
    put(GLOBAL, namespace="weather", zeus_possible_pct=0.88)

    with pytest.raises(InputError) as refused:
        put(GLOBAL, namespace="weather", zeus_likely_pct=0.9)
    put(GLOBAL, namespace="weather", zeus_likely_pct=0.9, zeus_possible_pct=0.92)

    assert [fault.code for fault in refused.value.faults] == ["not_rising"]
    assert value_at(GLOBAL, "zeus_likely_pct", "weather") == 0.9


@pytest.mark.django_db
def test_change__clearing_what_another_value_needs__is_refused() -> None:
    put(GLOBAL, namespace="weather", sigma_default=0.2, sigma_min=0.1)

    with pytest.raises(InputError) as refused:
        decide(ClearValue(GLOBAL, "weather", "sigma_min"))

    assert [fault.code for fault in refused.value.faults] == ["sigmas_unordered"]
