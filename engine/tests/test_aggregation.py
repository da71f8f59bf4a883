"""Many signals to one: who prevails when strategies disagree, and what a signal means for what is held."""

import numpy as np
import pytest

from engine.domain.enums import Action, ConflictRule, Reason, Target, TimeframeRule
from engine.domain.params import Params
from engine.tests import kernels, worlds

BUY, SELL, HOLD, CLOSE = Action.BUY, Action.SELL, Action.HOLD, Action.CLOSE
NOBODY = -1


def two_strategies(
    *,
    conflict: ConflictRule = ConflictRule.STRONGEST_WINS,
    timeframe: TimeframeRule = TimeframeRule.HIGHER_TIMEFRAME_WINS,
    weights: tuple[float, float] = (1.0, 1.0),
    timeframe_weights: tuple[float, float] = (1.0, 1.0),
    ranks: tuple[float, float] = (7.0, 7.0),
    factors: tuple[float, float] = (1.0, 1.0),
    mode: dict = worlds.ONE_WAY,
) -> Params:
    """Two strategies on one symbol; rank 7 is one hour."""
    params = worlds.wishes(strategies=2, conflict_rule=conflict, timeframe_rule=timeframe, **mode)
    weigh = np.broadcast_to(np.array(weights), (1, 2, 2)).copy()
    frame = np.broadcast_to(np.array(timeframe_weights), (1, 2, 2)).copy()
    return params._replace(
        strategy_weights=weigh,
        timeframe_weights=frame,
        timeframe_ranks=np.array(ranks),
        mode_factors=np.array(factors),
    )


def decide(params: Params, *signals: tuple[int, float]) -> tuple[int, int, int, Reason]:
    """(action, strategy, other, reason) for one row of (action, confidence)."""
    action, strategy, other, reason = kernels.combine(worlds.said_by_many([list(signals)]), 0, params, 0)
    return action, strategy, other, Reason(reason)


# --- one strategy, or several that agree


def test_combine__one_strategy__its_signal_stands() -> None:
    params = worlds.wishes()
    assert decide(params, (SELL, 0.4)) == (SELL, 0, NOBODY, Reason.NONE)
    assert decide(params, (HOLD, 0.4)) == (HOLD, NOBODY, NOBODY, Reason.NONE)


def test_combine__nobody_asks__holds_without_a_reason() -> None:
    assert decide(two_strategies(), (HOLD, 1.0), (HOLD, 1.0)) == (HOLD, NOBODY, NOBODY, Reason.NONE)


def test_combine__both_agree__the_newcomer_is_named() -> None:
    assert decide(two_strategies(), (BUY, 0.9), (BUY, 0.6)) == (BUY, 1, NOBODY, Reason.NONE)


def test_combine__one_asks_and_one_holds__the_asker_is_named() -> None:
    assert decide(two_strategies(), (SELL, 0.9), (HOLD, 0.6)) == (SELL, 0, NOBODY, Reason.NONE)


def test_combine__anybody_closes__closing_goes_before_all() -> None:
    assert decide(two_strategies(), (CLOSE, 0.1), (BUY, 1.0)) == (CLOSE, 0, NOBODY, Reason.NONE)


# --- strength: confidence x weight x label x mode


@pytest.mark.parametrize(
    ("confidence", "label"),
    [(0.0, 0.5), (0.49, 0.5), (0.5, 1.0), (0.69, 1.0), (0.7, 1.5), (0.89, 1.5), (0.9, 2.0), (1.0, 2.0)],
)
def test_strength__label_of_the_confidence__multiplies(confidence: float, label: float) -> None:
    assert kernels.strength(worlds.wishes(), 0, 0, BUY, confidence) == pytest.approx(confidence * label)


def test_strength__documents_check_value_a__is_1_20() -> None:
    # buy, 0.8, weight 1.0, strong (1.5): 0.8 x 1.0 x 1.5 = 1.20
    assert kernels.strength(two_strategies(), 0, 0, BUY, 0.8) == pytest.approx(1.20)


def test_timeframe_strength__documents_check_values__are_0_40_and_0_672() -> None:
    # 1m buy 0.8 x 0.5 = 0.40; 4h sell 0.7 x 1.2 x strategy 0.8 = 0.672
    params = two_strategies(weights=(1.0, 0.8), timeframe_weights=(0.5, 1.2))
    assert kernels.timeframe_strength(params, 0, 0, BUY, 0.8) == pytest.approx(0.40)
    assert kernels.timeframe_strength(params, 0, 1, SELL, 0.7) == pytest.approx(0.672)


# --- opposing signals of one timeframe: the signal rule

