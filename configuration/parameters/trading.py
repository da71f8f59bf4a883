"""The 31 trading parameters, in six groups, and extras beside them, each with its words for humans and agents.

Mind the units: some ``_pct`` names are percent numbers (2.0 means 2 %), others are fractions of 1
(0.05 means 5 %). The ``unit`` says which; ``configuration.mappers`` converts, once.
"""

from typing import Final

from configuration.parameters import trading_extras
from configuration.parameters.synonyms import TRADING as SYNONYMS
from engine.domain.declarations import Parameter

TIMEFRAME_WEIGHTS: Final[dict[str, float]] = {
    "tick": 0.3,
    "1m": 0.5,
    "3m": 0.6,
    "5m": 0.7,
    "15m": 0.8,
    "30m": 0.9,
    "1h": 1.0,
    "2h": 1.1,
    "4h": 1.2,
    "6h": 1.3,
    "8h": 1.4,
    "12h": 1.5,
    "1d": 1.6,
    "3d": 1.7,
    "1w": 1.8,
    "1M": 2.0,
}
STRATEGY_WEIGHTS: Final[dict[str, float]] = {
    "momentum_strategy": 1.0,
    "mean_reversion_strategy": 0.8,
    "ml_strategy": 1.2,
    "llm_strategy": 1.5,
    "default": 1.0,
}
TIMEFRAMES: Final[tuple[str, ...]] = tuple(TIMEFRAME_WEIGHTS)

EXECUTION: Final = "Order execution"
SIZING: Final = "Position sizing"
RISK: Final = "Risk management"
SIGNALS: Final = "Signal processing"
WEIGHTS: Final = "Weights"
ADVANCED: Final = "Advanced"


def _order_execution() -> tuple[Parameter, ...]:
    return (
        Parameter(
            name="leverage",
            kind="int",
            default=10,
            unit="x",
            group=EXECUTION,
            minimum=1,
            maximum=125,
            example=10,
            risk="critical",
            description="How many times its margin a position may be worth, where the broker offers leverage.",
            impact="Less margin is set aside for each position, and liquidation comes closer. The size asked for does "
            "not grow: only the largest position the margin can carry does.",
            when_to_change="Lower it on volatile symbols; raise it only when margin, not risk, is what holds you back.",
        ),
        Parameter(
            name="margin_type",
            kind="str",
            default="isolated",
            unit="",
            group=EXECUTION,
            choices=("isolated", "cross"),
            example="isolated",
            risk="guarded",
            description="Whether a position can lose only its own margin, or may draw on the whole account.",
            impact="isolated caps the loss at the position's margin; cross survives larger swings but puts the whole "
            "balance at stake.",
            when_to_change="Choose cross only for positions that hedge one another.",
        ),
        Parameter(
            name="default_order_type",
            kind="str",
            default="market",
            unit="",
            group=EXECUTION,
            choices=("market", "limit", "stop", "stop_limit", "take_profit", "take_profit_limit"),
            example="market",
            description="The order type used when a signal names none.",
            impact="market fills at once at the price there is; the others wait for their price and may never fill.",
            when_to_change="When spreads are wide enough that waiting for a price is worth missing a trade.",
        ),
        Parameter(
            name="time_in_force",
            kind="str",
            default="GTC",
            unit="",
            group=EXECUTION,
            choices=("GTC", "IOC", "FOK", "GTX"),
            example="GTC",
            description="How long a resting order lives: until cancelled (GTC), fill what you can now (IOC), all or "
            "nothing now (FOK), or only as a maker (GTX). Market orders ignore it.",
            impact="IOC and FOK leave nothing behind in the book; GTX never pays the taker's fee but may be refused.",
            when_to_change="Together with default_order_type, when orders rest longer than their idea is worth.",
        ),
        Parameter(
            name="position_mode",
            kind="str",
            default="hedge",
            unit="",
            group=EXECUTION,
            choices=("hedge", "one-way"),
            example="hedge",
            risk="guarded",
            description="Whether a long and a short position may be held in one symbol at the same time.",
            impact="hedge keeps both; in one-way mode an opposite signal is a conflict and closes what is held first.",
            when_to_change="Use one-way where the broker nets positions, or when strategies must not fight each other.",
        ),
    )


