"""One cycle's worth of engine: facts and bars in, what the engine said to each of them out.

No database, no clock. A live cycle and the command that computes stored cycles again both come
here, so that a recorded cycle gives the same bytes again.
"""

import hashlib
import itertools
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine import run, step
from engine.domain.enums import Leg, Reason
from engine.domain.events import DECISION, FILL, ORDER, ROUND_TRIP, Step
from engine.domain.state import State
from engine.domain.values import Bars, Others
from engine.run import Plan, RunState

Records = NDArray[np.void]

_MAIN = int(Leg.MAIN)


class Fact(NamedTuple):
    """What happened to an order, in the engine's words. ``kind``: ``models.FactKind``.

    ``is_current``: no later order had taken its leg before this walk. ``remaining``: of its order, after this fill.
    """

    id: int
    intent_id: int
    kind: str
    at_ms: int
    symbol: int
    side: int
    leg: int
    is_entry: bool
    is_current: bool
    reason: int = 0
    qty: float = 0.0
    price: float = 0.0
    fee: float = 0.0
    remaining: float = 0.0


class Said(NamedTuple):
    """The engine's answer to one fact, or (``fact`` None) to the bars of one timestamp.

    ``before``, ``state``: the books before and after it. ``is_stale``: its orders came too late to be sent.
    """

    fact: Fact | None
    before: State
    state: State
    orders: Records
    decisions: Records
    trips: Records
    fills: Records
    is_stale: bool = False


class Walk(NamedTuple):
    """A cycle, stepped: the state after it and every answer on the way, in order."""

    state: State
    said: tuple[Said, ...]

    def records(self, name: str) -> Records:
        """All ``orders``, ``fills``, ``trips`` or ``decisions`` of the cycle, in the order they were written."""
        dtype = {"orders": ORDER, "fills": FILL, "trips": ROUND_TRIP, "decisions": DECISION}[name]
        parts = [part for one in self.said if len(part := getattr(one, name))]
        return np.concatenate(parts) if parts else np.zeros(0, dtype)


def walk(
    *,
    plan: Plan,
    state: State,
    facts: Sequence[Fact],
    bars: Bars,
    others: Others,
    newest_ms: int | None,
    tradable: NDArray[np.bool_] | None = None,
) -> Walk:
    """Step facts and bars in the order of time: what a bar filled is booked before the bar is decided on.

    facts: in order. bars: all that closed since the last cycle. newest_ms: open of the newest closed
    bar; orders decided on an older one are told to have ended (``STALE_BAR``), never sent.
    tradable: False for bars outside the trading window, whose signals are not acted on.
    """
    return _Walker(plan, state, bars, others, newest_ms, tradable).over(facts)


def sha256(state: State, plan: Plan) -> str:
    """Which state this is."""
    return hashlib.sha256(to_bytes(state, plan)).hexdigest()


def to_bytes(state: State, plan: Plan) -> bytes:
    """A bot's books and memory; a live bot's resting orders are the broker's business, so its book is empty."""
    return RunState(state, run.start(plan).book).to_bytes()


def from_bytes(data: bytes) -> State:
    """The state ``to_bytes`` saved. Raises DataError (``STATE_UNREADABLE``)."""
    return RunState.from_bytes(data).state


