"""What each indicator's value means, and what a majority of them decides."""

import math

import numpy as np
import pytest

from engine import run
from engine.domain.enums import Vote
from engine.indicators import ORDER, unpack_votes
from engine.tests import kernels, worlds

NAN = math.nan
NONE, HOLD, BUY, SELL = Vote.NONE, Vote.HOLD, Vote.BUY, Vote.SELL


def packed(*votes: Vote) -> int:
    """Votes as the engine stores them: two bits each, the first indicator lowest."""
    return sum(int(vote) << (2 * place) for place, vote in enumerate(votes))


# A dead band of one part in a billion, of 100 points, lies around each threshold: 30 - 1e-7 still holds.
@pytest.mark.parametrize(
    ("value", "vote"),
    [
        (29.99, BUY),
        (30.0 - 2e-7, BUY),
        (30.0 - 0.5e-7, HOLD),
        (30.0, HOLD),
        (50.0, HOLD),
        (70.0, HOLD),
        (70.0 + 0.5e-7, HOLD),
        (70.01, SELL),
        (NAN, NONE),
    ],
)
def test_rsi_vote__value_against_30_and_70__buys_below_and_sells_above(value: float, vote: Vote) -> None:
    assert kernels.rsi_vote(value, 30.0, 70.0) == vote


@pytest.mark.parametrize(
    ("now", "before", "vote"),
    [
        (0.02, -0.01, BUY),  # crossed up
        (-0.02, 0.01, SELL),  # crossed down
        (0.02, 0.01, HOLD),  # stayed above
        (-0.02, -0.01, HOLD),  # stayed below
        (0.02, 0.0, BUY),  # left zero upwards
        (-0.02, 0.0, SELL),  # left zero downwards
        (0.0, -0.01, HOLD),  # reached zero: not through it yet
        (0.5e-7, -0.01, HOLD),  # within a billionth of the price (100) of zero
        (2e-7, -0.01, BUY),
        (0.02, NAN, NONE),  # the first histogram has nothing to cross from
        (NAN, NAN, NONE),
    ],
)
def test_macd_vote__histogram_now_and_before__votes_on_a_cross_of_zero(now: float, before: float, vote: Vote) -> None:
    assert kernels.macd_vote(now, before, 100.0) == vote


def test_macd_vote__a_penny_stock__crosses_as_a_dear_one_does() -> None:
    # A band of 0.01 in price units would never let a price of 0.005 cross.
    assert kernels.macd_vote(1e-6, -1e-6, 0.005) == BUY


# SMA and EMA share the rule: 0.1 % around the average is a hold; 1000 x 1.001 = 1001, x 0.999 = 999.
@pytest.mark.parametrize(
    ("close", "vote"),
    [(1001.01, BUY), (1000.99, HOLD), (1000.0, HOLD), (999.01, HOLD), (998.99, SELL)],
)
def test_average_vote__close_around_a_tenth_of_a_percent__buys_above_and_sells_below(close: float, vote: Vote) -> None:
    assert kernels.average_vote(close, 1000.0) == vote


def test_average_vote__exactly_on_the_band__holds() -> None:
    assert kernels.average_vote(1000.0 * 1.001, 1000.0) == HOLD
    assert kernels.average_vote(1000.0 * 0.999, 1000.0) == HOLD


def test_average_vote__no_average_yet__does_not_vote() -> None:
    assert kernels.average_vote(1000.0, NAN) == NONE


@pytest.mark.parametrize(
    ("close", "vote"),
    [
        (94.9, BUY),
        (95.0 - 2e-7, BUY),
        (95.0, HOLD),  # a tie hangs on the last bit: the dead band makes it a hold
        (100.0, HOLD),
        (105.0, HOLD),
        (105.0 + 2e-7, SELL),
        (105.1, SELL),
    ],
)
def test_bollinger_vote__close_against_bands_95_to_105__buys_below_and_sells_above(close: float, vote: Vote) -> None:
    assert kernels.bbands_vote(close, 95.0, 105.0) == vote


