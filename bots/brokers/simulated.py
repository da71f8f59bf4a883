"""The simulated broker: an account elsewhere, as durable and as fallible as a real one.

It writes its own tables only, on a connection that commits at once: what it has accepted stays
accepted, whatever becomes of the transaction of whoever asked. Every call is one transaction under
the account's row lock. Orders meet bars when the feed shows them (``match``); how they fill is the
engine's exchange, so that a bot trades here as it would in a backtest.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from bots.brokers import simulated_books, simulated_faults
from bots.brokers.ports import DUPLICATE, BrokerEvent, OrderReport, OrderRequest, Refused
from bots.brokers.simulated_books import FILL, Books
from bots.brokers.simulated_desk import ALIVE, Desk
from bots.brokers.simulated_faults import (
    ALIAS,
    FILL_LATE,
    FILL_PARTLY,
    LOSE_ANSWER,
    REFUSE,
    TIME_OUT,
    connected,
    fail_next,
)
from bots.models import SimulatedAccount, SimulatedEvent, SimulatedFault, SimulatedOrder
from configuration.mappers import VenueSettings
from engine import exchange
from engine.domain.errors import BrokerError, InputError
from engine.domain.values import Bars, Instrument

__all__ = [
    "ALIAS",
    "FILL_LATE",
    "FILL_PARTLY",
    "LOSE_ANSWER",
    "REFUSE",
    "TIME_OUT",
    "Simulated",
    "expire_all",
    "fail_next",
    "match",
    "open_account",
]

_SHARE = {FILL_PARTLY: 0.5, FILL_LATE: 0.0}


class Simulated:
    """One account at the simulated broker; see ``ports.Broker`` for what each call promises."""

    def __init__(self, account_id: UUID) -> None:
        self._account_id = account_id

    def submit(self, request: OrderRequest) -> OrderReport | Refused:
        """Place it; it meets the next bar that is matched. Refusals name what is wrong."""
        try:
            with _opened(self._account_id) as desk:
                fault = simulated_faults.due(self._account_id, "submit")
                answer = _in_vain(fault) or _used(request) or desk.submit(request)
        except IntegrityError:
            # Another account used the id in the same moment: the database saw it, our look-up did not.
            return _duplicate(request.client_order_id)
        return _answered(answer, fault)

    def replace(self, client_order_id: str, request: OrderRequest) -> OrderReport | Refused:
        """Both or neither. Of a bracket the distance is kept: a further part of its entry restores the price."""
        try:
            with _opened(self._account_id) as desk:
                fault = simulated_faults.due(self._account_id, "submit")
                answer = _in_vain(fault) or _used(request) or desk.replace(client_order_id, request)
        except IntegrityError:
            return _duplicate(request.client_order_id)
        return _answered(answer, fault)

    def cancel(self, client_order_id: str) -> OrderReport | Refused:
        """End it, and what is held for it; one that has ended already is reported as it is."""
        with _opened(self._account_id) as desk:
            fault = simulated_faults.due(self._account_id, "cancel")
            refused = _in_vain(fault)
            if refused is None:
                desk.cancel(client_order_id)
        simulated_faults.make_sure(fault)
        unknown = Refused("unknown_order", f"There is no order {client_order_id}.")
        return refused or self._report(client_order_id) or unknown

    def find(self, client_order_id: str) -> OrderReport | None:
        """The order of that id with its children, whatever its state."""
        self._fail_reading("find")
        return self._report(client_order_id)

    def events(self, *, after: int, limit: int = 500) -> list[BrokerEvent]:
        """The account-wide list, oldest first."""
        self._fail_reading("events")
        rows = SimulatedEvent.objects.using(ALIAS).filter(account=self._account_id, sequence__gt=after)
        with connected():
            return [_event(row) for row in rows.select_related("order").order_by("sequence")[:limit]]

    def positions(self) -> dict[tuple[str, str], Decimal]:
        """What the account holds, by the exchange's own ledger."""
        return self._books().positions()

    def cash(self) -> Decimal:
        """The account's cash, by the exchange's own ledger."""
        return self._books().cash()

    def _books(self) -> Books:
        with connected():
            return simulated_books.books_of(_account(self._account_id))

    def _report(self, client_order_id: str) -> OrderReport | None:
        with connected():
            order = _orders(self._account_id).filter(client_order_id=client_order_id).first()
            if order is None:
                return None
            return simulated_books.report_of(
                order, list(_orders(self._account_id).filter(parent=order).order_by("leg"))
            )

    def _fail_reading(self, call: str) -> None:
        with connected():
            # Read at every cycle of every bot: a lock is taken only where somebody ordered a failure.
            if not SimulatedFault.objects.using(ALIAS).filter(call=call, remaining__gt=0).exists():
                return
        with connected(), transaction.atomic(using=ALIAS):
            fault = simulated_faults.due(self._account_id, call)
        simulated_faults.make_sure(fault)


