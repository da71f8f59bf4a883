"""The 31 trading parameters as the documents state them, typed by hand, never read from the catalogue."""

import json
from dataclasses import dataclass
from typing import Any

import pytest

from configuration import canonical, checks, rules, values
from configuration.catalogue import CATALOGUE, Catalogue
from engine.domain.declarations import Parameter
from engine.domain.errors import NotFound
from engine.strategies import DECLARED

TIMEFRAMES = {
    "tick": 0.3, "1m": 0.5, "3m": 0.6, "5m": 0.7, "15m": 0.8, "30m": 0.9, "1h": 1.0, "2h": 1.1,
    "4h": 1.2, "6h": 1.3, "8h": 1.4, "12h": 1.5, "1d": 1.6, "3d": 1.7, "1w": 1.8, "1M": 2.0,
}  # fmt: skip
STRATEGIES = {"momentum_strategy": 1.0, "mean_reversion_strategy": 0.8, "ml_strategy": 1.2, "llm_strategy": 1.5, "default": 1.0}  # fmt: skip  # noqa: E501


@dataclass(frozen=True)
class Row:
    """One line of the documents' table: what passes at the edge, and what just does not."""

    number: int
    name: str
    kind: str
    default: Any
    unit: str
    passes: tuple[Any, ...]
    fails: tuple[Any, ...]
    code: str = "out_of_range"


T = (
    Row(1, "leverage", "int", 10, "x", (1, 125), (0, 126)),
    Row(2, "margin_type", "str", "isolated", "", ("isolated", "cross"), ("ISOLATED",), "not_a_choice"),
    Row(
        3, "default_order_type", "str", "market", "",
        ("market", "limit", "stop", "stop_limit", "take_profit", "take_profit_limit"), ("trailing",), "not_a_choice",
    ),
    Row(4, "time_in_force", "str", "GTC", "", ("GTC", "IOC", "FOK", "GTX"), ("DAY",), "not_a_choice"),
    Row(5, "position_mode", "str", "hedge", "", ("hedge", "one-way"), ("one_way",), "not_a_choice"),
    Row(6, "position_size_pct", "float", 0.1, "fraction", (0.001, 1.0), (0.0009, 1.001)),
    Row(7, "max_position_size_usd", "float", 1000.0, "USD", (1.0, 1_000_000.0), (0.99, 1_000_000.01)),
    Row(8, "min_position_size_usd", "float", 10.0, "USD", (1.0, 10_000.0), (0.99, 10_000.01)),
    Row(9, "quantity_multiplier", "float", 1.0, "x", (0.1, 10.0), (0.09, 10.01)),
    Row(10, "use_exchange_minimums", "bool", True, "", (True, False), (1, "true"), "invalid_type"),
    Row(11, "override_min_notional", "float", None, "USD", (None, 1.0, 1000.0), (0.99, 1000.1)),
    Row(12, "override_min_qty", "float", None, "base asset", (None, 0.000001, 1000.0), (0.0000009, 1000.1)),
    Row(13, "override_step_size", "float", None, "base asset", (None, 0.000001, 1.0), (0.0000009, 1.01)),
    Row(14, "stop_loss_pct", "float", 2.0, "percent", (0.1, 50.0), (0.09, 50.01)),
    Row(15, "take_profit_pct", "float", 5.0, "percent", (0.1, 100.0), (0.09, 100.01)),
    Row(16, "max_daily_loss_pct", "float", 0.05, "fraction", (0.001, 0.5), (0.0009, 0.501)),
    Row(17, "max_portfolio_exposure_pct", "float", 0.8, "fraction", (0.1, 1.0), (0.09, 1.01)),
    Row(18, "max_daily_trades", "int", 100, "entries per day", (1, 10_000), (0, 10_001)),
    Row(19, "max_concurrent_positions", "int", 10, "positions", (1, 100), (0, 101)),
    Row(20, "risk_management_enabled", "bool", True, "", (True, False), (0, None), "invalid_type"),
    Row(
        21, "signal_conflict_resolution", "str", "strongest_wins", "",
        ("strongest_wins", "first_come_first_served", "weighted_average", "manual_review"),
        ("weakest",), "not_a_choice",
    ),
    Row(
        22, "timeframe_conflict_resolution", "str", "higher_timeframe_wins", "",
        ("higher_timeframe_wins", "lower_timeframe_wins", "weighted_average"), ("timeframe_weighted",), "not_a_choice",
    ),
    Row(23, "max_signal_age_seconds", "int", 300, "s", (1, 3600), (0, 3601)),
    Row(24, "min_confidence_threshold", "float", 0.5, "0 to 1", (0.0, 1.0), (-0.01, 1.01)),
    Row(25, "strategy_weights", "map", STRATEGIES, "x", ({"mine": 0.0}, {}), ({"mine": -0.1},)),
    Row(26, "timeframe_weights", "map", TIMEFRAMES, "x", ({"1h": 0.0}, {}), ({"1h": -0.1},)),
    Row(27, "enabled", "bool", True, "", (True, False), ("yes", 1), "invalid_type"),
    Row(28, "enable_shorts", "bool", True, "", (True, False), ("yes", 1), "invalid_type"),
    Row(29, "enable_longs", "bool", True, "", (True, False), ("yes", 1), "invalid_type"),
    Row(30, "slippage_tolerance_pct", "float", 0.1, "percent", (0.0, 10.0), (-0.01, 10.01)),
    Row(31, "max_retries", "int", 3, "retries", (0, 10), (-1, 11)),
)  # fmt: skip
EXAMPLES = {"override_min_notional": 100.0, "override_min_qty": 0.001, "override_step_size": 0.001}
per_row = pytest.mark.parametrize("row", T, ids=lambda row: f"002-{row.number:02}-{row.name}")


