"""The simulated broker: what it takes, how orders live and end, how it fails, and what survives.

One symbol, AAPL, with a tick of 0.01 and whole shares; 10 000 in cash; no fees unless a test asks.
"""

import itertools
import threading
import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import pytest
from django.db import connections, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from bots import brokers
from bots.brokers import simulated
from bots.brokers.ports import DUPLICATE, BrokerEvent, BrokerUnsure, Child, OrderReport, OrderRequest, Refused
from bots.brokers.simulated import Simulated
from bots.mappers import decimal_of
from bots.models import BrokerAccount, SimulatedAccount, SimulatedEvent, SimulatedFault, SimulatedOrder
from configuration.mappers import VenueSettings, venue_record
from engine import run, step
from engine.domain.errors import BrokerError, InputError
from engine.domain.events import FILL
from engine.domain.state import State
from engine.domain.values import Bars, Instrument, Signals
from engine.tests import scenes, worlds

MINUTE = 60_000
D = Decimal

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "broker"])


class Desk:
    """An account, and short words for what a test does with it."""

    def __init__(self, *, capital: str = "10000", symbols: tuple[str, ...] = ("AAPL",), **venue: Any) -> None:
        self.id = uuid4()
        instruments = [Instrument(symbol) for symbol in symbols]
        simulated.open_account(
            self.id, symbols=symbols, instruments=instruments, capital=D(capital), venue=VenueSettings(**venue)
        )
        self.broker = Simulated(self.id)
        self.minute = 0
        self.read = 0

    def bar(self, *prices: float, symbol: int = 0, volume: float = 1e6) -> list[tuple[Any, ...]]:
        """Match one bar (open, high, low, close; one price: a flat bar); what happened, in short."""
        row = prices if len(prices) == 4 else prices * 4
        simulated.match(self.id, bars_at(self.minute, {symbol: row}, volume=volume))
        self.minute += 1
        return self.news()

    def news(self) -> list[tuple[Any, ...]]:
        """The events since the last look: (id, status) or (id, qty, price)."""
        fresh = self.broker.events(after=self.read)
        self.read = fresh[-1].sequence if fresh else self.read
        return [short(event) for event in fresh]

    def enter(self, name: str = "e", qty: str = "10", *, stop: float = 0.0, target: float = 0.0) -> Any:
        children = [(1, "stop", stop)] * (stop > 0) + [(2, "limit", target)] * (target > 0)
        bracket = tuple(Child(f"{name}.{kind}", leg, kind, fraction) for leg, kind, fraction in children)
        return self.broker.submit(an_entry(name, qty)._replace(bracket=bracket))


def short(event: BrokerEvent) -> tuple[Any, ...]:
    name = event.order.client_order_id
    return (name, event.qty, event.price) if event.is_fill else (name, event.order.status)


def bars_at(minute: int, rows: dict[int, tuple[float, ...]], *, volume: float = 1e6) -> Bars:
    count = len(rows)
    columns = np.array([rows[symbol] for symbol in sorted(rows)], np.float64).reshape(-1, 4)
    return Bars(
        np.full(count, minute * MINUTE, np.int64),
        np.array(sorted(rows), np.int32),
        np.zeros(count, np.int32),
        *(np.ascontiguousarray(columns[:, each]) for each in range(4)),
        np.full(count, volume),
    )


def an_entry(name: str = "e", qty: str = "10", **changes: Any) -> OrderRequest:
    return OrderRequest(name, "AAPL", "long", 0, "buy", "market", True, D(qty))._replace(**changes)


def an_exit(name: str = "x", qty: str = "10", **changes: Any) -> OrderRequest:
    return OrderRequest(name, "AAPL", "long", 0, "sell", "market", False, D(qty))._replace(**changes)


def a_stop(name: str, price: str, qty: str = "10") -> OrderRequest:
    return OrderRequest(name, "AAPL", "long", 1, "sell", "stop", False, D(qty), stop_price=D(price))


def found(desk: Desk, name: str) -> OrderReport:
    order = desk.broker.find(name)
    assert order is not None
    return order


# What it takes


def test_submit__an_entry__works_at_once_and_fills_at_the_next_open() -> None:
    desk = Desk()
    desk.bar(99.0)
    report = desk.enter()
    assert (report.status, report.qty, report.filled_qty) == ("working", D(10), D(0))
    assert report.submitted_at is not None
    assert desk.news() == [("e", "working")]
    assert desk.bar(100.0, 103.0, 99.0, 101.0) == [("e", D(10), D(100))]
    assert found(desk, "e").status == "filled"
    assert desk.broker.positions() == {("AAPL", "long"): D(10)}
    assert desk.broker.cash() == D(9000)