# The documents' A and B: S = 1.20 for the buy; B is given as 1.296 = 0.9 x 1.2 x 1.0 x 1.2 under the label
# "medium". A confidence of 0.9 is "extreme" (2.0) by the table, so its weight is halved here to give 1.296.
A = (BUY, 0.8)
B = (SELL, 0.9)


def documents_pair(conflict: ConflictRule) -> Params:
    params = two_strategies(conflict=conflict, weights=(1.0, 0.6), factors=(1.0, 1.2))
    assert kernels.strength(params, 0, 1, SELL, 0.9) == pytest.approx(1.296)
    return params


def test_strongest_wins__documents_pair__the_stronger_sell_prevails() -> None:
    assert decide(documents_pair(ConflictRule.STRONGEST_WINS), A, B) == (SELL, 1, NOBODY, Reason.NONE)


def test_strongest_wins__weaker_newcomer__is_refused() -> None:
    assert decide(two_strategies(), (SELL, 0.9), (BUY, 0.8)) == (HOLD, 1, NOBODY, Reason.WEAKER_SIGNAL)


def test_strongest_wins__equal_strength__the_newcomer_is_refused() -> None:
    assert decide(two_strategies(), (SELL, 0.8), (BUY, 0.8)) == (HOLD, 1, NOBODY, Reason.WEAKER_SIGNAL)


def test_weighted_average__documents_pair__balances_to_a_hold() -> None:
    # V = (1.20 - 1.296) / (1.20 + 1.296) = -0.096 / 2.496 = -0.038
    answer = decide(documents_pair(ConflictRule.WEIGHTED_AVERAGE), A, B)
    assert answer == (HOLD, 1, NOBODY, Reason.BALANCED_SIGNALS)


@pytest.mark.parametrize(
    ("weight", "action"),
    [
        # buy 0.5 x weight against sell 0.5 x 1: V = (weight - 1) / (weight + 1)
        (1.8, HOLD),  # 0.8 / 2.8 = 0.286
        (2.0, BUY),  # 1 / 3 = 0.333
        (0.5, SELL),  # -0.5 / 1.5 = -0.333: another action than the newcomer's is carried out
        (0.6, HOLD),  # -0.4 / 1.6 = -0.25
    ],
)
def test_weighted_average__opinion_beyond_0_3__is_carried_out(weight: float, action: int) -> None:
    params = two_strategies(conflict=ConflictRule.WEIGHTED_AVERAGE, weights=(1.0, weight))
    assert decide(params, (SELL, 0.5), (BUY, 0.5))[0] == action


def test_weighted_average__no_weight_at_all__is_refused() -> None:
    params = two_strategies(conflict=ConflictRule.WEIGHTED_AVERAGE, weights=(0.0, 0.0))
    assert decide(params, (SELL, 0.5), (BUY, 0.5)) == (HOLD, 1, NOBODY, Reason.BALANCED_SIGNALS)


def test_first_come_first_served__opposed_newcomer__is_refused_however_strong() -> None:
    params = two_strategies(conflict=ConflictRule.FIRST_COME_FIRST_SERVED)
    assert decide(params, (SELL, 0.1), (BUY, 1.0)) == (HOLD, 1, NOBODY, Reason.OPPOSING_SIGNAL)


def test_manual_review__opposed_newcomer__waits_for_an_operator() -> None:
    params = two_strategies(conflict=ConflictRule.MANUAL_REVIEW)
    assert decide(params, (SELL, 0.1), (BUY, 1.0)) == (HOLD, 1, NOBODY, Reason.PENDING_REVIEW)


# --- opposing signals of different timeframes: the timeframe rule first

MINUTE_RANK, FOUR_HOURS_RANK = 2.0, 9.0


@pytest.mark.parametrize(
    ("rule", "newcomer_rank", "outcome"),
    [
        (TimeframeRule.HIGHER_TIMEFRAME_WINS, FOUR_HOURS_RANK, (BUY, Reason.NONE)),
        (TimeframeRule.HIGHER_TIMEFRAME_WINS, MINUTE_RANK, (HOLD, Reason.LOWER_TIMEFRAME)),
        (TimeframeRule.LOWER_TIMEFRAME_WINS, MINUTE_RANK, (BUY, Reason.NONE)),
        (TimeframeRule.LOWER_TIMEFRAME_WINS, FOUR_HOURS_RANK, (HOLD, Reason.HIGHER_TIMEFRAME)),
    ],
)
def test_timeframe_rule__ranks_differ__decides_before_strength(
    rule: TimeframeRule, newcomer_rank: float, outcome: tuple[int, Reason]
) -> None:
    # Given: a much stronger signal on the losing side, which must not matter
    old_rank = MINUTE_RANK if newcomer_rank == FOUR_HOURS_RANK else FOUR_HOURS_RANK
    params = two_strategies(timeframe=rule, ranks=(old_rank, newcomer_rank), weights=(9.0, 1.0))
    action, _, _, reason = decide(params, (SELL, 1.0), (BUY, 0.6))
    assert (action, reason) == outcome


