"""One incremental indicator per file: previous value + new bar -> new value."""

# Bit position of each indicator's vote in Signals.votes: two bits each, in this order.
ORDER = ("RSI", "MACD", "SMA", "EMA", "BBANDS", "STOCH", "OBV")