def _position_sizing() -> tuple[Parameter, ...]:
    return (
        Parameter(
            name="position_size_pct",
            kind="float",
            default=0.1,
            unit="fraction",
            group=SIZING,
            minimum=0.001,
            maximum=1.0,
            example=0.1,
            risk="guarded",
            description="The part of equity one entry is worth: 0.1 means a tenth.",
            impact="Profit and loss of every trade grow in proportion to it.",
            when_to_change="Lower it when several positions are held at once or losses come in clusters.",
        ),
        Parameter(
            name="max_position_size_usd",
            kind="float",
            default=1000.0,
            unit="USD",
            group=SIZING,
            minimum=1,
            maximum=1_000_000,
            example=1000.0,
            risk="guarded",
            description="The most one position may be worth, counting what is already held.",
            impact="Larger entries are cut down to it; a full position takes no more.",
            when_to_change="Raise it with the capital; lower it where a symbol is thinly traded.",
        ),
        Parameter(
            name="min_position_size_usd",
            kind="float",
            default=10.0,
            unit="USD",
            group=SIZING,
            minimum=1,
            maximum=10_000,
            example=10.0,
            description="The least an entry must be worth; a smaller one is not sent.",
            impact="Keeps out trades whose fees would eat their profit.",
            when_to_change="Raise it where each order costs a fixed fee.",
        ),
        Parameter(
            name="quantity_multiplier",
            kind="float",
            default=1.0,
            unit="x",
            group=SIZING,
            minimum=0.1,
            maximum=10,
            example=1.0,
            risk="guarded",
            description="Scales the computed size before the caps are applied.",
            impact="2 doubles every entry, 0.5 halves it, up to the largest position allowed.",
            when_to_change="To trade one symbol or side larger or smaller without touching the basic size.",
        ),
        Parameter(
            name="use_exchange_minimums",
            kind="bool",
            default=True,
            unit="",
            group=SIZING,
            example=True,
            description="Take the smallest notional, smallest quantity and quantity step from the exchange.",
            impact="When off, the three override_ parameters are used instead, and all three must be set.",
            when_to_change="Only when the exchange's published minimums are wrong or cannot be read.",
        ),
        Parameter(
            name="override_min_notional",
            kind="float",
            default=None,
            nullable=True,
            unit="USD",
            group=SIZING,
            minimum=1,
            maximum=1000,
            example=100.0,
            description="Our own smallest order value, used only when use_exchange_minimums is off.",
            impact="Smaller orders are raised to it, or refused where the cap is lower still.",
            when_to_change="Together with the other two overrides, when the exchange's minimums are switched off.",
        ),
        Parameter(
            name="override_min_qty",
            kind="float",
            default=None,
            nullable=True,
            unit="base asset",
            group=SIZING,
            minimum=0.000001,
            maximum=1000,
            example=0.001,
            description="Our own smallest quantity, used only when use_exchange_minimums is off.",
            impact="Smaller orders are raised to it, or refused where the cap is lower still.",
            when_to_change="Together with the other two overrides, when the exchange's minimums are switched off.",
        ),
        Parameter(
            name="override_step_size",
            kind="float",
            default=None,
            nullable=True,
            unit="base asset",
            group=SIZING,
            minimum=0.000001,
            maximum=1.0,
            example=0.001,
            description="Our own quantity step, used only when use_exchange_minimums is off.",
            impact="Quantities are rounded down to a whole number of steps; too fine a step is refused by the broker.",
            when_to_change="Together with the other two overrides, when the exchange's minimums are switched off.",
        ),
    )


