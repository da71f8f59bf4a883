"""Finding a parameter by the word a trader has for it."""

import pytest

from configuration.catalogue import CATALOGUE


def first(text: str) -> str:
    found = CATALOGUE.search(text)[0]
    return f"{found.namespace}.{found.parameter.name}"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("SL", "trading.stop_loss_pct"),
        ("stop", "trading.stop_loss_pct"),
        ("stop loss", "trading.stop_loss_pct"),
        ("stop_loss_pct", "trading.stop_loss_pct"),
        ("TP", "trading.take_profit_pct"),
        ("take profit", "trading.take_profit_pct"),
        ("leverage", "trading.leverage"),
        ("lev", "trading.leverage"),
        ("leverge", "trading.leverage"),
        ("max loss", "trading.max_daily_loss_pct"),
        ("daily loss", "trading.max_daily_loss_pct"),
        ("exposure", "trading.max_portfolio_exposure_pct"),
        ("slippage", "trading.slippage_tolerance_pct"),
        ("TIF", "trading.time_in_force"),
        ("post-only", "trading.time_in_force"),
        ("short selling", "trading.enable_shorts"),
        ("rsi period", "indicator_voting.rsi_period"),
        ("kelly", "weather.kelly_cap"),
        ("stations", "weather.active_stations"),
        ("on-chain volume", "onchain_metrics.volume_threshold"),
        ("whale btc", "onchain_metrics.whale_threshold_btc"),
        ("degraded", "bot.on_config_stale"),
    ],
)
def test_search__word_a_trader_uses__finds_the_parameter_first(text: str, name: str) -> None:
    assert first(text) == name


def test_search__whole_synonym__beats_its_words_elsewhere() -> None:
    # "max", "open" and "trades" stand in the words of many; the three together are what one is called
    first, second, third = CATALOGUE.search("max open trades")[:3]
    assert {first.parameter.name, second.parameter.name} == {"max_concurrent_positions"}
    assert first.score == second.score == 0.98 > third.score


def test_search__scores__are_between_0_and_1_and_fall() -> None:
    scores = [found.score for found in CATALOGUE.search("max position size")]

    assert scores == sorted(scores, reverse=True)
    assert all(0 < score <= 1 for score in scores)


@pytest.mark.parametrize("text", ["", "  ", "!?", "xyzzyq"])
def test_search__nothing_anybody_could_mean__finds_nothing(text: str) -> None:
    assert CATALOGUE.search(text) == []


def test_search__every_parameter__is_found_first_by_its_own_name_and_namespace() -> None:
    for namespace in CATALOGUE.namespaces():
        for parameter in CATALOGUE.parameters(namespace):
            best = [found for found in CATALOGUE.search(parameter.name) if found.score == 1.0]
            assert (namespace, parameter.name) in [(found.namespace, found.parameter.name) for found in best]
