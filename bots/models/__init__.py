"""Who trades, and everything that happened: rows grouped by what they tell.

definition   the bot, its state, who works on it right now
runs         accounts, runs, cycles, decisions: what was decided, and on which facts
leverage     the leverage of each account's symbols: configured, and in force
orders       intents, broker orders, fills, facts: what was asked and what was got
books        positions, trades, journal: what it led to
outbox       events that wait for their way to browsers
simulated    the simulated broker's own tables; only ``bots.brokers.simulated`` touches them
"""

from bots.models.books import JournalEntry, Position, Posting, Trade
from bots.models.definition import Bot, BotQuerySet, BotStatus
from bots.models.leverage import LeverageStatus
from bots.models.orders import (
    ENDED,
    HOLDS_SLOT,
    IN_DOUBT,
    BrokerOrder,
    FactKind,
    Fill,
    IntentState,
    OrderFact,
    OrderIntent,
    OrderStatus,
    Origin,
)
from bots.models.outbox import Outbox
from bots.models.runs import AccountState, BrokerAccount, Cycle, CycleKind, CycleState, Decision, EngineRun, Worker
from bots.models.simulated import (
    SimulatedAccount,
    SimulatedEvent,
    SimulatedFault,
    SimulatedLeverage,
    SimulatedOrder,
)

__all__ = [
    "ENDED",
    "HOLDS_SLOT",
    "IN_DOUBT",
    "AccountState",
    "Bot",
    "BotQuerySet",
    "BotStatus",
    "BrokerAccount",
    "BrokerOrder",
    "Cycle",
    "CycleKind",
    "CycleState",
    "Decision",
    "EngineRun",
    "FactKind",
    "Fill",
    "IntentState",
    "JournalEntry",
    "LeverageStatus",
    "OrderFact",
    "OrderIntent",
    "OrderStatus",
    "Origin",
    "Outbox",
    "Position",
    "Posting",
    "SimulatedAccount",
    "SimulatedEvent",
    "SimulatedFault",
    "SimulatedLeverage",
    "SimulatedOrder",
    "Trade",
    "Worker",
]