def _risk_management() -> tuple[Parameter, ...]:
    return (
        Parameter(
            name="stop_loss_pct",
            kind="float",
            default=2.0,
            unit="percent",
            group=RISK,
            minimum=0.1,
            maximum=50,
            example=2.0,
            risk="guarded",
            description="How far the price may move against an entry before it is sold: 2.0 means 2 %.",
            impact="Tighter stops lose less on each losing trade and are hit more often by noise.",
            when_to_change="Widen it on volatile symbols and make positions smaller in return.",
        ),
        Parameter(
            name="take_profit_pct",
            kind="float",
            default=5.0,
            unit="percent",
            group=RISK,
            minimum=0.1,
            maximum=100,
            example=5.0,
            risk="guarded",
            description="How far the price must move in favour of an entry before profit is taken: 5.0 means 5 %.",
            impact="Nearer targets are reached more often and earn less each time.",
            when_to_change="Together with stop_loss_pct: their ratio says how many trades must win.",
        ),
        Parameter(
            name="max_daily_loss_pct",
            kind="float",
            default=0.05,
            unit="fraction",
            group=RISK,
            minimum=0.001,
            maximum=0.5,
            example=0.05,
            risk="critical",
            description="The part of the day's opening equity that may be lost before entries stop for the day.",
            impact="Past it no position is opened until the next trading day; positions can still be closed.",
            when_to_change="Lower it for untried strategies. Set at a symbol or side it adds a limit there.",
        ),
        Parameter(
            name="max_portfolio_exposure_pct",
            kind="float",
            default=0.8,
            unit="fraction",
            group=RISK,
            minimum=0.1,
            maximum=1.0,
            example=0.8,
            risk="critical",
            description="The part of equity all open positions together may be worth.",
            impact="An entry that would cross it is refused.",
            when_to_change="Lower it to keep cash for bad days. Set at a symbol or side it adds a limit there.",
        ),
        Parameter(
            name="max_daily_trades",
            kind="int",
            default=100,
            unit="entries per day",
            group=RISK,
            minimum=1,
            maximum=10_000,
            example=100,
            risk="guarded",
            description="How many positions may be opened in one trading day.",
            impact="The next entry is refused until the next trading day.",
            when_to_change="Lower it to stop a strategy that trades itself poor on fees.",
        ),
        Parameter(
            name="max_concurrent_positions",
            kind="int",
            default=10,
            unit="positions",
            group=RISK,
            minimum=1,
            maximum=100,
            example=10,
            risk="guarded",
            description="How many positions may be open at the same time.",
            impact="An entry that would open one more is refused; adding to one that is held is not.",
            when_to_change="Lower it when positions tend to win and lose together.",
        ),
        Parameter(
            name="risk_management_enabled",
            kind="bool",
            default=True,
            unit="",
            group=RISK,
            example=True,
            risk="critical",
            description="The master switch of this group.",
            impact="When off there are no stops, no targets and none of the four limits above.",
            when_to_change="Practically never with real money; off to compare a bare strategy in a backtest.",
        ),
    )


def _signal_processing() -> tuple[Parameter, ...]:
    return (
        Parameter(
            name="signal_conflict_resolution",
            kind="str",
            default="strongest_wins",
            unit="",
            group=SIGNALS,
            choices=("strongest_wins", "first_come_first_served", "weighted_average", "manual_review"),
            example="strongest_wins",
            description="What happens when signals on one symbol disagree.",
            impact="The stronger one trades, the earlier one trades, their weighted mean decides, or a person does.",
            when_to_change="When strategies of different quality trade the same symbol.",
        ),
        Parameter(
            name="timeframe_conflict_resolution",
            kind="str",
            default="higher_timeframe_wins",
            unit="",
            group=SIGNALS,
            choices=("higher_timeframe_wins", "lower_timeframe_wins", "weighted_average"),
            example="higher_timeframe_wins",
            description="What happens when signals from different timeframes disagree; asked before the rule above.",
            impact="The slower one trades, the faster one trades, or the heavier one does.",
            when_to_change="Let the lower timeframe win only for strategies built to enter early.",
        ),
        Parameter(
            name="max_signal_age_seconds",
            kind="int",
            default=300,
            unit="s",
            group=SIGNALS,
            minimum=1,
            maximum=3600,
            example=300,
            description="How old a signal may be and still trade; exactly this old is still fresh.",
            impact="Older signals are refused, so that a late message does not trade a price long gone.",
            when_to_change="Lower it for fast strategies; keep it above the slowest bar a strategy waits for.",
        ),
        Parameter(
            name="min_confidence_threshold",
            kind="float",
            default=0.5,
            unit="0 to 1",
            group=SIGNALS,
            minimum=0,
            maximum=1,
            example=0.5,
            description="The least confidence a signal needs to trade; exactly this much passes.",
            impact="Higher trades less often, on better agreement.",
            when_to_change="Raise it when weak signals lose money; look at results by confidence first.",
        ),
    )


