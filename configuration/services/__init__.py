"""Every write of configuration.

changing      the one write path: decide, record and take effect in one transaction
gating        what stands in its way: rights, reasons, newer changes, another plan
previewing    what a change would do, before it is made
rolling_back  take decisions back, as a new one
transferring  bring a document of configuration in
editions      what the parameters mean, kept; and recorded when code changes it
snapshots     keep what a decision was made under
"""

from configuration.actors import Actor
from configuration.planning import Changed, ClearScope, ClearValue, Operation, SetValue
from configuration.scopes import GLOBAL, Scope, bot_scope, side_scope, symbol_scope
from configuration.services.changing import Applied, Recipe, change, hold_head, validate
from configuration.services.editions import adopt_catalogue
from configuration.services.gating import Obstacle
from configuration.services.previewing import Preview, preview
from configuration.services.rolling_back import Course, course, roll_back
from configuration.services.snapshots import keep
from configuration.services.transferring import (
    ImportPlan,
    Mode,
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
    "Mode",
    "Obstacle",
    "Operation",
    "Preview",
    "Recipe",
    "Scope",
    "SetValue",
    "adopt_catalogue",
    "bot_scope",
    "change",
    "course",
    "hold_head",
    "import_document",
    "keep",
    "operations_of",
    "plan_import",
    "preview",
    "read_document",
    "roll_back",
    "side_scope",
    "symbol_scope",
    "validate",
]
