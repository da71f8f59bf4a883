"""What is answered, for the description of the API."""

from drf_spectacular.types import OpenApiTypes

from configuration.api.schemas.bodies import SECTIONS
from configuration.api.schemas.shapes import (
    FRESHNESS,
    NULLABLE,
    OPTIONAL,
    SIDES,
    Call,
    Candidate,
    Change,
    DecisionFacts,
    Explained,
    Layer,
    Origin,
    Preview,
    ScopeName,
    anything,
    flag,
    instant,
    mapping,
    number,
    several,
    shape,
    text,
    whole,
    words,
)

_VALUES = {
    "parameters": mapping(anything(), "The values in force."),
    "origins": mapping(Origin(), "Where each of them comes from."),
}
_SOURCE = words("The strongest layer that contributed.", "default", "environment", "database")

_CONFIGURATION = {
    "strategy_id": text("Under strategies/ only.", **OPTIONAL),
    "namespace": text(),
    "symbol": text(**NULLABLE),
    "side": words("", *SIDES, **NULLABLE),
    **_VALUES,
    "version": whole("The newest decision: send it back as base_version, or the ETag as If-Match."),
    "scope_version": whole("How often this very scope was written; null while the database is away.", **NULLABLE),
    "source": _SOURCE,
    "is_override": flag("Whether this scope sets anything itself."),
    "created_at": instant("When this scope was first written.", **NULLABLE),
    "updated_at": instant("When it was last written.", **NULLABLE),
    **FRESHNESS,
}
Configuration = shape("Configuration", "What is in force at a scope of a namespace.", **_CONFIGURATION)
ConfigurationWritten = shape(
    "ConfigurationWritten",
    "What is in force at the scope then, and what changed; with validate_only also the preview.",
    **_CONFIGURATION,
    changes=Change(many=True),
    preview=Preview(**OPTIONAL),
)
ParameterDescribed = shape(
    "ConfigParameter",
    "Everything about one parameter.",
    name=text(),
    type=words("", "int", "float", "decimal", "bool", "str", "map", "list"),
    description=text(),
    default=anything(),
    min=number(**NULLABLE),
    max=number(**NULLABLE),
    step=number(**NULLABLE),
    allowed_values=several(text(), **NULLABLE),
    allowed_keys=several(text(), **NULLABLE),
    nullable=flag(),
    example=anything(),
    unit=text(),
    group=text(),
    impact=text(),
    when_to_change=text(),
    risk=words("", "low", "guarded", "critical"),
    reload=words("", "live", "next_cycle", "restart"),
    scopes=several(text()),
    environment=text("The variable that may supply it.", **NULLABLE),
    synonyms=several(text()),
    is_extra=flag("Beyond the documented set."),
)
NamespaceDescribed = shape(
    "ConfigNamespace",
    "A group of parameters that are set at the same scopes.",
    namespace=text(),
    title=text(),
    description=text(),
    kind=text("trading, bot, strategy, desk or engine."),
    scopes=several(text()),
    is_installed=flag("Something acts on its parameters."),
    parameter_count=whole("The documented set."),
    extra_count=whole("Beyond it."),
    schema=text("Where its parameters are described."),
    address=text("Where it is read and changed.", **NULLABLE),
)
Found = shape(
    "ConfigFound",
    "A parameter the search found.",
    namespace=text(),
    parameter=text(),
    score=number("Above 0, at most 1."),
    title=text("Of the namespace."),
    about=ParameterDescribed(),
    explain=Call(),
)
ResolvedConfiguration = shape(
    "ConfigResolvedConfiguration",
    "What is in force for a symbol, a side or a bot on them, now or then.",
    namespace=text(),
    symbol=text(**NULLABLE),
    side=words("", *SIDES, **NULLABLE),
    bot=text(**NULLABLE),
    **_VALUES,
    version=whole(),
    source=_SOURCE,
    **FRESHNESS,
    explained=mapping(Explained(), "With explain=full.", **OPTIONAL),
)
_LIMITS = shape(
    "ConfigLimits",
    "What a value must keep to.",
    type=text(),
    min=number(**NULLABLE),
    max=number(**NULLABLE),
    step=number(**NULLABLE),
    allowed_values=several(text(), **NULLABLE),
    allowed_keys=several(text(), **NULLABLE),
    nullable=flag(),
)
_ABOUT = shape(
    "ConfigWords",
    "What the parameter is for.",
    description=text(),
    impact=text(),
    when_to_change=text(),
    example=anything(),
    group=text(),
    risk=text(),
    reload=text(),
    environment=text(**NULLABLE),
)
Explanation = shape(
    "ConfigExplanation",
    "Why a value is what it is, and the calls that change it, undo it or show its history.",
    namespace=text(),
    parameter=text(),
    scope=ScopeName(),
    value=anything(),
    origin=Origin(),
    decision=DecisionFacts(**NULLABLE),
    shadowed=Layer(many=True),
    summary=text("The answer in one sentence."),
    unit=text(),
    about=_ABOUT(),
    limits=_LIMITS(),
    next=Call(many=True),
    version=whole(),
    **FRESHNESS,
)
_ACTOR = shape("ConfigActor", "Who decided.", kind=text("user, token or system."), id=text(), label=text())
_CHANGE_SET = {
    "version": whole(),
    "created_at": instant(),
    "kind": text("set, delete, batch, rollback, import or migrate."),
    "actor": _ACTOR(),
    "on_behalf_of": text(**NULLABLE),
    "source": text(),
    "reason": text(),
    "request_id": text(**NULLABLE),
    "base_version": whole(**NULLABLE),
    "reverts_version": whole(**NULLABLE),
    "hash": text("Over its facts and the hash before it."),
    "changes": Change(many=True),
}
ChangeSet = shape("ConfigChangeSet", "One decision.", **_CHANGE_SET)
WholeChangeSet = shape(
    "ConfigWholeChangeSet",
    "One decision, its place in the chain, and the calls that take it back.",
    **_CHANGE_SET,
    prev_hash=text(),
    catalogue=text("Fingerprint of what the parameters meant."),
    undo=Call(),
    restore_before=Call(),
)
_SIDE = shape("ConfigDiffSide", "One side of a comparison.", version=whole(), scope=ScopeName(**OPTIONAL))
Diff = shape(
    "ConfigDiff",
    "Values in force that differ; null where a parameter did not exist on that side.",
    **{
        "from": _SIDE(),
        "to": _SIDE(),
        "differences": shape(
            "ConfigDifference",
            "One value on both sides.",
            namespace=text(),
            parameter=text(),
            scope=ScopeName(),
            before=Candidate(**NULLABLE),
            after=Candidate(**NULLABLE),
        )(many=True),
    },
)
Decided = shape(
    "ConfigDecided",
    "What a decision over several scopes did, or with validate_only would do.",
    version=whole(),
    changes=Change(many=True),
    changes_total=whole("How many there are; the list holds the first 2000."),
    mode=words("Of an import.", "merge", "replace", **OPTIONAL),
    created=whole("Of an import.", **OPTIONAL),
    updated=whole("Of an import.", **OPTIONAL),
    deleted=whole("Of an import.", **OPTIONAL),
    left_out=several(mapping(anything()), "Of a rollback: what it would not touch.", **OPTIONAL),
    undo=Call(**OPTIONAL),
    preview=Preview(**OPTIONAL),
)
PlatformSections = shape("PlatformSections", "The values by section.", **SECTIONS)
PlatformConfiguration = shape(
    "PlatformConfiguration", "The values in force by section, keys masked.", **SECTIONS, version=whole(), **FRESHNESS
)
PlatformUpdated = shape(
    "PlatformUpdated",
    "What was updated.",
    message=text(),
    requires_restart=flag(),
    restart_fields=several(text()),
    updated_fields=several(text(), "section.field of what has another value now."),
    config=PlatformSections(),
    version=whole(),
    preview=Preview(**OPTIONAL),
)
PlatformJudged = shape(
    "PlatformJudged",
    "Whether it would pass, and every fault.",
    valid=flag(),
    errors=several(
        shape(
            "PlatformFault",
            "One fault.",
            code=text(),
            pointer=text(allow_blank=True),
            message=text(),
            allowed=anything(),
            got=anything(),
        )()
    ),
)
_READER = shape(
    "ConfigReaderProcess",
    "A live process and the version it runs on.",
    id=text(),
    process=text(),
    host=text(),
    pid=whole(),
    version=whole(),
    lag=whole(),
    catalogue_fingerprint=text(),
    environment_fingerprint=text(),
    is_listening=flag(),
    delay_ms=number(**NULLABLE),
    started_at=instant(),
    silent_s=number(),
)
_STORE = shape(
    "ConfigStore",
    "The answering process's image.",
    is_confirmed=flag(),
    is_degraded=flag(),
    confirmed_at=instant(**NULLABLE),
    age_s=number(**NULLABLE),
    ttl_s=whole(),
    hits=whole(),
    loads=whole(),
    hit_share=number(**NULLABLE),
)
_LEDGER = shape(
    "ConfigLedgerCheck",
    "The last verification of the ledger.",
    is_sound=flag(),
    checked_at=instant(),
    version=whole(),
    head_hash=text(allow_blank=True),
    first_bad_version=whole(**NULLABLE),
    finding=text(allow_blank=True),
    took_ms=number(),
)
_PENDING = shape(
    "ConfigPendingRestart",
    "Decided, and heard only after a restart; bot null: of the platform.",
    bot=text(**NULLABLE),
    name=text(),
    namespace=text(),
    parameter=text(),
    scope=ScopeName(),
    running_value=anything(),
    new_value=anything(),
    version=whole(),
)
Health = shape(
    "ConfigHealth",
    "How configuration does.",
    status=words("", "ok", "degraded", "broken"),
    version=whole(**NULLABLE),
    store=_STORE(),
    catalogue=shape("ConfigCatalogueFacts", "", fingerprint=text(), namespaces=whole(), parameters=whole())(),
    readers=_READER(many=True),
    is_lagging=flag("A live process is behind the newest version."),
    disagreements=several(text(), "Live processes that would resolve the same version differently."),
    pending_restarts=_PENDING(many=True),
    ledger=_LEDGER(**NULLABLE),
)
Refreshed = shape("ConfigRefreshed", "The image read anew.", message=text(), version=whole(), **FRESHNESS)
Strategy = shape(
    "ConfigStrategy",
    "A strategy.",
    strategy_id=text(),
    name=text(),
    description=text(),
    category=text(allow_blank=True),
    type=text(allow_blank=True),
    is_installed=flag(),
    has_global_config=flag(),
    symbol_overrides=several(text()),
    bot_overrides=whole(),
    parameter_count=whole("The documented set."),
    extra_count=whole("Beyond it."),
    config=text(),
)
AuditEntry = shape(
    "ConfigAuditEntry",
    "One scope of one decision about a strategy; all it set before and after.",
    id=text(),
    version=whole(),
    strategy_id=text(),
    symbol=text(**NULLABLE),
    bot=text(**NULLABLE),
    action=words("", "CREATE", "UPDATE", "DELETE"),
    old_parameters=mapping(anything(), **NULLABLE),
    new_parameters=mapping(anything(), **NULLABLE),
    changed_by=text(),
    on_behalf_of=text(**NULLABLE),
    changed_at=instant(),
    reason=text(),
)
SnapshotExplained = shape(
    "ConfigSnapshot",
    "Every value of a snapshot, who set it, why and when.",
    hash=text(),
    catalogue=text(),
    bot=mapping(anything()),
    rows=several(mapping(anything())),
)
Defaults = OpenApiTypes.OBJECT
Schema = {
    "oneOf": [
        {"type": "array", "items": {"$ref": "#/components/schemas/ConfigParameter"}},
        {"type": "object", "description": "With format=jsonschema: JSON Schema 2020-12 of a map of values."},
    ]
}
