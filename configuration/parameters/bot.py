"""What each bot is told beside the trading parameters: its money, its hours, its own limits."""

from typing import Final

from configuration.parameters.synonyms import BOT as SYNONYMS
from engine.domain.declarations import BOT_SCOPES, Parameter

MONEY: Final = "Capital and limits"
HOURS: Final = "Timetable"


def declare() -> tuple[Parameter, ...]:
    """The bot's own parameters, in the order they are shown."""
    return tuple(one._replace(synonyms=one.synonyms or SYNONYMS.get(one.name, ())) for one in _money() + _timetable())


def _money() -> tuple[Parameter, ...]:
    return (
        Parameter(
            name="capital",
            kind="decimal",
            default="10000",
            unit="USD",
            group=MONEY,
            minimum=0.01,
            maximum=1e12,
            scopes=BOT_SCOPES,
            risk="critical",
            example="10000",
            description="The money this bot trades with, inside the broker's account.",
            impact="Sizes and the bot's own limits are measured against it.",
            when_to_change="When money is added to or taken from the bot.",
        ),
        Parameter(
            name="max_position_size",
            kind="float",
            default=10.0,
            unit="percent",
            group=MONEY,
            minimum=1,
            maximum=100,
            scopes=BOT_SCOPES,
            risk="guarded",
            example=10.0,
            description="The most one position may be worth, of the bot's capital: 10 means 10 %.",
            impact="Entries are cut down to it; the tighter of this and the trading limits wins.",
            when_to_change="Lower it to spread the capital over more positions.",
        ),
        Parameter(
            name="max_daily_loss",
            kind="float",
            default=10.0,
            unit="percent",
            group=MONEY,
            minimum=1,
            maximum=100,
            scopes=BOT_SCOPES,
            risk="critical",
            example=10.0,
            description="How much of its capital the bot may lose in a day: 10 means 10 %.",
            impact="Past it the bot opens nothing until the next trading day.",
            when_to_change="Lower it for a bot that is not yet trusted.",
        ),
        Parameter(
            name="max_concurrent_positions",
            kind="int",
            default=3,
            nullable=True,
            unit="positions",
            group=MONEY,
            minimum=1,
            maximum=50,
            scopes=BOT_SCOPES,
            risk="guarded",
            example=3,
            description="How many positions the bot may hold at once; not set means no limit of its own.",
            impact="An entry that would open one more is refused.",
            when_to_change="With the number of symbols the bot trades.",
        ),
        Parameter(
            name="long_only",
            kind="bool",
            default=True,
            unit="",
            group=MONEY,
            scopes=BOT_SCOPES,
            risk="guarded",
            example=True,
            description="A sell signal only closes what is held; the bot never goes short.",
            impact="When off, a sell signal may open a short position where shorts are enabled.",
            when_to_change="Only for a strategy meant to earn in falling markets.",
        ),
        Parameter(
            name="daily_loss_basis",
            kind="str",
            default="total",
            unit="",
            group=MONEY,
            choices=("total", "realised"),
            scopes=BOT_SCOPES,
            example="total",
            description="Whether the day's loss counts open positions too, or closed ones alone.",
            impact="total stops earlier: it sees a loss before it is taken.",
            when_to_change="realised where open positions are meant to swing widely.",
        ),
        Parameter(
            name="on_config_stale",
            kind="str",
            default="hold",
            unit="",
            group=MONEY,
            choices=("hold", "continue"),
            scopes=BOT_SCOPES,
            risk="guarded",
            example="hold",
            synonyms=("stale configuration", "degraded", "database away", "fail safe"),
            description="What the bot does when its configuration could not be confirmed for too long.",
            impact="hold opens nothing and may still close; continue trades on the last configuration known.",
            when_to_change="continue only where missing an entry costs more than entering on an outdated limit.",
        ),
    )


def _timetable() -> tuple[Parameter, ...]:
    return (
        Parameter(
            name="trading_frequency",
            kind="int",
            default=60,
            unit="s",
            group=HOURS,
            minimum=5,
            maximum=86_400,
            scopes=BOT_SCOPES,
            example=60,
            description="How often the bot looks for closed bars.",
            impact="Longer reacts later; bars missed in between are still stepped, one by one.",
            when_to_change="To match the bot's timeframe: looking more often than bars close gains nothing.",
        ),
        _clock("start_hour", 9, 23, "Hour the bot may begin to trade, New York time."),
        _clock("start_minute", 30, 59, "Minute of that hour."),
        _clock("end_hour", 12, 23, "Hour the bot stops opening positions, New York time."),
        _clock("end_minute", 0, 59, "Minute of that hour."),
    )


def _clock(name: str, default: int, maximum: int, description: str) -> Parameter:
    return Parameter(
        name=name,
        kind="int",
        default=default,
        unit="h" if name.endswith("hour") else "min",
        group=HOURS,
        minimum=0,
        maximum=maximum,
        scopes=BOT_SCOPES,
        example=default,
        description=description,
        impact="Outside the window the bot opens nothing; the end must be later than the start.",
        when_to_change="To stay out of the opening rush, or to trade the whole session.",
    )