def test_timeframe_weighted_average__documents_pair__the_four_hour_sell_prevails() -> None:
    # T 0.40 against 0.672
    params = two_strategies(
        timeframe=TimeframeRule.WEIGHTED_AVERAGE,
        ranks=(MINUTE_RANK, FOUR_HOURS_RANK),
        weights=(1.0, 0.8),
        timeframe_weights=(0.5, 1.2),
    )
    assert decide(params, (BUY, 0.8), (SELL, 0.7)) == (SELL, 1, NOBODY, Reason.NONE)


def test_timeframe_weighted_average__lighter_newcomer__is_refused() -> None:
    params = two_strategies(
        timeframe=TimeframeRule.WEIGHTED_AVERAGE,
        ranks=(FOUR_HOURS_RANK, MINUTE_RANK),
        weights=(0.8, 1.0),
        timeframe_weights=(1.2, 0.5),
    )
    action, strategy, _, reason = decide(params, (SELL, 0.7), (BUY, 0.8))
    assert (action, strategy) == (HOLD, 1)
    assert reason is not Reason.NONE


def test_timeframe_rule__a_tie__hands_over_to_the_signal_rule() -> None:
    # T equal (0.5 x 1.0 against 0.5 x 1.0); S equal too, so the newcomer loses under strongest_wins
    params = two_strategies(timeframe=TimeframeRule.WEIGHTED_AVERAGE, ranks=(MINUTE_RANK, FOUR_HOURS_RANK))
    assert decide(params, (SELL, 0.5), (BUY, 0.5)) == (HOLD, 1, NOBODY, Reason.WEAKER_SIGNAL)


def test_timeframe_rule__several_opponents__the_highest_of_them_counts() -> None:
    # Newcomer on rank 5 between opponents on 2 and 9: lower than the highest, higher than the lowest.
    params = worlds.wishes(strategies=3, **worlds.ONE_WAY)._replace(timeframe_ranks=np.array([2.0, 9.0, 5.0]))
    signals = [(SELL, 0.5), (SELL, 0.5), (BUY, 1.0)]
    assert decide(params, *signals)[3] is Reason.LOWER_TIMEFRAME
    params.sides["timeframe_rule"] = TimeframeRule.LOWER_TIMEFRAME_WINS
    assert decide(params, *signals)[3] is Reason.HIGHER_TIMEFRAME


# --- hedge


def test_combine__hedge_mode__both_directions_may_stand() -> None:
    assert decide(two_strategies(mode=worlds.HEDGE), (SELL, 0.9), (BUY, 0.6)) == (BUY, 1, 0, Reason.NONE)


def test_combine__hedge_mode_and_several_opponents__the_strongest_stands_beside() -> None:
    params = worlds.wishes(strategies=3, **worlds.HEDGE)
    assert decide(params, (SELL, 0.6), (SELL, 0.8), (BUY, 0.6)) == (BUY, 2, 1, Reason.NONE)


def test_combine__hedge_mode_of_a_long_only_bot__is_a_conflict_all_the_same() -> None:
    params = two_strategies(mode={"closes_opposite": 1, "position_mode": 0})
    assert decide(params, (SELL, 0.9), (BUY, 0.6))[3] is Reason.WEAKER_SIGNAL


# --- what an action means for what is held


@pytest.mark.parametrize(
    ("action", "long_qty", "short_qty", "meaning"),
    [
        (BUY, 0.0, 0.0, Target.ENTER_LONG),
        (BUY, 0.0, 5.0, Target.ENTER_LONG | Target.EXIT_SHORT),
        (SELL, 0.0, 0.0, Target.ENTER_SHORT),
        (SELL, 5.0, 0.0, Target.ENTER_SHORT | Target.EXIT_LONG),
        (CLOSE, 5.0, 0.0, Target.EXIT_LONG),
        (CLOSE, 0.0, 5.0, Target.EXIT_SHORT),
        (CLOSE, 5.0, 5.0, Target.EXIT_LONG | Target.EXIT_SHORT),
        (CLOSE, 0.0, 0.0, Target.NONE),
        (HOLD, 5.0, 5.0, Target.NONE),
    ],
)
def test_target__one_way__a_signal_against_a_position_closes_it(
    action: int, long_qty: float, short_qty: float, meaning: int
) -> None:
    assert kernels.target(action, 1, 1, long_qty, short_qty) == meaning


def test_target__hedge__a_signal_leaves_the_other_side_alone() -> None:
    assert kernels.target(BUY, 0, 0, 0.0, 5.0) == Target.ENTER_LONG
    assert kernels.target(SELL, 0, 0, 5.0, 0.0) == Target.ENTER_SHORT
