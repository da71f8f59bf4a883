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

import numpy as np
from django.db import IntegrityError, InterfaceError, OperationalError, transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from bots.brokers import simulated_books
from bots.brokers.ports import DUPLICATE, BrokerEvent, BrokerUnsure, OrderReport, OrderRequest, Refused
from bots.brokers.simulated_books import FILL, Place
from bots.mappers import decimal_of
from bots.models import OrderStatus, SimulatedAccount, SimulatedEvent, SimulatedFault, SimulatedOrder
from configuration.mappers import VenueSettings
from engine import exchange
from engine.domain.errors import BrokerError, InputError
from engine.domain.values import Bars, Instrument

ALIAS = "broker"
REFUSE, TIME_OUT, LOSE_ANSWER, FILL_PARTLY, FILL_LATE = "refuse", "time_out", "lose_answer", "fill_partly", "fill_late"

_FAULTS = {
    "submit": (REFUSE, TIME_OUT, LOSE_ANSWER),
    "cancel": (REFUSE, TIME_OUT, LOSE_ANSWER),
    "find": (TIME_OUT,),
    "events": (TIME_OUT,),
    "match": (FILL_PARTLY, FILL_LATE),
}
_SHARE = {FILL_PARTLY: 0.5, FILL_LATE: 0.0}
_ALIVE = (OrderStatus.HELD, OrderStatus.WORKING, OrderStatus.PARTIALLY_FILLED)


class Simulated:
    """One account at the simulated broker; see ``ports.Broker`` for what each call promises."""

    def __init__(self, account_id: UUID) -> None:
        self._account_id = account_id

    def submit(self, request: OrderRequest) -> OrderReport | Refused:
        """Place it; it meets the next bar that is matched. Refusals name what is wrong."""
        try:
            with _opened(self._account_id) as desk:
                fault = desk.fault_of("submit")
                answer = _in_vain(fault) or desk.submit(request)
        except IntegrityError:
            # Another account used the id in the same moment: the database saw it, our look-up did not.
            return _duplicate(request.client_order_id)
        return _answered(answer, fault)

    def replace(self, client_order_id: str, request: OrderRequest) -> OrderReport | Refused:
        """Both or neither. Of a bracket the distance is kept: a further part of its entry restores the price."""
        try:
            with _opened(self._account_id) as desk:
                fault = desk.fault_of("submit")
                answer = _in_vain(fault) or desk.replace(client_order_id, request)
        except IntegrityError:
            return _duplicate(request.client_order_id)
        return _answered(answer, fault)

    def cancel(self, client_order_id: str) -> OrderReport | Refused:
        """End it, and what is held for it; one that has ended already is reported as it is."""
        with _opened(self._account_id) as desk:
            fault = desk.fault_of("cancel")
            answer = _in_vain(fault) or desk.cancel(client_order_id)
        return _answered(answer, fault)

    def find(self, client_order_id: str) -> OrderReport | None:
        """The order of that id with its children, whatever its state."""
        self._fail_reading("find")
        order = _orders(self._account_id).filter(client_order_id=client_order_id).first()
        return None if order is None else _with_children(order)

    def events(self, *, after: int, limit: int = 500) -> list[BrokerEvent]:
        """The account-wide list, oldest first."""
        self._fail_reading("events")
        rows = SimulatedEvent.objects.using(ALIAS).filter(account=self._account_id, sequence__gt=after)
        return [_event(row) for row in rows.select_related("order").order_by("sequence")[:limit]]

    def positions(self) -> dict[tuple[str, str], Decimal]:
        """What the account holds, by the exchange's own ledger."""
        return simulated_books.books_of(_account(self._account_id)).positions()

    def cash(self) -> Decimal:
        """The account's cash, by the exchange's own ledger."""
        return simulated_books.books_of(_account(self._account_id)).cash()

    def _fail_reading(self, call: str) -> None:
        with _connected():
            # Read at every cycle of every bot: a lock is taken only where somebody ordered a failure.
            if not SimulatedFault.objects.using(ALIAS).filter(call=call, remaining__gt=0).exists():
                return
        with _connected(), transaction.atomic(using=ALIAS):
            fault = _next_fault(self._account_id, call)
            if fault is not None:
                _use_up(fault)
        if fault is not None:
            raise BrokerUnsure(f"The simulated broker did not answer ({call}).")


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
    with _connected():
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
        return desk.match(bars)