def _weights() -> tuple[Parameter, ...]:
    return (
        Parameter(
            name="strategy_weights",
            kind="map",
            default=dict(STRATEGY_WEIGHTS),
            unit="x",
            group=WEIGHTS,
            minimum=0,
            example=dict(STRATEGY_WEIGHTS),
            description="How much each strategy's signals count in a conflict; default is for those not named.",
            impact="A heavier strategy wins conflicts at lower confidence; 0 silences it in every conflict.",
            when_to_change="When one strategy has proven better than another over many trades.",
        ),
        Parameter(
            name="timeframe_weights",
            kind="map",
            default=dict(TIMEFRAME_WEIGHTS),
            unit="x",
            group=WEIGHTS,
            minimum=0,
            keys=TIMEFRAMES,
            example=dict(TIMEFRAME_WEIGHTS),
            description="How much signals of each timeframe count when timeframes disagree.",
            impact="Heavier timeframes win; the defaults trust slower ones more.",
            when_to_change="Together with timeframe_conflict_resolution set to weighted_average.",
        ),
    )


def _advanced() -> tuple[Parameter, ...]:
    return (
        Parameter(
            name="enabled",
            kind="bool",
            default=True,
            unit="",
            group=ADVANCED,
            example=True,
            risk="guarded",
            description="Whether this scope trades at all.",
            impact="When off nothing is opened here; what is held can still be closed.",
            when_to_change="To pause one symbol or side without touching any bot.",
        ),
        Parameter(
            name="enable_shorts",
            kind="bool",
            default=True,
            unit="",
            group=ADVANCED,
            example=True,
            risk="guarded",
            description="Whether short positions may be opened.",
            impact="When off, entries that would go short are refused; shorts that are held stay.",
            when_to_change="Where shorting is not allowed, or borrowing is dear.",
        ),
        Parameter(
            name="enable_longs",
            kind="bool",
            default=True,
            unit="",
            group=ADVANCED,
            example=True,
            risk="guarded",
            description="Whether long positions may be opened.",
            impact="When off, entries that would go long are refused; longs that are held stay.",
            when_to_change="To trade one direction only.",
        ),
        Parameter(
            name="slippage_tolerance_pct",
            kind="float",
            default=0.1,
            unit="percent",
            group=ADVANCED,
            minimum=0,
            maximum=10,
            example=0.1,
            description="How far the price may move against us between signal and order: 0.1 means 0.1 %.",
            impact="Beyond it a market order is refused; a move in our favour always passes.",
            when_to_change="Raise it in fast markets if too many good entries are refused.",
        ),
        Parameter(
            name="max_retries",
            kind="int",
            default=3,
            unit="retries",
            group=ADVANCED,
            minimum=0,
            maximum=10,
            example=3,
            description="How often a failed submission is repeated after the first attempt.",
            impact="Each repeat waits twice as long and reuses the same order id, so nothing is bought twice.",
            when_to_change="Lower it where a late fill is worse than none.",
        ),
    )


def declare() -> tuple[Parameter, ...]:
    """The 31, in the order they are shown, then the extras."""
    documented = (
        _order_execution() + _position_sizing() + _risk_management() + _signal_processing() + _weights() + _advanced()
    )
    return tuple(one._replace(synonyms=SYNONYMS.get(one.name, ())) for one in documented) + trading_extras.declare()


TIMEFRAME_RANKS: Final[dict[str, int]] = {name: rank for rank, name in enumerate(TIMEFRAMES, start=1)}
"""tick 1 ... 1M 16: which timeframe is the higher one."""

GROUPS: Final[tuple[str, ...]] = (EXECUTION, SIZING, RISK, SIGNALS, WEIGHTS, ADVANCED)
