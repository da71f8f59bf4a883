"""A simulated account's books between its row and the engine's exchange: unpack, ask, pack. No row is written here.

Decimals become floats on the way in and come back by ``mappers.decimal_of``: prices and quantities
are on ticks and steps, so both ways are exact.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bots.brokers.ports import OrderReport, OrderRequest, Refused
from bots.mappers import decimal_of
from bots.models import OrderStatus, SimulatedAccount, SimulatedEvent, SimulatedOrder
from configuration import mappers as configuration_mappers
from configuration.mappers import VenueSettings
from engine import exchange, run
from engine.domain.enums import Action, Leg, OrderType, Side
from engine.domain.events import ORDER
from engine.domain.params import Params
from engine.domain.state import Book, State
from engine.domain.values import Bars, Instrument

Place = tuple[str, str, int]
"""(symbol, side, leg): holds one order at most."""

_SIDES = {side.name.lower(): int(side) for side in Side}
_TYPES = {kind.name.lower(): int(kind) for kind in OrderType}
# What may rest in each leg; the exchange knows no other way to fill there.
_TYPE_OF_LEG = {int(Leg.MAIN): "market", int(Leg.STOP): "stop", int(Leg.TARGET): "limit"}


class Books(NamedTuple):
    """An account as the exchange sees it. Methods give new books; nothing is changed in place."""

    symbols: tuple[str, ...]
    params: Params
    state: State
    book: Book

    def to_bytes(self) -> bytes:
        """What the account's row keeps."""
        return run.RunState(self.state, self.book).to_bytes()

    def placed(self, order: NDArray[np.void]) -> "Books":
        """With one more order, or another one in its leg."""
        state, book = exchange.place(self.state, self.book, order, self.params)
        return self._replace(state=state, book=book)

    def cancelled(self, place: Place) -> "Books":
        """Without the order in this place."""
        symbol, side, leg = place
        at, which = self.symbols.index(symbol), _SIDES[side]
        state, book = exchange.cancel(self.state, self.book, symbol=at, side=which, leg=leg)
        return self._replace(state=state, book=book)

    def met(self, bars: Bars, alive: Mapping[Place, SimulatedOrder], *, share: float) -> exchange.Met:
        """What bars of one timestamp lead to; the brackets are those of the orders that are alive."""
        run.check(bars, len(self.symbols))
        return exchange.meet(self.state, self.book, bars, self._with_brackets(alive), share=share)

    def held(self, symbol: str, side: str) -> Decimal:
        """What the account holds of one side of a symbol, not negative."""
        return decimal_of(float(self.state.positions["qty"][self.symbols.index(symbol), _SIDES[side]]))

    def positions(self) -> dict[tuple[str, str], Decimal]:
        """What the account holds, flat ones absent."""
        everything = {(symbol, side): self.held(symbol, side) for symbol in self.symbols for side in _SIDES}
        return {place: qty for place, qty in everything.items() if qty}

    def cash(self) -> Decimal:
        """The account's cash."""
        return decimal_of(float(self.state.account["cash"][0]))

    def record_of(self, request: OrderRequest) -> NDArray[np.void]:
        """(1,) ORDER: the request as the exchange reads it."""
        order = np.zeros(1, ORDER)
        order["symbol"], order["side"] = self.symbols.index(request.symbol), _SIDES[request.side]
        order["leg"], order["is_entry"] = request.leg, request.is_entry
        order["action"] = Action[request.action.upper()]
        order["order_type"] = _TYPES[request.order_type]
        order["qty"] = float(request.qty)
        order["limit_price"], order["stop_price"] = float(request.limit_price or 0), float(request.stop_price or 0)
        return order

    def place_of(self, record: np.void) -> Place:
        """Where a FILL or ORDER record of the exchange belongs."""
        return self.place_at(int(record["symbol"]), int(record["side"]), int(record["leg"]))

    def place_at(self, symbol: int, side: int, leg: int) -> Place:
        """The place that the engine counts."""
        return self.symbols[symbol], Side(side).name.lower(), leg

    def _with_brackets(self, alive: Mapping[Place, SimulatedOrder]) -> Params:
        fractions = {place: order.bracket_fraction or 0.0 for place, order in alive.items()}
        params = self.params
        for symbol, side in sorted({(symbol, side) for symbol, side, leg in fractions if leg != Leg.MAIN}):
            params = exchange.bracketed(
                params,
                symbol=self.symbols.index(symbol),
                side=_SIDES[side],
                stop_fraction=fractions.get((symbol, side, int(Leg.STOP)), 0.0),
                target_fraction=fractions.get((symbol, side, int(Leg.TARGET)), 0.0),
            )
        return params


def settings_of(instruments: Sequence[Instrument], venue: VenueSettings) -> dict[str, Any]:
    """What the account's row keeps of its rules."""
    return {"instruments": [one._asdict() for one in instruments], "venue": venue._asdict()}


def opened(symbols: Sequence[str], settings: Mapping[str, Any], *, capital: Decimal) -> Books:
    """The books of an account that has done nothing yet."""
    params = _params(settings, capital=float(capital))
    start = run.start(run.Plan(tuple(symbols), params, (), (), (), 0))
    return Books(tuple(symbols), params, start.state, start.book)


