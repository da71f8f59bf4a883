"""The six realtime strategies as the documents state them, typed by hand, never read from the catalogue."""

from typing import Any, NamedTuple

import pytest

from configuration import environment, rules, values
from configuration.catalogue import CATALOGUE
from engine.domain.declarations import Parameter

INT, FLOAT, BOOL, LIST = "int", "float", "bool", "list"


class Row(NamedTuple):
    """One line of the documents' tables: bounds are (least, greatest), None where there are none."""

    strategy: str
    name: str
    kind: str
    default: Any
    bounds: tuple[float, float] | None
    unit: str


T = (
    Row("orderbook_skew", "top_levels", INT, 5, (1, 20), "levels"),
    Row("orderbook_skew", "buy_threshold", FLOAT, 1.2, (1.0, 3.0), "ratio"),
    Row("orderbook_skew", "sell_threshold", FLOAT, 0.8, (0.3, 1.0), "ratio"),
    Row("orderbook_skew", "min_spread_percent", FLOAT, 0.1, (0.01, 1.0), "percent"),
    Row("orderbook_skew", "base_confidence", FLOAT, 0.70, (0.5, 1.0), "0 to 1"),
    Row("orderbook_skew", "imbalance_weight", FLOAT, 0.6, (0.0, 1.0), "x"),
    Row("orderbook_skew", "spread_weight", FLOAT, 0.4, (0.0, 1.0), "x"),
    Row("orderbook_skew", "min_total_volume", FLOAT, 0.001, (0.0001, 10.0), "base asset"),
    Row("trade_momentum", "price_weight", FLOAT, 0.4, (0.0, 1.0), "x"),
    Row("trade_momentum", "quantity_weight", FLOAT, 0.3, (0.0, 1.0), "x"),
    Row("trade_momentum", "maker_weight", FLOAT, 0.3, (0.0, 1.0), "x"),
    Row("trade_momentum", "buy_threshold", FLOAT, 0.7, (0.3, 1.0), "-1 to 1"),
    Row("trade_momentum", "sell_threshold", FLOAT, -0.7, (-1.0, -0.3), "-1 to 1"),
    Row("trade_momentum", "min_quantity", FLOAT, 0.001, (0.0001, 1.0), "base asset"),
    Row("trade_momentum", "base_confidence", FLOAT, 0.68, (0.5, 1.0), "0 to 1"),
    Row("trade_momentum", "time_decay_seconds", INT, 300, (60, 600), "s"),
    Row("trade_momentum", "momentum_window", INT, 10, (5, 50), "trades"),
    Row("ticker_velocity", "time_window", INT, 60, (30, 300), "s"),
    Row("ticker_velocity", "buy_threshold", FLOAT, 0.5, (0.1, 2.0), "percent per minute"),
    Row("ticker_velocity", "sell_threshold", FLOAT, -0.5, (-2.0, -0.1), "percent per minute"),
    Row("ticker_velocity", "min_price_change", FLOAT, 0.1, (0.01, 1.0), "percent"),
    Row("ticker_velocity", "base_confidence", FLOAT, 0.65, (0.5, 1.0), "0 to 1"),
    Row("ticker_velocity", "acceleration_weight", FLOAT, 0.5, (0.0, 1.0), "x"),
    Row("ticker_velocity", "volume_confirmation", BOOL, True, None, ""),
    Row("ticker_velocity", "min_volume_change", FLOAT, 0.2, (0.1, 2.0), "fraction"),
    Row("btc_dominance", "high_threshold", FLOAT, 70.0, (60.0, 90.0), "percent"),
    Row("btc_dominance", "low_threshold", FLOAT, 40.0, (30.0, 50.0), "percent"),
    Row("btc_dominance", "change_threshold", FLOAT, 5.0, (1.0, 15.0), "percentage points"),
    Row("btc_dominance", "window_hours", INT, 24, (12, 72), "h"),
    Row("btc_dominance", "min_signal_interval", INT, 14400, (3600, 86400), "s"),
    Row("btc_dominance", "base_confidence_high", FLOAT, 0.80, (0.5, 1.0), "0 to 1"),
    Row("btc_dominance", "base_confidence_low", FLOAT, 0.75, (0.5, 1.0), "0 to 1"),
    Row("btc_dominance", "momentum_confidence", FLOAT, 0.70, (0.5, 1.0), "0 to 1"),
    Row("cross_exchange_spread", "spread_threshold_percent", FLOAT, 0.5, (0.1, 5.0), "percent"),
    Row("cross_exchange_spread", "min_signal_interval", INT, 300, (60, 3600), "s"),
    Row("cross_exchange_spread", "max_position_size", FLOAT, 500.0, (100.0, 10000.0), "USDT"),
    Row("cross_exchange_spread", "exchanges", LIST, ["binance", "coinbase"], None, "names"),
    Row("cross_exchange_spread", "persistent_spread_periods", INT, 3, (1, 20), "observations"),
    Row("cross_exchange_spread", "base_confidence", FLOAT, 0.75, (0.5, 1.0), "0 to 1"),
    Row("cross_exchange_spread", "high_spread_threshold", FLOAT, 1.0, (0.1, 10.0), "percent"),
    Row("cross_exchange_spread", "high_spread_confidence", FLOAT, 0.85, (0.5, 1.0), "0 to 1"),
    Row("onchain_metrics", "whale_threshold_btc", FLOAT, 100.0, (10.0, 1000.0), "BTC"),
    Row("onchain_metrics", "whale_threshold_eth", FLOAT, 1000.0, (100.0, 10000.0), "ETH"),
    Row("onchain_metrics", "exchange_flow_threshold_percent", FLOAT, 10.0, (5.0, 50.0), "percent"),
    Row("onchain_metrics", "min_signal_interval", INT, 3600, (1800, 86400), "s"),
    Row("onchain_metrics", "accumulation_periods", INT, 24, (1, 168), "h"),
    Row("onchain_metrics", "distribution_periods", INT, 12, (1, 168), "h"),
    Row("onchain_metrics", "base_confidence", FLOAT, 0.77, (0.5, 1.0), "0 to 1"),
    Row("onchain_metrics", "strong_signal_confidence", FLOAT, 0.85, (0.5, 1.0), "0 to 1"),
    Row("onchain_metrics", "network_growth_threshold", FLOAT, 10.0, (1.0, 50.0), "percent"),
    Row("onchain_metrics", "volume_threshold", FLOAT, 15.0, (1.0, 100.0), "percent"),
)
ABOUT = {
    "orderbook_skew": ("Realtime Data", "microstructure", True),
    "trade_momentum": ("Realtime Data", "momentum", True),
    "ticker_velocity": ("Realtime Data", "velocity", True),
    "btc_dominance": ("Market Logic", "rotation", True),
    "cross_exchange_spread": ("Market Logic", "arbitrage", True),
    "onchain_metrics": ("Market Logic", "fundamental", False),
}
VARIABLES = {
    "ORDERBOOK_SKEW_TOP_LEVELS": ("orderbook_skew", "top_levels", "7", 7),
    "TRADE_MOMENTUM_PRICE_WEIGHT": ("trade_momentum", "price_weight", "0.5", 0.5),
    "TICKER_VELOCITY_TIME_WINDOW": ("ticker_velocity", "time_window", "90", 90),
    "BTC_DOMINANCE_HIGH_THRESHOLD": ("btc_dominance", "high_threshold", "75", 75.0),
    "SPREAD_THRESHOLD_PERCENT": ("cross_exchange_spread", "spread_threshold_percent", "0.7", 0.7),
    "SPREAD_MIN_SIGNAL_INTERVAL": ("cross_exchange_spread", "min_signal_interval", "600", 600),
    "SPREAD_MAX_POSITION_SIZE": ("cross_exchange_spread", "max_position_size", "750", 750.0),
    "SPREAD_EXCHANGES": ("cross_exchange_spread", "exchanges", "kraken, binance", ["kraken", "binance"]),
    "ONCHAIN_NETWORK_GROWTH_THRESHOLD": ("onchain_metrics", "network_growth_threshold", "12", 12.0),
    "ONCHAIN_VOLUME_THRESHOLD": ("onchain_metrics", "volume_threshold", "20", 20.0),
    "ONCHAIN_MIN_SIGNAL_INTERVAL": ("onchain_metrics", "min_signal_interval", "7200", 7200),
    "STRATEGY_ENABLED_ORDERBOOK_SKEW": ("orderbook_skew", "enabled", "false", False),
    "STRATEGY_ENABLED_TRADE_MOMENTUM": ("trade_momentum", "enabled", "false", False),
    "STRATEGY_ENABLED_TICKER_VELOCITY": ("ticker_velocity", "enabled", "false", False),
    "STRATEGY_ENABLED_BTC_DOMINANCE": ("btc_dominance", "enabled", "false", False),
    "STRATEGY_ENABLED_CROSS_EXCHANGE_SPREAD": ("cross_exchange_spread", "enabled", "false", False),
    "STRATEGY_ENABLED_ONCHAIN_METRICS": ("onchain_metrics", "enabled", "true", True),
}