def test_submit__a_bracket__is_held_and_gets_its_prices_from_the_fill() -> None:
    desk = Desk()
    report = desk.enter(stop=0.02, target=0.05)
    assert [(leg.client_order_id, leg.status, leg.stop_price) for leg in report.legs] == [
        ("e.stop", "held", None),
        ("e.limit", "held", None),
    ]
    assert desk.news() == [("e", "working"), ("e.stop", "held"), ("e.limit", "held")]
    # When: the entry fills at 100
    assert desk.bar(100.0) == [("e", D(10), D(100)), ("e.stop", "working"), ("e.limit", "working")]
    # Then: the stop rests 2 % below, the target 5 % above
    legs = found(desk, "e").legs
    assert [(leg.stop_price, leg.limit_price, leg.qty) for leg in legs] == [(D(98), None, D(10)), (None, D(105), D(10))]


def test_match__a_target_is_reached__fills_it_and_cancels_the_stop() -> None:
    desk = Desk()
    desk.enter(stop=0.02, target=0.05)
    desk.bar(100.0)
    assert desk.bar(101.0, 106.0, 101.0, 106.0) == [("e.limit", D(10), D(105)), ("e.stop", "canceled")]
    assert desk.broker.positions() == {}
    assert desk.broker.cash() == D(10_050)  # 10 shares won 5 each


def test_match__the_entry_bar_falls_through_the_stop__stops_on_that_bar() -> None:
    desk = Desk()
    desk.enter(stop=0.02, target=0.05)
    desk.news()
    assert desk.bar(100.0, 100.0, 97.0, 99.0) == [
        ("e", D(10), D(100)),
        ("e.stop", "working"),
        ("e.limit", "working"),
        ("e.stop", D(10), D(98)),
        ("e.limit", "canceled"),
    ]


def test_match__an_exit_fills__cancels_both_brackets() -> None:
    desk = Desk()
    desk.enter(stop=0.02, target=0.05)
    desk.bar(100.0)
    desk.broker.submit(an_exit())
    desk.news()
    assert sorted(desk.bar(101.0)) == [("e.limit", "canceled"), ("e.stop", "canceled"), ("x", D(10), D(101))]
    # Then: a new entry may use all three places
    assert isinstance(desk.enter("again", stop=0.01, target=0.01), OrderReport)


def test_match__volume_for_a_part_only__fills_in_parts_and_brackets_grow() -> None:
    # Given: an order may take a tenth of a bar's volume
    desk = Desk(max_volume_share=0.1)
    desk.enter(qty="10", stop=0.02)
    desk.news()
    # When: 60 shares trade at 100, then enough at 102
    assert desk.bar(100.0, volume=60.0) == [("e", D(6), D(100)), ("e.stop", "working")]
    assert (found(desk, "e").status, found(desk, "e").filled_qty) == ("partially_filled", D(6))
    assert found(desk, "e.stop").qty == D(6)
    assert desk.bar(102.0) == [("e", D(4), D(102)), ("e.stop", "working")]
    # Then: 6 at 100 and 4 at 102 cost 100.8 each; 2 % below is 98.784, on the tick 98.78
    assert (found(desk, "e.stop").qty, found(desk, "e.stop").stop_price) == (D(10), D("98.78"))
    assert [event.cum_qty for event in desk.broker.events(after=0) if event.is_fill] == [D(6), D(10)]


def test_match__an_exit_fills_in_part__the_stop_protects_the_rest() -> None:
    desk = Desk(max_volume_share=0.1)
    desk.enter(stop=0.02)
    desk.bar(100.0)
    desk.broker.submit(an_exit())
    desk.news()
    assert desk.bar(100.0, volume=70.0) == [("x", D(7), D(100)), ("e.stop", "working")]
    assert found(desk, "e.stop").qty == D(3)
    assert desk.bar(100.0) == [("x", D(3), D(100)), ("e.stop", "canceled")]


def test_match__stop_and_exit_both_fill_in_part__each_is_worth_what_is_left() -> None:
    # Given: 10 held with a stop at 98, and an exit that is two bars on its way
    desk = Desk(max_volume_share=0.1, latency_bars=1)
    desk.enter(stop=0.02)
    desk.bar(100.0)
    desk.bar(100.0)
    desk.broker.submit(an_exit())
    desk.news()
    # When: a bar falls to 97 and has volume for 4, then another one for 4
    assert desk.bar(100.0, 100.0, 97.0, 97.0, volume=40.0) == [("e.stop", D(4), D(98)), ("x", "working")]
    assert found(desk, "x").qty == D(6)
    assert desk.bar(96.0, volume=40.0) == [("x", D(4), D(96)), ("e.stop", "partially_filled")]
    # Then: 2 are left; the stop got 4 and may get 2 more
    assert (found(desk, "e.stop").qty, found(desk, "e.stop").filled_qty) == (D(6), D(4))
    assert desk.bar(96.0) == [("x", D(2), D(96)), ("e.stop", "canceled")]
    assert (found(desk, "x").status, found(desk, "x").filled_qty) == ("filled", D(6))


