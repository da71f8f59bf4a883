"""The exchange's doors: a bot that trades through them ends with the bits of a run on the same bars."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from engine import _jit, exchange, run, step
from engine.domain.enums import Leg, OrderType, Reason, Side
from engine.domain.events import DECISION, FILL, ORDER, ROUND_TRIP
from engine.domain.params import Params
from engine.domain.values import NOBODY_ELSE, Bars, Signals
from engine.tests import scenes, worlds

LONG, MAIN, STOP, TARGET = int(Side.LONG), int(Leg.MAIN), int(Leg.STOP), int(Leg.TARGET)


class Traded:
    """A bot on its own books, an exchange on its own, and only orders and facts between them."""

    def __init__(self, plan: run.Plan) -> None:
        self.plan = plan
        self.bot = run.start(plan).state
        # No wishes reach the exchange: brackets arrive with the entries.
        self.rules = exchange.rules(
            plan.params.instruments, plan.params.venue, capital=float(plan.params.limits["capital"][0])
        )
        self.account, self.book = run.start(run.Plan(plan.symbols, self.rules, (), (), (), 0))
        self.told: dict[str, list[NDArray[np.void]]] = {"orders": [], "fills": [], "trips": [], "decisions": []}
        self.equity: list[float] = []

    def walk(self, bars: Bars, signals: Signals | None) -> run.Result:
        borders = np.flatnonzero(np.diff(bars.open_ms)) + 1
        edges = [0, *borders.tolist(), len(bars.open_ms)]
        for first, last in itertools.pairwise(edges):
            group = worlds.part_of(bars, first, last)
            self.meet(group)
            self.decide(group, None if signals is None else worlds.rows_of(signals, first, last))
        return run.Result(
            run.RunState(self.bot, self.book),
            bars.open_ms[np.array(edges[:-1], np.int64)],
            np.array(self.equity),
            joined(self.told["orders"], ORDER),
            joined(self.told["fills"], FILL),
            joined(self.told["trips"], ROUND_TRIP),
            joined(self.told["decisions"], DECISION),
        )

    def meet(self, group: Bars) -> None:
        met = exchange.meet(self.account, self.book, group, self.rules)
        self.account, self.book = met.state, met.book
        for turn in met.turns:
            for fill in turn.fills:
                answer = step.on_fill(self.bot, fill.reshape(1), self.plan.params, day=int(group.day[0]))
                # What the exchange rests of its own accord is what the bot asks for.
                assert answer.orders.tobytes() == turn.orders.tobytes()
                assert answer.trips.tobytes() == turn.trips.tobytes()
                self.take(answer)
            if turn.ended is not None:
                symbol, side, leg = turn.ended
                self.take(
                    step.on_order_closed(
                        self.bot,
                        symbol=symbol,
                        side=side,
                        leg=leg,
                        reason=Reason.CANCELLED,
                        row=int(turn.closed["row"][0]),
                        open_ms=int(group.open_ms[0]),
                    )
                )

    def decide(self, group: Bars, given: Signals | None) -> None:
        said = run.strategy_signals(self.plan, self.bot, group, given)
        answer = step.on_bar(self.bot, group, said, self.plan.params, NOBODY_ELSE)
        self.take(answer)
        for order in answer.orders:
            if order["is_entry"]:
                self.rules = with_brackets_of(self.plan.params, self.rules, int(order["symbol"]), int(order["side"]))
            self.account, self.book = exchange.place(self.account, self.book, order.reshape(1), self.rules)
        self.equity.append(float(self.bot.account["equity"][0]))
        # Both keep the same books, and the same orders work.
        assert self.account.account.tobytes() == self.bot.account.tobytes()
        assert self.account.positions.tobytes() == self.bot.positions.tobytes()
        assert self.account.legs.tobytes() == self.bot.legs.tobytes()

    def take(self, answer: step.Step) -> None:
        self.bot = answer.state
        for kind, records in self.told.items():
            records.append(getattr(answer, kind))


def with_brackets_of(wishes: Params, rules: Params, symbol: int, side: int) -> Params:
    mine = wishes.sides[symbol, side]
    guarded = bool(mine["risk_enabled"])
    return exchange.bracketed(
        rules,
        symbol=symbol,
        side=side,
        stop_fraction=float(mine["stop_fraction"]) if guarded else 0.0,
        target_fraction=float(mine["target_fraction"]) if guarded else 0.0,
    )


def joined(parts: list[NDArray[np.void]], dtype: np.dtype[np.void]) -> NDArray[np.void]:
    return np.concatenate([np.zeros(0, dtype), *parts])


@pytest.mark.parametrize("scene", scenes.EXTERNAL)
def test_exchange__a_bot_that_trades_through_it__ends_with_the_bits_of_a_run(scene: str) -> None:
    plan, bars, signals = scenes.external(scene, seed=29, count=400)
    whole = run.run(bars, plan=plan, state=run.start(plan), signals=signals)
    worlds.assert_same_result(Traded(plan).walk(bars, signals), whole)
    assert len(whole.trips) > 5  # the scene is alive


@settings(max_examples=25, deadline=None)
@given(scene=st.sampled_from(sorted(scenes.EXTERNAL)), seed=st.integers(min_value=0, max_value=100_000))
def test_exchange__any_seed__ends_with_the_bits_of_a_run(scene: str, seed: int) -> None:
    plan, bars, signals = scenes.external(scene, seed=seed, count=150)
    whole = run.run(bars, plan=plan, state=run.start(plan), signals=signals)
    worlds.assert_same_result(Traded(plan).walk(bars, signals), whole)


@pytest.mark.parametrize("scene", scenes.VOTING)
def test_exchange__indicators_that_vote__end_with_the_bits_of_a_run(scene: str) -> None:
    plan, bars = scenes.voting(scene, seed=31, count=400)
    whole = run.run(bars, plan=plan, state=run.start(plan))
    worlds.assert_same_result(Traded(plan).walk(bars, None), whole)
    assert len(whole.trips) > 5


def test_exchange__shipped_daily_bars_of_four_stocks__end_with_the_bits_of_a_run() -> None:
    series = [worlds.shipped_series(symbol) for symbol in ("AAPL", "GOOG", "IBM", "MSFT")]
    series = [one._make(column[-500:] for column in one) for one in series]
    bars = run.merge(series, [(one.open_ms // worlds.DAY).astype("int32") for one in series])
    fields = {**worlds.ONE_WAY, **scenes.COSTS, "stop_fraction": 0.05, "target_fraction": 0.1}
    plan = worlds.voting_plan(worlds.wishes(symbols=4, **fields))
    whole = run.run(bars, plan=plan, state=run.start(plan))
    worlds.assert_same_result(Traded(plan).walk(bars, None), whole)
    assert len(whole.trips) > 20


# By hand: one symbol, a tick of 0.01, whole shares, no fees; 10 000 in cash.


class Desk:
    """An exchange account that a test trades by hand, one bar at a time."""

    def __init__(self, *, stop: float = 0.0, target: float = 0.0, **settings: float) -> None:
        wishes = worlds.wishes(**settings)
        rules = exchange.rules(wishes.instruments, wishes.venue, capital=10_000.0)
        self.rules = exchange.bracketed(rules, symbol=0, side=LONG, stop_fraction=stop, target_fraction=target)
        self.state, self.book = run.start(run.Plan(("S0",), self.rules, (), (), (), 0))
        self.minute = 0

    def place(self, *, qty: float, leg: int = MAIN, is_entry: bool = False, price: float = 0.0) -> None:
        order = _jit.records(1, ORDER)
        order["leg"], order["is_entry"], order["qty"] = leg, is_entry, qty
        order["order_type"] = {MAIN: OrderType.MARKET, STOP: OrderType.STOP, TARGET: OrderType.LIMIT}[Leg(leg)]
        order["stop_price"], order["limit_price"] = price * (leg == STOP), price * (leg == TARGET)
        self.state, self.book = exchange.place(self.state, self.book, order, self.rules)

    def cancel(self, leg: int) -> None:
        self.state, self.book = exchange.cancel(self.state, self.book, symbol=0, side=LONG, leg=leg)

    def bar(self, *prices: float, share: float = 1.0, volume: float = 1e6) -> exchange.Met:
        bars = worlds.bars_of((prices[0], prices[1], prices[2], prices[3]), volume=volume)
        bars = bars._replace(open_ms=bars.open_ms + self.minute * worlds.MINUTE)
        met = exchange.meet(self.state, self.book, bars, self.rules, share=share)
        self.state, self.book, self.minute = met.state, met.book, self.minute + 1
        return met

    def working(self) -> list[int]:
        assert (self.book.orders["working"] == self.state.legs["working"]).all()
        return np.flatnonzero(self.book.orders["working"][0, LONG]).tolist()


def told(met: exchange.Met) -> list[tuple[int, float, float]]:
    return [(int(fill["leg"]), float(fill["qty"]), float(fill["price"])) for fill in met.fills]


def test_place__an_entry_with_brackets__they_rest_from_its_fill_and_fill_on_the_same_bar() -> None:
    # Given: an entry with a stop 2 % and a target 5 % away
    desk = Desk(stop=0.02, target=0.05)
    desk.place(qty=10.0, is_entry=True)
    # When: it fills at the open of 100, and the bar falls through 98
    met = desk.bar(100.0, 101.0, 97.0, 99.0)
    # Then: the stop filled at 98 on the entry's bar, and the target ended with it
    assert told(met) == [(MAIN, 10.0, 100.0), (STOP, 10.0, 98.0)]
    assert [(int(order["leg"]), float(order["stop_price"])) for order in met.orders] == [(STOP, 98.0), (TARGET, 0.0)]
    assert float(met.orders["limit_price"][1]) == 105.0
    assert len(met.trips) == 1
    assert desk.working() == []
    assert float(desk.state.account["cash"][0]) == 10_000.0 - 10 * 2.0


def test_place__a_replaced_stop__meets_the_next_bar_at_its_new_price() -> None:
    # Given: a position of 10 with a stop at 98
    desk = Desk(stop=0.02)
    desk.place(qty=10.0, is_entry=True)
    desk.bar(100.0, 100.0, 100.0, 100.0)
    # When: it is replaced by one at 99
    desk.place(qty=10.0, leg=STOP, price=99.0)
    # Then: the next bar fills that
    assert told(desk.bar(100.0, 100.0, 98.5, 98.5)) == [(STOP, 10.0, 99.0)]


def test_place__an_exit__leaves_the_books_flat_and_nothing_resting() -> None:
    desk = Desk(stop=0.02, target=0.05)
    desk.place(qty=10.0, is_entry=True)
    desk.bar(100.0, 100.0, 100.0, 100.0)
    desk.place(qty=10.0)
    assert desk.working() == [MAIN, STOP, TARGET]
    assert told(desk.bar(101.0, 101.0, 101.0, 101.0)) == [(MAIN, 10.0, 101.0)]
    assert desk.working() == []
    assert exchange.is_idle(desk.state)


def test_cancel__an_entry__never_fills_and_frees_its_leg() -> None:
    desk = Desk()
    desk.place(qty=10.0, is_entry=True)
    assert not exchange.is_idle(desk.state)
    desk.cancel(MAIN)
    assert exchange.is_idle(desk.state)
    assert told(desk.bar(100.0, 101.0, 99.0, 100.0)) == []
    assert int(desk.state.account["working_entries"][0]) == 0


def test_meet__told_to_fill_half__fills_whole_steps_and_the_rest_on_the_next_bar() -> None:
    desk = Desk()
    desk.place(qty=7.0, is_entry=True)
    # Half of 7 whole shares is 3
    met = desk.bar(100.0, 100.0, 100.0, 100.0, share=0.5)
    assert told(met) == [(MAIN, 3.0, 100.0)]
    assert float(met.fills["remaining"][0]) == 4.0
    assert told(desk.bar(101.0, 101.0, 101.0, 101.0)) == [(MAIN, 4.0, 101.0)]


def test_meet__told_to_be_late__fills_one_bar_later() -> None:
    desk = Desk()
    desk.place(qty=7.0, is_entry=True)
    met = desk.bar(100.0, 100.0, 100.0, 100.0, share=0.0)
    assert told(met) == []
    assert len(met.turns) == 1
    assert told(desk.bar(101.0, 101.0, 101.0, 101.0)) == [(MAIN, 7.0, 101.0)]


def test_meet__a_share_below_one__touches_the_first_order_only() -> None:
    # Given: a position whose stop and an entry's fill would come on one bar: entry first, then its stop
    desk = Desk(stop=0.02)
    desk.place(qty=10.0, is_entry=True)
    # When: the first to fill is told to fill half
    met = desk.bar(100.0, 100.0, 97.0, 98.0, share=0.5)
    # Then: 5 came in and all 5 were stopped, which ends the rest of the entry too
    assert told(met) == [(MAIN, 5.0, 100.0), (STOP, 5.0, 98.0)]
    assert desk.working() == []


def test_meet__the_books_given__stay_as_they_were() -> None:
    desk = Desk(stop=0.02)
    desk.place(qty=10.0, is_entry=True)
    before = run.RunState(desk.state, desk.book).to_bytes()
    state, book = desk.state, desk.book
    desk.bar(100.0, 100.0, 97.0, 98.0)
    desk.place(qty=1.0, is_entry=True)
    assert run.RunState(state, book).to_bytes() == before


# The operator's exit: asked of the bot, not of the exchange.


def held(qty: float = 10.0) -> tuple[run.Plan, run.RunState]:
    """A bot that bought 10 shares at 100 and saw two bars."""
    plan = worlds.external_plan(worlds.wishes(position_fraction=qty / 100))
    bars = worlds.flat_bars(2)
    return plan, run.run(bars, plan=plan, state=run.start(plan), signals=worlds.said(1, 0)).state


def test_on_exit_asked__a_position__asks_to_close_all_of_it() -> None:
    _, state = held()
    answer = step.on_exit_asked(state.state, symbol=0, side=LONG)
    assert [
        (int(one["leg"]), float(one["qty"]), int(one["action"]), int(one["is_entry"])) for one in answer.orders
    ] == [(MAIN, 10.0, -1, 0)]
    told_so = answer.decisions[0]
    # CLOSE is 2, EXIT_LONG is 2
    assert (int(told_so["signal"]), int(told_so["target"]), int(told_so["reason"])) == (2, 2, 0)
    assert (int(told_so["orders"]), int(told_so["strategy"]), int(told_so["row"])) == (1, -1, 2)
    assert (float(told_so["price"]), float(told_so["long_qty"])) == (100.0, 10.0)
    assert int(answer.state.account["working"][0]) == 1
    assert int(state.state.account["working"][0]) == 0  # the state given is not touched


def test_on_exit_asked__nothing_held__says_so_and_asks_nothing() -> None:
    _, state = held()
    answer = step.on_exit_asked(state.state, symbol=0, side=int(Side.SHORT), row=7, open_ms=70)
    assert len(answer.orders) == 0
    assert [
        (int(one["reason"]), int(one["target"]), int(one["row"]), int(one["open_ms"])) for one in answer.decisions
    ] == [(Reason.NOTHING_TO_CLOSE, 0, 7, 70)]
    assert answer.state.account.tobytes() == state.state.account.tobytes()


def test_on_exit_asked__an_exit_works_already__says_so_and_asks_nothing() -> None:
    _, state = held()
    once = step.on_exit_asked(state.state, symbol=0, side=LONG)
    again = step.on_exit_asked(once.state, symbol=0, side=LONG)
    assert len(again.orders) == 0
    assert [(int(one["reason"]), int(one["target"])) for one in again.decisions] == [(Reason.ORDER_WORKING, 2)]


def test_on_exit_asked__the_order_it_asks_for__is_the_one_a_close_signal_asks_for() -> None:
    plan, state = held()
    bars = worlds.flat_bars(3)
    third = worlds.part_of(bars, 2, 3)
    closing = step.on_bar(state.state, third, worlds.said(2), plan.params)
    quiet = step.on_bar(state.state, third, worlds.said(0), plan.params)
    asked = step.on_exit_asked(quiet.state, symbol=0, side=LONG, row=2, open_ms=int(third.open_ms[0]))
    assert asked.orders.tobytes() == closing.orders.tobytes()
    assert asked.state.legs.tobytes() == closing.state.legs.tobytes()
