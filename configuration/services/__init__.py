"""Every write of configuration.

changing   the one write path: decide, record and take effect in one transaction
snapshots  keep what a decision was made under
"""

from configuration.actors import Actor
from configuration.planning import Changed, ClearScope, ClearValue, Operation, SetValue
from configuration.scopes import GLOBAL, Scope, bot_scope, side_scope, symbol_scope
from configuration.services.changing import Applied, Recipe, change, hold_head, validate
from configuration.services.snapshots import keep

__all__ = [
    "GLOBAL",
    "Actor",
    "Applied",
    "Changed",
    "ClearScope",
    "ClearValue",
    "Operation",
    "Recipe",
    "Scope",
    "SetValue",
    "bot_scope",
    "change",
    "hold_head",
    "keep",
    "side_scope",
    "symbol_scope",
    "validate",
]