def expire_all(account_id: UUID, *, at_ms: int) -> int:
    """End every open order, because no bar will come any more. Returns how many events that wrote."""
    with _opened(account_id) as desk:
        return desk.expire_all(at_ms)


def fail_next(call: str, kind: str, *, account_id: UUID | None = None, times: int = 1) -> None:
    """Tell the broker to fail the next ``times`` calls: of one account, or of any.

    Raises: InputError: no such failure of that call.
    """
    if kind not in _FAULTS.get(call, ()):
        known = "; ".join(f"{each}: {', '.join(kinds)}" for each, kinds in _FAULTS.items())
        raise InputError(f"The simulated broker cannot {kind} on {call}. It can: {known}.")
    with _connected():
        SimulatedFault.objects.using(ALIAS).create(call=call, kind=kind, account_id=account_id, remaining=times)


class _Desk:
    """One account while its row is locked: what is done to it is saved when the call ends."""

    def __init__(self, account: SimulatedAccount) -> None:
        self._account = account
        self._before = account.sequence
        self._books = self._kept = simulated_books.books_of(account)
        self._alive: dict[Place, SimulatedOrder] = {
            (order.symbol, order.side, order.leg): order for order in _orders(account.id).filter(status__in=_ALIVE)
        }
        self._new: list[SimulatedOrder] = []
        self._changed: dict[UUID, SimulatedOrder] = {}
        self._events: list[SimulatedEvent] = []

    def fault_of(self, call: str) -> str | None:
        """The failure that was ordered for this call, if any: it counts as had."""
        fault = _next_fault(self._account.id, call)
        if fault is None:
            return None
        _use_up(fault)
        return fault.kind

    def submit(self, request: OrderRequest) -> OrderReport | Refused:
        refused = self._used(request) or simulated_books.shape_fault(request, self._books.symbols)
        refused = refused or self._taken(request) or self._uncovered(request)
        if refused is not None:
            return refused
        order = simulated_books.new_order(request, self._account)
        children = simulated_books.new_children(request, order)
        self._rest(order, request)
        for child in children:
            self._add(child)
        self.save()
        return simulated_books.report_of(order, children)

    def replace(self, client_order_id: str, request: OrderRequest) -> OrderReport | Refused:
        refused = self._used(request) or simulated_books.shape_fault(request, self._books.symbols)
        if refused is not None:
            return refused
        old = self._alive.get((request.symbol, request.side, request.leg))
        if old is None or old.client_order_id != client_order_id:
            return Refused("not_working", f"{client_order_id} does not work in that place (any more).")
        if old.is_entry or request.is_entry or old.status == OrderStatus.HELD:
            return Refused("not_replaceable", "Only exits that work can be replaced.")
        refused = self._uncovered(request)
        if refused is not None:
            return refused
        self._end(old, OrderStatus.CANCELED, self._now_ms())
        order = simulated_books.new_order(request, self._account)
        order.bracket_fraction = old.bracket_fraction
        self._rest(order, request)
        self.save()
        return simulated_books.report_of(order)

    def cancel(self, client_order_id: str) -> OrderReport | Refused:
        order = next((one for one in self._alive.values() if one.client_order_id == client_order_id), None)
        if order is not None:
            self._end(order, OrderStatus.CANCELED, self._now_ms())
            self.save()
        ended = _orders(self._account.id).filter(client_order_id=client_order_id).first()
        if ended is None:
            return Refused("unknown_order", f"There is no order {client_order_id}.")
        return _with_children(ended)

    def match(self, bars: Bars) -> int:
        open_ms = int(bars.open_ms[0])
        if self._account.matched_ms is not None and open_ms <= self._account.matched_ms:
            return 0
        self._account.matched_ms = open_ms
        if not exchange.is_idle(self._books.state):
            self._meet(bars, open_ms)
        self.save()
        return self._account.sequence - self._before

    def expire_all(self, at_ms: int) -> int:
        # Parents first: what is held for them ends with them.
        for order in sorted(self._alive.values(), key=lambda one: one.leg):
            if order.status in _ALIVE:
                self._end(order, OrderStatus.EXPIRED, at_ms)
        self.save()
        return self._account.sequence - self._before

    def save(self) -> None:
        """Write everything that changed since the account was opened."""
        SimulatedOrder.objects.using(ALIAS).bulk_create(self._new)
        for order in self._changed.values():
            _orders(self._account.id).filter(id=order.id).update(
                qty=order.qty,
                filled_qty=order.filled_qty,
                limit_price=order.limit_price,
                stop_price=order.stop_price,
                status=order.status,
                updated_at=Now(),
            )
        SimulatedEvent.objects.using(ALIAS).bulk_create(self._events)
        if self._books is not self._kept:
            self._account.state = self._books.to_bytes()
        self._account.save(using=ALIAS, update_fields=["state", "sequence", "matched_ms"])

    def _used(self, request: OrderRequest) -> Refused | None:
        wanted = [request.client_order_id, *(child.client_order_id for child in request.bracket)]
        if len(set(wanted)) != len(wanted):
            return _duplicate(request.client_order_id)
        known = SimulatedOrder.objects.using(ALIAS).filter(client_order_id__in=wanted).first()
        return None if known is None else _duplicate(known.client_order_id)

    def _taken(self, request: OrderRequest) -> Refused | None:
        for leg in (request.leg, *(child.leg for child in request.bracket)):
            other = self._alive.get((request.symbol, request.side, leg))
            if other is not None:
                return Refused("leg_taken", f"{other.client_order_id} works there already.")
        return None

    def _uncovered(self, request: OrderRequest) -> Refused | None:
        held = self._books.held(request.symbol, request.side)
        if request.is_entry or request.qty <= held:
            return None
        if held == 0:
            return Refused("nothing_held", f"There is no {request.side} position in {request.symbol}.")
        return Refused("more_than_held", f"The quantity is {request.qty}, {held} is held.")

    def _rest(self, order: SimulatedOrder, request: OrderRequest) -> None:
        self._books = self._books.placed(self._books.record_of(request))
        self._add(order)

    def _add(self, order: SimulatedOrder) -> None:
        self._new.append(order)
        self._alive[order.symbol, order.side, order.leg] = order
        self._tell(order, self._now_ms())

    def _meet(self, bars: Bars, open_ms: int) -> None:
        fault = _next_fault(self._account.id, "match")
        share = exchange.WHOLE if fault is None else _SHARE[fault.kind]
        met = self._books.met(bars, self._alive, share=share)
        if fault is not None and met.turns:
            _use_up(fault)
        self._books = self._books._replace(state=met.state, book=met.book)
        for turn in met.turns:
            self._take(turn, open_ms)

    def _take(self, turn: exchange.Turn, open_ms: int) -> None:
        for fill in turn.fills:
            self._fill(fill, open_ms)
        for asked in turn.orders:
            self._activate(asked, open_ms)
        for trip in turn.trips:
            # Flat: the exchange has ended whatever rested for the position.
            symbol, side, _ = self._books.place_at(int(trip["symbol"]), int(trip["side"]), 0)
            left = [order for place, order in self._alive.items() if place[:2] == (symbol, side)]
            for order in left:
                self._finish(order, OrderStatus.CANCELED, open_ms)

    def _fill(self, fill: np.void, open_ms: int) -> None:
        order = self._alive[self._books.place_of(fill)]
        qty = decimal_of(float(fill["qty"]))
        order.filled_qty += qty
        price, fee = decimal_of(float(fill["price"])), decimal_of(float(fill["fee"]))
        order.status = OrderStatus.PARTIALLY_FILLED if float(fill["remaining"]) else OrderStatus.FILLED
        if order.status == OrderStatus.FILLED:
            del self._alive[order.symbol, order.side, order.leg]
        self._tell(order, open_ms, SimulatedEvent(kind=FILL, qty=qty, price=price, fee=fee))

    def _activate(self, asked: np.void, open_ms: int) -> None:
        """A bracket rests now that there is something to protect, or an exit is worth another quantity."""
        order = self._alive[self._books.place_of(asked)]
        order.qty = order.filled_qty + decimal_of(float(asked["qty"]))
        order.stop_price = decimal_of(float(asked["stop_price"])) or None
        order.limit_price = decimal_of(float(asked["limit_price"])) or None
        if order.status == OrderStatus.HELD:
            order.status = OrderStatus.WORKING
        self._tell(order, open_ms)

    def _end(self, order: SimulatedOrder, status: OrderStatus, at_ms: int) -> None:
        """End an order that is alive, and what is held for it if nothing of it ever filled."""
        if order.status != OrderStatus.HELD:
            self._books = self._books.cancelled((order.symbol, order.side, order.leg))
        self._finish(order, status, at_ms)
        held = [child for child in self._alive.values() if child.parent_id == order.id]
        for child in held:
            if child.status == OrderStatus.HELD:
                self._finish(child, status, at_ms)

    def _finish(self, order: SimulatedOrder, status: OrderStatus, at_ms: int) -> None:
        del self._alive[order.symbol, order.side, order.leg]
        order.status = status
        self._tell(order, at_ms)

    def _tell(self, order: SimulatedOrder, at_ms: int, event: SimulatedEvent | None = None) -> None:
        self._account.sequence += 1
        event = event or SimulatedEvent(kind=order.status)
        event.account, event.order, event.sequence = self._account, order, self._account.sequence
        event.at_ms, event.cum_qty = at_ms, order.filled_qty
        self._events.append(event)
        if order not in self._new:
            self._changed[order.id] = order

    def _now_ms(self) -> int:
        return self._account.matched_ms or 0


