"""The closed vocabularies of the engine, as small integers that fit into arrays."""

from enum import IntEnum


class Side(IntEnum):
    """Which way a position points; also the column of per-side arrays."""

    LONG = 0
    SHORT = 1


class Action(IntEnum):
    """What a signal or an order asks for. CLOSE exists in signals only."""

    SELL = -1
    HOLD = 0
    BUY = 1
    CLOSE = 2


class Leg(IntEnum):
    """The three places an order of one position side can occupy: at most one order in each."""

    MAIN = 0
    STOP = 1
    TARGET = 2


class OrderType(IntEnum):
    """How an order meets the market. The simulated venue fills the first three."""

    MARKET = 0
    STOP = 1
    LIMIT = 2
    STOP_LIMIT = 3
    TRAILING_STOP = 4


class Vote(IntEnum):
    """One indicator's opinion. NONE: it has not seen enough bars, and does not vote."""

    NONE = 0
    HOLD = 1
    BUY = 2
    SELL = 3


class Target(IntEnum):
    """The exposure wanted after aggregation, as a set of bits over the two sides."""

    NONE = 0
    ENTER_LONG = 1
    EXIT_LONG = 2
    ENTER_SHORT = 4
    EXIT_SHORT = 8


class ExitCause(IntEnum):
    """Why a round trip ended."""

    SIGNAL = 0
    STOP = 1
    TARGET = 2


class ConflictRule(IntEnum):
    """Parameter 21, signal_conflict_resolution."""

    STRONGEST_WINS = 0
    FIRST_COME_FIRST_SERVED = 1
    WEIGHTED_AVERAGE = 2
    MANUAL_REVIEW = 3


class TimeframeRule(IntEnum):
    """Parameter 22, timeframe_conflict_resolution."""

    HIGHER_TIMEFRAME_WINS = 0
    LOWER_TIMEFRAME_WINS = 1
    WEIGHTED_AVERAGE = 2


class PositionMode(IntEnum):
    """Parameter 5: may LONG and SHORT coexist on one symbol?"""

    HEDGE = 0
    ONE_WAY = 1


class DailyLossBasis(IntEnum):
    """What a daily loss counts: realised and unrealised, or realised alone."""

    TOTAL = 0
    REALISED = 1


class Reason(IntEnum):
    """Why a signal did not become an order, or an order ended without a fill.

    Normal life, not an error: stored with the decision and shown to the operator.
    The sentence for each code is in ``reasons.SENTENCES``.
    """

    NONE = 0
    # aggregation
    NO_SIGNAL = 1
    WEAKER_SIGNAL = 2
    LOWER_TIMEFRAME = 3
    HIGHER_TIMEFRAME = 4
    OPPOSING_SIGNAL = 5
    BALANCED_SIGNALS = 6
    PENDING_REVIEW = 7
    # intake and the first door of risk
    DISABLED_SCOPE = 20
    LONGS_DISABLED = 21
    SHORTS_DISABLED = 22
    LOW_CONFIDENCE = 23
    ALREADY_HELD = 24
    NOTHING_TO_CLOSE = 25
    ORDER_WORKING = 26
    MAX_DAILY_LOSS = 30
    MAX_DAILY_LOSS_ACCOUNT = 31
    MAX_DAILY_LOSS_SCOPE = 32
    MAX_CONCURRENT_POSITIONS = 33
    MAX_CONCURRENT_POSITIONS_ACCOUNT = 34
    MAX_CONCURRENT_POSITIONS_SCOPE = 35
    MAX_DAILY_TRADES = 36
    MAX_DAILY_TRADES_SCOPE = 37
    INSUFFICIENT_CAPITAL = 38
    # sizing
    MAX_POSITION_SIZE = 50
    BELOW_MIN_POSITION_SIZE = 51
    EXCHANGE_MIN_EXCEEDS_CAP = 52
    EXCHANGE_FILTERS_UNAVAILABLE = 53
    SIZE_ROUNDS_TO_ZERO = 54
    # the second door of risk
    BAD_PRICE = 60
    BAD_QUANTITY = 61
    MAX_PORTFOLIO_EXPOSURE = 62
    MAX_PORTFOLIO_EXPOSURE_SCOPE = 63
    INSUFFICIENT_MARGIN = 64
    # an order ended without a fill
    REJECTED = 80
    CANCELLED = 81
    EXPIRED = 82
    DENIED = 83
    SIBLING_FILLED = 84
    STALE_BAR = 85
    NEVER_ARRIVED = 86
    STOPPED = 87
    REPLAY_ENDED = 88
