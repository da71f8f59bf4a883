"""From a snapshot to what the engine reads: percent numbers, Decimals and nulls end here.

Overrides store 2.0 for two percent; some ``_pct`` parameters are fractions already. The catalogue's
unit says which. Below this file nothing is divided by 100 again.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from configuration.parameters.trading import TIMEFRAME_RANKS
from engine.domain import params
from engine.domain.enums import ConflictRule, DailyLossBasis, PositionMode, Side, TimeframeRule
from engine.domain.errors import Fault, InputError
from engine.domain.params import NO_LIMIT, Params
from engine.domain.values import Floats, Instrument

Content = Mapping[str, Any]
"""A snapshot's content, as ``selectors.snapshot_for`` and ``selectors.snapshot`` give it."""

NOT_SET: Final = float("nan")
_POSITION_MODES: Final = {"hedge": PositionMode.HEDGE, "one-way": PositionMode.ONE_WAY}

# Parameters 16 to 19: where a symbol or a side overrides them, they add a limit there.
_LIMITS: Final = {
    "daily_loss_fraction": "max_daily_loss_pct",
    "exposure_fraction": "max_portfolio_exposure_pct",
    "max_daily_trades": "max_daily_trades",
    "max_positions": "max_concurrent_positions",
}


class VenueSettings(NamedTuple):
    """How the simulated exchange behaves. ``_bps`` are hundredths of a percent of notional.

    ``max_volume_share``: the part of a bar's volume one order may take; 0 is unlimited.
    """

    fee_bps: float = 0.0
    slippage_bps: float = 0.0
    max_volume_share: float = 0.0
    latency_bars: int = 0
    stops_from_next_bar: bool = False
    stop_beats_signal: bool = False
    rounding: bool = True
    size_at_fill: bool = False


def engine_params(content: Content, *, instruments: Sequence[Instrument], venue: VenueSettings) -> Params:
    """What the engine reads of a snapshot: fractions, NaN for "not set", infinity for "no limit".

    ``instruments`` must hold every symbol of the snapshot, in any order. Rows follow the snapshot's
    symbols. Raises InputError (unknown_symbol, unknown_timeframe).
    """
    bot = content["bot"]
    _refuse_unknown(bot, instruments)
    by_symbol = {instrument.symbol: instrument for instrument in instruments}
    return Params(
        sides=_sides(content),
        instruments=instrument_records([by_symbol[symbol] for symbol in bot["symbols"]]),
        limits=_limits(content),
        venue=venue_record(venue),
        strategy_weights=_weights(content, "strategy_weights", bot["strategy"]),
        timeframe_weights=_weights(content, "timeframe_weights", bot["timeframe"]),
        timeframe_ranks=np.array([TIMEFRAME_RANKS[bot["timeframe"]]], dtype=np.float64),
        # 1.2 and 1.5 belong to strategies that learn or reason; ours so far are rules.
        mode_factors=np.ones(1),
        timeframe_mode_factors=np.ones(1),
    )


def strategy_values(content: Content) -> list[dict[str, Any]]:
    """The strategy's own parameters, one mapping for each symbol in the snapshot's order."""
    bot = content["bot"]
    prefix = f"{bot['strategy']}."
    return [
        {
            name.removeprefix(prefix): entry["value"]
            for name, entry in content["nodes"][symbol].items()
            if name.startswith(prefix)
        }
        for symbol in bot["symbols"]
    ]


def trading_window(content: Content) -> tuple[int, int]:
    """(first, last) minute of the day in New York in which the bot acts on signals, both included."""
    bot = _values(content, "", "bot")
    return (
        60 * bot["start_hour"] + bot["start_minute"],
        60 * bot["end_hour"] + bot["end_minute"],
    )


def _refuse_unknown(bot: Mapping[str, Any], instruments: Sequence[Instrument]) -> None:
    known = {instrument.symbol for instrument in instruments}
    faults = [
        Fault("unknown_symbol", f"/symbols/{index}", f"No instrument is known for {symbol}.", sorted(known), symbol)
        for index, symbol in enumerate(bot["symbols"])
        if symbol not in known
    ]
    if bot.get("timeframe") not in TIMEFRAME_RANKS:
        got, allowed = bot.get("timeframe"), list(TIMEFRAME_RANKS)
        message = f"timeframe is {got!r}, allowed {', '.join(allowed)}."
        faults.append(Fault("unknown_timeframe", "/timeframe", message, allowed, got))
    if faults:
        raise InputError("The engine cannot run this bot.", faults=faults)


def _values(content: Content, node: str, namespace: str = "trading") -> dict[str, Any]:
    prefix = f"{namespace}."
    return {
        name.removeprefix(prefix): entry["value"]
        for name, entry in content["nodes"][node].items()
        if name.startswith(prefix)
    }


