"""What later versions of the documents add to the 31. Nothing reads them yet, and each says so.

They can be set, so that a configuration written for the documents' own system can be brought over
whole; a preview warns, and a bot's snapshot leaves them out: no decision hangs on them.
"""

from typing import Final

from engine.domain.declarations import Parameter, ScopeKind

EXTRAS: Final = "Extras, not read yet"

_ACCOUNT: Final[tuple[ScopeKind, ...]] = ("global",)


def declare() -> tuple[Parameter, ...]:
    """The extras, in the order they are shown."""
    return tuple(
        one._replace(is_extra=True, is_read=False) for one in (*_conflicts(), *_leverage(), _allowed_symbols())
    )


def _conflicts() -> tuple[Parameter, ...]:
    return (
        Parameter(
            name="position_mode_aware_conflicts",
            kind="bool",
            default=True,
            unit="",
            group=EXTRAS,
            example=True,
            risk="guarded",
            synonyms=("hedge conflicts",),
            description="Not read yet. Whether opposite signals are no conflict where position_mode is hedge.",
            impact="None so far: the platform always does what true says.",
            when_to_change="Not before it is read.",
        ),
        Parameter(
            name="same_direction_conflict_resolution",
            kind="str",
            default="accumulate",
            unit="",
            group=EXTRAS,
            choices=("accumulate", "strongest_wins", "reject_duplicates"),
            example="accumulate",
            risk="guarded",
            synonyms=("pyramiding", "adding to a position"),
            description="Not read yet. What happens when several strategies want the same side of one symbol.",
            impact="None so far: the platform always does what accumulate says, up to the largest position allowed.",
            when_to_change="Not before it is read.",
        ),
    )


def _leverage() -> tuple[Parameter, ...]:
    return (
        Parameter(
            name="max_leverage_bound",
            kind="int",
            default=125,
            unit="x",
            group=EXTRAS,
            minimum=1,
            maximum=125,
            example=125,
            risk="critical",
            synonyms=("max leverage", "leverage limit"),
            description="Not read yet. The most leverage any symbol may be given.",
            impact="None so far: only leverage's own range and the broker's limits hold.",
            when_to_change="Not before it is read. To bind leverage today, set leverage itself.",
        ),
        Parameter(
            name="portfolio_leverage_cap",
            kind="int",
            default=0,
            unit="x",
            group=EXTRAS,
            minimum=0,
            maximum=10_000,
            example=0,
            risk="critical",
            scopes=_ACCOUNT,
            synonyms=("account leverage", "gross exposure"),
            description="Not read yet. The most leverage of all positions together; 0 means no cap.",
            impact="None so far. max_portfolio_exposure_pct does bind what all positions may be worth.",
            when_to_change="Not before it is read.",
        ),
        Parameter(
            name="leverage_breach_alert_threshold",
            kind="int",
            default=3,
            unit="breaches",
            group=EXTRAS,
            minimum=1,
            maximum=100,
            example=3,
            scopes=_ACCOUNT,
            synonyms=("alert", "warning"),
            description="Not read yet. After how many breaches of leverage somebody is told.",
            impact="None so far: a leverage that differs from the one configured is shown, and counted by nobody.",
            when_to_change="Not before it is read.",
        ),
    )


def _allowed_symbols() -> Parameter:
    return Parameter(
        name="allowed_symbols",
        kind="list",
        default=[],
        unit="names",
        group=EXTRAS,
        minimum=0,
        example=["AAPL", "MSFT"],
        risk="guarded",
        scopes=_ACCOUNT,
        synonyms=("whitelist", "universe", "permitted symbols"),
        description="Not read yet. The only symbols that may be traded; none named means all.",
        impact="None so far: a bot trades the symbols it was given, and enabled switches a symbol off.",
        when_to_change="Not before it is read.",
    )
