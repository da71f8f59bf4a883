"""What can be read about bots, grouped by what is asked.

definitions  bots as they are, and the parameters each resolves to
trades       executed orders and their statistics
positions    what is held, and what was
decisions    what was decided, on which facts, and what followed
orders       what was asked of brokers, and what became of it
runs         runs and their cycles, as they were stored
reach        every bot with what it holds, for whoever changes configuration
summary      how bots are doing, one by one and together
"""

from bots.models import EngineRun
from bots.selectors.definitions import (
    Bot,
    BotStatus,
    Described,
    bot,
    bot_named,
    bots,
    described,
    has_ever_had_one,
    own_parameters,
    scope_of,
)
from bots.selectors.runs import decided_cycles, decision_facts, fill_facts, runs

__all__ = [
    "Bot",
    "BotStatus",
    "Described",
    "EngineRun",
    "bot",
    "bot_named",
    "bots",
    "decided_cycles",
    "decision_facts",
    "described",
    "fill_facts",
    "has_ever_had_one",
    "own_parameters",
    "runs",
    "scope_of",
]
