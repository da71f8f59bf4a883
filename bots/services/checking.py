"""The invariants of the ledger as questions whose right answer is "no rows".

    check -> what is wrong with these runs' books, each with a code, a place and words
    ledger_sha256 -> which ledger this is; reconciling twice must not change it

What is in flight is not wrong: every question allows for what a cycle, a broker or the relay may still
be doing, so that it can be asked at any moment. Our tables are read in one snapshot; a broker is asked
afterwards, and compared only with what we had read of it by then. Nothing here writes.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, NamedTuple
from uuid import UUID

import structlog
from django.db import connection, transaction

from bots import brokers
from bots.brokers.ports import Broker, BrokerEvent, BrokerUnsure
from bots.mappers import decimal_of
from bots.models import HOLDS_SLOT, Bot, BotStatus, BrokerAccount, EngineRun, IntentState, OrderFact, OrderIntent
from bots.services import lifecycle, stepping
from bots.services.booking import SIDES
from engine.domain.enums import Leg, Side

logger = structlog.get_logger(__name__)

BROKEN: Final = "LEDGER_BROKEN"
"""The error code of a bot that was taken out because a check of its books found something."""
_PAGE: Final = 500
# Two readings of a broker's list that differ say that something happened in between: look again.
_LOOKS: Final = 3
_ALIVE: Final = (*HOLDS_SLOT, IntentState.ADOPTED)

_LEDGER: Final = (
    "bots_brokeraccount", "bots_enginerun", "bots_cycle", "bots_decision", "bots_orderintent", "bots_brokerorder",
    "bots_fill", "bots_orderfact", "bots_position", "bots_trade", "bots_journalentry", "bots_posting", "bots_outbox",
)  # fmt: skip
# When an account was last looked at is no part of what was found there.
_NOT_LEDGER: Final = "reconciled_at"

# code -> (words, query over %(runs)s that gives run and place of what is wrong)
_QUESTIONS: Final[Mapping[str, tuple[str, str]]] = {
    "ORDER_TWICE": (
        "an intent has more than one order at the broker",
        """SELECT i.run_id, i.client_order_id FROM bots_brokerorder b JOIN bots_orderintent i ON i.id = b.intent_id
           WHERE i.run_id = ANY(%(runs)s) GROUP BY i.run_id, i.client_order_id HAVING count(*) > 1""",
    ),
    "DECIDED_TWICE": (
        "cycles stepped the same bar, or left one out",
        """SELECT run_id, 'cycle ' || number FROM (
               SELECT run_id, number, first_open_ms,
                      lag(last_open_ms) OVER (PARTITION BY run_id ORDER BY number) AS before
               FROM bots_cycle WHERE run_id = ANY(%(runs)s) AND state IN ('decided', 'done') AND bars > 0) c
           WHERE first_open_ms <= before
           UNION ALL
           SELECT r.id, 'rows' FROM bots_enginerun r WHERE r.id = ANY(%(runs)s) AND r.rows <> (
               SELECT coalesce(sum(bars), 0) FROM bots_cycle c WHERE c.run_id = r.id AND state IN ('decided', 'done'))
           UNION ALL
           SELECT r.id, 'decisions' FROM bots_enginerun r WHERE r.id = ANY(%(runs)s) AND r.decisions <> (
               SELECT count(*) FROM bots_decision d WHERE d.run_id = r.id)""",
    ),
    "ORDER_BEFORE_INTENT": (
        "the broker had the order before we had decided on it",
        """SELECT i.run_id, i.client_order_id FROM bots_brokerorder b JOIN bots_orderintent i ON i.id = b.intent_id
           WHERE i.run_id = ANY(%(runs)s) AND i.origin <> 'external'
             AND i.created_at > b.submitted_at + interval '2 s'""",
    ),
    "FILL_GAP": (
        "fills of an order do not follow each other without a gap",
        """SELECT run_id, broker_order_id::text FROM (
               SELECT run_id, broker_order_id, cum_qty - qty AS starts,
                      lag(cum_qty, 1, 0) OVER (PARTITION BY broker_order_id ORDER BY cum_qty) AS before
               FROM bots_fill WHERE run_id = ANY(%(runs)s)) f
           WHERE starts <> before""",
    ),
    "FILLED_DIFFERS": (
        "an order says that more or less of it was filled than its fills do",
        """SELECT i.run_id, i.client_order_id FROM bots_brokerorder b JOIN bots_orderintent i ON i.id = b.intent_id
           WHERE i.run_id = ANY(%(runs)s) AND b.updated_at < statement_timestamp() - interval '60 s'
             AND b.filled_qty <> (SELECT coalesce(max(cum_qty), 0) FROM bots_fill f
                                  WHERE f.broker_order_id = b.broker_order_id)""",
    ),
    "UNRESOLVED": (
        "nobody has found out for five minutes whether the broker has this order",
        """SELECT run_id, client_order_id FROM bots_orderintent
           WHERE run_id = ANY(%(runs)s) AND state IN ('submitting', 'unknown')
             AND claimed_at < statement_timestamp() - interval '5 min'""",
    ),
    "STATE_DIFFERS": (
        "an order has ended at the broker, and its intent has not",
        """SELECT i.run_id, i.client_order_id FROM bots_brokerorder b JOIN bots_orderintent i ON i.id = b.intent_id
           WHERE i.run_id = ANY(%(runs)s) AND b.status IN ('filled', 'canceled', 'expired', 'rejected')
             AND i.state IN ('held', 'pending', 'submitting', 'unknown', 'working', 'adopted')""",
    ),
    "FILL_UNHEARABLE": (
        "a fill of ours has no fact, so that the engine can never hear of it",
        """SELECT f.run_id, f.id::text FROM bots_fill f
           JOIN bots_brokerorder b ON b.broker_order_id = f.broker_order_id
           JOIN bots_orderintent i ON i.id = b.intent_id
           WHERE f.run_id = ANY(%(runs)s) AND i.origin <> 'external'
             AND NOT EXISTS (SELECT FROM bots_orderfact o WHERE o.fill_id = f.id)""",
    ),
    "HEARD_DIFFERS": (
        "a cycle heard other facts than it says",
        """SELECT c.run_id, 'cycle ' || c.number FROM bots_cycle c WHERE c.run_id = ANY(%(runs)s)
             AND c.facts <> (SELECT count(*) FROM bots_orderfact o WHERE o.cycle_id = c.id)""",
    ),
    "BOOKED_DIFFERS": (
        "a fill was heard and not booked, or booked and not heard",
        """SELECT o.run_id, 'fact ' || o.id FROM bots_orderfact o
           LEFT JOIN bots_journalentry j ON j.fill_id = o.fill_id
           WHERE o.run_id = ANY(%(runs)s) AND o.fill_id IS NOT NULL AND (o.cycle_id IS NULL) <> (j.id IS NULL)""",
    ),
    "MONEY_FROM_NOWHERE": (
        "the postings of an entry do not sum to zero",
        """SELECT e.run_id, 'entry ' || e.id FROM bots_journalentry e JOIN bots_posting p ON p.entry_id = e.id
           WHERE e.run_id = ANY(%(runs)s) GROUP BY e.run_id, e.id HAVING sum(p.amount) <> 0""",
    ),
    "CASH_DIFFERS": (
        "the run's cash is not what its postings say",
        """SELECT r.id, r.cash::text FROM bots_enginerun r WHERE r.id = ANY(%(runs)s) AND r.cash <> (
               SELECT coalesce(sum(p.amount), 0) FROM bots_posting p JOIN bots_journalentry e ON e.id = p.entry_id
               WHERE e.run_id = r.id AND p.account = 'cash')""",
    ),
    "STATUS_WENT_BACK": (
        "an order was told to have ended, and then to be alive",
        """SELECT run_id, place FROM (
               SELECT r.id AS run_id, o.payload->>'id' AS place, o.payload->>'state' AS state,
                      lag(o.payload->>'state') OVER (PARTITION BY o.payload->>'id' ORDER BY o.version) AS before
               FROM bots_outbox o JOIN bots_enginerun r ON r.bot_id = o.bot_id AND r.ended_at IS NULL
               WHERE r.id = ANY(%(runs)s) AND o.event = 'order_updated'
                 AND o.created_at > statement_timestamp() - interval '30 min') e
           WHERE before IN ('filled', 'canceled', 'expired') AND state <> before
              OR before = 'working' AND state IN ('held', 'pending', 'submitting', 'unknown', 'unsent', 'abandoned')
              OR before IN ('submitting', 'unknown') AND state IN ('held', 'pending')""",
    ),
    "EVENT_GAP": (
        "the versions of a bot's events have a gap, or do not end with its newest",
        """SELECT r.id, b.event_version::text FROM bots_enginerun r JOIN bots_bot b ON b.id = r.bot_id
           JOIN (SELECT bot_id, count(*) AS told, min(version) AS first, max(version) AS last FROM bots_outbox
                 WHERE sent_at IS NULL OR sent_at > statement_timestamp() - interval '30 min' GROUP BY bot_id) o
             ON o.bot_id = b.id
           WHERE r.id = ANY(%(runs)s) AND r.ended_at IS NULL
             AND (o.last - o.first + 1 <> o.told OR o.last <> b.event_version)""",
    ),
    "EVENT_UNSENT": (
        "an event has waited for half a minute",
        """SELECT r.id, 'version ' || min(o.version) FROM bots_outbox o
           JOIN bots_enginerun r ON r.bot_id = o.bot_id AND r.ended_at IS NULL
           WHERE r.id = ANY(%(runs)s) AND o.sent_at IS NULL
             AND o.created_at < statement_timestamp() - interval '30 s' GROUP BY r.id""",
    ),
    "TOKEN_FELL": (
        "a cycle worked under an older lease than the one before it",
        """SELECT run_id, 'cycle ' || number FROM (
               SELECT run_id, number, lease_token,
                      lag(lease_token) OVER (PARTITION BY run_id ORDER BY number) AS before
               FROM bots_cycle WHERE run_id = ANY(%(runs)s)) c
           WHERE lease_token <= before""",
    ),
}
# The platform is slow or its relay is down; the books are right all the same.
_NO_REASON_TO_STOP: Final = frozenset({"EVENT_UNSENT"})


class Violation(NamedTuple):
    """Something that must not be. ``where``: the order, cycle or place it was found at."""

    code: str
    run_id: int
    where: str
    words: str


class _Account(NamedTuple):
    """What we had read of one account at the broker, in the snapshot."""

    run_id: int
    is_open: bool
    account: BrokerAccount
    orders: Mapping[str, UUID]
    fills: Mapping[tuple[UUID, Decimal], tuple[Decimal, Decimal, Decimal]]
    held: Mapping[tuple[str, str], Decimal]
    cash: Decimal
    is_heard: bool


def all_runs() -> list[int]:
    """Every run there ever was."""
    return list(EngineRun.objects.order_by("id").values_list("id", flat=True))


def open_runs() -> list[int]:
    """The runs whose books go on."""
    return list(EngineRun.objects.filter(ended_at__isnull=True).order_by("id").values_list("id", flat=True))


def check(run_ids: Sequence[int]) -> list[Violation]:
    """What is wrong with the books of these runs. A broker that does not answer is left out, with a warning."""
    with transaction.atomic():
        if not connection.savepoint_ids:  # inside somebody's transaction it has begun already
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        found = [*_asked(run_ids), *_positions(run_ids), *_legs(run_ids)]
        accounts = [_account(one) for one in _runs(run_ids)]
    for one in accounts:
        try:
            found += _compared(one)
        except BrokerUnsure as unsure:
            logger.warning("ledger.not_compared", account_id=str(one.account.id), message=unsure.message)
    return found


def stop_broken() -> list[Violation]:
    """Check the open runs, log every violation, and take the bots with broken books out of trading."""
    found = check(open_runs())
    for row in found:
        logger.error("ledger.broken", error_code=row.code, run_id=row.run_id, where=row.where, message=row.words)
    worst = {row.run_id: row for row in reversed(found) if row.code not in _NO_REASON_TO_STOP}
    for run_id in sorted(worst):
        _stop(run_id, worst[run_id])
    return found


def ledger_sha256() -> str:
    """Which ledger this is: every row of every table of it."""
    digest = hashlib.sha256()
    with connection.cursor() as cursor:
        for table in _LEDGER:
            cursor.execute(f"SELECT (to_jsonb(t) - '{_NOT_LEDGER}')::text FROM {table} t ORDER BY 1")  # noqa: S608  our names
            digest.update(table.encode())
            for (row,) in cursor.fetchall():
                digest.update(row.encode())
    return digest.hexdigest()


def _stop(run_id: int, row: Violation) -> None:
    with transaction.atomic():
        bot = Bot.objects.select_for_update(no_key=True).get(runs=run_id)
        if bot.status in (BotStatus.RUNNING, BotStatus.PAUSED):
            lifecycle.fail(bot, code=BROKEN, message=f"{row.code}: {row.words} ({row.where}).")


def _runs(run_ids: Sequence[int]) -> Iterable[EngineRun]:
    return EngineRun.objects.filter(id__in=run_ids).select_related("account").order_by("id")


# --- in our own tables


def _asked(run_ids: Sequence[int]) -> Iterator[Violation]:
    with connection.cursor() as cursor:
        for code, (words, query) in _QUESTIONS.items():
            cursor.execute(query, {"runs": list(run_ids)})
            for run_id, where in cursor.fetchall():
                yield Violation(code, run_id, where, words)


def _positions(run_ids: Sequence[int]) -> Iterator[Violation]:
    """I6, our half: fills that were heard = open positions = the engine's state."""
    for one in _runs(run_ids):
        if one.ended_at is not None:
            continue
        heard = _sums(OrderFact.objects.filter(run=one, cycle__isnull=False, fill__isnull=False))
        shown = {(row.symbol, row.side): row.quantity for row in one.positions.filter(is_open=True)}
        state = stepping.from_bytes(bytes(one.state))
        counted = {
            (symbol, SIDES[int(side)]): decimal_of(float(state.positions["qty"][place, side]))
            for place, symbol in enumerate(one.symbols)
            for side in Side
        }
        for place in {*heard, *shown, *counted}:
            quantities = [book.get(place, Decimal(0)) for book in (heard, shown, counted)]
            if len(set(quantities)) > 1:
                words = "fills heard {}, position {}, engine {}".format(*(f"{one.normalize():f}" for one in quantities))
                yield Violation("POSITION_DIFFERS", one.id, " ".join(place), words)
        if decimal_of(float(state.account["cash"][0])) != one.cash:
            yield Violation("CASH_DIFFERS", one.id, "state", "the engine's cash is not the run's")