def test_events__read_late__tell_each_order_as_it_was() -> None:
    desk = Desk(max_volume_share=0.1)
    desk.enter()
    desk.bar(100.0, volume=60.0)
    desk.bar(100.0)
    told = [(each.sequence, each.order.status, each.order.filled_qty) for each in desk.broker.events(after=0)]
    assert told == [(1, "working", D(0)), (2, "partially_filled", D(6)), (3, "filled", D(10))]
    assert [each.sequence for each in desk.broker.events(after=1, limit=1)] == [2]
    assert [each.at_ms for each in desk.broker.events(after=1)] == [0, MINUTE]


def test_match__a_short_with_fees_and_slippage__books_them_like_the_engine() -> None:
    desk = Desk(fee_bps=10.0, slippage_bps=50.0)
    desk.broker.submit(an_entry("s", "10", side="short", action="sell"))
    # A sale at 100 slips by 0.5 % to 99.50; the fee is a thousandth of 995
    assert desk.bar(100.0)[1:] == [("s", D(10), D("99.5"))]
    assert desk.broker.events(after=1)[0].fee == D("0.995")
    assert desk.broker.positions() == {("AAPL", "short"): D(10)}
    assert desk.broker.cash() == D("10994.005")


# What it refuses


def test_submit__an_id_that_was_ever_used__is_refused() -> None:
    desk, other = Desk(), Desk()
    desk.enter(stop=0.02)
    desk.broker.cancel("e")
    for again in (
        desk.broker.submit(an_entry("e")),
        desk.broker.submit(an_entry("e.stop")),
        desk.broker.submit(an_entry("n", bracket=(Child("e", 1, "stop", 0.1),))),
        other.broker.submit(an_entry("e")),
        other.broker.submit(an_entry("n", bracket=(Child("n", 1, "stop", 0.1),))),
    ):
        assert isinstance(again, Refused)
        assert again.code == DUPLICATE
    assert desk.broker.find("n") is None


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (an_entry(symbol="IBM"), "unknown_symbol"),
        (an_entry(side="up"), "unknown_place"),
        (an_entry(leg=3), "unknown_place"),
        (an_entry(qty="0"), "bad_quantity"),
        (an_entry(qty="-1"), "bad_quantity"),
        (an_entry(order_type="limit", limit_price=D(90)), "bad_order_type"),
        (an_entry(action="sell"), "bad_action"),
        (an_exit(bracket=(Child("c", 1, "stop", 0.1),)), "bad_bracket"),
        (an_entry(bracket=(Child("c", 1, "stop", 0.0),)), "bad_bracket"),
        (an_entry(bracket=(Child("c", 0, "market", 0.1),)), "bad_bracket"),
        (an_entry(bracket=(Child("c", 1, "stop", 0.1), Child("d", 1, "stop", 0.2))), "bad_bracket"),
        (a_stop("s", "0"), "bad_price"),
        (a_stop("s", "90")._replace(is_entry=True, action="buy"), "bad_entry"),
        (an_exit(), "nothing_held"),
        (a_stop("s", "90"), "nothing_held"),
    ],
)
def test_submit__a_request_that_makes_no_sense__is_refused_by_name(request_: OrderRequest, code: str) -> None:
    desk = Desk()
    answer = desk.broker.submit(request_)
    assert isinstance(answer, Refused)
    assert answer.code == code
    assert desk.news() == []
    assert desk.broker.find(request_.client_order_id) is None


def test_submit__a_place_that_is_taken__is_refused() -> None:
    desk = Desk()
    desk.enter(stop=0.02)
    second = desk.broker.submit(an_entry("second"))
    assert isinstance(second, Refused)
    assert second.code == "leg_taken"
    desk.bar(100.0)
    stop = desk.broker.submit(a_stop("s", "97"))
    assert isinstance(stop, Refused)
    assert stop.code == "leg_taken"


def test_submit__more_than_is_held__is_refused() -> None:
    desk = Desk()
    desk.enter()
    desk.bar(100.0)
    answer = desk.broker.submit(an_exit(qty="11"))
    assert isinstance(answer, Refused)
    assert answer.code == "more_than_held"


def test_account__that_was_never_opened__is_an_error() -> None:
    with pytest.raises(BrokerError) as broken:
        Simulated(uuid4()).cash()
    assert broken.value.specific_code == "UNKNOWN_ACCOUNT"


