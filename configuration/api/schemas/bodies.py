"""What may be sent, for the description of the API."""

from configuration.api.schemas.shapes import (
    NULLABLE,
    OPTIONAL,
    SIDES,
    anything,
    flag,
    mapping,
    several,
    shape,
    text,
    whole,
    words,
)

_WRITING = {
    "reason": text(
        "Why; kept for ever. Needed where a guarded or critical parameter changes.", max_length=2000, **OPTIONAL
    ),
    "changed_by": text("On whose behalf; the caller is recorded in any case.", max_length=200, **OPTIONAL),
    "validate_only": flag("Answer what would happen, with a preview, and write nothing.", **OPTIONAL),
    "base_version": whole(
        "The version that was read: what was changed since is not overwritten. If-Match says the same.",
        min_value=0,
        **OPTIONAL,
        **NULLABLE,
    ),
    "plan_hash": text("Of a preview: do exactly that, or nothing.", max_length=64, **OPTIONAL),
}

ScopeBody = shape(
    "ConfigScopeBody",
    "POST merges the parameters into the scope, PUT replaces the scope by them; null lets one be inherited.",
    parameters=mapping(anything(), "Values by parameter name."),
    **_WRITING,
)
OperationScope = shape(
    "ConfigOperationScope",
    "Where; kind follows from the parts, none of them is global.",
    kind=words("", "global", "symbol", "symbol_side", "bot", **OPTIONAL),
    symbol=text(**OPTIONAL),
    side=words("", *SIDES, **OPTIONAL),
    bot=text(**OPTIONAL),
)
Operation = shape(
    "ConfigOperation",
    "Set a value, or clear it; without a parameter clear the whole scope.",
    scope=OperationScope(**OPTIONAL),
    namespace=text("trading where it is left out.", **OPTIONAL),
    parameter=text(**OPTIONAL),
    value=anything("null clears.", **OPTIONAL),
    clear=flag(**OPTIONAL),
)
BatchBody = shape(
    "ConfigBatchBody",
    "Up to 2000 operations as one decision: all, or none.",
    operations=several(Operation(), max_length=2000, min_length=1),
    **_WRITING,
)
RollbackBody = shape(
    "ConfigRollbackBody",
    "Exactly one of to_version, before_version and undo_version; a reason is needed.",
    to_version=whole("Everything as it was at that version.", min_value=0, **OPTIONAL),
    before_version=whole("Everything as it was before that version.", min_value=1, **OPTIONAL),
    undo_version=whole("That one decision taken back, later ones kept.", min_value=1, **OPTIONAL),
    scope=OperationScope(**OPTIONAL),
    namespace=text(**OPTIONAL),
    override_newer=flag("Undo also what was decided anew since.", **OPTIONAL),
    only_possible=flag("Leave out, and name, what today's limits refuse.", **OPTIONAL),
    **_WRITING,
)
ImportBody = shape(
    "ConfigImportBody",
    "A document as GET config/export gives it, as text (YAML or JSON) or as a map. A reason is needed.",
    document=anything(),
    mode=words("replace also clears what the document does not name.", "merge", "replace", **OPTIONAL),
    **_WRITING,
)
ResetBody = shape("ConfigResetBody", "Let every field be its default again.", **_WRITING)
SECTIONS = {
    "trading": mapping(anything(), **OPTIONAL),
    "probability_model": mapping(anything(), **OPTIONAL),
    "dynamic_trading": mapping(anything(), **OPTIONAL),
    "execution_mode": words("", "paper", "live", **OPTIONAL),
    "api_keys": mapping(anything(), "Deployment settings: judged by their form, never stored.", **OPTIONAL),
}
PlatformBody = shape("PlatformBody", "The fields to change, by section; others stay.", **SECTIONS, **_WRITING)
