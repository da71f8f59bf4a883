"""The fields of "Backtest this bot". Their names are the API's; its rules judge what is typed."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from bots.selectors import Bot
from marketdata.selectors import DatasetInfo
from tradingsite.dashboard.forms import Field

MAIN, MORE = "main", "more"


def fields(bot: Bot, datasets: Mapping[str, DatasetInfo]) -> tuple[Field, ...]:
    """Every field, filled with what a newcomer would want: all symbols, all their bars, modest costs."""
    known = [one for one in datasets.values() if one.first_open_ms is not None]
    first = min((one.first_open_ms or 0 for one in known), default=None)
    last = max((one.last_open_ms or 0 for one in known), default=None)
    span = f"Bars from {_day(first)} to {_day(last)}." if known else "No bars are stored for these symbols yet."
    symbols = tuple((symbol, symbol) for symbol in bot.symbols)
    return (
        Field("symbols", "Symbols", "choices", initial=list(bot.symbols), choices=symbols, group=MAIN),
        Field("start", "From", "date", initial=_day(first), help=span, group=MAIN),
        Field("end", "To", "date", initial=_day(last), help="This day is included.", group=MAIN),
        Field("fee_bps", "Fee", "decimal", "bps a side", "Of notional, on each fill.", "1", group=MAIN),
        Field("slippage_bps", "Slippage", "decimal", "bps", "Every fill is this much worse.", "2", group=MAIN),
        Field("latency_bars", "Latency", "int", "bars", "Bars an order needs to arrive.", "0", group=MAIN),
        Field("max_volume_share", "Share of volume", "decimal", "0 to 1", "Most of a bar's; 0: any.", "0", group=MORE),
        _switch("stops_from_next_bar", "Stops and targets wait for the bar after the entry"),
        _switch("stop_beats_signal", "A stop is looked at before a pending exit"),
        _switch("size_at_fill", "Size the order at its fill, not at the decision"),
        _switch("rounding", "Round prices to the tick and quantities to the step", initial=True),
        _switch("accept_suspected_splits", "Run even over suspected splits"),
    )


def like(wanted: Sequence[Field], request: Mapping[str, Any] | None) -> tuple[Field, ...]:
    """The same fields, filled as in an earlier run's request."""
    if request is None:
        return tuple(wanted)
    earlier = {
        **request["venue"],
        "start": _day(request["start_ms"]),
        "end": _day(request["end_ms"] - 1),
        "symbols": [one["symbol"] for one in request["datasets"]],
        "accept_suspected_splits": request["accept_suspected_splits"],
    }
    return tuple(one._replace(initial=_typed(earlier[one.name])) if one.name in earlier else one for one in wanted)


def _switch(name: str, label: str, *, initial: bool = False) -> Field:
    return Field(name, label, "bool", initial=initial, group=MORE)


def _typed(value: Any) -> Any:
    """A number as a person types it: no ".0" behind a whole one."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _day(open_ms: int | None) -> str:
    return "" if open_ms is None else datetime.fromtimestamp(open_ms / 1000, UTC).strftime("%Y-%m-%d")