def _sums(facts: Any) -> dict[tuple[str, str], Decimal]:
    held: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    rows = facts.values_list("intent__symbol", "intent__side", "intent__is_entry", "fill__qty")
    for symbol, side, is_entry, qty in rows:
        held[symbol, side] += qty if is_entry else -qty
    return held


def _legs(run_ids: Sequence[int]) -> Iterator[Violation]:
    """What the engine waits for is alive somewhere, and what is alive in a main leg it waits for."""
    for one in _runs(run_ids):
        if one.ended_at is not None or OrderFact.objects.filter(run=one, cycle__isnull=True).exists():
            continue  # it is about to hear what changes its mind
        working = stepping.from_bytes(bytes(one.state)).legs["working"]
        waited = {
            (symbol, SIDES[int(side)], int(leg))
            for place, symbol in enumerate(one.symbols)
            for side in Side
            for leg in Leg
            if working[place, side, leg]
        }
        alive = set(one.intents.filter(state__in=_ALIVE).values_list("symbol", "side", "leg"))
        resting = one.intents.filter(state=IntentState.WORKING, leg=Leg.MAIN)
        for place in sorted(waited - alive):
            yield Violation("WAITS_FOR_NOTHING", one.id, "{} {} {}".format(*place), "no order is alive in this leg")
        for place in sorted({*resting.values_list("symbol", "side", "leg")} - waited):
            yield Violation("NOT_WAITED_FOR", one.id, "{} {} {}".format(*place), "the engine knows of no order here")


