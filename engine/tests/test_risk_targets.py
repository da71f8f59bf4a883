"""The first door of risk: may the bot want this position? Each limit at its last good and first bad value."""

from typing import Any

import pytest

from engine import run
from engine.domain.enums import DailyLossBasis, Reason, Side
from engine.domain.params import Params
from engine.domain.state import State
from engine.domain.values import NOBODY_ELSE, Others
from engine.tests import kernels, worlds

LONG, SHORT = Side.LONG, Side.SHORT


def account(params: Params, **fields: float) -> State:
    """A fresh bot's state with fields of its account set."""
    state = run.start(worlds.external_plan(params)).state
    for name, value in fields.items():
        state.account[name] = value
    return state


def hold(
    state: State, symbol: int, side: Side, *, qty: float = 10.0, cost: float = 1_000.0, mark: float = 100.0
) -> None:
    """Put a position into the books as if it had been bought."""
    state.positions["qty"][symbol, side] = qty
    state.positions["cost"][symbol, side] = cost
    state.slots["mark"][symbol] = mark


def review(
    state: State,
    params: Params,
    *,
    symbol: int = 0,
    side: Side = LONG,
    confidence: float = 1.0,
    others: Others = NOBODY_ELSE,
) -> Reason:
    others = Others(*(float(value) for value in others))
    return Reason(kernels.review_target(state, others, params, symbol, int(side), confidence))


# --- switches and confidence


def test_scope__switched_off__is_refused_before_anything_else() -> None:
    params = worlds.wishes(enabled=0, side_allowed=0)
    assert review(account(params), params) is Reason.DISABLED_SCOPE


def test_sides__not_allowed__are_refused_each_with_its_reason() -> None:
    no_longs, no_shorts = worlds.wishes(side_allowed=[0, 1]), worlds.wishes(side_allowed=[1, 0])
    assert review(account(no_longs), no_longs, side=LONG) is Reason.LONGS_DISABLED
    assert review(account(no_longs), no_longs, side=SHORT) is Reason.NONE
    assert review(account(no_shorts), no_shorts, side=SHORT) is Reason.SHORTS_DISABLED
    assert review(account(no_shorts), no_shorts, side=LONG) is Reason.NONE


def test_confidence__equal_to_the_threshold__passes() -> None:
    params = worlds.wishes(min_confidence=0.6)
    assert review(account(params), params, confidence=0.6) is Reason.NONE
    assert review(account(params), params, confidence=0.5999) is Reason.LOW_CONFIDENCE


def test_equity__used_up__is_insufficient_capital() -> None:
    params = worlds.wishes()
    assert review(account(params, equity=0.0), params) is Reason.INSUFFICIENT_CAPITAL
    assert review(account(params, equity=-5.0), params) is Reason.INSUFFICIENT_CAPITAL


# --- daily loss


@pytest.mark.parametrize(
    ("equity", "reason"), [(9_000.00, Reason.NONE), (8_999.99, Reason.MAX_DAILY_LOSS), (9_500.0, Reason.NONE)]
)
def test_bots_daily_loss__ten_percent_of_10_000__passes_at_1000_00_and_blocks_at_1000_01(
    equity: float, reason: Reason
) -> None:
    params = worlds.wishes(bot_daily_loss_fraction=0.1)
    assert review(account(params, equity=equity, day_open_equity=10_000.0), params) is reason


@pytest.mark.parametrize(("realised", "reason"), [(-1_000.00, Reason.NONE), (-1_000.01, Reason.MAX_DAILY_LOSS)])
def test_bots_daily_loss__realised_only__does_not_look_at_what_is_open(realised: float, reason: Reason) -> None:
    # Given: an unrealised loss of half the equity, which this basis leaves out
    params = worlds.wishes(bot_daily_loss_fraction=0.1, daily_loss_basis=DailyLossBasis.REALISED)
    assert review(account(params, equity=5_000.0, day_realised=realised), params) is reason