# How orders end


def test_cancel__an_entry_with_a_bracket__ends_all_three() -> None:
    desk = Desk()
    desk.enter(stop=0.02, target=0.05)
    desk.news()
    report = desk.broker.cancel("e")
    assert isinstance(report, OrderReport)
    assert (report.status, [leg.status for leg in report.legs]) == ("canceled", ["canceled", "canceled"])
    assert desk.news() == [("e", "canceled"), ("e.stop", "canceled"), ("e.limit", "canceled")]
    assert desk.bar(100.0) == []
    assert desk.broker.positions() == {}


def test_cancel__an_entry_filled_in_part__keeps_what_it_got_and_its_stop() -> None:
    desk = Desk(max_volume_share=0.1)
    desk.enter(stop=0.02)
    desk.bar(100.0, volume=40.0)
    desk.broker.cancel("e")
    assert desk.news() == [("e", "canceled")]
    assert found(desk, "e").filled_qty == D(4)
    assert desk.bar(97.0) == [("e.stop", D(4), D(97))]


def test_cancel__an_order_that_has_ended__reports_it_as_it_is() -> None:
    desk = Desk()
    desk.enter()
    desk.bar(100.0)
    report = desk.broker.cancel("e")
    assert isinstance(report, OrderReport)
    assert report.status == "filled"
    assert desk.news() == []
    nothing = desk.broker.cancel("never")
    assert isinstance(nothing, Refused)
    assert nothing.code == "unknown_order"


def test_cancel__a_held_target__leaves_the_stop_alone() -> None:
    desk = Desk()
    desk.enter(stop=0.02, target=0.05)
    desk.broker.cancel("e.limit")
    desk.news()
    assert desk.bar(100.0) == [("e", D(10), D(100)), ("e.stop", "working")]
    assert desk.bar(106.0) == []


def test_replace__a_stop__rests_at_the_new_price_and_ends_the_old_one() -> None:
    desk = Desk()
    desk.enter(stop=0.02, target=0.05)
    desk.bar(100.0)
    report = desk.broker.replace("e.stop", a_stop("s", "99"))
    assert isinstance(report, OrderReport)
    assert (report.status, report.stop_price) == ("working", D(99))
    assert desk.news() == [("e.stop", "canceled"), ("s", "working")]
    assert desk.bar(100.0, 100.0, 98.5, 99.0) == [("s", D(10), D(99)), ("e.limit", "canceled")]


def test_replace__a_stop_while_its_entry_still_fills__protects_the_rest_as_well() -> None:
    # Given: 4 of 10 came in at 100, and the stop was raised from 98 to 99
    desk = Desk(max_volume_share=0.1)
    desk.enter(stop=0.02)
    desk.bar(100.0, volume=40.0)
    desk.broker.replace("e.stop", a_stop("s", "99", "4"))
    # When: the other 6 come in
    desk.bar(100.0)
    # Then: the stop is for all 10, at the entry's distance again
    assert (found(desk, "s").qty, found(desk, "s").stop_price) == (D(10), D(98))
    # and the entry's legs are those it came with
    assert [(leg.client_order_id, leg.status) for leg in found(desk, "e").legs] == [("e.stop", "canceled")]


def test_replace__of_what_does_not_work__changes_nothing() -> None:
    desk = Desk()
    desk.enter(stop=0.02)
    for name, request, code in (
        ("e.stop", a_stop("s", "99"), "not_replaceable"),  # held
        ("e", an_entry("n"), "not_replaceable"),
        ("never", a_stop("s", "99"), "not_working"),
        ("e.stop", a_stop("e", "99"), DUPLICATE),
    ):
        answer = desk.broker.replace(name, request)
        assert isinstance(answer, Refused)
        assert answer.code == code
    desk.bar(100.0)
    too_much = desk.broker.replace("e.stop", a_stop("s", "99", "11"))
    assert isinstance(too_much, Refused)
    assert too_much.code == "more_than_held"
    assert found(desk, "e.stop").status == "working"


def test_expire_all__open_orders_of_every_kind__end_and_free_their_places() -> None:
    desk = Desk(symbols=("AAPL", "IBM"))
    desk.enter(stop=0.02)
    desk.bar(100.0)
    desk.broker.submit(an_entry("i", symbol="IBM", bracket=(Child("i.stop", 1, "stop", 0.1),)))
    desk.news()
    assert simulated.expire_all(desk.id, at_ms=7 * MINUTE) == 3
    assert sorted(desk.news()) == [("e.stop", "expired"), ("i", "expired"), ("i.stop", "expired")]
    assert {event.at_ms for event in desk.broker.events(after=desk.read - 3)} == {7 * MINUTE}
    assert simulated.expire_all(desk.id, at_ms=7 * MINUTE) == 0
    # Then: the position stays, and nothing closes it any more
    assert desk.bar(90.0) == []
    assert desk.broker.positions() == {("AAPL", "long"): D(10)}


