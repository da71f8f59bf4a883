"""What every broker answers, whatever it is: the words and the Protocol.

A call either answers, or raises ``BrokerUnsure``: then nobody knows whether it arrived, and only
looking it up by its client order id tells. A refusal is an answer.
"""

from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple, Protocol
from uuid import UUID

from engine.domain.errors import BrokerError

CALL_TAKES = timedelta(seconds=13)
"""The longest a call may take: 3 s to connect and 10 s to answer; every adapter keeps to it."""
DUPLICATE = "duplicate_client_order_id"
"""The code of a refusal that means: it is there already, go and look."""


class BrokerUnsure(BrokerError):
    """The broker did not answer, or not so that it can be understood: it may have the order, or not."""

    code = "BROKER_UNSURE"


class Child(NamedTuple):
    """A stop (leg 1) or target (leg 2) that rests from its parent's fill on.

    ``fraction``: its distance from the fill price, against (stop) or with (target) the position.
    """

    client_order_id: str
    leg: int
    order_type: str
    fraction: float


class OrderRequest(NamedTuple):
    """One order. ``side`` long or short: of the position; ``action`` buy or sell; ``leg`` 0, 1, 2.

    ``bracket``: children that are held until it fills, and end with each other.
    """

    client_order_id: str
    symbol: str
    side: str
    leg: int
    action: str
    order_type: str
    is_entry: bool
    qty: Decimal
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    bracket: tuple[Child, ...] = ()


class OrderReport(NamedTuple):
    """An order as the broker has it. ``status``: ``models.OrderStatus``. ``legs``: its children."""

    order_id: UUID
    client_order_id: str
    symbol: str
    side: str
    leg: int
    action: str
    order_type: str
    is_entry: bool
    qty: Decimal
    filled_qty: Decimal
    limit_price: Decimal | None
    stop_price: Decimal | None
    status: str
    submitted_at: datetime | None
    legs: tuple["OrderReport", ...] = ()


class Refused(NamedTuple):
    """The broker's no: it does not have the order, and never will under this request."""

    code: str
    message: str


class BrokerEvent(NamedTuple):
    """One line of the account-wide list: an order after something happened to it.

    ``sequence`` rises by one within the account. A fill has ``qty`` > 0 and the order's cumulated
    quantity after it; every other event tells a new status. ``at_ms``: open of the bar it happened in.
    """

    sequence: int
    order: OrderReport
    at_ms: int
    is_fill: bool
    cum_qty: Decimal = Decimal(0)
    qty: Decimal = Decimal(0)
    price: Decimal = Decimal(0)
    fee: Decimal = Decimal(0)


class Broker(Protocol):
    """One account at one broker. Every method may raise ``BrokerUnsure``."""

    def submit(self, request: OrderRequest) -> OrderReport | Refused:
        """Place it. An id that was ever used is refused (``DUPLICATE``), whatever became of that order."""
        ...

    def replace(self, client_order_id: str, request: OrderRequest) -> OrderReport | Refused:
        """End the first order and rest the second in its place, both or neither."""
        ...

    def cancel(self, client_order_id: str) -> OrderReport | Refused:
        """End it; one that has ended already is reported as it is."""
        ...

    def find(self, client_order_id: str) -> OrderReport | None:
        """The order of that id, whatever its state; None: the broker never had it (or does not say so yet)."""
        ...

    def events(self, *, after: int, limit: int = 500) -> list[BrokerEvent]:
        """Everything that happened in the account after event ``after``, oldest first."""
        ...

    def positions(self) -> dict[tuple[str, str], Decimal]:
        """What the account holds, by (symbol, side); flat ones are absent."""
        ...

    def cash(self) -> Decimal:
        """The account's cash."""
        ...


class LeverageCode(StrEnum):
    """What a broker says to a leverage, whatever its own numbers for it are."""

    SET = "set"
    ALREADY_SET = "already_set"
    NOT_OFFERED = "not_offered"
    INVALID = "invalid_leverage"
    OPEN_POSITION = "open_position"
    REFUSED = "refused"


class LeverageAnswer(NamedTuple):
    """``message``: the broker's own words, or ours where it has none."""

    code: LeverageCode
    message: str = ""

    @property
    def is_in_force(self) -> bool:
        """True where the leverage asked for holds now: setting what is set already is no failure."""
        return self.code in (LeverageCode.SET, LeverageCode.ALREADY_SET)


class LeverageDesk(Protocol):
    """Where one account sets leverage; a broker may have none, or none for some symbols.

    Apart from ``Broker``: an operator's page sets leverage, and needs no order book for it.
    """

    def offers_leverage(self, symbol: str) -> bool:
        """Whether leverage can be set for the symbol at all. Asks nobody."""
        ...

    def set_leverage(self, symbol: str, leverage: int) -> LeverageAnswer:
        """Hold this leverage on the symbol. May raise ``BrokerUnsure``: it may be in force, or not."""
        ...