def test_bots_daily_loss__is_of_its_capital_and_counts_from_the_days_opening() -> None:
    # Given: capital 10,000, but the day began at 20,000: a loss of 1,500 is 7.5 % of that, 15 % of the capital
    params = worlds.wishes(bot_daily_loss_fraction=0.1, account_daily_loss_fraction=0.1)
    assert review(account(params, equity=18_500.0, day_open_equity=20_000.0), params) is Reason.MAX_DAILY_LOSS
    # and losses of the days before do not count
    assert review(account(params, equity=5_000.0, day_open_equity=5_000.0), params) is Reason.NONE


@pytest.mark.parametrize(("equity", "reason"), [(9_500.0, Reason.NONE), (9_499.99, Reason.MAX_DAILY_LOSS_ACCOUNT)])
def test_accounts_daily_loss__five_percent_of_the_opening_equity(equity: float, reason: Reason) -> None:
    params = worlds.wishes(account_daily_loss_fraction=0.05)
    assert review(account(params, equity=equity, day_open_equity=10_000.0), params) is reason


def test_accounts_daily_loss__losses_of_other_bots__count() -> None:
    # Together they opened with 40,000, of which 5 % is 2,000: ours 500, theirs 1,500 passes, 1,500.01 blocks.
    params = worlds.wishes(account_daily_loss_fraction=0.05)
    state = account(params, equity=9_500.0, day_open_equity=10_000.0)
    others = Others(equity=28_500.0, day_open_equity=30_000.0, day_pnl=-1_500.0)
    assert review(state, params, others=others) is Reason.NONE
    assert review(state, params, others=others._replace(day_pnl=-1_500.01)) is Reason.MAX_DAILY_LOSS_ACCOUNT


def test_accounts_daily_loss__gains_of_other_bots__make_room() -> None:
    params = worlds.wishes(account_daily_loss_fraction=0.05)
    state = account(params, equity=9_000.0, day_open_equity=10_000.0)
    assert review(state, params) is Reason.MAX_DAILY_LOSS_ACCOUNT
    assert review(state, params, others=Others(equity=1_000.0, day_pnl=600.0)) is Reason.NONE


@pytest.mark.parametrize("field", ["symbol_daily_loss_fraction", "side_daily_loss_fraction"])
def test_scopes_daily_loss__open_loss_of_the_symbol__blocks_there_and_not_elsewhere(field: str) -> None:
    # Two percent of 10,000 is 200: ten bought at 100 may fall to 80, not below.
    params = worlds.wishes(symbols=2, **{field: 0.02})
    state = account(params)
    hold(state, 0, LONG, mark=80.0)
    assert review(state, params) is Reason.NONE
    state.slots["mark"][0] = 79.99
    assert review(state, params) is Reason.MAX_DAILY_LOSS_SCOPE
    assert review(state, params, symbol=1) is Reason.NONE


def test_sides_daily_loss__loss_of_the_other_side__does_not_count() -> None:
    params = worlds.wishes(side_daily_loss_fraction=0.02)
    state = account(params)
    state.positions["day_realised"][0, SHORT] = -500.0
    assert review(state, params, side=LONG) is Reason.NONE
    assert review(state, params, side=SHORT) is Reason.MAX_DAILY_LOSS_SCOPE


def test_scopes_daily_loss__loss_carried_over_from_yesterday__does_not_count() -> None:
    # Unrealised -300 at the day's open and now: today's share is nothing.
    params = worlds.wishes(symbol_daily_loss_fraction=0.02)
    state = account(params)
    hold(state, 0, LONG, mark=70.0)
    state.positions["day_open_value"][0, LONG] = -300.0
    assert review(state, params) is Reason.NONE


