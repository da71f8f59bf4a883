"""The simulated exchange, one sentence of its conventions at a time, on bars written by hand."""

from typing import Any

import numpy as np
import pytest

from engine import run
from engine.domain.enums import ExitCause, Leg, OrderType, Reason, Side
from engine.domain.values import Bars, Signals
from engine.tests import worlds

BUY, SELL, HOLD, CLOSE = 1, -1, 0, 2
STILL = (100.0, 100.0, 100.0, 100.0)
# A tenth of 10,000 at 100: every entry decided on a close of 100 asks for 10 shares.
SHARES = 10.0


def traded(bars: Bars, signals: Signals, **fields: Any) -> run.Result:
    """One symbol, traded both ways on given signals."""
    plan = worlds.external_plan(worlds.wishes(**{**worlds.ONE_WAY, **fields}))
    return run.run(bars, plan=plan, state=run.start(plan), signals=signals)


def fills(told: run.Result) -> list[tuple[int, float, float, Leg]]:
    """(row, quantity, price, leg) of each fill."""
    return [(int(f["row"]), float(f["qty"]), float(f["price"]), Leg(int(f["leg"]))) for f in told.fills]


def exits(told: run.Result) -> list[tuple[int, float, ExitCause]]:
    """(row, average price, cause) of each round trip's end."""
    return [(int(t["exit_row"]), float(t["exit_price"]), ExitCause(int(t["cause"]))) for t in told.trips]


# --- a decision on a bar meets the next bar of its symbol, at the open


def test_entry__decided_on_a_bar__fills_at_the_next_open() -> None:
    told = traded(worlds.bars_of(STILL, (101.0, 103.0, 99.0, 102.0), STILL), worlds.said(BUY, HOLD, HOLD))
    assert fills(told) == [(1, SHARES, 101.0, Leg.MAIN)]
    # cash 10,000 - 1,010, ten shares at closes 102 and 100
    assert told.equity.tolist() == [10_000.0, 10_010.0, 9_990.0]


def test_short_entry__decided_on_a_bar__sells_at_the_next_open() -> None:
    told = traded(worlds.bars_of(STILL, (101.0, 103.0, 99.0, 102.0), STILL), worlds.said(SELL, HOLD, HOLD))
    assert fills(told) == [(1, SHARES, 101.0, Leg.MAIN)]
    assert (int(told.fills["side"][0]), int(told.fills["action"][0])) == (Side.SHORT, -1)
    # sold ten at 101: against closes 102 and 100, -10 and +10
    assert told.equity.tolist() == [10_000.0, 9_990.0, 10_010.0]


def test_exit__decided_on_a_bar__fills_at_the_next_open() -> None:
    told = traded(worlds.bars_of(STILL, STILL, (104.0, 104.0, 104.0, 104.0)), worlds.said(BUY, CLOSE, HOLD))
    assert exits(told) == [(2, 104.0, ExitCause.SIGNAL)]
    assert told.trips["pnl"][0] == 40.0


def test_order__symbol_without_a_bar__waits_for_its_own_next_bar() -> None:
    # Given: the second symbol has no bar at minute 1; its order of minute 0 must not meet the first symbol's
    first, second = worlds.random_series(1, 4), worlds.random_series(2, 4)
    second = second._make(np.delete(column, 1) for column in second)
    bars = run.merge([first, second], [np.zeros(4, np.int32), np.zeros(3, np.int32)])
    assert bars.symbol.tolist() == [0, 1, 0, 0, 1, 0, 1]
    plan = worlds.external_plan(worlds.wishes(symbols=2, **worlds.LONG_ONLY))
    told = run.run(bars, plan=plan, state=run.start(plan), signals=worlds.said(HOLD, BUY, *[HOLD] * 5))
    assert [(int(f["row"]), int(f["symbol"]), float(f["price"])) for f in told.fills] == [(4, 1, second.open[1])]


# --- latency


@pytest.mark.parametrize("latency", [0, 1, 3])
def test_latency__bars_to_wait__are_added_to_entries_and_exits(latency: int) -> None:
    told = traded(worlds.flat_bars(12), worlds.said(BUY, *[HOLD] * 4, CLOSE, *[HOLD] * 6), latency_bars=latency)
    assert told.fills["row"].tolist() == [1 + latency, 6 + latency]


