"""Every write of configuration.

changing      the one write path: decide, record and take effect in one transaction
rolling_back  take decisions back, as a new one
transferring  bring a document of configuration in
snapshots     keep what a decision was made under
"""

from configuration.actors import Actor
from configuration.planning import Changed, ClearScope, ClearValue, Operation, SetValue
from configuration.scopes import GLOBAL, Scope, bot_scope, side_scope, symbol_scope
from configuration.services.changing import Applied, Recipe, change, hold_head, validate
from configuration.services.rolling_back import Course, course, roll_back
from configuration.services.snapshots import keep
from configuration.services.transferring import (
    ImportPlan,
    import_document,
    operations_of,
    plan_import,
    read_document,
)

__all__ = [
    "GLOBAL",
    "Actor",
    "Applied",
    "Changed",
    "ClearScope",
    "ClearValue",
    "Course",
    "ImportPlan",
    "Operation",
    "Recipe",
    "Scope",
    "SetValue",
    "bot_scope",
    "change",
    "course",
    "hold_head",
    "import_document",
    "keep",
    "operations_of",
    "plan_import",
    "read_document",
    "roll_back",
    "side_scope",
    "symbol_scope",
    "validate",
]