def test_daily_loss__limits_that_floats_make_a_bit_smaller__still_pass_when_met_exactly() -> None:
    # 10,000 x 0.57 is 5699.999999999999 in floats; a loss of 5,700.00 is not more than 57 %.
    params = worlds.wishes(bot_daily_loss_fraction=0.57, account_daily_loss_fraction=0.57)
    assert review(account(params, equity=4_300.00), params) is Reason.NONE
    assert review(account(params, equity=4_299.99), params) is Reason.MAX_DAILY_LOSS
    # one share from 100 to 99.99 loses 0.010000000000005 in floats; the limit is 0.000001 x 10,000 = 0.01
    params = worlds.wishes(symbol_daily_loss_fraction=0.000001)
    state = account(params)
    hold(state, 0, LONG, qty=1.0, cost=100.0, mark=99.99)
    assert review(state, params) is Reason.NONE


# --- concurrent positions


def test_bots_positions__at_the_limit__are_refused() -> None:
    params = worlds.wishes(symbols=4, bot_max_positions=3)
    state = account(params)
    hold(state, 0, LONG)
    hold(state, 1, SHORT)
    assert review(state, params, symbol=3) is Reason.NONE  # the third
    hold(state, 2, LONG)
    assert review(state, params, symbol=3) is Reason.MAX_CONCURRENT_POSITIONS


def test_bots_positions__an_entry_that_still_works__counts() -> None:
    params = worlds.wishes(symbols=2, bot_max_positions=1)
    state = account(params)
    state.legs["working"][0, LONG, 0] = state.legs["is_entry"][0, LONG, 0] = 1
    assert review(state, params, symbol=1) is Reason.MAX_CONCURRENT_POSITIONS
    # an exit that works opens nothing
    state.legs["is_entry"][0, LONG, 0] = 0
    assert review(state, params, symbol=1) is Reason.NONE


def test_accounts_positions__those_of_other_bots__count() -> None:
    params = worlds.wishes(symbols=2, account_max_positions=5)
    state = account(params)
    hold(state, 0, LONG)
    assert review(state, params, symbol=1, others=Others(positions=3.0)) is Reason.NONE
    assert review(state, params, symbol=1, others=Others(positions=4.0)) is Reason.MAX_CONCURRENT_POSITIONS_ACCOUNT


def test_scopes_positions__the_other_side_of_the_symbol__counts_for_the_symbol_only() -> None:
    by_symbol, by_side = worlds.wishes(symbol_max_positions=1), worlds.wishes(side_max_positions=1)
    for params, reason in ((by_symbol, Reason.MAX_CONCURRENT_POSITIONS_SCOPE), (by_side, Reason.NONE)):
        state = account(params)
        hold(state, 0, SHORT)
        assert review(state, params, side=LONG) is reason


# --- entries a day


def test_accounts_trades__at_the_limit__are_refused() -> None:
    params = worlds.wishes(account_max_daily_trades=5)
    assert review(account(params, entries_today=4), params) is Reason.NONE
    assert review(account(params, entries_today=5), params) is Reason.MAX_DAILY_TRADES


def enter(state: State, symbol: int, side: Side) -> None:
    """An entry of this side works at the venue."""
    state.legs["working"][symbol, side, 0] = state.legs["is_entry"][symbol, side, 0] = 1
    state.account["working"] += 1
    state.account["working_entries"] += 1


def test_accounts_trades__of_other_bots_and_orders_still_working__count() -> None:
    params = worlds.wishes(symbols=2, account_max_daily_trades=5)
    state = account(params, entries_today=2)
    enter(state, 1, SHORT)
    assert review(state, params, others=Others(entries_today=1.0)) is Reason.NONE
    assert review(state, params, others=Others(entries_today=2.0)) is Reason.MAX_DAILY_TRADES


def test_accounts_trades__an_entry_filled_in_part_and_still_working__counts_once() -> None:
    params = worlds.wishes(symbols=2, account_max_daily_trades=2)
    state = account(params, entries_today=1)
    hold(state, 0, LONG)
    enter(state, 0, LONG)
    assert review(state, params, symbol=1) is Reason.NONE