def test_latency__brackets_of_an_entry__rest_at_the_venue_without_it() -> None:
    told = traded(
        worlds.bars_of(STILL, STILL, (100.0, 100.0, 97.0, 98.0)),
        worlds.said(BUY, 0, 0),
        latency_bars=1,
        stop_fraction=0.02,
    )
    assert exits(told) == [(2, 98.0, ExitCause.STOP)]


def test_latency__signals_while_an_order_waits__are_refused() -> None:
    told = traded(worlds.flat_bars(5), worlds.said(BUY, BUY, BUY, HOLD, HOLD), latency_bars=2)
    assert [Reason(int(r)) for r in told.decisions["reason"][:3]] == [
        Reason.NONE,
        Reason.ORDER_WORKING,
        Reason.ORDER_WORKING,
    ]
    assert len(told.fills) == 1


# --- stops and targets: entry 100, stop 98, target 105

BRACKETS = {"stop_fraction": 0.02, "target_fraction": 0.05}


@pytest.mark.parametrize(
    ("bar", "exit_price", "cause"),
    [
        ((100.0, 101.0, 98.0, 99.0), 98.0, ExitCause.STOP),  # the low touches it
        ((100.0, 101.0, 97.0, 99.0), 98.0, ExitCause.STOP),
        ((97.0, 99.0, 96.0, 98.5), 97.0, ExitCause.STOP),  # a gap through it fills at the open
        ((98.0, 99.0, 98.0, 98.5), 98.0, ExitCause.STOP),  # opens on it
        ((100.0, 105.0, 99.0, 101.0), 105.0, ExitCause.TARGET),
        ((107.0, 108.0, 106.0, 106.5), 107.0, ExitCause.TARGET),  # a gap through the target pays the open
        ((100.0, 106.0, 97.0, 101.0), 98.0, ExitCause.STOP),  # both: the stop goes first
        ((106.0, 107.0, 97.0, 101.0), 98.0, ExitCause.STOP),  # both, opening beyond the target: still the stop
    ],
)
def test_long_brackets__later_bar__fill_as_conventions_say(bar: tuple, exit_price: float, cause: ExitCause) -> None:
    told = traded(worlds.bars_of(STILL, STILL, bar, STILL), worlds.said(BUY, 0, 0, 0), **BRACKETS)
    assert exits(told) == [(2, exit_price, cause)]
    assert told.trips["pnl"][0] == pytest.approx(SHARES * (exit_price - 100.0), abs=1e-9)


@pytest.mark.parametrize(
    ("bar", "exit_price", "cause"),
    [
        ((100.0, 102.0, 99.0, 101.0), 102.0, ExitCause.STOP),  # entry 100, stop 102, target 95
        ((103.0, 104.0, 102.5, 103.0), 103.0, ExitCause.STOP),
        ((100.0, 101.0, 95.0, 96.0), 95.0, ExitCause.TARGET),
        ((94.0, 94.5, 93.0, 94.0), 94.0, ExitCause.TARGET),
        ((100.0, 103.0, 94.0, 100.0), 102.0, ExitCause.STOP),
    ],
)
def test_short_brackets__later_bar__are_mirrored(bar: tuple, exit_price: float, cause: ExitCause) -> None:
    told = traded(worlds.bars_of(STILL, STILL, bar, STILL), worlds.said(SELL, 0, 0, 0), **BRACKETS)
    assert exits(told) == [(2, exit_price, cause)]
    assert told.trips["pnl"][0] == pytest.approx(SHARES * (100.0 - exit_price), abs=1e-9)


@pytest.mark.parametrize("bar", [(100.0, 104.99, 98.01, 100.0), STILL])
def test_brackets__not_reached__keep_resting(bar: tuple) -> None:
    told = traded(worlds.bars_of(STILL, STILL, bar), worlds.said(BUY, 0, 0), **BRACKETS)
    assert exits(told) == []


@pytest.mark.parametrize(
    ("bar", "exit_price", "cause"),
    [((100.0, 101.0, 97.0, 100.0), 98.0, ExitCause.STOP), ((100.0, 106.0, 99.0, 100.0), 105.0, ExitCause.TARGET)],
)
def test_brackets__reached_on_the_entry_bar__fill_on_it(bar: tuple, exit_price: float, cause: ExitCause) -> None:
    told = traded(worlds.bars_of(STILL, bar, STILL), worlds.said(BUY, 0, 0), **BRACKETS)
    assert exits(told) == [(1, exit_price, cause)]


