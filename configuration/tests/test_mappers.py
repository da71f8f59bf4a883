"""Percent becomes a fraction once, null becomes NaN, no limit becomes infinity, and nothing is lost."""

import math
from typing import Any

import pytest

from configuration import mappers, selectors
from configuration.catalogue import CATALOGUE, Catalogue
from configuration.mappers import VenueSettings
from configuration.scopes import GLOBAL, bot_scope, side_scope, symbol_scope
from configuration.tests.examples import put, some_bot
from engine.domain.enums import ConflictRule, DailyLossBasis, PositionMode, Side, TimeframeRule
from engine.domain.errors import InputError
from engine.domain.params import NO_LIMIT, SIDE_PARAMS, Params
from engine.domain.values import Instrument

pytestmark = pytest.mark.django_db
AAPL, MSFT = symbol_scope("AAPL"), symbol_scope("MSFT")
INSTRUMENTS = [Instrument("MSFT", price_tick=0.05), Instrument("AAPL", qty_step=0.001, max_leverage=4.0)]
LIMITS = ("daily_loss_fraction", "exposure_fraction", "max_daily_trades", "max_positions")


def params(venue: VenueSettings | None = None, **definition: Any) -> Params:
    content = selectors.snapshot_for(some_bot("AAPL", "MSFT", **definition)).content
    return mappers.engine_params(content, instruments=INSTRUMENTS, venue=venue or VenueSettings())


def test_sides__defaults__are_in_the_engines_units() -> None:
    record = params().sides[0, Side.LONG]

    assert {name: record[name] for name in (SIDE_PARAMS.names or ())[:8]} == {
        "enabled": 1, "side_allowed": 1, "closes_opposite": 1, "risk_enabled": 1, "use_exchange_minimums": 1,
        "conflict_rule": ConflictRule.STRONGEST_WINS, "timeframe_rule": TimeframeRule.HIGHER_TIMEFRAME_WINS,
        "position_mode": PositionMode.HEDGE,
    }  # fmt: skip
    # 2.0 percent -> 0.02, 5.0 percent -> 0.05; 0.1 is a fraction already
    assert (record["stop_fraction"], record["target_fraction"], record["position_fraction"]) == (0.02, 0.05, 0.1)
    assert (record["max_position_notional"], record["min_position_notional"]) == (1000, 10)
    assert (record["quantity_multiplier"], record["leverage"], record["min_confidence"]) == (1, 10, 0.5)
    for name in ("override_min_notional", "override_min_qty", "override_step"):
        assert math.isnan(record[name])


def test_sides__overridden_at_symbol_and_side__are_read_each_at_its_place() -> None:
    put(AAPL, stop_loss_pct=4.0, override_min_notional=5.0)
    put(side_scope("AAPL", "SHORT"), stop_loss_pct=8.0)
    put(bot_scope("bot-1"), take_profit_pct=10.0)

    sides = params().sides

    assert sides["stop_fraction"].tolist() == [[0.04, 0.08], [0.02, 0.02]]
    assert sides["target_fraction"].tolist() == [[0.1, 0.1], [0.1, 0.1]]
    assert sides[0, 0]["override_min_notional"] == 5.0


def test_sides__shorts_off_or_long_only__only_longs_are_allowed() -> None:
    assert params().sides["side_allowed"].tolist() == [[1, 0], [1, 0]]  # a bot is long-only by default
    put(bot_scope("bot-1"), namespace="bot", long_only=False)
    put(MSFT, enable_shorts=False)
    put(AAPL, enable_longs=False)
    sides = params().sides
    assert sides["side_allowed"].tolist() == [[0, 1], [1, 0]]
    assert sides["closes_opposite"].tolist() == [[0, 0], [0, 0]]


def test_sides__one_way__an_opposite_signal_closes() -> None:
    put(bot_scope("bot-1"), namespace="bot", long_only=False)
    put(AAPL, position_mode="one-way")
    sides = params().sides
    assert sides["closes_opposite"].tolist() == [[1, 1], [0, 0]]
    assert sides[0, 0]["position_mode"] == PositionMode.ONE_WAY


def test_sides__risk_management_off__has_no_stops_and_says_so() -> None:
    put(AAPL, risk_management_enabled=False)
    sides = params().sides
    assert (sides[0, 0]["risk_enabled"], sides[0, 0]["stop_fraction"], sides[0, 0]["target_fraction"]) == (0, 0, 0)
    assert (sides[1, 0]["risk_enabled"], sides[1, 0]["stop_fraction"]) == (1, 0.02)


@pytest.mark.parametrize(
    ("name", "field", "values"),
    [
        ("signal_conflict_resolution", "conflict_rule", ["strongest_wins", "first_come_first_served", "weighted_average", "manual_review"]),  # noqa: E501
        ("timeframe_conflict_resolution", "timeframe_rule", ["higher_timeframe_wins", "lower_timeframe_wins", "weighted_average"]),  # noqa: E501
    ],
)  # fmt: skip
def test_sides__every_rule__has_its_number(name: str, field: str, values: list[str]) -> None:
    for number, value in enumerate(values):
        put(GLOBAL, **{name: value})
        assert params().sides[0, 0][field] == number


def test_limits__global__bind_the_account_and_add_none() -> None:
    put(GLOBAL, max_daily_loss_pct=0.1, max_daily_trades=7)
    read = params()
    limits = read.limits[0]
    assert [limits[f"account_{name}"] for name in LIMITS] == [0.1, 0.8, 7, 10]
    for scope in ("symbol", "side"):
        assert {read.sides[0, 0][f"{scope}_{name}"] for name in LIMITS} == {NO_LIMIT}