@contextmanager
def _opened(account_id: UUID) -> Iterator[_Desk]:
    with _connected(), transaction.atomic(using=ALIAS):
        yield _Desk(_account(account_id, locked=True))


@contextmanager
def _connected() -> Iterator[None]:
    """A connection that broke leaves the caller unsure, as one to a broker elsewhere would."""
    try:
        yield
    except (OperationalError, InterfaceError) as error:
        raise BrokerUnsure("The connection to the simulated broker broke.") from error


def _account(account_id: UUID, *, locked: bool = False) -> SimulatedAccount:
    accounts = SimulatedAccount.objects.using(ALIAS)
    account = (accounts.select_for_update() if locked else accounts).filter(id=account_id).first()
    if account is None:
        raise BrokerError(f"The simulated broker has no account {account_id}.", code="UNKNOWN_ACCOUNT")
    return account


def _orders(account_id: UUID) -> QuerySet[SimulatedOrder]:
    return SimulatedOrder.objects.using(ALIAS).filter(account=account_id)


def _with_children(order: SimulatedOrder) -> OrderReport:
    return simulated_books.report_of(order, list(_orders(order.account_id).filter(parent=order).order_by("leg")))


def _next_fault(account_id: UUID, call: str) -> SimulatedFault | None:
    faults = SimulatedFault.objects.using(ALIAS).select_for_update().filter(call=call, remaining__gt=0)
    return faults.filter(Q(account=account_id) | Q(account__isnull=True)).order_by("id").first()


def _use_up(fault: SimulatedFault) -> None:
    SimulatedFault.objects.using(ALIAS).filter(id=fault.id).update(remaining=fault.remaining - 1)


def _in_vain(fault: str | None) -> Refused | None:
    """The answer where the failure is that nothing arrives or nothing is taken."""
    return (
        Refused("told_to_refuse", "The simulated broker was told to refuse.") if fault in (REFUSE, TIME_OUT) else None
    )


def _answered(answer: OrderReport | Refused, fault: str | None) -> OrderReport | Refused:
    if fault in (TIME_OUT, LOSE_ANSWER):
        raise BrokerUnsure("The simulated broker did not answer.")
    return answer


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