def test_stops_from_next_bar__reached_on_the_entry_bar__waits_for_the_bar_after() -> None:
    bars = worlds.bars_of(STILL, (100.0, 101.0, 97.0, 100.0), (99.0, 99.0, 97.5, 98.0))
    told = traded(bars, worlds.said(BUY, 0, 0), stops_from_next_bar=1, **BRACKETS)
    assert exits(told) == [(2, 98.0, ExitCause.STOP)]


def test_brackets__distances__are_measured_from_the_fill_not_from_the_decision() -> None:
    # decided at 100, filled at 110: stop 107.80, target 115.50
    told = traded(worlds.bars_of(STILL, (110.0,) * 4), worlds.said(BUY, 0), **BRACKETS)
    asked = told.orders[told.orders["leg"] != 0]
    assert asked["stop_price"].tolist() == [107.8, 0.0]
    assert asked["limit_price"].tolist() == [0.0, 115.5]
    assert asked["order_type"].tolist() == [OrderType.STOP, OrderType.LIMIT]


def test_brackets__one_filled__the_other_is_gone() -> None:
    bars = worlds.bars_of(STILL, STILL, (100.0, 101.0, 97.0, 100.0), (106.0, 106.0, 106.0, 106.0))
    told = traded(bars, worlds.said(BUY, 0, 0, 0), **BRACKETS)
    assert len(told.fills) == 2
    assert not told.state.book.orders["working"].any()
    assert not told.state.state.legs["working"].any()


# --- a market exit fills at the open before stops are looked at


def test_exit__due_at_the_open_of_a_bar_that_reaches_the_stop__goes_first() -> None:
    bars = worlds.bars_of(STILL, STILL, (99.5, 100.0, 97.0, 98.0))
    told = traded(bars, worlds.said(BUY, CLOSE, HOLD), **BRACKETS)
    assert exits(told) == [(2, 99.5, ExitCause.SIGNAL)]


def test_stop_beats_signal__bar_reaches_the_stop__uses_the_stops_price() -> None:
    bars = worlds.bars_of(STILL, STILL, (99.5, 100.0, 97.0, 98.0))
    told = traded(bars, worlds.said(BUY, CLOSE, HOLD), stop_beats_signal=1, **BRACKETS)
    assert exits(told) == [(2, 98.0, ExitCause.STOP)]


def test_stop_beats_signal__bar_reaches_nothing__the_exit_fills_at_the_open() -> None:
    bars = worlds.bars_of(STILL, STILL, (99.5, 100.0, 99.0, 99.0))
    told = traded(bars, worlds.said(BUY, CLOSE, HOLD), stop_beats_signal=1, **BRACKETS)
    assert exits(told) == [(2, 99.5, ExitCause.SIGNAL)]


def test_reversal__exit_and_entry_on_one_bar__the_exit_goes_first() -> None:
    told = traded(worlds.flat_bars(4), worlds.said(BUY, SELL, HOLD, HOLD))
    assert [(int(f["side"]), int(f["is_entry"])) for f in told.fills] == [(0, 1), (0, 0), (1, 1)]
    assert told.fills["row"].tolist() == [1, 2, 2]


# --- fees and slippage


def test_fee__each_fill__is_a_fraction_of_its_notional() -> None:
    bars = worlds.bars_of(STILL, STILL, (110.0,) * 4)
    told = traded(bars, worlds.said(BUY, CLOSE, HOLD), fee_fraction=0.001)
    # 0.1 % of 1,000 and of 1,100
    assert told.fills["fee"].tolist() == [1.0, 1.1]
    assert told.trips["pnl"][0] == pytest.approx(100.0 - 2.1, abs=1e-9)


def test_fee__many_decimals__is_kept_to_nine() -> None:
    # 10 x 100.01 x 0.000333333 = 0.33336663333: the tenth decimal is dropped
    told = traded(worlds.bars_of(STILL, (100.01,) * 4), worlds.said(BUY, 0), fee_fraction=0.000333333)
    assert told.fills["fee"][0] == 0.333366333


@pytest.mark.parametrize(("signal", "entry", "leave"), [(BUY, 100.5, 99.5), (SELL, 99.5, 100.5)])
def test_slippage__market_orders__moves_the_price_against_us(signal: int, entry: float, leave: float) -> None:
    told = traded(worlds.flat_bars(3), worlds.said(signal, CLOSE, HOLD), slippage_fraction=0.005)
    assert told.fills["price"].tolist() == [entry, leave]