per_row = pytest.mark.parametrize("row", T, ids=lambda row: f"{row.strategy}.{row.name}")
per_strategy = pytest.mark.parametrize("strategy", ABOUT)


def codes(parameter: Parameter, raw: Any) -> list[str]:
    return [fault.code for fault in values.judge(parameter, raw, pointer="/x").faults]


@per_strategy
def test_strategy__its_documented_parameters__are_exactly_the_table_with_its_defaults(strategy: str) -> None:
    documented = {parameter.name: parameter.default for parameter in CATALOGUE.about(strategy).documented}
    assert documented == {row.name: row.default for row in T if row.strategy == strategy}


@per_row
def test_parameter__as_documented__has_kind_unit_scopes_and_words(row: Row) -> None:
    parameter = CATALOGUE.get(row.strategy, row.name)

    assert (parameter.kind, parameter.unit, type(parameter.default)) == (row.kind, row.unit, type(row.default))
    assert parameter.scopes == ("global", "symbol", "bot")
    assert parameter.example is not None
    for words in (parameter.description, parameter.impact, parameter.when_to_change):
        assert len(words) > 10


@per_row
def test_parameter__at_and_beyond_its_bounds__passes_and_is_refused(row: Row) -> None:
    parameter = CATALOGUE.get(row.strategy, row.name)
    if row.bounds is None:
        assert (parameter.kind, codes(parameter, 1)) in [(BOOL, ["invalid_type"]), (LIST, ["invalid_type"])]
        return
    low, high = row.bounds
    outside = (low - 1, high + 1) if row.kind == INT else (low - 1e-6, high + 1e-6)
    for value in (low, high):
        assert values.judge(parameter, value, pointer="/x") == values.Judged(value)
    for value in outside:
        assert codes(parameter, value) == ["out_of_range"]


