"""What the operator wants, in the engine's units: fractions, never percent; NaN, never None.

Every record's size is a multiple of eight bytes, so that no field is read across a boundary.

One record for each (symbol, side), one for each symbol's instrument, one for the limits of bot and
account, one for the simulated venue. ``configuration.mappers`` builds them from a Snapshot; that
is the only place where percent numbers and Decimals become these floats.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.domain.values import Floats

NO_LIMIT = float("inf")

SIDE_PARAMS = np.dtype(
    [
        ("enabled", "u1"),  # 27 enabled
        ("side_allowed", "u1"),  # 28 enable_shorts / 29 enable_longs, and the bot's long_only
        ("closes_opposite", "u1"),  # one-way mode, or a long-only bot: a signal against closes
        ("risk_enabled", "u1"),  # 20 risk_management_enabled
        ("use_exchange_minimums", "u1"),  # 10
        ("conflict_rule", "u1"),  # 21, enums.ConflictRule
        ("timeframe_rule", "u1"),  # 22, enums.TimeframeRule
        ("position_mode", "u1"),  # 5, enums.PositionMode
        ("min_confidence", "f8"),  # 24, 0..1
        ("position_fraction", "f8"),  # 6, of the bot's equity
        ("quantity_multiplier", "f8"),  # 9
        ("max_position_notional", "f8"),  # 7, USD
        ("min_position_notional", "f8"),  # 8, USD
        ("override_min_notional", "f8"),  # 11, NaN: not set
        ("override_min_qty", "f8"),  # 12, NaN: not set
        ("override_step", "f8"),  # 13, NaN: not set
        ("stop_fraction", "f8"),  # 14 / 100; 0: no stop
        ("target_fraction", "f8"),  # 15 / 100; 0: no target
        ("leverage", "f8"),  # 1
        # 16-19 overridden at a symbol or a side add a limit there; NO_LIMIT where they are not.
        ("symbol_daily_loss_fraction", "f8"),
        ("symbol_exposure_fraction", "f8"),
        ("symbol_max_daily_trades", "f8"),
        ("symbol_max_positions", "f8"),
        ("side_daily_loss_fraction", "f8"),
        ("side_exposure_fraction", "f8"),
        ("side_max_daily_trades", "f8"),
        ("side_max_positions", "f8"),
    ],
    align=True,
)

INSTRUMENT_PARAMS = np.dtype(
    [
        ("price_tick", "f8"),
        ("qty_step", "f8"),
        ("min_qty", "f8"),
        ("min_notional", "f8"),
        ("max_leverage", "f8"),
        ("filters_known", "i8"),
    ],
    align=True,
)

LIMITS = np.dtype(
    [
        ("capital", "f8"),  # the bot's, USD; the base of its own limits
        ("bot_position_fraction", "f8"),  # bot.max_position_size / 100, of capital
        ("bot_daily_loss_fraction", "f8"),  # bot.max_daily_loss / 100, of capital; NO_LIMIT: none
        ("bot_max_positions", "f8"),  # bot.max_concurrent_positions; NO_LIMIT: none
        ("account_daily_loss_fraction", "f8"),  # 16, of the day's opening equity
        ("account_exposure_fraction", "f8"),  # 17, of equity
        ("account_max_daily_trades", "f8"),  # 18
        ("account_max_positions", "f8"),  # 19
        ("daily_loss_basis", "i8"),  # enums.DailyLossBasis
    ],
    align=True,
)

VENUE = np.dtype(
    [
        ("fee_fraction", "f8"),  # of notional, each side
        ("slippage_fraction", "f8"),  # against us, on market and stop fills
        ("max_volume_share", "f8"),  # of a bar's volume one order may take; 0: unlimited
        ("latency_bars", "i8"),  # bars an order waits beyond the next one
        ("stops_from_next_bar", "i8"),
        ("stop_beats_signal", "i8"),
        ("rounding", "i8"),  # prices to tick, quantities to step
        ("size_at_fill", "i8"),  # the size is money to spend, fee included, not a quantity
    ],
    align=True,
)


class Params(NamedTuple):
    """Everything one step reads of the operator's wishes.

    sides: (symbols, 2) SIDE_PARAMS. instruments: (symbols,) INSTRUMENT_PARAMS.
    limits, venue: (1,) records. strategy_weights, timeframe_weights: (symbols, 2, strategies)
    float64 >= 0. timeframe_ranks, mode_factors, timeframe_mode_factors: (strategies,) float64.
    """

    sides: NDArray[np.void]
    instruments: NDArray[np.void]
    limits: NDArray[np.void]
    venue: NDArray[np.void]
    strategy_weights: Floats
    timeframe_weights: Floats
    timeframe_ranks: Floats
    mode_factors: Floats
    timeframe_mode_factors: Floats