@per_row
def test_parameter__as_documented__has_kind_default_unit_and_words(row: Row) -> None:
    parameter = CATALOGUE.get("trading", row.name)

    assert (parameter.kind, parameter.default, parameter.unit) == (row.kind, row.default, row.unit)
    assert type(parameter.default) is type(row.default)
    assert parameter.example == EXAMPLES.get(row.name, row.default)
    assert CATALOGUE.parameters("trading")[row.number - 1] == parameter
    for words in (parameter.description, parameter.impact, parameter.when_to_change):
        assert len(words) > 10


@per_row
def test_parameter__at_its_bounds__passes_and_keeps_the_value(row: Row) -> None:
    parameter = CATALOGUE.get("trading", row.name)
    for value in row.passes:
        assert values.judge(parameter, value, pointer="/x") == values.Judged(value)


@per_row
def test_parameter__just_outside__is_refused_with_its_code(row: Row) -> None:
    parameter = CATALOGUE.get("trading", row.name)
    for value in row.fails:
        (fault,) = values.judge(parameter, value, pointer="/x").faults
        assert fault.code == row.code
        assert row.name in fault.message


def test_trading__all__has_31_parameters_in_six_groups() -> None:
    groups: dict[str, int] = {}
    for parameter in CATALOGUE.about("trading").documented:
        groups[parameter.group] = groups.get(parameter.group, 0) + 1
    assert list(groups.values()) == [5, 8, 7, 4, 2, 5]
    assert sum(groups.values()) == 31


@pytest.mark.parametrize(
    ("name", "default", "passes", "fails"),
    [
        ("position_mode_aware_conflicts", True, (True, False), (1,)),
        ("same_direction_conflict_resolution", "accumulate",
            ("accumulate", "strongest_wins", "reject_duplicates"), ("ignore",)),
        ("max_leverage_bound", 125, (1, 125), (0, 126)),
        ("portfolio_leverage_cap", 0, (0, 10_000), (-1, 10_001)),
        ("leverage_breach_alert_threshold", 3, (1, 100), (0, 101)),
        ("allowed_symbols", [], ([], ["AAPL", "BTC/USD"]), (["AAPL", "AAPL"], [" "], "AAPL")),
    ],
)  # fmt: skip
def test_extra__later_addition__is_flagged_last_and_says_that_nothing_reads_it(
    name: str, default: Any, passes: tuple[Any, ...], fails: tuple[Any, ...]
) -> None:
    about = CATALOGUE.about("trading")
    parameter = CATALOGUE.get("trading", name)

    assert (parameter.is_extra, parameter.is_read, parameter.default) == (True, False, default)
    assert about.parameters == about.documented + about.extras
    assert len(about.extras) == 6
    assert parameter.description.startswith("Not read yet.")
    for value in passes:
        assert values.judge(parameter, value, pointer="/x") == values.Judged(value)
    for value in fails:
        assert values.judge(parameter, value, pointer="/x").faults


def test_timeframe_weights__a_timeframe_nobody_knows__is_refused() -> None:
    parameter = CATALOGUE.get("trading", "timeframe_weights")
    (fault,) = values.judge(parameter, {"7m": 1.0}, pointer="/x").faults
    assert (fault.code, fault.pointer) == ("unknown_key", "/x/7m")


@pytest.mark.parametrize(
    ("name", "kind", "default", "low", "high"),
    [
        ("capital", "decimal", "10000", "0.01", "1000000000000"),
        ("trading_frequency", "int", 60, 5, 86_400),
        ("start_hour", "int", 9, 0, 23),
        ("start_minute", "int", 30, 0, 59),
        ("end_hour", "int", 12, 0, 23),
        ("end_minute", "int", 0, 0, 59),
        ("max_position_size", "float", 10.0, 1.0, 100.0),
        ("max_daily_loss", "float", 10.0, 1.0, 100.0),
        ("max_concurrent_positions", "int", 3, 1, 50),
        ("long_only", "bool", True, False, True),
        ("daily_loss_basis", "str", "total", "realised", "total"),
        ("on_config_stale", "str", "hold", "continue", "hold"),
    ],
)
def test_bot_parameter__as_documented__has_default_and_bounds(
    name: str, kind: str, default: Any, low: Any, high: Any
) -> None:
    parameter = CATALOGUE.get("bot", name)
    assert (parameter.kind, parameter.default, parameter.scopes) == (kind, default, ("bot",))
    assert values.judge(parameter, low, pointer="").value == low
    assert values.judge(parameter, high, pointer="").value == high


