"""Many Signals -> one Target.

Each row of the signal matrix holds what every strategy said on one closed bar. Where directions
oppose and may not coexist, signals of different timeframes are settled by the timeframe rule, all
others (and its ties) by the signal rule. The strategy listed last is the newcomer.
"""

from engine._jit import kernel
from engine.domain.enums import Action, ConflictRule, PositionMode, Reason, Target, TimeframeRule
from engine.domain.params import Params
from engine.domain.values import Signals

_BUY, _SELL, _HOLD, _CLOSE = int(Action.BUY), int(Action.SELL), int(Action.HOLD), int(Action.CLOSE)
_STRONGEST = int(ConflictRule.STRONGEST_WINS)
_FIRST_COME = int(ConflictRule.FIRST_COME_FIRST_SERVED)
_WEIGHTED = int(ConflictRule.WEIGHTED_AVERAGE)
_HIGHER_WINS = int(TimeframeRule.HIGHER_TIMEFRAME_WINS)
_LOWER_WINS = int(TimeframeRule.LOWER_TIMEFRAME_WINS)
_HEDGE = int(PositionMode.HEDGE)

_OK = int(Reason.NONE)
_WEAKER = int(Reason.WEAKER_SIGNAL)
_LOWER = int(Reason.LOWER_TIMEFRAME)
_HIGHER = int(Reason.HIGHER_TIMEFRAME)
_OPPOSING = int(Reason.OPPOSING_SIGNAL)
_BALANCED = int(Reason.BALANCED_SIGNALS)
_REVIEW = int(Reason.PENDING_REVIEW)

_ENTER_LONG, _EXIT_LONG = int(Target.ENTER_LONG), int(Target.EXIT_LONG)
_ENTER_SHORT, _EXIT_SHORT = int(Target.ENTER_SHORT), int(Target.EXIT_SHORT)

# Above this the weighted opinions mean an order, below its negative the opposite one.
_BALANCE = 0.3


@kernel
def strength(params: Params, symbol: int, strategy: int, action: int, confidence: float) -> float:
    """confidence x strategy weight x strength label x mode: what signals are compared by."""
    side = 0 if action == _BUY else 1
    return (
        confidence
        * params.strategy_weights[symbol, side, strategy]
        * strength_multiplier(confidence)
        * params.mode_factors[strategy]
    )


@kernel
def timeframe_strength(params: Params, symbol: int, strategy: int, action: int, confidence: float) -> float:
    """confidence x timeframe weight x strategy weight x mode."""
    side = 0 if action == _BUY else 1
    return (
        confidence
        * params.timeframe_weights[symbol, side, strategy]
        * params.strategy_weights[symbol, side, strategy]
        * params.timeframe_mode_factors[strategy]
    )


@kernel
def strength_multiplier(confidence: float) -> float:
    """weak 0.5 below 0.5, medium 1 to 0.7, strong 1.5 to 0.9, extreme 2 from there."""
    if confidence >= 0.9:
        return 2.0
    if confidence >= 0.7:
        return 1.5
    if confidence >= 0.5:
        return 1.0
    return 0.5


@kernel
def combine(signals: Signals, row: int, params: Params, symbol: int) -> tuple[int, int, int, int]:
    """(action, strategy, other, reason) for one row.

    ``strategy`` is the index whose signal prevailed, -1 if none did. ``other`` is a second strategy
    whose opposite signal may stand beside it (hedge mode), else -1.
    """
    count = signals.action.shape[1]
    if count == 1:
        action = signals.action[row, 0]
        return action, 0 if action != _HOLD else -1, -1, _OK
    return _combine_many(signals, row, params, symbol, count)


@kernel
def _combine_many(signals: Signals, row: int, params: Params, symbol: int, count: int) -> tuple[int, int, int, int]:
    newest = -1
    for each in range(count):
        action = signals.action[row, each]
        if action == _CLOSE:
            return _CLOSE, each, -1, _OK
        if action != _HOLD:
            newest = each
    if newest < 0:
        return _HOLD, -1, -1, _OK
    action = signals.action[row, newest]
    rival = _strongest_opponent(signals, row, params, symbol, action)
    if rival < 0:
        return action, newest, -1, _OK
    wishes = params.sides[symbol, 0 if action == _BUY else 1]
    if wishes.position_mode == _HEDGE and not wishes.closes_opposite:
        return action, newest, rival, _OK
    return _settle_conflict(signals, row, params, symbol, newest)


