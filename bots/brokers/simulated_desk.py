"""What a call does to one simulated account while its row is locked: in memory, and told event by event.

Nothing is read or written here. ``simulated`` brings the rows, and writes what is ``new``, ``changed``
and in ``events`` when the call ends.
"""

from collections.abc import Iterable
from uuid import UUID

import numpy as np

from bots.brokers import simulated_books
from bots.brokers.ports import OrderRequest, Refused
from bots.brokers.simulated_books import FILL, Place
from bots.mappers import decimal_of
from bots.models import OrderStatus, SimulatedAccount, SimulatedEvent, SimulatedOrder
from engine import exchange
from engine.domain.values import Bars

ALIVE = (OrderStatus.HELD, OrderStatus.WORKING, OrderStatus.PARTIALLY_FILLED)
"""An order of which something may still come."""


class Desk:
    """An account, and the orders of it that are alive."""

    def __init__(self, account: SimulatedAccount, alive: Iterable[SimulatedOrder]) -> None:
        self.account = account
        self.new: list[SimulatedOrder] = []
        self.changed: dict[UUID, SimulatedOrder] = {}
        self.events: list[SimulatedEvent] = []
        self._books = self._kept = simulated_books.books_of(account)
        self._alive: dict[Place, SimulatedOrder] = {(one.symbol, one.side, one.leg): one for one in alive}

    def submit(self, request: OrderRequest) -> list[SimulatedOrder] | Refused:
        """Rest it, its bracket held; the order and its children."""
        refused = simulated_books.shape_fault(request, self._books.symbols)
        refused = refused or self._taken(request) or self._uncovered(request)
        if refused is not None:
            return refused
        order = simulated_books.new_order(request, self.account)
        children = simulated_books.new_children(request, order)
        self._rest(order, request)
        for child in children:
            self._add(child)
        return [order, *children]

    def replace(self, client_order_id: str, request: OrderRequest) -> list[SimulatedOrder] | Refused:
        """End the one and rest the other in its place; the new order."""
        refused = simulated_books.shape_fault(request, self._books.symbols)
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
        order = simulated_books.new_order(request, self.account)
        order.bracket_fraction = old.bracket_fraction
        self._rest(order, request)
        return [order]

    def cancel(self, client_order_id: str) -> None:
        """End it, where it is alive."""
        order = next((one for one in self._alive.values() if one.client_order_id == client_order_id), None)
        if order is not None:
            self._end(order, OrderStatus.CANCELED, self._now_ms())

    def has_met(self, bars: Bars) -> bool:
        """True for bars that were met before, and for older ones."""
        return self.account.matched_ms is not None and bool(bars.open_ms[0] <= self.account.matched_ms)

    def meet(self, bars: Bars, *, share: float) -> bool:
        """Let the orders meet bars of one timestamp. True where any of them was due.

        share: how much of itself the first of them fills, in whole steps.
        """
        open_ms = int(bars.open_ms[0])
        self.account.matched_ms = open_ms
        if exchange.is_idle(self._books.state):
            return False
        met = self._books.met(bars, self._alive, share=share)
        self._books = self._books._replace(state=met.state, book=met.book)
        for turn in met.turns:
            self._take(turn, open_ms)
        return bool(met.turns)

    def expire_all(self, at_ms: int) -> None:
        """End every order that is alive."""
        # Parents first: what is held for them ends with them.
        for order in sorted(self._alive.values(), key=lambda one: one.leg):
            if order.status in ALIVE:
                self._end(order, OrderStatus.EXPIRED, at_ms)

    def packed_state(self) -> bytes | None:
        """The books for the account's row; None where they are as they were."""
        return None if self._books is self._kept else self._books.to_bytes()

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
        self.new.append(order)
        self._alive[order.symbol, order.side, order.leg] = order
        self._tell(order, self._now_ms())

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
        self.account.sequence += 1
        event = event or SimulatedEvent(kind=order.status)
        event.account, event.order, event.sequence = self.account, order, self.account.sequence
        event.at_ms, event.cum_qty = at_ms, order.filled_qty
        self.events.append(event)
        if order not in self.new:
            self.changed[order.id] = order

    def _now_ms(self) -> int:
        return self.account.matched_ms or 0
