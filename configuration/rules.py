"""What must hold between parameters, once all layers are merged.

A rule reads the resolved values of one namespace. It is asked for every configuration in force
under an edited scope: a new global value can contradict what one symbol has set.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

Values = Mapping[str, Any]


class Rule(NamedTuple):
    """One cross-field rule: the parameters it reads (names), and a sentence when they disagree, or ''.

    ``says``: what must hold, for the schema.
    """

    code: str
    parameters: tuple[str, ...]
    complaint: Callable[[Values], str]
    says: str


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


def _rising(low: str, high: str) -> Rule:
    def complaint(values: Values) -> str:
        if values[low] < values[high]:
            return ""
        return f"{low} is {values[low]:g}, must be below {high} {values[high]:g}"

    return Rule("not_rising", (low, high), complaint, f"{low} is below {high}.")


def _some_weight(values: Values) -> str:
    if any(values[name] for name in _MOMENTUM_WEIGHTS):
        return ""
    return f"{', '.join(_MOMENTUM_WEIGHTS)} are all 0: nothing would be measured"


def _bands_have_width(values: Values) -> str:
    likely = values["zeus_likely_pct"]
    if values["model_mode"] != "bands" or likely > _HALF:
        return ""
    return f"zeus_likely_pct is {likely:g}, must be above {_HALF:g} in model_mode bands: such a band has no width"


def _sigmas_in_order(values: Values) -> str:
    least, usual, most = (values[name] for name in _SIGMAS)
    if least <= usual <= most:
        return ""
    return f"sigma_min {least:g}, sigma_default {usual:g}, sigma_max {most:g} must rise, or be equal"


_HALF: Final = 0.5
_MOMENTUM_WEIGHTS: Final = ("price_weight", "quantity_weight", "maker_weight")
_SIGMAS: Final = ("sigma_min", "sigma_default", "sigma_max")
_OVERRIDES: Final = ("override_min_notional", "override_min_qty", "override_step_size")

_RULES: Final[dict[str, tuple[Rule, ...]]] = {
    "trading": (
        Rule(
            "min_above_max",
            ("min_position_size_usd", "max_position_size_usd"),
            _sizes_in_order,
            "min_position_size_usd is at most max_position_size_usd.",
        ),
        Rule(
            "overrides_missing",
            ("use_exchange_minimums", *_OVERRIDES),
            _overrides_complete,
            "With use_exchange_minimums off, all three override_ parameters are set.",
        ),
    ),
    "bot": (
        Rule(
            "window_closed",
            ("start_hour", "start_minute", "end_hour", "end_minute"),
            _window_open,
            "The end of the window is later than its start.",
        ),
    ),
    "indicator_voting": (
        Rule(
            "voters",
            ("indicators", "voting"),
            _enough_voters,
            "majority has at least 2 indicators, single exactly 1.",
        ),
        _rising("rsi_oversold", "rsi_overbought"),
        _rising("macd_fast", "macd_slow"),
    ),
    "trade_momentum": (
        Rule("no_weight", _MOMENTUM_WEIGHTS, _some_weight, "At least one of the three weights is above 0."),
    ),
    "weather": (
        _rising("zeus_likely_pct", "zeus_possible_pct"),
        Rule(
            "band_without_width",
            ("model_mode", "zeus_likely_pct"),
            _bands_have_width,
            "In model_mode bands zeus_likely_pct is above 0.5.",
        ),
        Rule("sigmas_unordered", _SIGMAS, _sigmas_in_order, "sigma_min <= sigma_default <= sigma_max."),
    ),
}
