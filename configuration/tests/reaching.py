"""Bots for tests of previews, as the port tells of them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

from configuration import ports
from configuration.ports import HeldPosition, ReachedBot, RestingOrder


class _Given:
    def __init__(self, bots: Sequence[ReachedBot]) -> None:
        self._bots = bots

    def bots(self) -> Sequence[ReachedBot]:
        return self._bots


@contextmanager
def reaching(*bots: ReachedBot) -> Iterator[None]:
    """Inside, these are the bots in service."""
    before = ports.reach()
    ports.wire(reach=_Given(bots))
    try:
        yield
    finally:
        ports.wire(reach=before)


def a_reached_bot(bot_id: str = "bot-1", *symbols: str, **changes: Any) -> ReachedBot:
    """A running bot that trades AAPL unless told otherwise, and holds nothing."""
    facts: dict[str, Any] = {
        "name": bot_id.title(),
        "strategy": "indicator_voting",
        "status": "running",
        "pinned": "",
        "positions": (),
        "orders": (),
    }
    return ReachedBot(id=bot_id, symbols=symbols or ("AAPL",), **{**facts, **changes})


def held(symbol: str, side: str = "LONG", *, id: str = "") -> HeldPosition:
    return HeldPosition(id or f"{symbol}-{side}", symbol, side, Decimal(5))


def resting(symbol: str, side: str = "LONG", leg: str = "stop", *, id: str = "") -> RestingOrder:
    return RestingOrder(id or f"{symbol}-{side}-{leg}", symbol, side, leg, Decimal(5))