def test_limits__at_a_symbol_and_a_side__add_limits_there_beside_the_accounts() -> None:
    put(AAPL, max_daily_trades=5)
    put(side_scope("AAPL", "SHORT"), max_daily_trades=2, max_portfolio_exposure_pct=0.3)

    read = params()

    assert read.sides["symbol_max_daily_trades"].tolist() == [[5, 5], [NO_LIMIT, NO_LIMIT]]
    assert read.sides["side_max_daily_trades"].tolist() == [[NO_LIMIT, 2], [NO_LIMIT, NO_LIMIT]]
    assert read.sides["side_exposure_fraction"].tolist() == [[NO_LIMIT, 0.3], [NO_LIMIT, NO_LIMIT]]
    assert read.sides["symbol_exposure_fraction"].tolist() == [[NO_LIMIT, NO_LIMIT], [NO_LIMIT, NO_LIMIT]]
    assert read.limits[0]["account_max_daily_trades"] == 100


def test_limits__of_the_bot__are_fractions_of_its_capital() -> None:
    put(
        bot_scope("bot-1"), namespace="bot", capital="25000.50", max_position_size=20, max_daily_loss=5,
        max_concurrent_positions=4, daily_loss_basis="realised",
    )  # fmt: skip
    limits = params().limits[0]
    assert (limits["capital"], limits["bot_position_fraction"], limits["bot_daily_loss_fraction"]) == (
        25000.5,
        0.2,
        0.05,
    )
    assert (limits["bot_max_positions"], limits["daily_loss_basis"]) == (4, DailyLossBasis.REALISED)


def test_limits__concurrent_positions_not_set__is_no_limit() -> None:
    put(bot_scope("bot-1"), namespace="bot", max_concurrent_positions=None)
    assert params().limits[0]["bot_max_positions"] == NO_LIMIT


def test_weights__strategy_named_else_default_else_one() -> None:
    put(GLOBAL, strategy_weights={"default": 0.7})
    put(AAPL, strategy_weights={"indicator_voting": 1.5, "default": 0.7})
    put(side_scope("MSFT", "SHORT"), strategy_weights={})
    assert params().strategy_weights.tolist() == [[[1.5], [1.5]], [[0.7], [1.0]]]


def test_weights__of_the_bots_timeframe__with_its_rank() -> None:
    put(AAPL, timeframe_weights={"1h": 3.0})
    hourly = params(timeframe="1h")
    # MSFT: the default of 1h is 1.0; 1h is the seventh of the sixteen
    assert hourly.timeframe_weights.tolist() == [[[3.0], [3.0]], [[1.0], [1.0]]]
    assert hourly.timeframe_ranks.tolist() == [7.0]
    assert params(timeframe="1M").timeframe_ranks.tolist() == [16.0]
    assert (hourly.mode_factors.tolist(), hourly.timeframe_mode_factors.tolist()) == ([1.0], [1.0])


def test_instruments__given_in_any_order__stand_in_the_snapshots() -> None:
    instruments = params().instruments
    assert instruments["qty_step"].tolist() == [0.001, 1.0]
    assert instruments["price_tick"].tolist() == [0.01, 0.05]
    assert instruments["max_leverage"].tolist() == [4.0, 1.0]


def test_venue__basis_points__become_fractions() -> None:
    venue = params(VenueSettings(fee_bps=10, slippage_bps=2.5, latency_bars=1, rounding=False)).venue[0]
    # 10 bps = 0.1 % = 0.001; 2.5 bps = 0.00025
    assert (venue["fee_fraction"], venue["slippage_fraction"], venue["latency_bars"]) == (0.001, 0.00025, 1)
    assert (venue["rounding"], venue["size_at_fill"], venue["stops_from_next_bar"]) == (0, 0, 0)


def test_engine_params__unknown_symbol_and_timeframe__reports_both() -> None:
    content = selectors.snapshot_for(some_bot("AAPL", "TSLA", timeframe="7m")).content
    with pytest.raises(InputError) as refused:
        mappers.engine_params(content, instruments=INSTRUMENTS, venue=VenueSettings())
    assert [(fault.code, fault.pointer) for fault in refused.value.faults] == [
        ("unknown_symbol", "/symbols/1"),
        ("unknown_timeframe", "/timeframe"),
    ]


def test_engine_params__read_back_from_a_stored_snapshot__are_the_same() -> None:
    from configuration import services

    put(AAPL, stop_loss_pct=1, override_min_qty=0.000001)
    frozen = selectors.snapshot_for(some_bot("AAPL", "MSFT"))
    read = selectors.snapshot(services.keep(frozen))
    for live, stored in zip(
        mappers.engine_params(frozen.content, instruments=INSTRUMENTS, venue=VenueSettings()),
        mappers.engine_params(read, instruments=INSTRUMENTS, venue=VenueSettings()),
        strict=True,
    ):
        assert live.tobytes() == stored.tobytes()


def test_strategy_values__per_symbol__in_the_snapshots_order() -> None:
    put(AAPL, namespace="indicator_voting", rsi_period=9)
    aapl, msft = mappers.strategy_values(selectors.snapshot_for(some_bot("AAPL", "MSFT")).content)
    assert (aapl["rsi_period"], msft["rsi_period"], len(msft)) == (9, 14, 14)


def test_percent_parameters__all_of_them__are_divided_somewhere() -> None:
    # A new percent parameter must not reach the engine undivided: add it to the mapper and to this list.
    catalogue: Catalogue = CATALOGUE
    percents = {
        f"{namespace}.{parameter.name}"
        for namespace in ("trading", "bot")
        for parameter in catalogue.parameters(namespace)
        if parameter.unit == "percent"
    }
    assert percents == {
        "trading.stop_loss_pct", "trading.take_profit_pct", "trading.slippage_tolerance_pct",
        "bot.max_position_size", "bot.max_daily_loss",
    }  # fmt: skip