def _sides(content: Content) -> NDArray[np.void]:
    symbols = content["bot"]["symbols"]
    long_only = _values(content, "", "bot")["long_only"]
    rows = np.zeros((len(symbols), len(Side)), dtype=params.SIDE_PARAMS)
    for index, symbol in enumerate(symbols):
        for side in Side:
            record = _side(_values(content, f"{symbol}/{side.name}"), side=side, long_only=long_only)
            record |= _added_limits(content, symbol, "symbol", scope="symbol")
            record |= _added_limits(content, f"{symbol}/{side.name}", "side", scope="symbol_side")
            for field, number in record.items():
                rows[index, side][field] = number
    return rows


def _side(values: Mapping[str, Any], *, side: Side, long_only: bool) -> dict[str, float]:
    mode = _POSITION_MODES[values["position_mode"]]
    allowed = values["enable_longs"] if side is Side.LONG else values["enable_shorts"] and not long_only
    guarded = values["risk_management_enabled"]  # off: no stops, no targets, no limits
    return {
        "enabled": values["enabled"],
        "side_allowed": allowed,
        "closes_opposite": long_only or mode is PositionMode.ONE_WAY,
        "risk_enabled": guarded,
        "use_exchange_minimums": values["use_exchange_minimums"],
        "conflict_rule": ConflictRule[values["signal_conflict_resolution"].upper()],
        "timeframe_rule": TimeframeRule[values["timeframe_conflict_resolution"].upper()],
        "position_mode": mode,
        "min_confidence": values["min_confidence_threshold"],
        "position_fraction": values["position_size_pct"],
        "quantity_multiplier": values["quantity_multiplier"],
        "max_position_notional": values["max_position_size_usd"],
        "min_position_notional": values["min_position_size_usd"],
        "override_min_notional": _or_not_set(values["override_min_notional"]),
        "override_min_qty": _or_not_set(values["override_min_qty"]),
        "override_step": _or_not_set(values["override_step_size"]),
        "stop_fraction": values["stop_loss_pct"] / 100 if guarded else 0.0,
        "target_fraction": values["take_profit_pct"] / 100 if guarded else 0.0,
        "leverage": values["leverage"],
    }


def _added_limits(content: Content, node: str, prefix: str, *, scope: str) -> dict[str, float]:
    """A limit that was overridden exactly at this scope binds there beside the account's own."""
    entries = content["nodes"][node]
    return {
        f"{prefix}_{field}": float(entry["value"]) if entry["origin"]["scope"] == scope else NO_LIMIT
        for field, name in _LIMITS.items()
        for entry in (entries[f"trading.{name}"],)
    }


def instrument_records(instruments: Sequence[Instrument]) -> NDArray[np.void]:
    """(symbols,) INSTRUMENT_PARAMS: what the venue demands, in the order given."""
    rows = np.zeros(len(instruments), dtype=params.INSTRUMENT_PARAMS)
    for row, instrument in zip(rows, instruments, strict=True):
        for field in params.INSTRUMENT_PARAMS.names or ():
            row[field] = getattr(instrument, field)
    return rows


def _limits(content: Content) -> NDArray[np.void]:
    bot, account = _values(content, "", "bot"), _values(content, "")
    most = bot["max_concurrent_positions"]
    record = {
        "capital": float(Decimal(bot["capital"])),
        "bot_position_fraction": bot["max_position_size"] / 100,
        "bot_daily_loss_fraction": bot["max_daily_loss"] / 100,
        "bot_max_positions": NO_LIMIT if most is None else most,
        "daily_loss_basis": DailyLossBasis[bot["daily_loss_basis"].upper()],
    }
    record |= {f"account_{field}": account[name] for field, name in _LIMITS.items()}
    return _record(params.LIMITS, record)


def venue_record(venue: VenueSettings) -> NDArray[np.void]:
    """(1,) VENUE: basis points as fractions."""
    record = venue._asdict()
    record["fee_fraction"] = record.pop("fee_bps") / 10_000
    record["slippage_fraction"] = record.pop("slippage_bps") / 10_000
    return _record(params.VENUE, record)


def _record(dtype: np.dtype[np.void], values: Mapping[str, float]) -> NDArray[np.void]:
    rows = np.zeros(1, dtype=dtype)
    for field, number in values.items():
        rows[0][field] = number
    return rows


def _weights(content: Content, parameter: str, key: str) -> Floats:
    """(symbols, 2, strategies): the map's entry for ``key``, else its "default", else 1."""
    symbols = content["bot"]["symbols"]
    weights = np.ones((len(symbols), len(Side), 1))
    for index, symbol in enumerate(symbols):
        for side in Side:
            heavier = _values(content, f"{symbol}/{side.name}")[parameter]
            weights[index, side, 0] = heavier.get(key, heavier.get("default", 1.0))
    return weights


def _or_not_set(value: float | None) -> float:
    return NOT_SET if value is None else value