def test_bot_capital__nothing_or_less__is_refused() -> None:
    capital = CATALOGUE.get("bot", "capital")
    assert [f.code for f in values.judge(capital, 0, pointer="").faults] == ["out_of_range"]
    assert [f.code for f in values.judge(capital, "-1", pointer="").faults] == ["out_of_range"]


def test_strategies__each_declared__is_a_namespace_by_itself() -> None:
    for name, declaration in DECLARED.items():
        assert CATALOGUE.parameters(name) == declaration.parameters
    assert CATALOGUE.namespaces() == (
        "trading", "bot", *DECLARED,
        "orderbook_skew", "trade_momentum", "ticker_velocity",
        "btc_dominance", "cross_exchange_spread", "onchain_metrics",
        "weather", "engine",
    )  # fmt: skip


def test_catalogue__itself__keeps_its_own_rules() -> None:
    assert checks.catalogue_consistent(None) == []
    for namespace in CATALOGUE.namespaces():
        defaults = {parameter.name: parameter.default for parameter in CATALOGUE.parameters(namespace)}
        assert [rule.complaint(defaults) for rule in rules.rules(namespace) if rule.complaint(defaults)] == []


def test_catalogue__name_nobody_declared__is_not_found() -> None:
    with pytest.raises(NotFound):
        CATALOGUE.get("trading", "leverag")
    with pytest.raises(NotFound):
        CATALOGUE.parameters("astrology")


def test_edition__read_back_from_its_text__means_the_same() -> None:
    text = canonical.text(CATALOGUE.edition())

    again = Catalogue.from_edition(json.loads(text))

    assert canonical.digest(text) == CATALOGUE.fingerprint == again.fingerprint
    assert again.namespaces() == CATALOGUE.namespaces()
    for namespace in CATALOGUE.namespaces():
        assert again.about(namespace) == CATALOGUE.about(namespace)


def test_edition__of_another_time__keeps_its_defaults_ranges_and_retired_parameters() -> None:
    # Given: an edition with another default and range, a parameter and a namespace that are no more, and no step
    meaning = {"kind": "int", "default": 5, "unit": "x", "minimum": 1, "maximum": 20, "choices": [], "keys": None,
               "nullable": False, "scopes": ["global", "symbol"], "environment": None}  # fmt: skip
    content = {"trading": {"leverage": meaning, "old_knob": meaning}, "old_strategy": {"knob": meaning}, "external": {}}

    then = Catalogue.from_edition(content)

    leverage = then.get("trading", "leverage")
    assert (leverage.default, leverage.maximum, leverage.scopes) == (5, 20, ("global", "symbol"))
    assert leverage.description == CATALOGUE.get("trading", "leverage").description
    assert then.get("trading", "old_knob").default == then.get("old_strategy", "knob").default == 5
    assert then.find("trading", "stop_loss_pct") is None
    assert then.namespaces() == ("trading", "external", "old_strategy")
    assert values.judge(leverage, 21, pointer="").faults


def test_about__each_namespace__says_what_it_is() -> None:
    kinds = {name: CATALOGUE.about(name).kind for name in CATALOGUE.namespaces()}

    assert [kinds.pop(name) for name in ("trading", "bot", "weather", "engine")] == ["trading", "bot", "desk", "engine"]
    assert set(kinds.values()) == {"strategy"}
    assert tuple(kinds) == tuple(about.name for about in CATALOGUE.strategies())
    for name in CATALOGUE.namespaces():
        about = CATALOGUE.about(name)
        assert len(about.title) > 2
        assert len(about.description) > 20
    assert CATALOGUE.about("trading").scopes == ("global", "symbol", "symbol_side", "bot")
    assert CATALOGUE.about("weather").scopes == CATALOGUE.about("engine").scopes == ("global",)
    assert CATALOGUE.about("bot").scopes == ("bot",)
    with pytest.raises(NotFound):
        CATALOGUE.about("astrology")


def _one(**changed: Any) -> Catalogue:
    parameter = Parameter("size", "int", 1, "x", "Sizes", "What it is.", "What it does.", "When.", minimum=1)
    return Catalogue({"sizes": (parameter._replace(**changed),)})


def test_fingerprint__a_default_changes__changes() -> None:
    assert _one().fingerprint != _one(default=2).fingerprint
    assert _one().fingerprint != _one(minimum=0).fingerprint
    assert _one().fingerprint != _one(step=2).fingerprint
    assert _one().fingerprint != _one(environment="SIZE").fingerprint


def test_fingerprint__words_change__stays() -> None:
    assert _one().fingerprint == _one(description="Better said.", risk="critical").fingerprint