def test_bollinger_vote__bands_without_width__hold() -> None:
    assert kernels.bbands_vote(100.0, 100.0, 100.0) == HOLD
    assert kernels.bbands_vote(99.0, 100.0, 100.0) == HOLD


def test_bollinger_vote__no_bands_yet__does_not_vote() -> None:
    assert kernels.bbands_vote(100.0, NAN, NAN) == NONE


@pytest.mark.parametrize(
    ("k_value", "d_value", "vote"),
    [
        (19.9, 19.9, BUY),
        (19.9, 20.0, HOLD),  # both must be below
        (20.0, 19.9, HOLD),
        (20.0, 20.0, HOLD),
        (50.0, 50.0, HOLD),
        (80.0, 80.0, HOLD),
        (80.1, 80.0, HOLD),
        (80.1, 80.1, SELL),
        (50.0, NAN, NONE),
    ],
)
def test_stochastic_vote__both_lines_outside_20_to_80__votes(k_value: float, d_value: float, vote: Vote) -> None:
    assert kernels.stoch_vote(k_value, d_value, False) == vote


def test_stochastic_vote__flat_range__does_not_vote() -> None:
    assert kernels.stoch_vote(0.0, 0.0, True) == NONE


@pytest.mark.parametrize(("change", "vote"), [(1.0, BUY), (-1.0, SELL), (0.0, HOLD)])
def test_obv_vote__last_change__buys_on_volume_in_and_sells_on_volume_out(change: float, vote: Vote) -> None:
    assert kernels.obv_vote(change) == vote


# action, confidence: agreeing votes over all votes given; a hold has none
@pytest.mark.parametrize(
    ("votes", "action", "confidence"),
    [
        ((BUY, BUY, BUY, SELL, HOLD), 1, 3 / 5),
        ((SELL, SELL, SELL, BUY, HOLD), -1, 3 / 5),
        ((BUY, BUY, SELL, SELL), 0, 0.0),  # split: neither is more than half
        ((BUY, BUY, HOLD, HOLD), 0, 0.0),  # exactly half is not more than half
        ((BUY, BUY, SELL), 1, 2 / 3),
        ((BUY, BUY), 1, 1.0),
        ((BUY,), 0, 0.0),  # one vote is no majority
        ((BUY, NONE, NONE), 0, 0.0),  # an indicator without a value does not vote
        ((BUY, NONE, BUY), 1, 1.0),
        ((HOLD, HOLD, HOLD), 0, 0.0),
        ((), 0, 0.0),
        ((BUY,) * 7, 1, 1.0),
    ],
)
def test_majority__of_votes_given__needs_more_than_half_and_two(
    votes: tuple[Vote, ...], action: int, confidence: float
) -> None:
    assert kernels.majority(packed(*votes), 2.0) == (action, pytest.approx(confidence))


def test_majority__every_possible_vote_of_seven__counts_as_a_person_would() -> None:
    for votes in range(4**7):
        given = list(unpack_votes(votes).values())
        buys, sells = given.count("buy"), given.count("sell")
        action = (buys > len(given) / 2 and buys >= 2) - (sells > len(given) / 2 and sells >= 2)
        confidence = max(buys, sells) / len(given) if action else 0.0
        assert kernels.majority(votes, 2.0) == (action, confidence)


def test_single_voting__one_vote__decides_alone() -> None:
    assert kernels.majority(packed(SELL), 1.0) == (-1, 1.0)
    assert kernels.majority(packed(NONE), 1.0) == (0, 0.0)


def test_unpack_votes__some_voted__names_only_those() -> None:
    votes = packed(BUY, NONE, SELL, NONE, NONE, HOLD, BUY)
    assert unpack_votes(votes) == {"RSI": "buy", "SMA": "sell", "STOCH": "hold", "OBV": "buy"}
    assert unpack_votes(0) == {}
    assert ORDER == ("RSI", "MACD", "SMA", "EMA", "BBANDS", "STOCH", "OBV")