def books_of(account: SimulatedAccount) -> Books:
    """The books that the account's row keeps."""
    state, book = run.RunState.from_bytes(bytes(account.state))
    return Books(tuple(account.symbols), _params(account.params, capital=0.0), state, book)


def _params(settings: Mapping[str, Any], *, capital: float) -> Params:
    instruments = configuration_mappers.instrument_records([Instrument(**one) for one in settings["instruments"]])
    venue = configuration_mappers.venue_record(VenueSettings(**settings["venue"]))
    return exchange.rules(instruments, venue, capital=capital)


def shape_fault(request: OrderRequest, symbols: Sequence[str]) -> Refused | None:
    """What is wrong with a request by itself; None: nothing."""
    if request.symbol not in symbols:
        return Refused("unknown_symbol", f"{request.symbol} is not traded here.")
    if request.side not in _SIDES or request.leg not in _TYPE_OF_LEG:
        return Refused("unknown_place", f"Side {request.side}, leg {request.leg} does not exist.")
    if not request.qty > 0:
        return Refused("bad_quantity", f"The quantity is {request.qty}; it must be above 0.")
    if request.order_type != _TYPE_OF_LEG[request.leg]:
        return Refused("bad_order_type", f"Leg {request.leg} takes {_TYPE_OF_LEG[request.leg]} orders only.")
    price = {Leg.STOP: request.stop_price, Leg.TARGET: request.limit_price}.get(Leg(request.leg), Decimal(1))
    if not (price or 0) > 0:
        return Refused("bad_price", f"A {request.order_type} order needs a price above 0.")
    if request.action != ("buy" if (request.side == "long") == request.is_entry else "sell"):
        return Refused("bad_action", f"{request.action} does not fit side {request.side}.")
    if request.is_entry and request.leg != Leg.MAIN:
        return Refused("bad_entry", "Stops and targets close; they cannot open.")
    return _bracket_fault(request)


def _bracket_fault(request: OrderRequest) -> Refused | None:
    legs = [child.leg for child in request.bracket]
    if request.bracket and not request.is_entry:
        return Refused("bad_bracket", "Only an entry has a bracket.")
    if len(set(legs)) != len(legs) or not set(legs) <= {Leg.STOP, Leg.TARGET}:
        return Refused("bad_bracket", "A bracket is one stop and one target at most.")
    if any(child.order_type != _TYPE_OF_LEG[child.leg] or not child.fraction > 0 for child in request.bracket):
        return Refused("bad_bracket", "A bracket's orders are a stop and a limit at a distance above 0.")
    return None


def new_order(request: OrderRequest, account: SimulatedAccount) -> SimulatedOrder:
    """The row of a request that was taken. Not saved."""
    return SimulatedOrder(
        account=account,
        client_order_id=request.client_order_id,
        symbol=request.symbol,
        side=request.side,
        leg=request.leg,
        action=request.action,
        order_type=request.order_type,
        is_entry=request.is_entry,
        qty=request.qty,
        filled_qty=Decimal(0),
        limit_price=request.limit_price,
        stop_price=request.stop_price,
        status=OrderStatus.WORKING,
    )


def new_children(request: OrderRequest, parent: SimulatedOrder) -> list[SimulatedOrder]:
    """The rows of a request's bracket, held until the parent fills. Not saved."""
    return [
        SimulatedOrder(
            account=parent.account,
            client_order_id=child.client_order_id,
            parent=parent,
            symbol=parent.symbol,
            side=parent.side,
            leg=child.leg,
            action="sell" if parent.action == "buy" else "buy",
            order_type=child.order_type,
            is_entry=False,
            qty=parent.qty,
            filled_qty=Decimal(0),
            bracket_fraction=child.fraction,
            status=OrderStatus.HELD,
        )
        for child in request.bracket
    ]


def report_of(order: SimulatedOrder, children: Sequence[SimulatedOrder] = ()) -> OrderReport:
    """The order as it is now."""
    return OrderReport(
        order_id=order.id,
        client_order_id=order.client_order_id,
        symbol=order.symbol,
        side=order.side,
        leg=order.leg,
        action=order.action,
        order_type=order.order_type,
        is_entry=order.is_entry,
        qty=order.qty,
        filled_qty=order.filled_qty,
        limit_price=order.limit_price,
        stop_price=order.stop_price,
        status=order.status,
        submitted_at=order.submitted_at,
        legs=tuple(report_of(child) for child in children),
    )


def report_at(event: SimulatedEvent) -> OrderReport:
    """The order as it was after the event; its size and prices as they are now, without its children."""
    order, cum_qty = event.order, event.cum_qty or Decimal(0)
    status = event.kind
    if event.kind == FILL:
        is_whole = order.status == OrderStatus.FILLED and cum_qty == order.qty
        status = OrderStatus.FILLED if is_whole else OrderStatus.PARTIALLY_FILLED
    return report_of(order)._replace(status=status, filled_qty=cum_qty)


FILL = "fill"
"""The kind of an event that is a fill; all others are a status."""