# Twice is once


def test_match__the_same_bar_or_an_older_one__leads_to_nothing() -> None:
    desk = Desk()
    desk.enter()
    bars = bars_at(5, {0: (100.0,) * 4})
    assert simulated.match(desk.id, bars) == 1
    desk.broker.submit(an_exit())
    assert simulated.match(desk.id, bars) == 0
    assert simulated.match(desk.id, bars_at(4, {0: (100.0,) * 4})) == 0
    assert simulated.match(desk.id, bars_at(6, {0: (100.0,) * 4})) == 1


def test_match__bars_of_two_moments__are_refused_whole() -> None:
    desk = Desk(symbols=("AAPL", "IBM"))
    bars = bars_at(5, {0: (100.0,) * 4, 1: (100.0,) * 4})
    with pytest.raises(InputError):
        simulated.match(desk.id, bars._replace(open_ms=np.array([1, 2], np.int64)))
    desk.enter()
    with pytest.raises(InputError):
        simulated.match(desk.id, bars._replace(symbol=np.array([0, 9], np.int32)))
    assert SimulatedAccount.objects.get(id=desk.id).matched_ms is None


def test_match__no_bars__leads_to_nothing() -> None:
    assert simulated.match(Desk().id, bars_at(0, {})) == 0


def test_open_account__twice__keeps_the_first() -> None:
    desk = Desk()
    desk.enter()
    desk.bar(100.0)
    simulated.open_account(desk.id, symbols=["IBM"], instruments=[Instrument("IBM")], capital=D(5))
    assert desk.broker.cash() == D(9000)


def test_broker_of__an_account_row__is_the_broker_it_names() -> None:
    desk = Desk()
    broker = brokers.broker_of(BrokerAccount(id=desk.id, broker="simulated"))
    assert broker.cash() == D(10_000)
    with pytest.raises(BrokerError) as broken:
        brokers.broker_of(BrokerAccount(broker="nobody"))
    assert broken.value.specific_code == "UNKNOWN_BROKER"


# As far from us as a real broker


def test_submit__our_transaction_rolls_back__the_broker_keeps_the_order() -> None:
    desk = Desk()

    with transaction.atomic():
        desk.enter()
        transaction.set_rollback(True)
    assert found(desk, "e").status == "working"
    assert desk.bar(100.0)[-1] == ("e", D(10), D(100))


