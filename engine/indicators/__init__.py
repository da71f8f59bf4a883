"""One incremental indicator per file: previous value + new bar -> new value.

Each file offers ``width(...)``, the number of float64 cells it keeps, and ``update(cells, at, ...)``,
which reads one closed bar and returns the new value: NaN until it has seen enough bars. ``cells``
is one flat array; an indicator owns ``cells[at : at + width]``, all zero before the first bar.
Values follow TA-Lib's definitions from their first one on; tests hold them against TA-Lib and
pandas-ta on real series.
"""

from engine.domain.enums import Vote

# Bit position of each indicator's vote in Signals.votes: two bits each, in this order.
ORDER = ("RSI", "MACD", "SMA", "EMA", "BBANDS", "STOCH", "OBV")


def unpack_votes(votes: int) -> dict[str, str]:
    """Indicator -> "buy", "sell" or "hold", for those that voted."""
    opinions = {name: Vote((votes >> (2 * place)) & 3) for place, name in enumerate(ORDER)}
    return {name: vote.name.lower() for name, vote in opinions.items() if vote is not Vote.NONE}