def test_slippage__a_stop__slips_and_a_target_does_not() -> None:
    # entry 100.10, stop 98.10 (98.098 on the tick): 98.10 x 0.999 = 98.0019 -> 98.00; target 105.11 (105.105 is a tie)
    stopped = traded(
        worlds.bars_of(STILL, STILL, (100.0, 100.0, 98.0, 99.0)),
        worlds.said(BUY, 0, 0),
        slippage_fraction=0.001,
        **BRACKETS,
    )
    assert exits(stopped) == [(2, 98.0, ExitCause.STOP)]
    taken = traded(
        worlds.bars_of(STILL, STILL, (100.0, 106.0, 99.0, 99.0)),
        worlds.said(BUY, 0, 0),
        slippage_fraction=0.001,
        **BRACKETS,
    )
    assert taken.trips["exit_price"][0] in (105.1, 105.11)
    assert taken.trips["cause"][0] == ExitCause.TARGET


def test_rounding__fill_prices__lie_on_the_tick() -> None:
    # 100 x 1.00033 = 100.033: on a tick of 0.05 that is 100.05; without rounding it stays
    told = traded(worlds.flat_bars(2), worlds.said(BUY, 0), slippage_fraction=0.00033, price_tick=0.05)
    assert told.fills["price"][0] == 100.05
    raw = traded(worlds.flat_bars(2), worlds.said(BUY, 0), slippage_fraction=0.00033, price_tick=0.05, rounding=0)
    assert raw.fills["price"][0] == pytest.approx(100.033, rel=1e-15)


# --- a share of the bar's volume at most


def test_volume_share__thin_bars__fill_an_entry_in_parts() -> None:
    # A quarter of 16 is 4 shares a bar: 10 = 4 + 4 + 2.
    told = traded(
        worlds.bars_of(*[STILL] * 5, volume=16.0),
        worlds.said(BUY, *[HOLD] * 4),
        max_volume_share=0.25,
        fee_fraction=0.001,
    )
    assert [(row, qty) for row, qty, _, _ in fills(told)] == [(1, 4.0), (2, 4.0), (3, 2.0)]
    assert told.fills["remaining"].tolist() == [6.0, 2.0, 0.0]
    # one position, one entry of the day, however many fills
    assert told.state.state.account["entries_today"][0] == 1


def test_volume_share__thin_bars__fill_an_exit_in_parts_of_one_round_trip() -> None:
    bars = worlds.bars_of(*[STILL] * 3, (101.0,) * 4, (102.0,) * 4, (103.0,) * 4, volume=40.0)
    bars = bars._replace(volume=np.array([40.0, 40.0, 40.0, 16.0, 16.0, 16.0]))
    told = traded(bars, worlds.said(BUY, HOLD, CLOSE, HOLD, HOLD, HOLD), max_volume_share=0.25)
    # 4 at 101, 4 at 102, 2 at 103: average 101.8, a profit of 18
    assert [(row, qty) for row, qty, _, _ in fills(told)] == [(1, 10.0), (3, 4.0), (4, 4.0), (5, 2.0)]
    assert exits(told) == [(5, pytest.approx(101.8), ExitCause.SIGNAL)]
    assert told.trips["pnl"][0] == 18.0


def test_volume_share__bar_without_volume__fills_nothing_and_the_order_waits() -> None:
    bars = worlds.flat_bars(4)._replace(volume=np.array([9.0, 0.0, 0.0, 1e6]))
    told = traded(bars, worlds.said(BUY, 0, 0, 0), max_volume_share=0.1)
    assert fills(told) == [(3, 10.0, 100.0, Leg.MAIN)]


def test_volume_share__stop_filled_in_part__goes_on_at_market() -> None:
    # Given: ten shares, a stop at 98 that bar 2 touches with volume for four
    bars = worlds.bars_of(STILL, STILL, (100.0, 100.0, 97.5, 99.0), (99.5, 99.5, 99.5, 99.5), STILL)
    bars = bars._replace(volume=np.array([100.0, 100.0, 16.0, 100.0, 100.0]))
    told = traded(bars, worlds.said(BUY, *[HOLD] * 4), max_volume_share=0.25, **BRACKETS)
    # Then: four at the stop, the other six at the next open although that lies above the stop
    assert fills(told)[1:] == [(2, 4.0, 98.0, Leg.STOP), (3, 6.0, 99.5, Leg.STOP)]
    assert exits(told) == [(3, pytest.approx(98.9), ExitCause.STOP)]