class _Walker:
    """Where a walk is: the state so far, and the number of the cycle's first row."""

    def __init__(
        self,
        plan: Plan,
        state: State,
        bars: Bars,
        others: Others,
        newest_ms: int | None,
        tradable: NDArray[np.bool_] | None,
    ) -> None:
        self.plan = plan
        self.state = step.copied(state)
        self.bars = bars
        self.others = others
        self.newest_ms = newest_ms
        self.tradable = tradable
        self.first_row = int(state.account["rows"][0])
        self.said: list[Said] = []
        self.taken_up: dict[tuple[int, int, int], int] = {}

    def over(self, facts: Sequence[Fact]) -> Walk:
        waiting = list(facts)
        for first, last in _groups(self.bars):
            at_ms = int(self.bars.open_ms[first])
            while waiting and waiting[0].at_ms <= at_ms:
                self._hear(waiting.pop(0))
            self._close(first, last)
        for fact in waiting:
            self._hear(fact)
        return Walk(self.state, tuple(self.said))

    def _hear(self, fact: Fact) -> None:
        row, day = self._place(fact)
        if fact.kind == "filled":
            answer = step.on_fill(self.state, _fill(fact, row), self.plan.params, day=day)
        elif fact.kind == "asked":
            answer = step.on_exit_asked(self.state, symbol=fact.symbol, side=fact.side, row=row, open_ms=fact.at_ms)
            if len(answer.orders):
                self.taken_up[fact.symbol, fact.side, fact.leg] = fact.intent_id
        elif self._is_current(fact) and self.state.legs["working"][fact.symbol, fact.side, fact.leg]:
            answer = self._ended(fact.symbol, fact.side, fact.leg, fact.reason, row, fact.at_ms)
        else:
            # The engine freed the leg itself (the position is flat), or asks for something else by now.
            return
        self._note(answer, fact)

    def _is_current(self, fact: Fact) -> bool:
        """Whether the engine waits for this order: none took its leg since, an operator's of this walk included."""
        taken_up = self.taken_up.get((fact.symbol, fact.side, fact.leg))
        return fact.is_current if taken_up is None else fact.intent_id == taken_up

    def _close(self, first: int, last: int) -> None:
        group = Bars._make(column[first:last] for column in self.bars)
        said = run.strategy_signals(self.plan, self.state, group)
        if self.tradable is not None:
            said = run.masked(said, self.tradable[first:last])
        answer = step.on_bar(self.state, group, said, self.plan.params, self.others)
        is_stale = self.newest_ms is not None and int(group.open_ms[0]) < self.newest_ms
        self._note(answer, None, is_stale=is_stale)
        if is_stale:
            for order in answer.orders:
                row, at_ms = int(order["row"]), int(order["open_ms"])
                place = int(order["symbol"]), int(order["side"]), int(order["leg"])
                self._note(self._ended(*place, int(Reason.STALE_BAR), row, at_ms), None)

    def _ended(self, symbol: int, side: int, leg: int, reason: int, row: int, at_ms: int) -> Step:
        return step.on_order_closed(
            self.state, symbol=symbol, side=side, leg=leg, reason=Reason(reason), row=row, open_ms=at_ms
        )

    def _note(self, answer: Step, fact: Fact | None, *, is_stale: bool = False) -> None:
        before, self.state = self.state, answer.state
        self.said.append(
            Said(fact, before, answer.state, answer.orders, answer.decisions, answer.trips, answer.fills, is_stale)
        )

    def _place(self, fact: Fact) -> tuple[int, int]:
        """(row, trading day) of the bar a fact happened in; the last one's where it is not among the bars."""
        here = np.flatnonzero((self.bars.open_ms == fact.at_ms) & (self.bars.symbol == fact.symbol))
        if len(here):
            return self.first_row + int(here[0]), int(self.bars.day[here[0]])
        stepped = int(np.count_nonzero(self.bars.open_ms <= fact.at_ms))
        return self.first_row + stepped, int(self.state.account["day"][0])


def _groups(bars: Bars) -> Iterator[tuple[int, int]]:
    """(first, last) of each timestamp's rows."""
    total = len(bars.open_ms)
    borders = np.flatnonzero(np.diff(bars.open_ms)) + 1
    edges = [0, *borders.tolist(), total] if total else []
    yield from itertools.pairwise(edges)


def _fill(fact: Fact, row: int) -> Any:
    fill = np.zeros((), FILL)
    fill["row"], fill["open_ms"], fill["symbol"] = row, fact.at_ms, fact.symbol
    fill["side"], fill["leg"], fill["is_entry"] = fact.side, fact.leg, fact.is_entry
    fill["action"] = 1 if (fact.side == 0) == fact.is_entry else -1
    fill["qty"], fill["price"], fill["fee"], fill["remaining"] = fact.qty, fact.price, fact.fee, fact.remaining
    return fill
