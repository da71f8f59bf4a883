"""Several indicators vote on each closed bar; a majority of those that have a value decides."""

from engine.domain.declarations import STRATEGY_SCOPES, Parameter, StrategyDeclaration
from engine.indicators import ORDER


def _parameter(name, kind, default, unit, low, high, description, when):  # type: ignore[no-untyped-def]
    return Parameter(
        name=name,
        kind=kind,
        default=default,
        unit=unit,
        group=name.split("_")[0].upper(),
        description=description,
        impact="Changes when this indicator votes, and so how often the bot trades.",
        when_to_change=when,
        example=default,
        minimum=low,
        maximum=high,
        scopes=STRATEGY_SCOPES,
    )


DECLARATION = StrategyDeclaration(
    name="indicator_voting",
    title="Indicator voting",
    description="Each chosen indicator votes buy, sell or hold; the majority of those with a value decides.",
    parameters=(
        Parameter(
            name="indicators",
            kind="list",
            default=["RSI", "MACD", "SMA"],
            unit="names",
            group="Voting",
            description="Which indicators vote.",
            impact="Fewer indicators trade more often on less agreement.",
            when_to_change="When an indicator does not suit the market traded.",
            example=["RSI", "MACD", "SMA", "BBANDS"],
            choices=ORDER,
            scopes=STRATEGY_SCOPES,
        ),
        Parameter(
            name="voting",
            kind="str",
            default="majority",
            unit="",
            group="Voting",
            description="majority: more than half of the votes and at least two agree. single: one indicator decides.",
            impact="single lets one indicator trade alone.",
            when_to_change="Only for a bot meant to follow exactly one indicator.",
            example="majority",
            choices=("majority", "single"),
            scopes=STRATEGY_SCOPES,
        ),
        _parameter("rsi_period", "int", 14, "bars", 2, 100, "Length of Wilder's averages.", "Shorter reacts faster."),
        _parameter("rsi_oversold", "float", 30.0, "points", 0, 100, "Below this RSI votes buy.", "In strong trends."),
        _parameter("rsi_overbought", "float", 70.0, "points", 0, 100, "Above this RSI votes sell.", "In strong trends."),
        _parameter("macd_fast", "int", 12, "bars", 2, 100, "Length of the fast average.", "Shorter reacts faster."),
        _parameter("macd_slow", "int", 26, "bars", 2, 200, "Length of the slow average.", "Longer filters noise."),
        _parameter("macd_signal", "int", 9, "bars", 2, 100, "Length of the signal line.", "Longer filters noise."),
        _parameter("sma_period", "int", 50, "bars", 2, 500, "Length of the simple average.", "To the trend traded."),
        _parameter("ema_period", "int", 20, "bars", 2, 500, "Length of the exponential average.", "To the trend traded."),
        _parameter("bbands_period", "int", 20, "bars", 2, 200, "Length of the bands' average.", "To the swing traded."),
        _parameter("bbands_deviations", "float", 2.0, "deviations", 0.5, 5, "Width of the bands.", "Wider votes less."),
        _parameter("stoch_k_period", "int", 14, "bars", 2, 100, "Range the close is placed in.", "Shorter is noisier."),
        _parameter("stoch_d_period", "int", 3, "bars", 2, 100, "Smoothing of %D.", "Longer filters noise."),
    ),
)
