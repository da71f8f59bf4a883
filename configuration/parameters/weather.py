"""The weather desk: which cities, what makes a trade worth it, how much, and how sure a forecast is.

Declared before the desk itself. Its groups are the sections of the documents' configuration.
"""

from typing import Final

from configuration.parameters.stations import STATIONS
from engine.domain.declarations import Parameter, Risk, ScopeKind

TRADING: Final = "Trading"
MODEL: Final = "Probability model"

_GLOBAL: Final[tuple[ScopeKind, ...]] = ("global",)


def declare() -> tuple[Parameter, ...]:
    """The desk's parameters, in the order they are shown."""
    return (_stations(), *_costs(), *_limits(), *_model(), *_sigmas(), _bracket_interval())


def _stations() -> Parameter:
    return Parameter(
        name="active_stations",
        kind="list",
        default=["EGLC", "KLGA"],
        unit="stations",
        group=TRADING,
        choices=tuple(STATIONS),
        scopes=_GLOBAL,
        risk="guarded",
        reload="restart",
        environment="ACTIVE_STATIONS",
        example=["EGLC", "KLGA", "KMDW"],
        synonyms=("cities", "airports", "station codes"),
        description="The weather stations whose markets are traded, by ICAO code.",
        impact="Each station adds its markets to every cycle. A running engine keeps the list it started with.",
        when_to_change="When a city's markets open or close.",
    )


def _costs() -> tuple[Parameter, ...]:
    return (
        Parameter(
            name="edge_min",
            kind="float",
            default=0.05,
            unit="fraction",
            group=TRADING,
            minimum=0.01,
            maximum=0.50,
            scopes=_GLOBAL,
            risk="guarded",
            environment="EDGE_MIN",
            example=0.05,
            synonyms=("edge", "minimum edge", "expected value"),
            description="The least a price must be wrong, after costs, to be traded: 0.05 means five cents a dollar.",
            impact="Lower trades more often on less advantage.",
            when_to_change="Raise it while the model has not yet proven itself.",
        ),
        _basis_points("fee_bp", 50, "FEE_BP", "What the market charges.", ("fees", "commission")),
        _basis_points("slippage_bp", 30, "SLIPPAGE_BP", "How much worse fills are than the price seen.", ("slip",)),
    )


def _basis_points(name: str, default: int, variable: str, description: str, synonyms: tuple[str, ...]) -> Parameter:
    return Parameter(
        name=name,
        kind="int",
        default=default,
        unit="basis points",
        group=TRADING,
        minimum=0,
        maximum=1000,
        scopes=_GLOBAL,
        environment=variable,
        example=default,
        synonyms=(*synonyms, "bps", "costs"),
        description=f"{description} {default} means {default / 100:g} %.",
        impact="Taken off the edge of every market before it is compared with edge_min.",
        when_to_change="To what was really paid, measured over many trades.",
    )


def _limits() -> tuple[Parameter, ...]:
    return (
        Parameter(
            name="kelly_cap",
            kind="float",
            default=0.10,
            unit="fraction",
            group=TRADING,
            minimum=0.01,
            maximum=0.50,
            scopes=_GLOBAL,
            risk="guarded",
            environment="KELLY_CAP",
            example=0.10,
            synonyms=("kelly", "kelly fraction", "bet size"),
            description="The most of the day's money one trade may take: 0.1 means a tenth.",
            impact="Caps what the Kelly formula asks for.",
            when_to_change="Lower it where the model's probabilities are not trusted.",
        ),
        _dollars(
            "daily_bankroll_cap",
            3000.0,
            "DAILY_BANKROLL_CAP",
            risk="critical",
            synonyms=("bankroll", "daily budget", "max daily spend"),
            description="The most that may be placed in one day, over all markets.",
            impact="At the cap nothing more is placed until the next day; sizes are measured against what is left.",
            when_to_change="To the money that may be lost in one day.",
        ),
        _dollars(
            "per_market_cap",
            500.0,
            "PER_MARKET_CAP",
            risk="guarded",
            synonyms=("market limit", "max position"),
            description="The most that may be placed in one market.",
            impact="Later trades in the same market get what is left of it.",
            when_to_change="Lower it to spread the money over more markets.",
        ),
        _dollars(
            "liquidity_min_usd",
            1000.0,
            "LIQUIDITY_MIN_USD",
            risk="low",
            synonyms=("liquidity", "depth"),
            description="The least that must be on offer in a market.",
            impact="A thinner market is left out.",
            when_to_change="Raise it where fills moved the price.",
        ),
    )


