"""The weather engine's clock and whether it may use money: read when it starts, so all need a restart."""

from typing import Final

from engine.domain.declarations import Parameter, ScopeKind

CYCLE: Final = "Dynamic trading"
EXECUTION: Final = "Execution"

_GLOBAL: Final[tuple[ScopeKind, ...]] = ("global",)


def declare() -> tuple[Parameter, ...]:
    """The engine's parameters, in the order they are shown."""
    return (
        Parameter(
            name="interval_seconds",
            kind="int",
            default=900,
            unit="s",
            group=CYCLE,
            minimum=60,
            maximum=3600,
            scopes=_GLOBAL,
            reload="restart",
            environment="DYNAMIC_INTERVAL_SECONDS",
            example=900,
            synonyms=("cycle", "polling", "frequency"),
            description="How long the engine waits between two looks at the markets: 900 means a quarter of an hour.",
            impact="Shorter sees new prices sooner and asks the forecast's server more often.",
            when_to_change="With how often the forecast is renewed.",
        ),
        Parameter(
            name="lookahead_days",
            kind="int",
            default=2,
            unit="days",
            group=CYCLE,
            minimum=1,
            maximum=7,
            scopes=_GLOBAL,
            reload="restart",
            environment="DYNAMIC_LOOKAHEAD_DAYS",
            example=2,
            synonyms=("horizon", "forecast days"),
            description="How many days are traded, today counted: 2 means today and tomorrow.",
            impact="More days find more markets, on less certain forecasts.",
            when_to_change="To as far as markets are open and the forecast is good.",
        ),
        Parameter(
            name="execution_mode",
            kind="str",
            default="paper",
            unit="",
            group=EXECUTION,
            choices=("paper", "live"),
            scopes=_GLOBAL,
            risk="critical",
            reload="restart",
            environment="EXECUTION_MODE",
            example="paper",
            synonyms=("real money", "simulation", "dry run"),
            description="Whether trades are written down only (paper) or sent to the market (live).",
            impact="live spends money. It never suffices by itself: the live switch must be on as well.",
            when_to_change="After paper results have been judged, by somebody who may.",
        ),
    )