def votes_on(closes: list[float], **values: object) -> list[dict[str, str]]:
    """What the strategy's indicators say on each bar of these closes."""
    bars = worlds.bars_of(*[(close, close + 1.0, close - 1.0, close) for close in closes])
    plan = worlds.voting_plan(worlds.wishes(), **values)
    said = run.strategy_signals(plan, run.start(plan).state, bars)
    return [unpack_votes(int(votes)) for votes in said.votes[:, 0]]


def test_strategy__rising_closes__each_indicator_votes_once_it_has_a_value() -> None:
    # Rising by 1 %: RSI 100 sells (overbought), the close lies above its averages, volume comes in.
    rising = [100.0 * 1.01**bar for bar in range(60)]
    votes = votes_on(rising, indicators=["RSI", "SMA", "EMA", "OBV"])
    assert votes[3] == {}  # nobody votes on fewer than five bars
    assert votes[4] == {"OBV": "buy"}
    assert votes[14] == {"RSI": "sell", "OBV": "buy"}
    assert votes[19] == {"RSI": "sell", "EMA": "buy", "OBV": "buy"}
    assert votes[49] == {"RSI": "sell", "SMA": "buy", "EMA": "buy", "OBV": "buy"}


def test_strategy__majority_of_rising_closes__buys_from_the_bar_the_second_buyer_arrives() -> None:
    rising = [100.0 * 1.01**bar for bar in range(60)]
    bars = worlds.bars_of(*[(close, close, close, close) for close in rising])
    plan = worlds.voting_plan(worlds.wishes(), indicators=["SMA", "EMA", "OBV"])
    said = run.strategy_signals(plan, run.start(plan).state, bars)
    # OBV alone from bar 5; with EMA(20) two agree, from bar 20 on.
    assert np.flatnonzero(said.action[:, 0]).tolist() == list(range(19, 60))
    assert said.confidence[19, 0] == 1.0


def test_strategy__single_voting__one_indicator_trades() -> None:
    bars = worlds.bars_of(*[(close, close, close, close) for close in (10.0, 11.0, 12.0, 13.0, 14.0, 13.0, 13.0)])
    plan = worlds.voting_plan(worlds.wishes(), indicators=["OBV"], voting="single")
    said = run.strategy_signals(plan, run.start(plan).state, bars)
    assert said.action[:, 0].tolist() == [0, 0, 0, 0, 1, -1, 0]


def test_strategy__indicators_not_chosen__keep_silent() -> None:
    assert set(votes_on([100.0 + bar for bar in range(60)], indicators=["BBANDS", "STOCH"])[-1]) == {"BBANDS", "STOCH"}


def test_strategy__two_symbols_with_own_lengths__each_sees_only_its_own_bars() -> None:
    # Given: the same closes for both symbols, an average of 5 bars for one and of 10 for the other
    one = worlds.random_series(3, 30)
    bars = run.merge([one, one], [np.zeros(30, np.int32)] * 2)
    values = {**worlds.DECLARED["indicator_voting"].defaults, "indicators": ["SMA"], "voting": "single"}
    setup = run.StrategySetup("indicator_voting", [{**values, "sma_period": 5}, {**values, "sma_period": 10}])
    plan = run.setup(symbols=["A", "B"], params=worlds.wishes(symbols=2), strategies=[setup])
    # When
    said = run.strategy_signals(plan, run.start(plan).state, bars)
    # Then: each symbol's votes are those of a lone run with its length
    for symbol, period in enumerate((5, 10)):
        alone = worlds.voting_plan(worlds.wishes(), indicators=["SMA"], voting="single", sma_period=period)
        lone = run.strategy_signals(alone, run.start(alone).state, worlds.bars_from(one))
        assert np.array_equal(said.votes[bars.symbol == symbol], lone.votes)
