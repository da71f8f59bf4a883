"""Judge a world that has come to rest: the invariants of the ledger, and what only a simulation can know."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from bots.models import (
    BrokerAccount,
    Cycle,
    CycleState,
    EngineRun,
    FactKind,
    Fill,
    IntentState,
    OrderFact,
    OrderIntent,
    Origin,
    Outbox,
    SimulatedEvent,
    SimulatedOrder,
    Trade,
)
from bots.services import checking, recomputing, reconciliation, relaying, runs
from configuration import selectors as configuration
from configuration.selectors import Frozen
from engine import run
from engine.domain.events import DECISION, FILL, ORDER, ROUND_TRIP
from tests.simulation.world import World

MISSES = 5
"""How often an order is not found, at least, before it is given up."""
_RECORDS = {
    "decided": ("decisions", DECISION),
    "orders": ("orders", ORDER),
    "fills": ("fills", FILL),
    "trips": ("trips", ROUND_TRIP),
}


def alarms() -> list[str]:
    """What the production check says in the middle of everything: it must keep quiet."""
    found = checking.check(checking.open_runs())
    # When time jumps, nobody could do meanwhile what should not take so long.
    return [f"{row.code} {row.where}: {row.words}" for row in found if row.code not in ("EVENT_UNSENT", "UNRESOLVED")]


def of(world: World) -> list[str]:
    """Everything that is wrong, each in a line that begins with a code."""
    return [
        *_twice(),
        *(f"{row.code} {row.where}: {row.words}" for row in checking.check(checking.all_runs())),
        *_at_the_broker(),
        *_left(),
        *_given_up_too_soon(),
        *_refused_and_taken(world),
        *_sent_after_stop(world),
        *_told(world),
        *_computed_again(),
        *(_as_backtested() if world.is_faithful else ()),
    ]


def _twice() -> Iterator[str]:
    """I5: the first pass may find something; the second must not change a row."""
    accounts = list(BrokerAccount.objects.values_list("id", flat=True))
    for account_id in accounts:
        reconciliation.reconcile(account_id)
    relaying.pump()  # what the first pass found is told as everything is
    before = checking.ledger_sha256()
    for account_id in accounts:
        reconciliation.reconcile(account_id)
    if checking.ledger_sha256() != before:
        yield "NOT_IDEMPOTENT reconciling twice is not the same as once"


def _at_the_broker() -> Iterator[str]:
    """The broker's own tables against ours, without its Protocol in between."""
    orders = list(SimulatedOrder.objects.using("broker").order_by("id"))
    ours = {intent.client_order_id: intent for intent in OrderIntent.objects.select_related("broker_order")}
    for order in orders:
        intent = ours.get(order.client_order_id)
        if intent is None:
            yield f"ORDER_WITHOUT_INTENT {order.client_order_id}"
        elif getattr(intent, "broker_order", None) is None or intent.broker_order.broker_order_id != order.id:
            yield f"ORDER_NOT_RECORDED {order.client_order_id}"
    for intent in ours.values():
        if intent.origin == Origin.EXTERNAL:
            yield f"EXTERNAL {intent.client_order_id}: nobody else trades here"
    theirs = SimulatedEvent.objects.using("broker").filter(kind="fill")
    wanted: list[tuple[Any, ...]] = sorted(theirs.values_list("order_id", "cum_qty", "qty", "price", "fee"))
    recorded: list[tuple[Any, ...]] = sorted(
        Fill.objects.values_list("broker_order_id", "cum_qty", "qty", "price", "fee")
    )
    for fill in wanted:
        if recorded.count(fill) != 1:
            yield f"FILL_NOT_RECORDED_ONCE {fill[0]} {fill[1]}: {recorded.count(fill)} times"
    if len(recorded) > len(wanted):
        yield f"FILL_INVENTED {len(recorded)} recorded, {len(wanted)} happened"


_OVERTAKEN = (IntentState.UNSENT, IntentState.CANCELED, IntentState.EXPIRED, IntentState.REJECTED)


def _left() -> Iterator[str]:
    """Nothing is left to be heard or finished; only how orders ended does not matter to a run that ended, too."""
    for fact in OrderFact.objects.filter(cycle__isnull=True).select_related("intent", "run"):
        # A wish to close that the end of the series overtook: its order ended without a fill, and says so.
        is_overtaken = fact.kind == FactKind.ASKED and fact.intent.state in _OVERTAKEN
        if fact.run.ended_at is None or not (fact.kind == FactKind.ENDED or is_overtaken):
            ended = "" if fact.run.ended_at is None else " of a run that ended"
            yield f"FACT_UNHEARD {fact.kind} {fact.intent.client_order_id}{ended}"
    for cycle in Cycle.objects.filter(state__in=[CycleState.OPEN, CycleState.DECIDED]):
        yield f"CYCLE_LEFT {cycle.kind} {cycle.number} {cycle.state}"