@kernel
def _strongest_opponent(signals: Signals, row: int, params: Params, symbol: int, action: int) -> int:
    best, best_strength = -1, -1.0
    for each in range(signals.action.shape[1]):
        if signals.action[row, each] == -action:
            found = strength(params, symbol, each, -action, signals.confidence[row, each])
            if found > best_strength:
                best, best_strength = each, found
    return best


@kernel
def _settle_conflict(signals: Signals, row: int, params: Params, symbol: int, newest: int) -> tuple[int, int, int, int]:
    action = signals.action[row, newest]
    wishes = params.sides[symbol, 0 if action == _BUY else 1]
    verdict = _by_timeframe(signals, row, params, symbol, newest, wishes.timeframe_rule)
    if verdict == 1:
        return action, newest, -1, _OK
    if verdict == -1:
        return _HOLD, newest, -1, _lost_by(wishes.timeframe_rule)
    rule = wishes.conflict_rule
    if rule == _FIRST_COME:
        return _HOLD, newest, -1, _OPPOSING
    if rule == _STRONGEST:
        return _strongest_wins(signals, row, params, symbol, newest)
    if rule == _WEIGHTED:
        return _weighted_average(signals, row, params, symbol, newest)
    return _HOLD, newest, -1, _REVIEW


@kernel
def _lost_by(rule: int) -> int:
    if rule == _HIGHER_WINS:
        return _LOWER
    return _HIGHER if rule == _LOWER_WINS else _WEAKER


@kernel
def _by_timeframe(signals: Signals, row: int, params: Params, symbol: int, newest: int, rule: int) -> int:
    """1: the newcomer wins, -1: it loses, 0: the timeframes say nothing (equal, or a tie)."""
    action = signals.action[row, newest]
    rank = params.timeframe_ranks[newest]
    highest, lowest, heaviest = -1.0, 1e9, -1.0
    for each in range(signals.action.shape[1]):
        if signals.action[row, each] == -action:
            highest = max(highest, params.timeframe_ranks[each])
            lowest = min(lowest, params.timeframe_ranks[each])
            weight = timeframe_strength(params, symbol, each, -action, signals.confidence[row, each])
            heaviest = max(heaviest, weight)
    if highest == rank and lowest == rank:
        return 0
    if rule == _HIGHER_WINS:
        return _compare(rank, highest)
    if rule == _LOWER_WINS:
        return _compare(lowest, rank)
    return _compare(timeframe_strength(params, symbol, newest, action, signals.confidence[row, newest]), heaviest)


@kernel
def _compare(ours: float, theirs: float) -> int:
    if ours > theirs:
        return 1
    return -1 if ours < theirs else 0


@kernel
def _strongest_wins(signals: Signals, row: int, params: Params, symbol: int, newest: int) -> tuple[int, int, int, int]:
    action = signals.action[row, newest]
    rival = _strongest_opponent(signals, row, params, symbol, action)
    ours = strength(params, symbol, newest, action, signals.confidence[row, newest])
    theirs = strength(params, symbol, rival, -action, signals.confidence[row, rival])
    if ours > theirs:
        return action, newest, -1, _OK
    return _HOLD, newest, -1, _WEAKER


@kernel
def _weighted_average(
    signals: Signals, row: int, params: Params, symbol: int, newest: int
) -> tuple[int, int, int, int]:
    opinion, total = 0.0, 0.0
    ours = signals.action[row, newest]
    for each in range(signals.action.shape[1]):
        action = signals.action[row, each]
        if each == newest or action == -ours:
            weight = strength(params, symbol, each, action, signals.confidence[row, each])
            opinion += action * weight
            total += weight
    if total == 0.0 or abs(opinion / total) <= _BALANCE:
        return _HOLD, newest, -1, _BALANCED
    if opinion * ours > 0.0:
        return ours, newest, -1, _OK
    return -ours, _strongest_opponent(signals, row, params, symbol, ours), -1, _OK


@kernel
def target(action: int, closes_long: int, closes_short: int, long_qty: float, short_qty: float) -> int:
    """Bits of ``enums.Target``: what an action means for what is held.

    closes_long, closes_short: a signal against such a position closes it (one-way mode, long-only).
    """
    if action == _BUY:
        return _ENTER_LONG | (_EXIT_SHORT if short_qty > 0.0 and closes_short else 0)
    if action == _SELL:
        return _ENTER_SHORT | (_EXIT_LONG if long_qty > 0.0 and closes_long else 0)
    if action == _CLOSE:
        return (_EXIT_LONG if long_qty > 0.0 else 0) | (_EXIT_SHORT if short_qty > 0.0 else 0)
    return 0