def _dollars(
    name: str,
    default: float,
    variable: str,
    *,
    risk: Risk,
    synonyms: tuple[str, ...],
    description: str,
    impact: str,
    when_to_change: str,
) -> Parameter:
    return Parameter(
        name=name,
        kind="float",
        default=default,
        unit="USD",
        group=TRADING,
        minimum=0,
        step=0.01,
        scopes=_GLOBAL,
        risk=risk,
        environment=variable,
        example=default,
        synonyms=synonyms,
        description=description,
        impact=impact,
        when_to_change=when_to_change,
    )


def _model() -> tuple[Parameter, ...]:
    return (
        Parameter(
            name="model_mode",
            kind="str",
            default="spread",
            unit="",
            group=MODEL,
            choices=("spread", "bands"),
            scopes=_GLOBAL,
            risk="guarded",
            environment="MODEL_MODE",
            example="spread",
            synonyms=("probability model", "forecast model"),
            description="How uncertain a forecast is taken to be: from its own spread over the day, or from its bands.",
            impact="bands uses the two percentages below, where the forecast carries bands; spread ignores them.",
            when_to_change="To bands once the forecast's bands have been compared with what came.",
        ),
        _band(
            "zeus_likely_pct",
            0.80,
            0.50,
            "ZEUS_LIKELY_PCT",
            description="How probable it is that the high stays below the forecast's likely band: 0.8 means 80 %.",
        ),
        _band(
            "zeus_possible_pct",
            0.95,
            0.80,
            "ZEUS_POSSIBLE_PCT",
            description="How probable it is that the high stays below the forecast's possible band: 0.95 means 95 %.",
        ),
    )


def _band(name: str, default: float, low: float, variable: str, *, description: str) -> Parameter:
    return Parameter(
        name=name,
        kind="float",
        default=default,
        unit="fraction",
        group=MODEL,
        minimum=low,
        maximum=0.99,
        scopes=_GLOBAL,
        environment=variable,
        example=default,
        synonyms=("band", "quantile", "percentile"),
        description=description,
        impact="A higher percentage for the same band means a surer forecast. The possible one must be the higher.",
        when_to_change="To how often the high really stayed below that band.",
    )


def _sigmas() -> tuple[Parameter, ...]:
    return (
        _sigma("sigma_default", 2.0, 10, "The uncertainty of a forecast that tells nothing of its own."),
        _sigma("sigma_min", 0.5, 10, "The least uncertainty any forecast is given."),
        _sigma("sigma_max", 10.0, 20, "The most uncertainty any forecast is given."),
    )


def _sigma(name: str, default: float, high: float, description: str) -> Parameter:
    return Parameter(
        name=name,
        kind="float",
        default=default,
        unit="degrees F",
        group=MODEL,
        minimum=0.1,
        maximum=high,
        scopes=_GLOBAL,
        risk="guarded",
        example=default,
        synonyms=("standard deviation", "uncertainty"),
        description=f"{description} One standard deviation of the day's high.",
        impact="Wider spreads the probability over more brackets, so fewer prices look wrong.",
        when_to_change="To the error of past forecasts. sigma_min <= sigma_default <= sigma_max must hold.",
    )


def _bracket_interval() -> Parameter:
    return Parameter(
        name="bracket_interval",
        kind="str",
        default="continuity",
        unit="",
        group=MODEL,
        choices=("continuity", "literal"),
        scopes=_GLOBAL,
        risk="guarded",
        is_extra=True,
        example="continuity",
        synonyms=("bracket bounds", "rounding"),
        description="Which temperatures a bracket named 58-59 covers: 57.5 up to 59.5 (continuity), or 58 up to 59.",
        impact="literal leaves half of each bracket out, as the documents' vectors do.",
        when_to_change="To literal only to compare with results computed that way.",
    )