def test_exchanges__fewer_than_two_or_one_twice_or_blank__are_refused() -> None:
    exchanges = CATALOGUE.get("cross_exchange_spread", "exchanges")

    assert codes(exchanges, ["kraken", "bitstamp", "binance"]) == []
    assert codes(exchanges, ["kraken"]) == ["too_few"]
    assert codes(exchanges, []) == ["empty"]
    assert codes(exchanges, ["kraken", "kraken"]) == ["duplicate"]
    assert codes(exchanges, ["kraken", " "]) == ["empty"]


@per_strategy
def test_strategy__itself__is_described_and_not_installed(strategy: str) -> None:
    about = CATALOGUE.about(strategy)
    category, style, is_enabled = ABOUT[strategy]

    assert (about.kind, about.category, about.style, about.is_installed) == ("strategy", category, style, False)
    assert (about.title, len(about.description) > 20) == (about.title.strip(), True)
    assert about.extras == (CATALOGUE.get(strategy, "enabled"),)
    assert about.extras[0].default is is_enabled


@pytest.mark.parametrize("variable", VARIABLES)
def test_variable__documented_name__supplies_its_parameter(variable: str) -> None:
    strategy, name, text, value = VARIABLES[variable]

    reading = environment.read(CATALOGUE, {variable: text})

    assert reading == ({(strategy, name): environment.Supplied(value, variable)}, ())


@per_row
def test_variable__regular_name_of_each__supplies_its_parameter(row: Row) -> None:
    variable = f"{row.strategy}_{row.name}".upper()
    text = values.shown(row.default)

    reading = environment.read(CATALOGUE, {variable: text})

    assert reading.supplied == {(row.strategy, row.name): environment.Supplied(row.default, variable)}


def test_variable__two_names_of_one_parameter__agree_or_are_a_fault() -> None:
    regular, older = "CROSS_EXCHANGE_SPREAD_MIN_SIGNAL_INTERVAL", "SPREAD_MIN_SIGNAL_INTERVAL"

    agreed = environment.read(CATALOGUE, {regular: "600", older: " 600 "})
    differing = environment.read(CATALOGUE, {regular: "600", older: "900"})

    assert agreed.supplied == {("cross_exchange_spread", "min_signal_interval"): environment.Supplied(600, regular)}
    assert differing.supplied == {}
    (fault,) = differing.faults
    assert (fault.code, fault.pointer) == ("given_twice", f"/environment/{older}")
    assert f"{regular} 600 and {older} 900" in fault.message


def test_variable__unreadable_or_out_of_range__is_a_fault_and_supplies_nothing() -> None:
    reading = environment.read(CATALOGUE, {"ORDERBOOK_SKEW_TOP_LEVELS": "many", "SPREAD_EXCHANGES": "binance"})

    assert reading.supplied == {}
    assert [(fault.code, fault.pointer) for fault in reading.faults] == [
        ("invalid_type", "/environment/ORDERBOOK_SKEW_TOP_LEVELS"),
        ("too_few", "/environment/SPREAD_EXCHANGES"),
    ]


def test_trade_momentum__all_weights_zero__is_refused_and_one_above_is_not() -> None:
    (rule,) = rules.rules("trade_momentum")
    nothing = {"price_weight": 0.0, "quantity_weight": 0.0, "maker_weight": 0.0}

    assert "all 0" in rule.complaint(nothing)
    for name in nothing:
        assert rule.complaint({**nothing, name: 0.01}) == ""