def open_account(
    account_id: UUID,
    *,
    symbols: Sequence[str],
    instruments: Sequence[Instrument],
    capital: Decimal,
    venue: VenueSettings | None = None,
) -> None:
    """Open an account with all capital in cash; one that is open already stays as it is.

    instruments: one for each symbol, in their order. venue: by default no fees and no slippage.
    """
    settings = simulated_books.settings_of(instruments, venue or VenueSettings())
    books = simulated_books.opened(symbols, settings, capital=capital)
    account = SimulatedAccount(id=account_id, symbols=list(symbols), params=settings, state=books.to_bytes())
    with connected():
        SimulatedAccount.objects.using(ALIAS).bulk_create([account], ignore_conflicts=True)


def match(account_id: UUID, bars: Bars) -> int:
    """Let the account's orders meet bars that have just closed. Returns how many events that wrote.

    bars: all of one timestamp; ``symbol`` is the place in the account's symbols. Bars that were
    met before, or older ones, lead to nothing. Raises: InputError (``bad_bars``).
    """
    if len(bars.open_ms) == 0:
        return 0
    if bars.open_ms[0] != bars.open_ms[-1]:
        raise InputError("These bars are of more than one timestamp.")
    with _opened(account_id) as desk:
        if desk.has_met(bars):
            return 0
        fault = simulated_faults.next_due(account_id, "match")
        is_due = desk.meet(bars, share=exchange.WHOLE if fault is None else _SHARE[fault.kind])
        # The failure waits for an order that it can happen to.
        if fault is not None and is_due:
            simulated_faults.use_up(fault)
    return len(desk.events)


def expire_all(account_id: UUID, *, at_ms: int) -> int:
    """End every open order, because no bar will come any more. Returns how many events that wrote."""
    with _opened(account_id) as desk:
        desk.expire_all(at_ms)
    return len(desk.events)


@contextmanager
def _opened(account_id: UUID) -> Iterator[Desk]:
    """The account's desk, its row locked; what was done there is written before the lock goes."""
    with connected(), transaction.atomic(using=ALIAS):
        account = _account(account_id, locked=True)
        before = account.matched_ms
        # In a settled order: several that end at once are told of in the order in which they lie here.
        desk = Desk(account, _orders(account_id).filter(status__in=ALIVE).order_by("symbol", "side", "leg"))
        yield desk
        if desk.events or account.matched_ms != before:
            _save(desk)


def _save(desk: Desk) -> None:
    SimulatedOrder.objects.using(ALIAS).bulk_create(desk.new)
    for order in desk.changed.values():
        _orders(desk.account.id).filter(id=order.id).update(
            qty=order.qty,
            filled_qty=order.filled_qty,
            limit_price=order.limit_price,
            stop_price=order.stop_price,
            status=order.status,
            updated_at=Now(),
        )
    SimulatedEvent.objects.using(ALIAS).bulk_create(desk.events)
    desk.account.state = desk.packed_state() or desk.account.state
    desk.account.save(using=ALIAS, update_fields=["state", "sequence", "matched_ms"])


def _account(account_id: UUID, *, locked: bool = False) -> SimulatedAccount:
    accounts = SimulatedAccount.objects.using(ALIAS)
    account = (accounts.select_for_update() if locked else accounts).filter(id=account_id).first()
    if account is None:
        raise BrokerError(f"The simulated broker has no account {account_id}.", code="UNKNOWN_ACCOUNT")
    return account


def _orders(account_id: UUID) -> QuerySet[SimulatedOrder]:
    return SimulatedOrder.objects.using(ALIAS).filter(account=account_id)


def _used(request: OrderRequest) -> Refused | None:
    """The refusal where any id of the request, its children included, was used before; None: none was."""
    wanted = [request.client_order_id, *(child.client_order_id for child in request.bracket)]
    if len(set(wanted)) != len(wanted):
        return _duplicate(request.client_order_id)
    known = SimulatedOrder.objects.using(ALIAS).filter(client_order_id__in=wanted).first()
    return None if known is None else _duplicate(known.client_order_id)


def _in_vain(fault: str | None) -> Refused | None:
    """The answer where the failure is that nothing arrives or nothing is taken."""
    return (
        Refused("told_to_refuse", "The simulated broker was told to refuse.") if fault in (REFUSE, TIME_OUT) else None
    )


def _answered(answer: list[SimulatedOrder] | Refused, fault: str | None) -> OrderReport | Refused:
    simulated_faults.make_sure(fault)
    return answer if isinstance(answer, Refused) else simulated_books.report_of(answer[0], answer[1:])


def _duplicate(client_order_id: str) -> Refused:
    return Refused(DUPLICATE, f"client_order_id must be unique: {client_order_id} was used before.")


def _event(row: SimulatedEvent) -> BrokerEvent:
    zero = Decimal(0)
    return BrokerEvent(
        sequence=row.sequence,
        order=simulated_books.report_at(row),
        at_ms=row.at_ms,
        is_fill=row.kind == FILL,
        cum_qty=row.cum_qty or zero,
        qty=row.qty or zero,
        price=row.price or zero,
        fee=row.fee or zero,
    )
