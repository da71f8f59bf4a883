"""A run, written out in Python: the public doors of the core, and the simulated venue's, one fact at a time.

What a live bot does with a broker. ``run`` must say the same in every bit.
"""

import itertools

import numpy as np
from numpy.typing import NDArray

from engine import _jit, run, step
from engine.domain.enums import Reason
from engine.domain.events import DECISION, FILL, ORDER, ROUND_TRIP
from engine.domain.state import Book, State
from engine.domain.values import NOBODY_ELSE, Bars, Others, Signals
from engine.tests import kernels, worlds


class Stepper:
    """One bot, its venue, and everything that was said on the way."""

    def __init__(self, plan: run.Plan, state: run.RunState, others: Others = NOBODY_ELSE) -> None:
        self.plan = plan
        self.params = plan.params
        self.others = others
        self.state: State = step.copied(state.state)
        self.book = Book(state.book.orders.copy())
        self.orders: list[NDArray[np.void]] = []
        self.fills: list[NDArray[np.void]] = []
        self.trips: list[NDArray[np.void]] = []
        self.decisions: list[NDArray[np.void]] = []
        self.equity: list[float] = []

    def walk(self, bars: Bars, signals: Signals | None = None) -> run.Result:
        """Every timestamp in turn, as a live bot would meet them."""
        borders = np.flatnonzero(np.diff(bars.open_ms)) + 1
        edges = [0, *borders.tolist(), len(bars.open_ms)]
        for first, last in itertools.pairwise(edges):
            given = None if signals is None else worlds.rows_of(signals, first, last)
            self.live(worlds.part_of(bars, first, last), given)
        return run.Result(
            run.RunState(self.state, self.book),
            bars.open_ms[np.array(edges[:-1], np.int64)],
            np.array(self.equity),
            _joined(self.orders, ORDER),
            _joined(self.fills, FILL),
            _joined(self.trips, ROUND_TRIP),
            _joined(self.decisions, DECISION),
        )

    def live(self, group: Bars, given: Signals | None) -> None:
        """Bars of one timestamp: first what they fill, then what the bot decides on them."""
        first_number = int(self.state.account["rows"][0])
        for row in range(len(group.open_ms)):
            self._meet_venue(group, row, first_number + row)
        said = run.strategy_signals(self.plan, self.state, group, given)
        answer = step.on_bar(self.state, group, said, self.params, self.others)
        self._take(answer, after_fill=0)
        self.equity.append(float(self.state.account["equity"][0]))

    def _meet_venue(self, group: Bars, row: int, number: int) -> None:
        symbol = int(group.symbol[row])
        kernels.begin_bar(self.book, symbol)
        while True:
            side, leg, price, qty = kernels.match(self.book, self.params, symbol, group, row)
            if side < 0:
                return
            if qty > 0.0:
                self._fill(group, row, number, side, leg, price, qty)
            elif kernels.take_fill(self.book, symbol, side, leg, 0.0) == 0.0:
                answer = step.on_order_closed(
                    self.state,
                    symbol=symbol,
                    side=side,
                    leg=leg,
                    reason=Reason.CANCELLED,
                    row=number,
                    open_ms=int(group.open_ms[row]),
                )
                self._take(answer, after_fill=0)

    def _fill(self, group: Bars, row: int, number: int, side: int, leg: int, price: float, qty: float) -> None:
        symbol = int(group.symbol[row])
        is_entry = int(self.book.orders["is_entry"][symbol, side, leg])
        fill = np.zeros((), FILL)
        fill["row"], fill["open_ms"], fill["symbol"] = number, group.open_ms[row], symbol
        fill["side"], fill["leg"], fill["is_entry"] = side, leg, is_entry
        fill["action"] = 1 if (side == 0) == (is_entry == 1) else -1
        fill["qty"], fill["price"], fill["fee"] = qty, price, kernels.fee(self.params, qty, price)
        fill["remaining"] = kernels.take_fill(self.book, symbol, side, leg, qty)
        # What the fill realised, asked of the ledger on a copy: the answer to on_fill does not carry it.
        copy = step.copied(self.state)
        fill["realised"] = kernels.settle(copy, symbol, side, is_entry, qty, price, float(fill["fee"]))
        self.fills.append(fill.reshape(1))
        answer = step.on_fill(self.state, fill, self.params, day=int(group.day[row]))
        if answer.state.positions["qty"][symbol, side] == 0.0:
            kernels.cancel_side(self.book, symbol, side)
        self._take(answer, after_fill=1 if is_entry else 2)

    def _take(self, answer: step.Step, *, after_fill: int) -> None:
        self.state = answer.state
        for which in range(len(answer.orders)):
            kernels.accept(self.book, self.params, answer.orders, which, after_fill)
        self.orders.append(answer.orders)
        self.trips.append(answer.trips)
        self.decisions.append(answer.decisions)


def stepped(
    bars: Bars,
    *,
    plan: run.Plan,
    state: run.RunState,
    signals: Signals | None = None,
    others: Others = NOBODY_ELSE,
) -> run.Result:
    """What ``run.run`` gives, one fact at a time."""
    return Stepper(plan, state, others).walk(bars, signals)


def _joined(parts: list[NDArray[np.void]], dtype: np.dtype[np.void]) -> NDArray[np.void]:
    kept = [part for part in parts if len(part)]
    return np.concatenate(kept) if kept else _jit.records(0, dtype)