def _given_up_too_soon() -> Iterator[str]:
    for intent in OrderIntent.objects.filter(state=IntentState.ABANDONED, misses__lt=MISSES):
        yield f"GIVEN_UP_TOO_SOON {intent.client_order_id}: not found {intent.misses} times"


def _refused_and_taken(world: World) -> Iterator[str]:
    """A broker that said no does not have the order; only one that is told to refuse may say no, then yes."""
    if world.faults["submit refuse"]:
        return
    told = Outbox.objects.filter(event="order_updated", payload__state="rejected").values_list("payload__id", flat=True)
    for intent in OrderIntent.objects.filter(id__in=[int(one) for one in told], broker_order__isnull=False):
        yield f"REFUSED_AND_TAKEN {intent.client_order_id}"


def _sent_after_stop(world: World) -> Iterator[str]:
    """I21: what a bot decided is not sent once it was told to rest; what protects a position is."""
    for bot_id, since, until in world.rests():
        late = OrderIntent.objects.filter(
            bot=bot_id, origin=Origin.BOT, replaces__isnull=True, leg=0, claimed_at__gt=since, claimed_at__lt=until
        )
        for intent in late.exclude(state=IntentState.ADOPTED):
            yield f"SENT_AFTER_STOP {intent.client_order_id} {intent.state}"


def _told(world: World) -> Iterator[str]:
    """I9: every event reached browsers, and new ones in order."""
    for bot_id in world.bots:
        versions = [told.version for told in world.told if told.bot_id == bot_id]
        first = list(dict.fromkeys(versions))
        stored = sorted(Outbox.objects.filter(bot=bot_id).values_list("version", flat=True))
        if first != sorted(first):
            yield f"EVENT_OUT_OF_ORDER bot {bot_id}"
        if sorted(first) != stored:
            yield f"EVENT_NEVER_TOLD bot {bot_id}: {len(stored) - len(first)}"
    yield from _lost()


def _lost() -> Iterator[str]:
    """What browsers must know of has its event."""
    orders = Outbox.objects.filter(event="order_updated", payload__state="filled")
    filled = {str(one) for one in OrderIntent.objects.filter(state=IntentState.FILLED).values_list("id", flat=True)}
    for lost in sorted(filled - {str(one) for one in orders.values_list("payload__id", flat=True)}):
        yield f"EVENT_LOST order {lost} filled"
    trades = Outbox.objects.filter(event="trade_executed").values_list("payload__id", flat=True)
    for trade_id in sorted({str(one) for one in Trade.objects.values_list("id", flat=True)} - set(trades)):
        yield f"EVENT_LOST trade {trade_id}"
    decided = Cycle.objects.filter(state__in=[CycleState.DECIDED, CycleState.DONE]).count()
    if Outbox.objects.filter(event="cycle").count() != decided:
        yield f"EVENT_LOST of {decided} cycles"


def _computed_again() -> Iterator[str]:
    for engine_run in EngineRun.objects.order_by("id"):
        for difference in recomputing.check(engine_run).differences:
            yield f"NOT_REPRODUCIBLE run {engine_run.id} cycle {difference.cycle}: {', '.join(difference.what)}"


def _as_backtested() -> Iterator[str]:
    """Faults that change no outcome leave the records of an undisturbed run over the same bars.

    Giving an order up, after the whole horizon, does change it.
    """
    given_up = OrderIntent.objects.filter(state__in=[IntentState.ABANDONED, IntentState.ADOPTED])
    alike = EngineRun.objects.filter(epoch=1, last_open_ms__isnull=False).exclude(id__in=given_up.values("run"))
    for engine_run in alike.order_by("id"):
        content = configuration.snapshot(engine_run.snapshot_id)
        plan = runs.plan_of(Frozen(engine_run.snapshot_id, content), runs.instruments_of(engine_run))
        setting = runs.Setting(Frozen(engine_run.snapshot_id, content), 0, plan)
        bars = runs.bars_between(engine_run, after_ms=engine_run.after_ms, to_ms=engine_run.last_open_ms)
        wanted = run.run(bars, plan=plan, state=run.start(plan), tradable=runs.tradable(engine_run, setting, bars))
        decided = [CycleState.DECIDED, CycleState.DONE]
        cycles = list(Cycle.objects.filter(run=engine_run, state__in=decided).order_by("number"))
        for column, (name, dtype) in _RECORDS.items():
            stored = np.frombuffer(b"".join(bytes(getattr(cycle, column)) for cycle in cycles), dtype)
            computed = getattr(wanted, name)
            if not _equal(stored, computed):
                yield f"NOT_AS_BACKTESTED run {engine_run.id}: {name} differ, {len(stored)} and {len(computed)}"


def _equal(stored: np.ndarray, wanted: np.ndarray) -> bool:
    names = stored.dtype.names or ()
    return len(stored) == len(wanted) and all(
        np.array_equal(stored[name], wanted[name], equal_nan=stored[name].dtype.kind == "f") for name in names
    )
