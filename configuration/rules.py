"""What must hold between parameters, once all layers are merged.

A rule reads the resolved values of one namespace. It is asked for every configuration in force
under an edited scope: a new global value can contradict what one symbol has set.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

Values = Mapping[str, Any]


class Rule(NamedTuple):
    """One cross-field rule: the parameters it reads (names), and a sentence when they disagree, or ''."""

    code: str
    parameters: tuple[str, ...]
    complaint: Callable[[Values], str]


def rules(namespace: str) -> tuple[Rule, ...]:
    """The rules of a namespace; most have none."""
    return _RULES.get(namespace, ())


def _sizes_in_order(values: Values) -> str:
    low, high = values["min_position_size_usd"], values["max_position_size_usd"]
    if low <= high:
        return ""
    return f"min_position_size_usd is {low:g}, above max_position_size_usd {high:g}: nothing could be traded"


def _overrides_complete(values: Values) -> str:
    missing = [name for name in _OVERRIDES if values[name] is None]
    if values["use_exchange_minimums"] or not missing:
        return ""
    return f"use_exchange_minimums is off, so {', '.join(missing)} must be set"


def _window_open(values: Values) -> str:
    start = values["start_hour"] * 60 + values["start_minute"]
    end = values["end_hour"] * 60 + values["end_minute"]
    if start < end:
        return ""
    return (
        f"trading would end at {values['end_hour']:02}:{values['end_minute']:02}, "
        f"not after it starts at {values['start_hour']:02}:{values['start_minute']:02}"
    )


def _enough_voters(values: Values) -> str:
    chosen = values["indicators"]
    if values["voting"] == "majority" and len(chosen) < 2:
        return f"majority voting needs at least 2 indicators, {', '.join(chosen)} is one: add another, or vote single"
    if values["voting"] == "single" and len(chosen) != 1:
        return f"single voting takes exactly 1 indicator, there are {len(chosen)}: {', '.join(chosen)}"
    return ""


def _rising(low: str, high: str) -> Callable[[Values], str]:
    def complaint(values: Values) -> str:
        if values[low] < values[high]:
            return ""
        return f"{low} is {values[low]:g}, must be below {high} {values[high]:g}"

    return complaint


_OVERRIDES: Final = ("override_min_notional", "override_min_qty", "override_step_size")

_RULES: Final[dict[str, tuple[Rule, ...]]] = {
    "trading": (
        Rule("min_above_max", ("min_position_size_usd", "max_position_size_usd"), _sizes_in_order),
        Rule("overrides_missing", ("use_exchange_minimums", *_OVERRIDES), _overrides_complete),
    ),
    "bot": (Rule("window_closed", ("start_hour", "start_minute", "end_hour", "end_minute"), _window_open),),
    "indicator_voting": (
        Rule("voters", ("indicators", "voting"), _enough_voters),
        Rule("not_rising", ("rsi_oversold", "rsi_overbought"), _rising("rsi_oversold", "rsi_overbought")),
        Rule("not_rising", ("macd_fast", "macd_slow"), _rising("macd_fast", "macd_slow")),
    ),
}
