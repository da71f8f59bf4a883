"""What else people call a parameter, for the search: abbreviations, other platforms' words, plain speech."""

from collections.abc import Mapping
from typing import Final

TRADING: Final[Mapping[str, tuple[str, ...]]] = {
    "leverage": ("lev", "gearing", "multiplier", "10x"),
    "margin_type": ("margin mode", "isolated", "cross", "crossed"),
    "default_order_type": ("order type", "market order", "limit order"),
    "time_in_force": ("TIF", "GTC", "IOC", "FOK", "post only", "maker only", "good till cancelled"),
    "position_mode": ("hedge mode", "one way", "netting", "dual side"),
    "position_size_pct": ("size", "position size", "order size", "stake", "allocation", "risk per trade"),
    "max_position_size_usd": ("max size", "position limit", "position cap", "maximum position"),
    "min_position_size_usd": ("min size", "minimum order", "smallest position"),
    "quantity_multiplier": ("size multiplier", "scale", "factor"),
    "use_exchange_minimums": ("exchange filters", "exchange limits", "min notional", "lot size"),
    "override_min_notional": ("min notional", "minimum order value"),
    "override_min_qty": ("min quantity", "min qty", "minimum amount"),
    "override_step_size": ("lot size", "step size", "quantity step", "rounding"),
    "stop_loss_pct": ("SL", "stop", "stop loss", "stoploss", "max loss per trade"),
    "take_profit_pct": ("TP", "target", "take profit", "profit target"),
    "max_daily_loss_pct": ("max loss", "daily loss", "daily drawdown", "circuit breaker", "DD", "loss limit"),
    "max_portfolio_exposure_pct": ("exposure", "max exposure", "gross exposure", "portfolio limit"),
    "max_daily_trades": ("trade limit", "trades per day", "max trades", "overtrading"),
    "max_concurrent_positions": ("max positions", "open positions", "max open trades"),
    "risk_management_enabled": ("risk", "risk off", "master switch", "safety"),
    "signal_conflict_resolution": ("conflict", "opposing signals", "signal priority"),
    "timeframe_conflict_resolution": ("timeframe conflict", "higher timeframe", "HTF", "timeframe priority"),
    "max_signal_age_seconds": ("signal age", "stale signal", "TTL", "expiry", "freshness"),
    "min_confidence_threshold": ("confidence", "min confidence", "quality filter", "conviction"),
    "strategy_weights": ("weights", "strategy priority", "model weights"),
    "timeframe_weights": ("weights", "timeframe priority", "TF weights"),
    "enabled": ("on", "off", "pause", "active", "kill switch", "disable trading"),
    "enable_shorts": ("short", "shorts", "shorting", "short selling"),
    "enable_longs": ("long", "longs", "buy side"),
    "slippage_tolerance_pct": ("slippage", "slip", "max slippage", "price deviation"),
    "max_retries": ("retry", "retries", "attempts", "resubmit"),
}

BOT: Final[Mapping[str, tuple[str, ...]]] = {
    "capital": ("money", "balance", "budget", "bankroll", "funds"),
    "max_position_size": ("max size", "position limit", "position cap"),
    "max_daily_loss": ("max loss", "daily loss", "loss limit", "DD", "circuit breaker"),
    "max_concurrent_positions": ("max positions", "open positions", "max open trades"),
    "long_only": ("no shorts", "long", "shorting"),
    "daily_loss_basis": ("realised", "unrealised", "loss basis"),
    "trading_frequency": ("interval", "polling", "cycle", "how often"),
    "start_hour": ("open", "window", "session start", "trading hours"),
    "start_minute": ("open", "window", "session start", "trading hours"),
    "end_hour": ("close", "window", "session end", "trading hours"),
    "end_minute": ("close", "window", "session end", "trading hours"),
}