# --- at the broker


def _account(one: EngineRun) -> _Account:
    intents = OrderIntent.objects.filter(account=one.account_id, broker_order__isnull=False)
    orders = dict(intents.values_list("client_order_id", "broker_order__broker_order_id"))
    fills, held = {}, defaultdict[tuple[str, str], Decimal](Decimal)
    rows = intents.filter(broker_order__fills__isnull=False).values_list(
        "broker_order__broker_order_id", "broker_order__fills__cum_qty", "broker_order__fills__qty",
        "broker_order__fills__price", "broker_order__fills__fee", "symbol", "side", "is_entry",
    )  # fmt: skip
    for order_id, cum_qty, qty, price, fee, symbol, side, is_entry in rows:
        fills[order_id, cum_qty] = (qty, price, fee)
        held[symbol, side] += qty if is_entry else -qty
    unheard = OrderFact.objects.filter(run=one, cycle__isnull=True, fill__isnull=False)
    return _Account(one.id, one.ended_at is None, one.account, orders, fills, held, one.cash, not unheard.exists())


def _compared(one: _Account) -> Iterator[Violation]:
    broker = brokers.broker_of(one.account)
    for _ in range(_LOOKS):
        listed = _listed(broker, after=0)
        positions, cash = broker.positions(), broker.cash()
        last = listed[-1].sequence if listed else 0
        if not broker.events(after=last, limit=1):
            break
    else:
        return
    yield from _missing(one, [event for event in listed if event.sequence <= one.account.cursor])
    unread = [event for event in listed if event.sequence > one.account.cursor]
    held = defaultdict(Decimal, one.held)
    for event in unread:
        held[event.order.symbol, event.order.side] += event.qty if event.order.is_entry else -event.qty
    for place in {*held, *positions}:
        if held.get(place, Decimal(0)) != positions.get(place, Decimal(0)):
            words = f"our fills say {held.get(place, 0)}, the broker {positions.get(place, 0)}"
            yield Violation("BROKER_POSITION_DIFFERS", one.run_id, " ".join(place), words)
    if one.is_open and one.is_heard and not any(event.is_fill for event in unread) and cash != one.cash:
        yield Violation("BROKER_CASH_DIFFERS", one.run_id, "cash", f"ours is {one.cash}, the broker's {cash}")