def test_submit__the_same_id_from_two_threads__is_accepted_once() -> None:
    desk, other = Desk(), Desk()
    start = threading.Barrier(4)
    answers: list[OrderReport | Refused] = []

    def submit(broker: Simulated) -> None:
        try:
            start.wait(timeout=10)
            answers.append(broker.submit(an_entry("same")))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=submit, args=(each.broker,)) for each in (desk, desk, other, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    accepted = [answer for answer in answers if isinstance(answer, OrderReport)]
    assert len(accepted) == 1
    assert [answer.code for answer in answers if isinstance(answer, Refused)] == [DUPLICATE] * 3
    assert SimulatedOrder.objects.filter(client_order_id="same").count() == 1
    assert SimulatedEvent.objects.count() == 1


def test_submit__another_account_uses_the_id_in_the_same_moment__is_refused() -> None:
    # Given: another account's order of that id, written and not yet committed
    desk, other = Desk(), Desk()
    answers: list[OrderReport | Refused] = []

    def submit() -> None:
        try:
            answers.append(desk.broker.submit(an_entry("same")))
        finally:
            connections.close_all()

    with transaction.atomic(using="broker"):
        SimulatedOrder.objects.using("broker").create(
            **{"account_id": other.id, "client_order_id": "same", "symbol": "AAPL", "side": "long", "leg": 0},
            **{"action": "buy", "order_type": "market", "is_entry": True, "qty": 1, "status": "working"},
        )
        # When: ours looked it up in vain and waits for the other to commit
        thread = threading.Thread(target=submit)
        thread.start()
        wait_until_somebody_waits()
    thread.join(timeout=10)
    # Then: the database saw it
    assert [answer.code for answer in answers if isinstance(answer, Refused)] == [DUPLICATE]
    assert desk.news() == []


def test_submit__while_another_call_has_the_account__waits_and_sees_its_outcome() -> None:
    # Given: a call that has placed an order and not committed
    desk = Desk(symbols=("AAPL", "IBM"))
    answers: list[OrderReport | Refused] = []

    def submit() -> None:
        try:
            answers.append(desk.broker.submit(an_entry("second", symbol="IBM")))
        finally:
            connections.close_all()

    with transaction.atomic(using="broker"):
        desk.enter("first")
        # When: another one comes
        thread = threading.Thread(target=submit)
        thread.start()
        wait_until_somebody_waits()
    thread.join(timeout=10)
    # Then: both rest, one after the other
    assert isinstance(answers[0], OrderReport)
    assert desk.news() == [("first", "working"), ("second", "working")]
    simulated.match(desk.id, bars_at(0, {0: (100.0,) * 4, 1: (50.0,) * 4}))
    assert desk.broker.positions() == {("AAPL", "long"): D(10), ("IBM", "long"): D(10)}


def wait_until_somebody_waits() -> None:
    blocked = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    for _ in range(500):
        with connections["default"].cursor() as cursor:
            cursor.execute(blocked)
            if cursor.fetchone()[0]:
                return
        time.sleep(0.01)
    raise AssertionError("nobody waits for the row")


# Failures it was told to have


def test_fault__refuse__says_no_once() -> None:
    desk = Desk()
    simulated.fail_next("submit", "refuse")
    answer = desk.enter()
    assert isinstance(answer, Refused)
    assert answer.code == "told_to_refuse"
    assert isinstance(desk.enter(), OrderReport)


def test_fault__time_out_on_submit__stores_nothing() -> None:
    desk = Desk()
    simulated.fail_next("submit", "time_out", account_id=desk.id, times=2)
    for _ in range(2):
        with pytest.raises(BrokerUnsure):
            desk.enter()
    assert desk.broker.find("e") is None
    assert isinstance(desk.enter(), OrderReport)


def test_fault__lose_answer_on_submit__stores_the_order_all_the_same() -> None:
    desk = Desk()
    simulated.fail_next("submit", "lose_answer")
    with pytest.raises(BrokerUnsure):
        desk.enter(stop=0.02)
    assert [leg.status for leg in found(desk, "e").legs] == ["held"]
    again = desk.enter(stop=0.02)
    assert isinstance(again, Refused)
    assert again.code == DUPLICATE


def test_fault__lose_answer_on_cancel__ends_the_order_all_the_same() -> None:
    desk = Desk()
    desk.enter()
    simulated.fail_next("cancel", "time_out")
    with pytest.raises(BrokerUnsure):
        desk.broker.cancel("e")
    assert found(desk, "e").status == "working"
    simulated.fail_next("cancel", "lose_answer")
    with pytest.raises(BrokerUnsure):
        desk.broker.cancel("e")
    assert found(desk, "e").status == "canceled"


@pytest.mark.parametrize("call", ["find", "events"])
def test_fault__time_out_on_reading__answers_the_next_time(call: str) -> None:
    desk = Desk()
    desk.enter()
    simulated.fail_next(call, "time_out")

    def read() -> object:
        return desk.broker.find("e") if call == "find" else desk.broker.events(after=0)

    with pytest.raises(BrokerUnsure):
        read()
    assert read()


def test_fault__of_another_account__is_not_ours() -> None:
    desk, other = Desk(), Desk()
    simulated.fail_next("submit", "refuse", account_id=other.id)
    assert isinstance(desk.enter(), OrderReport)
    assert isinstance(other.enter("f"), Refused)


def test_fault__fill_partly__fills_half_and_the_rest_one_bar_later() -> None:
    desk = Desk()
    desk.enter(qty="7", stop=0.02)
    simulated.fail_next("match", "fill_partly", account_id=desk.id)
    desk.news()
    # Half of 7, in whole shares, is 3
    assert desk.bar(100.0) == [("e", D(3), D(100)), ("e.stop", "working")]
    assert desk.bar(101.0) == [("e", D(4), D(101)), ("e.stop", "working")]
    assert not SimulatedFault.objects.filter(remaining__gt=0).exists()


def test_fault__of_a_fill__waits_for_the_next_order_that_is_due() -> None:
    # Given: a position that nothing touches
    desk = Desk()
    desk.enter(stop=0.02)
    desk.bar(100.0)
    simulated.fail_next("match", "fill_partly")
    assert desk.bar(101.0) == []
    # When: its stop is reached; half of 10 fills there, the rest at the next open
    assert desk.bar(101.0, 101.0, 97.0, 97.0) == [("e.stop", D(5), D(98))]
    assert desk.bar(96.0) == [("e.stop", D(5), D(96))]


def test_fault__fill_late__fills_one_bar_later() -> None:
    desk = Desk()
    simulated.fail_next("match", "fill_late")
    desk.enter()
    desk.news()
    assert desk.bar(100.0) == []
    assert desk.bar(101.0) == [("e", D(10), D(101))]


def test_fail_next__what_it_cannot_do__is_an_error() -> None:
    with pytest.raises(InputError, match="fill_late on submit"):
        simulated.fail_next("submit", "fill_late")


# The same trades as a backtest


@pytest.mark.parametrize(
    ("seed", "venue"),
    [
        (1, {}),
        (2, {"fee_bps": 10.0, "slippage_bps": 5.0}),
        (3, {"fee_bps": 10.0, "max_volume_share": 0.05}),
        (4, {"latency_bars": 1, "stops_from_next_bar": True}),
    ],
)
def test_broker__a_bot_that_trades_there__fills_as_in_a_run_on_the_same_bars(seed: int, venue: dict[str, Any]) -> None:
    # Given: two symbols, both sides, stops and targets, and signals now and then
    fields = {**worlds.ONE_WAY, **scenes.BRACKETS, "position_fraction": 0.3}
    params = worlds.wishes(symbols=2, **fields)._replace(venue=venue_record(VenueSettings(**venue)))
    plan = worlds.external_plan(params)
    bars = worlds.random_bars(seed, 200, symbols=2)
    signals = worlds.random_signals(seed, len(bars.open_ms))
    # When: the bot knows of its orders only what the broker's events tell
    desk = Desk(symbols=plan.symbols, **venue)
    state = traded(desk, plan, bars, signals)
    # Then: every fill is that of the run, and so are the books
    whole = run.run(bars, plan=plan, state=run.start(plan), signals=signals)
    fills = [event for event in desk.broker.events(after=0, limit=10_000) if event.is_fill]
    assert [fill_of(event, plan) for event in fills] == [
        tuple(fill[name].item() for name in FILL_FIELDS) for fill in whole.fills
    ]
    assert len(whole.trips) > 5
    assert state.account.tobytes() == whole.state.state.account.tobytes()
    assert state.positions.tobytes() == whole.state.state.positions.tobytes()
    assert desk.broker.cash() == decimal_of(float(whole.state.state.account["cash"][0]))


FILL_FIELDS = ("open_ms", "symbol", "side", "leg", "is_entry", "qty", "price", "fee")


def fill_of(event: BrokerEvent, plan: run.Plan) -> tuple[Any, ...]:
    order = event.order
    place = (plan.symbols.index(order.symbol), ("long", "short").index(order.side), order.leg, int(order.is_entry))
    return event.at_ms, *place, float(event.qty), float(event.price), float(event.fee)


def traded(desk: Desk, plan: run.Plan, bars: Bars, signals: Signals) -> State:
    state = run.start(plan).state
    borders = [0, *(np.flatnonzero(np.diff(bars.open_ms)) + 1).tolist(), len(bars.open_ms)]
    for first, last in itertools.pairwise(borders):
        group = worlds.part_of(bars, first, last)
        simulated.match(desk.id, group)
        for event in desk.broker.events(after=desk.read):
            desk.read = event.sequence
            if event.is_fill:
                row = first + int(np.flatnonzero(group.symbol == plan.symbols.index(event.order.symbol))[0])
                state = step.on_fill(state, heard(event, plan, row), plan.params, day=int(group.day[0])).state
        answer = step.on_bar(state, group, worlds.rows_of(signals, first, last), plan.params)
        state = answer.state
        for order in answer.orders:
            taken = desk.broker.submit(asked(order, plan, f"{desk.id}/{first}/{order['symbol']}/{order['side']}"))
            assert isinstance(taken, OrderReport)
    return state


def heard(event: BrokerEvent, plan: run.Plan, row: int) -> NDArray[np.void]:
    fill = np.zeros(1, FILL)
    for name, value in zip(FILL_FIELDS, fill_of(event, plan), strict=True):
        fill[name] = value
    fill["row"], fill["remaining"] = row, float(event.order.qty - event.cum_qty)
    return fill


def asked(order: np.void, plan: run.Plan, name: str) -> OrderRequest:
    side = "short" if order["side"] else "long"
    wanted = plan.params.sides[order["symbol"], order["side"]]
    bracket = (
        Child(f"{name}/stop", 1, "stop", float(wanted["stop_fraction"])),
        Child(f"{name}/target", 2, "limit", float(wanted["target_fraction"])),
    )
    return OrderRequest(
        client_order_id=name,
        symbol=plan.symbols[order["symbol"]],
        side=side,
        leg=0,
        action="buy" if order["action"] == 1 else "sell",
        order_type="market",
        is_entry=bool(order["is_entry"]),
        qty=decimal_of(float(order["qty"])),
        bracket=bracket if order["is_entry"] else (),
    )


# Whatever happens


PRICES = st.integers(min_value=9_000, max_value=11_000).map(lambda cents: cents / 100)


@st.composite
def a_bar(draw: st.DrawFn) -> tuple[float, ...]:
    prices = sorted(draw(st.lists(PRICES, min_size=4, max_size=4)))
    opened, closed = draw(st.permutations(prices[1:3]))
    return opened, prices[3], prices[0], closed


MOVES = st.one_of(
    st.tuples(st.just("enter"), st.sampled_from(["long", "short"]), st.integers(1, 40)),
    st.tuples(st.just("exit"), st.sampled_from(["long", "short"]), st.integers(1, 40)),
    st.tuples(st.just("cancel"), st.integers(0, 30), st.just(0)),
    st.tuples(st.just("raise_stop"), st.sampled_from(["long", "short"]), PRICES),
    st.tuples(st.just("bar"), a_bar(), st.sampled_from([20.0, 90.0, 1e6])),
    st.tuples(st.just("bar"), a_bar(), st.sampled_from([20.0, 90.0, 1e6])),
    st.tuples(st.just("bar"), a_bar(), st.just(1e6)),
    st.tuples(st.just("fault"), st.sampled_from(["fill_partly", "fill_late"]), st.just(0)),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(moves=st.lists(MOVES, min_size=4, max_size=25))
def test_account__any_life__positions_and_cash_are_the_sum_of_its_fills(moves: list[tuple[Any, ...]]) -> None:
    desk = Desk(max_volume_share=0.1, fee_bps=7.0, slippage_bps=3.0)
    for number, move in enumerate(moves):
        moved(desk, f"{desk.id}/{number}", *move)
        agrees(desk)
    simulated.expire_all(desk.id, at_ms=desk.minute * MINUTE)
    agrees(desk)
    assert not SimulatedOrder.objects.filter(
        account=desk.id, status__in=["held", "working", "partially_filled"]
    ).exists()


def moved(desk: Desk, name: str, kind: str, what: Any, size: Any) -> None:
    if kind == "enter":
        bracket = (Child(f"{name}.s", 1, "stop", 0.02), Child(f"{name}.t", 2, "limit", 0.03))
        action = "buy" if what == "long" else "sell"
        desk.broker.submit(an_entry(name, str(size), side=what, action=action, bracket=bracket))
    elif kind == "exit":
        desk.broker.submit(an_exit(name, str(size), side=what, action="sell" if what == "long" else "buy"))
    elif kind == "raise_stop":
        working = SimulatedOrder.objects.filter(account=desk.id, leg=1, side=what, status="working").first()
        if working is not None:
            request = a_stop(name, str(size), str(working.qty))
            desk.broker.replace(working.client_order_id, request._replace(side=what, action=working.action))
    elif kind == "cancel":
        names = SimulatedOrder.objects.filter(account=desk.id).order_by("id").values_list("client_order_id", flat=True)
        if names:
            desk.broker.cancel(names[what % len(names)])
    elif kind == "fault":
        simulated.fail_next("match", what, account_id=desk.id)
    else:
        desk.bar(*what, volume=size)


def agrees(desk: Desk) -> None:
    events = desk.broker.events(after=0)
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    cash, positions = D(10_000), dict[tuple[str, str], Decimal]()
    filled = dict[UUID, Decimal]()
    for event in events:
        if event.is_fill:
            order = event.order
            sign = 1 if order.action == "buy" else -1
            cash -= sign * event.qty * event.price + event.fee
            place = (order.symbol, order.side)
            positions[place] = positions.get(place, D(0)) + (event.qty if order.is_entry else -event.qty)
            filled[order.order_id] = filled.get(order.order_id, D(0)) + event.qty
            assert event.cum_qty == filled[order.order_id]
    assert desk.broker.cash() == cash
    assert desk.broker.positions() == {place: qty for place, qty in positions.items() if qty}
    assert all(qty > 0 for qty in desk.broker.positions().values())
    assert_orders_agree(desk, filled)


def assert_orders_agree(desk: Desk, filled: dict[UUID, Decimal]) -> None:
    for order in SimulatedOrder.objects.filter(account=desk.id):
        assert order.filled_qty == filled.get(order.id, D(0)) <= order.qty
        assert (order.status == "filled") == (order.filled_qty == order.qty)
        if order.status == "working" and order.leg != 0:
            # What protects a position is never more than the position.
            assert order.qty - order.filled_qty <= desk.broker.positions()[order.symbol, order.side]


@pytest.fixture(autouse=True)
def _connections_closed() -> Iterator[None]:
    yield
    connections["broker"].close()
