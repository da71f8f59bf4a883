"""What configuration must know of its neighbours above, asked through ports that ``tradingsite`` wires.

``Reach``: which bots there are and what each holds, for the blast radius of a change.
``Principals``: who is asking, and what they may change.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, NamedTuple, Protocol

from configuration.actors import NOTHING, Actor


class HeldPosition(NamedTuple):
    """An open position of a bot. ``side`` is LONG or SHORT."""

    id: str
    symbol: str
    side: str
    qty: Decimal


class RestingOrder(NamedTuple):
    """An order that is pending, held or at the broker. ``leg``: entry, stop, target, exit."""

    id: str
    symbol: str
    side: str
    leg: str
    qty: Decimal


class ReachedBot(NamedTuple):
    """A bot as configuration sees it. ``pinned`` is the snapshot its run started under; '' while it has none."""

    id: str
    name: str
    strategy: str
    symbols: tuple[str, ...]
    status: str
    pinned: str
    positions: tuple[HeldPosition, ...]
    orders: tuple[RestingOrder, ...]


class Reach(Protocol):
    """Everything a change of configuration can touch. A handful of queries, however many bots there are."""

    def bots(self) -> Sequence[ReachedBot]: ...


class Principals(Protocol):
    """Who a request comes from."""

    def actor_of(self, user: Any, auth: Any) -> Actor:
        """The actor with its grant; ``user`` and ``auth`` as DRF's request has them (auth: None in a session)."""
        ...


class _Nothing:
    """Before anything is wired: no bots."""

    def bots(self) -> Sequence[ReachedBot]:
        return ()


class _Nobody:
    """Before anything is wired: whoever asks may change nothing."""

    def actor_of(self, user: Any, auth: Any) -> Actor:
        return Actor("user", str(user.pk), user.get_username(), NOTHING)


_wired: dict[str, Any] = {"reach": _Nothing(), "principals": _Nobody()}


def wire(*, reach: Reach | None = None, principals: Principals | None = None) -> None:
    """Give a port its implementation."""
    _wired.update({name: given for name, given in (("reach", reach), ("principals", principals)) if given is not None})


def reach() -> Reach:
    """The wired bots."""
    found: Reach = _wired["reach"]
    return found


def principals() -> Principals:
    """The wired principals."""
    found: Principals = _wired["principals"]
    return found
