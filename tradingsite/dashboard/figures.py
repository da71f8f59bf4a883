"""The figures of a result: each has one name (the API's), one definition and one way to be written."""

from collections.abc import Mapping
from typing import Any, NamedTuple


class Figure(NamedTuple):
    """One figure of one run. ``kind`` and ``digits``: as the template tag ``figure`` takes them."""

    name: str
    label: str
    definition: str
    kind: str
    digits: int
    value: Any


class _Words(NamedTuple):
    label: str
    definition: str
    kind: str = "number"
    digits: int = 2


_HEADLINE: Mapping[str, _Words] = {
    "final_equity": _Words("Final equity", "Cash and open positions at the last close, in USD, after fees.", "money"),
    "total_return": _Words("Return", "Final equity over the capital at the start, minus one.", "signed_percent"),
    "annualised_return": _Words(
        "Return a year", "The yearly rate that compounds to the whole return over the period.", "signed_percent"
    ),
    "max_drawdown": _Words(
        "Max drawdown", "The largest fall of equity from a running peak, at closes, as part of that peak.", "percent"
    ),
    "sharpe": _Words(
        "Sharpe", "Mean over standard deviation of the returns from bar to bar, scaled to a year; risk-free rate 0."
    ),
    "trips": _Words("Round trips", "Positions that were opened and closed again within the run.", "count"),
    "win_rate": _Words("Win rate", "Round trips with a gain after fees, of all round trips.", "percent", 1),
    "profit_factor": _Words("Profit factor", "All gains over all losses. 999.99 where there are no losses."),
    "exposure": _Words("Exposure", "The part of all bars at whose close a position was open.", "percent", 1),
    "fees": _Words("Fees", "All fees of all fills, in USD; they are already taken from every other figure.", "money"),
}
_MORE: Mapping[str, _Words] = {
    "start_equity": _Words("Capital at the start", "The bot's capital, in USD.", "money"),
    "volatility": _Words("Volatility a year", "Standard deviation of returns, scaled to a year.", "percent"),
    "sortino": _Words("Sortino", "As Sharpe, but only falls count as deviation."),
    "calmar": _Words("Calmar", "Return a year over max drawdown."),
    "max_drawdown_ms": _Words("Drawdown lasted", "From the peak to the lowest point of the largest fall.", "days", 0),
    "wins": _Words("Gains", "Round trips that gained after fees.", "count"),
    "losses": _Words("Losses", "Round trips that lost after fees.", "count"),
    "average_win": _Words("Average gain", "Mean result of the gains, in USD.", "money"),
    "average_loss": _Words("Average loss", "Mean result of the losses, in USD, as a positive number.", "money"),
    "expectancy": _Words("Expectancy", "Mean result of a round trip, in USD.", "signed_money"),
    "best_trip": _Words("Best round trip", "The largest result, in USD.", "signed_money"),
    "worst_trip": _Words("Worst round trip", "The smallest result, in USD.", "signed_money"),
    "average_holding_ms": _Words("Average holding", "Mean time from entry to exit.", "days", 1),
    "periods_per_year": _Words("Periods a year", "Bars in a year here; ratios are scaled by it.", "number", 1),
}


def headline(metrics: Mapping[str, Any]) -> list[Figure]:
    """The figures one looks at first, in that order."""
    return [Figure(name, *words, metrics.get(name)) for name, words in _HEADLINE.items()]


def remaining(metrics: Mapping[str, Any]) -> list[Figure]:
    """All other figures, those without words of their own by their name: nothing the API says is left out here."""
    known = [Figure(name, *words, metrics.get(name)) for name, words in _MORE.items()]
    unnamed = [
        Figure(name, name.replace("_", " ").capitalize(), "", "number", 4, value)
        for name, value in metrics.items()
        if name not in _HEADLINE and name not in _MORE
    ]
    return [*known, *unnamed]