def _missing(one: _Account, listed: Sequence[BrokerEvent]) -> Iterator[Violation]:
    """I1, I2, I3: whatever we have read of the broker's list is in our books, once."""
    names: dict[str, UUID] = {}
    for event in listed:
        order = event.order
        if names.setdefault(order.client_order_id, order.order_id) != order.order_id:
            yield Violation("ORDER_TWICE", one.run_id, order.client_order_id, "two orders at the broker have this id")
    for name, order_id in names.items():
        if one.orders.get(name) != order_id:
            yield Violation("ORDER_LOST", one.run_id, name, "an order of the broker's list is not in our books")
    for event in listed:
        wanted = (event.qty, event.price, event.fee)
        if event.is_fill and one.fills.get((event.order.order_id, event.cum_qty)) != wanted:
            where = f"{event.order.client_order_id} {event.cum_qty}"
            yield Violation("FILL_LOST", one.run_id, where, "a fill of the broker's list is not in our books")
    happened = sum(event.is_fill for event in listed)
    if len(one.fills) > happened:
        words = f"{len(one.fills)} fills in our books, {happened} on the broker's list"
        yield Violation("FILL_INVENTED", one.run_id, str(one.account.id), words)


def _listed(broker: Broker, *, after: int) -> list[BrokerEvent]:
    found: list[BrokerEvent] = []
    while True:
        page = broker.events(after=found[-1].sequence if found else after, limit=_PAGE)
        found += page
        if len(page) < _PAGE:
            return found