def test_volume_share__target_filled_in_part__the_stop_protects_the_rest() -> None:
    bars = worlds.bars_of(STILL, STILL, (100.0, 105.5, 100.0, 104.0), (104.0, 104.0, 97.0, 97.0))
    bars = bars._replace(volume=np.array([100.0, 100.0, 16.0, 100.0]))
    told = traded(bars, worlds.said(BUY, *[HOLD] * 3), max_volume_share=0.25, **BRACKETS)
    assert fills(told)[1:] == [(2, 4.0, 105.0, Leg.TARGET), (3, 6.0, 98.0, Leg.STOP)]


def test_volume_share__entry_filled_in_parts__brackets_grow_and_follow_the_average() -> None:
    # 4 at 100, then 6 at 102: average 101.2, stop 2 % below it: 99.176 -> 99.18, for all ten
    bars = worlds.bars_of(STILL, STILL, (102.0,) * 4)._replace(volume=np.array([100.0, 16.0, 100.0]))
    told = traded(bars, worlds.said(BUY, 0, 0), max_volume_share=0.25, stop_fraction=0.02)
    stops = told.orders[told.orders["leg"] == Leg.STOP]
    assert stops["qty"].tolist() == [4.0, 10.0]
    assert stops["stop_price"].tolist() == [98.0, 99.18]


def test_volume_share__stop_ends_a_position_that_is_still_being_entered__the_rest_is_not_bought() -> None:
    # 4 of 10 bought at 100, the stop at 98 sells them on the same bar; volume for the rest comes too late.
    bars = worlds.bars_of(STILL, (100.0, 100.0, 97.0, 99.0), STILL, STILL)
    bars = bars._replace(volume=np.array([100.0, 16.0, 100.0, 100.0]))
    told = traded(bars, worlds.said(BUY, *[HOLD] * 3), max_volume_share=0.25, **BRACKETS)
    assert [(row, qty, leg) for row, qty, _, leg in fills(told)] == [(1, 4.0, Leg.MAIN), (1, 4.0, Leg.STOP)]
    assert told.state.state.account["working"][0] == 0


def test_late_exit__stop_fills_in_part_while_it_waits__sells_only_what_is_left() -> None:
    # Given: ten shares; an exit decided on bar 3 that meets bar 5; the stop sells four of them on bar 4
    bars = worlds.bars_of(STILL, STILL, STILL, STILL, (100.0, 100.0, 97.5, 99.0), STILL, STILL)
    bars = bars._replace(volume=np.array([100.0, 100.0, 100.0, 100.0, 16.0, 100.0, 100.0]))
    told = traded(bars, worlds.said(BUY, 0, 0, CLOSE, 0, 0, 0), max_volume_share=0.25, latency_bars=1, **BRACKETS)
    # Then: 4 + 6, never 4 + 10
    assert [qty for _, qty, _, _ in fills(told)] == [10.0, 4.0, 6.0]
    assert told.state.state.positions["qty"][0, 0] == 0.0


# --- money to spend instead of a quantity


def test_size_at_fill__money_to_spend__buys_what_the_open_allows_fee_included() -> None:
    # 1,000 USD at 101 with a fee of 1 %: 1000 / (101 x 1.01) = 9.8029 -> 9 shares
    told = traded(worlds.bars_of(STILL, (101.0,) * 4), worlds.said(BUY, 0), size_at_fill=1, fee_fraction=0.01)
    assert told.orders["spend"][0] == 1_000.0
    assert told.orders["qty"][0] == 0.0
    assert fills(told) == [(1, 9.0, 101.0, Leg.MAIN)]


def test_size_at_fill__money_that_buys_nothing__cancels_the_order_and_says_so() -> None:
    told = traded(worlds.bars_of(STILL, (2_000.0,) * 4, STILL), worlds.said(BUY, 0, 0), size_at_fill=1)
    assert len(told.fills) == 0
    assert [Reason(int(reason)) for reason in told.decisions["reason"]] == [Reason.NONE, Reason.CANCELLED]
    assert told.state.state.account["working"][0] == 0


def test_size_at_fill__without_rounding__spends_all_of_it() -> None:
    told = traded(
        worlds.bars_of(STILL, (101.0,) * 4), worlds.said(BUY, 0), size_at_fill=1, fee_fraction=0.01, rounding=0
    )
    fill = told.fills[0]
    assert fill["qty"] * fill["price"] + fill["fee"] == pytest.approx(1_000.0, abs=1e-6)