def test_scopes_trades__an_entry_of_the_symbol_still_working__counts() -> None:
    # In hedge mode both sides may ask on one bar: the second must see the first.
    params = worlds.wishes(symbols=2, symbol_max_daily_trades=1)
    state = account(params)
    enter(state, 0, LONG)
    assert review(state, params, symbol=0, side=SHORT) is Reason.MAX_DAILY_TRADES_SCOPE
    assert review(state, params, symbol=1, side=SHORT) is Reason.NONE


def test_scopes_trades__entries_of_the_symbol_and_of_the_side() -> None:
    by_symbol, by_side = worlds.wishes(symbol_max_daily_trades=2), worlds.wishes(side_max_daily_trades=2)
    for params, reason in ((by_symbol, Reason.MAX_DAILY_TRADES_SCOPE), (by_side, Reason.NONE)):
        state = account(params)
        state.positions["entries_today"][0] = [1, 1]
        assert review(state, params) is reason
        state.positions["entries_today"][0] = [2, 0]
        assert review(state, params) is Reason.MAX_DAILY_TRADES_SCOPE


# --- risk management switched off


@pytest.mark.parametrize(
    ("limit", "fields"),
    [
        ({"account_daily_loss_fraction": 0.01}, {"equity": 9_000.0}),
        ({"symbol_daily_loss_fraction": 0.0}, {"equity": 9_000.0}),
        ({"account_max_positions": 0}, {}),
        ({"symbol_max_positions": 0}, {}),
        ({"account_max_daily_trades": 0}, {}),
        ({"side_max_daily_trades": 0}, {}),
    ],
)
def test_risk_management__switched_off__the_accounts_and_scopes_limits_do_not_bind(
    limit: dict[str, Any], fields: dict[str, float]
) -> None:
    off = worlds.wishes(risk_enabled=0, **limit)
    assert review(account(off, **fields), off) is Reason.NONE


def test_risk_management__switched_off__the_bots_own_limits_still_bind() -> None:
    params = worlds.wishes(risk_enabled=0, bot_daily_loss_fraction=0.1)
    assert review(account(params, equity=8_000.0), params) is Reason.MAX_DAILY_LOSS
    params = worlds.wishes(risk_enabled=0, bot_max_positions=0)
    assert review(account(params), params) is Reason.MAX_CONCURRENT_POSITIONS


# --- through whole steps


def test_daily_limits__a_new_trading_day__start_again() -> None:
    # Given: one entry a day; a round trip on day 0, a refused entry, then day 1
    bars = worlds.bars_of(*[(100.0,) * 4] * 6, days=[0, 0, 0, 0, 1, 1])
    plan = worlds.external_plan(worlds.wishes(account_max_daily_trades=1, **worlds.LONG_ONLY))
    told = run.run(bars, plan=plan, state=run.start(plan), signals=worlds.said(1, 2, 0, 1, 1, 0))
    refused = [(int(d["row"]), Reason(int(d["reason"]))) for d in told.decisions if d["reason"] > 10]
    assert refused == [(3, Reason.MAX_DAILY_TRADES)]
    assert told.fills["row"].tolist() == [1, 2, 5]


def test_exits__every_limit_broken_and_everything_disabled__are_never_refused() -> None:
    # Given: a long position, then a configuration in which nothing may be opened any more
    free = worlds.external_plan(worlds.wishes(**worlds.LONG_ONLY))
    held = run.run(worlds.flat_bars(2), plan=free, state=run.start(free), signals=worlds.said(1, 0)).state
    shut = worlds.wishes(
        bot_daily_loss_fraction=0.0,
        bot_max_positions=0,
        account_exposure_fraction=0.0,
        min_confidence=1.0,
        **worlds.LONG_ONLY,
    )
    shut.sides["enabled"] = 0
    # When: a sell of little confidence arrives
    for action in (-1, 2):
        told = run.run(
            worlds.flat_bars(2),
            plan=worlds.external_plan(shut),
            state=held,
            signals=worlds.said(action, 0, confidence=0.1),
        )
        # Then
        assert len(told.trips) == 1
