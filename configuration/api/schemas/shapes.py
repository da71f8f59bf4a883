"""The pieces that answers and bodies are made of, for the description of the API; nothing is judged by them."""

from typing import Any

from rest_framework import serializers

Shape = type[serializers.Serializer[Any]]


def shape(name: str, about: str, /, **fields: Any) -> Shape:
    """A named component of the description. Fields may have any name, which a class body would not allow."""
    made: Shape = type(name, (serializers.Serializer,), {"__doc__": about, **fields})
    return made


def text(about: str = "", **more: Any) -> serializers.CharField:
    return serializers.CharField(help_text=about, **more)


def words(about: str, *allowed: str, **more: Any) -> serializers.ChoiceField:
    return serializers.ChoiceField(choices=allowed, help_text=about, **more)


def whole(about: str = "", **more: Any) -> serializers.IntegerField:
    return serializers.IntegerField(help_text=about, **more)


def number(about: str = "", **more: Any) -> serializers.FloatField:
    return serializers.FloatField(help_text=about, **more)


def flag(about: str = "", **more: Any) -> serializers.BooleanField:
    return serializers.BooleanField(help_text=about, **more)


def instant(about: str = "", **more: Any) -> serializers.DateTimeField:
    return serializers.DateTimeField(help_text=about, **more)


def anything(about: str = "", **more: Any) -> serializers.JSONField:
    """Any JSON value, null too."""
    return serializers.JSONField(help_text=about, **more)


def several(of: Any, about: str = "", **more: Any) -> serializers.ListField:
    return serializers.ListField(child=of, help_text=about, **more)


def mapping(of: Any, about: str = "", **more: Any) -> serializers.DictField:
    return serializers.DictField(child=of, help_text=about, **more)


SIDES = ("LONG", "SHORT")
OPTIONAL: dict[str, Any] = {"required": False}
NULLABLE: dict[str, Any] = {"allow_null": True}

ScopeName = shape(
    "ConfigScope",
    "Where a value is set; absent parts are left out.",
    kind=words("", "global", "symbol", "symbol_side", "bot"),
    symbol=text(**OPTIONAL),
    side=words("", *SIDES, **OPTIONAL),
    bot=text("A bot's id.", **OPTIONAL),
)
Origin = shape(
    "ConfigOrigin",
    "Where a value in force comes from; absent parts are left out.",
    scope=words("", "default", "environment", "global", "symbol", "symbol_side", "bot"),
    symbol=text(**OPTIONAL),
    side=words("", *SIDES, **OPTIONAL),
    bot=text("A bot's id.", **OPTIONAL),
    version=whole("The decision that set it.", **OPTIONAL),
    name=text("The environment variable that supplies it.", **OPTIONAL),
    is_todays=flag("In an answer about the past: the environment's value of today.", **OPTIONAL),
)
Candidate = shape("ConfigCandidate", "A value that a layer offers.", value=anything(), origin=Origin())
ResolvedValue = shape(
    "ConfigResolved",
    "A value in force and what it beats, nearest layer first.",
    value=anything(),
    origin=Origin(),
    shadowed=Candidate(many=True),
)
DecisionFacts = shape(
    "ConfigDecision",
    "Who decided a value, when and why.",
    version=whole(),
    created_at=instant(),
    actor=text(),
    on_behalf_of=text(**NULLABLE),
    source=text("admin, api, cli, import, rollback or system."),
    reason=text(),
)
Layer = shape(
    "ConfigLayer",
    "A value that a layer offers and who decided it; null for defaults and the environment.",
    value=anything(),
    origin=Origin(),
    decision=DecisionFacts(**NULLABLE),
)
Explained = shape(
    "ConfigExplained",
    "A value in force, who decided it, and every value it beats.",
    value=anything(),
    origin=Origin(),
    decision=DecisionFacts(**NULLABLE),
    shadowed=Layer(many=True),
)
Change = shape(
    "ConfigChange",
    "One value before and after. old_version 0: nothing was set there.",
    namespace=text(),
    scope=ScopeName(),
    parameter=text(),
    op=words("", "set", "clear"),
    old=anything(),
    old_version=whole(),
    new=anything(),
)
Call = shape(
    "ConfigCall",
    "A call ready to be sent.",
    code=text(**OPTIONAL),
    how=text("What it is for.", **OPTIONAL),
    method=words("", "GET", "POST", "PUT", "DELETE"),
    path=text(),
    body=mapping(anything(), "What to send; fill in the reason.", **OPTIONAL),
)
Effect = shape(
    "ConfigEffect",
    "One value in force before and after a change, and when it is taken up.",
    namespace=text(),
    parameter=text(),
    scope=ScopeName(),
    before=ResolvedValue(),
    after=ResolvedValue(),
    reload=words("", "live", "next_cycle", "restart"),
)
Caution = shape(
    "ConfigCaution",
    "Something to know before the change is made.",
    code=words("", "shadowed", "reaches_no_bot", "pins_inherited", "brackets_stay", "not_installed"),
    namespace=text(),
    parameter=text(),
    scope=ScopeName(),
    message=text(),
)
Touched = shape(
    "ConfigTouched",
    "Whose values a change would alter.",
    symbols=several(text()),
    sides=several(shape("ConfigTouchedSide", "", symbol=text(), side=words("", *SIDES))()),
    bots=several(
        shape(
            "ConfigTouchedBot",
            "A bot, and how many of its positions and orders are touched.",
            id=text(),
            name=text(),
            strategy=text(),
            status=text(),
            positions=whole(),
            orders=whole(),
        )()
    ),
    positions=several(
        shape(
            "ConfigTouchedPosition", "An open position.", id=text(), symbol=text(), side=words("", *SIDES), qty=text()
        )()
    ),
    orders=several(
        shape(
            "ConfigTouchedOrder",
            "A resting order.",
            id=text(),
            symbol=text(),
            side=text(),
            leg=text("entry, stop, target or exit."),
            qty=text(),
        )()
    ),
)
Preview = shape(
    "ConfigPreview",
    "What a change would do. plan_hash, sent with the change, does exactly this or nothing.",
    applies=flag("False while gates stand in the way."),
    effects=Effect(many=True),
    effects_total=whole("How many effects there are; the list holds the first 200."),
    touched=Touched(),
    requires_restart=several(text(), "namespace.parameter of what is heard only after a restart."),
    warnings=Caution(many=True),
    plan_hash=text(),
    gates=several(mapping(anything()), "What is still missing, each with how to supply it."),
)
FRESHNESS: dict[str, Any] = {
    "cache_hit": flag("Served from memory, confirmed as the newest."),
    "load_time_ms": number(),
    "is_degraded": flag("The database has not confirmed it for longer than allowed."),
}
