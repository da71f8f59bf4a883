"""Each Reason as a stable code and a sentence a person can act on."""

from engine.domain.enums import Reason

SENTENCES: dict[Reason, str] = {
    Reason.NONE: "Nothing was refused.",
    Reason.NO_SIGNAL: "No strategy asked for anything on this bar.",
    Reason.WEAKER_SIGNAL: "An opposing signal was at least as strong (signal_conflict_resolution).",
    Reason.LOWER_TIMEFRAME: "An opposing signal came from a higher timeframe (timeframe_conflict_resolution).",
    Reason.HIGHER_TIMEFRAME: "An opposing signal came from a lower timeframe (timeframe_conflict_resolution).",
    Reason.OPPOSING_SIGNAL: "An opposing signal came first (signal_conflict_resolution).",
    Reason.BALANCED_SIGNALS: "The weighted signals balance each other: between -0.3 and +0.3 nothing is done.",
    Reason.PENDING_REVIEW: "Opposing signals wait for an operator (signal_conflict_resolution is manual_review).",
    Reason.DISABLED_SCOPE: "Trading is switched off for this scope (enabled).",
    Reason.LONGS_DISABLED: (
        "New long positions are switched off (enable_longs), and no short position was there to close."
    ),
    Reason.SHORTS_DISABLED: (
        "New short positions are switched off (enable_shorts, or the bot is long-only), "
        "and no long position was there to close."
    ),
    Reason.LOW_CONFIDENCE: "The signal's confidence is below min_confidence_threshold.",
    Reason.ALREADY_HELD: "A position in this direction is already held.",
    Reason.NOTHING_TO_CLOSE: "The signal asked to close, and no position is held.",
    Reason.ORDER_WORKING: "An order of this position is still working.",
    Reason.MAX_DAILY_LOSS: "The bot has lost more than its max_daily_loss today.",
    Reason.MAX_DAILY_LOSS_ACCOUNT: "The account has lost more than max_daily_loss_pct today.",
    Reason.MAX_DAILY_LOSS_SCOPE: "This symbol or side has lost more than its own max_daily_loss_pct today.",
    Reason.MAX_CONCURRENT_POSITIONS: "The bot already holds its max_concurrent_positions.",
    Reason.MAX_CONCURRENT_POSITIONS_ACCOUNT: "The account already holds its max_concurrent_positions.",
    Reason.MAX_CONCURRENT_POSITIONS_SCOPE: "This symbol or side already holds its own max_concurrent_positions.",
    Reason.MAX_DAILY_TRADES: "The account has made its max_daily_trades entries today.",
    Reason.MAX_DAILY_TRADES_SCOPE: "This symbol or side has made its own max_daily_trades entries today.",
    Reason.INSUFFICIENT_CAPITAL: "The free capital does not pay for this order.",
    Reason.MAX_POSITION_SIZE: "The position is at its cap (max_position_size_usd, or the bot's max_position_size).",
    Reason.BELOW_MIN_POSITION_SIZE: "The size is below min_position_size_usd.",
    Reason.EXCHANGE_MIN_EXCEEDS_CAP: "The venue's smallest order is larger than the position may be.",
    Reason.EXCHANGE_FILTERS_UNAVAILABLE: "The venue's minimums are unknown and no overrides are set.",
    Reason.SIZE_ROUNDS_TO_ZERO: "The size is smaller than one quantity step.",
    Reason.BAD_PRICE: "The price is not a positive finite number.",
    Reason.BAD_QUANTITY: "The quantity is not a positive finite number.",
    Reason.MAX_PORTFOLIO_EXPOSURE: "The order would pass max_portfolio_exposure_pct of the account's equity.",
    Reason.MAX_PORTFOLIO_EXPOSURE_SCOPE: "The order would pass this symbol's or side's own max_portfolio_exposure_pct.",
    Reason.INSUFFICIENT_MARGIN: "The free margin at the leverage in force does not carry this order.",
    Reason.REJECTED: "The broker rejected the order.",
    Reason.CANCELLED: "The order was cancelled before it filled.",
    Reason.EXPIRED: "The order expired before it filled.",
    Reason.DENIED: "The order was denied at the last check before it was sent.",
    Reason.SIBLING_FILLED: "The position was closed by another order first.",
    Reason.STALE_BAR: "The bar this order was decided on was too old by then, so nothing was sent.",
    Reason.NEVER_ARRIVED: "The order never arrived at the broker; after long enough it was given up.",
    Reason.STOPPED: "The bot was stopped before the order was sent.",
    Reason.REPLAY_ENDED: "The replayed series came to its end.",
}


def code(reason: int) -> str:
    """The stable lower_snake code of a reason, as stored and shown by the API."""
    return Reason(reason).name.lower()


def sentence(reason: int) -> str:
    """One sentence for a person: what was refused, and which parameter decided it."""
    return SENTENCES[Reason(reason)]
