"""Sending orders: what is claimed, what is not, and that every answer, and none, leads to at most one order."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from time import sleep
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User

from bots.brokers import simulated
from bots.brokers.ports import Child, OrderReport, OrderRequest
from bots.brokers.simulated import Simulated
from bots.models import (
    AccountState,
    Bot,
    BrokerAccount,
    BrokerOrder,
    Cycle,
    CycleState,
    Decision,
    EngineRun,
    Fill,
    IntentState,
    OrderIntent,
    Position,
    SimulatedOrder,
    Trade,
)
from bots.services import leases, lifecycle, recomputing, submission
from bots.services.checkpoints import Checkpoint, nowhere
from bots.services.feeding import Did
from bots.services.leases import Lease
from bots.tests.builders import ACTOR, NOW
from bots.tests.little_platform import (
    Killed,
    LittlePlatform,
    a_trader,
    bar_of,
    day,
    digest,
    fills,
    orders,
    run_of,
    simulated_bars,
)
from engine.domain.enums import Reason
from marketdata.services import replay

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "broker"])

D = Decimal

# BUY on bar 5, SELL on bar 7, BUY on bar 9, and a fall through the stop on bar 10: see test_trading.
CLOSES = [100, 100, 100, 100, 100, 101, 102, 100, 100, 103, 90, 90]
WORKING = [(5, 0, "buy", 9, "working"), (None, 1, "sell", 9, "held"), (None, 2, "sell", 9, "held")]


@pytest.fixture
def bot(owner: User, little: LittlePlatform) -> Bot:
    """A bot that has stepped bars 0 to 4; bar 5, on which it will buy, is published."""
    simulated_bars("AAPL", CLOSES)
    made = a_trader(owner)
    little.bars(5)
    assert little.publish().did == Did.PUBLISHED
    return made


class Asked:
    """An entry that was decided and is not sent yet, and a worker that may send it."""

    def __init__(self, bot: Bot, little: LittlePlatform) -> None:
        with pytest.raises(Killed):
            little.advance_all(little.killed_at("intended"))
        little.lapse()
        self.lease = little.lease(bot)
        self.intent = OrderIntent.objects.get(bot=bot, leg=0)
        self.broker = Simulated(self.intent.account_id)

    def send(self, checkpoint: Checkpoint = nowhere, *, lease: Lease | None = None) -> str:
        return submission.send(
            self.intent.id, lease=lease or self.lease, broker=self.broker, checkpoint=checkpoint
        ).value

    def reason(self) -> str:
        return Reason(OrderIntent.objects.get(id=self.intent.id).reason).name


@pytest.fixture
def asked(bot: Bot, little: LittlePlatform) -> Asked:
    return Asked(bot, little)


def placed() -> int:
    """Entries and signal exits that the broker ever took."""
    return SimulatedOrder.objects.using("broker").filter(leg=0).count()


# --- the claim


def test_claim__all_well__is_sent_once(asked: Asked) -> None:
    assert asked.send() == "working"
    assert placed() == 1
    # and again: there is nothing left to claim
    assert asked.send() == "working"
    assert placed() == 1
    found = OrderIntent.objects.get(id=asked.intent.id)
    assert found.claimed_at is not None
    assert found.send_by == found.claimed_at + timedelta(seconds=5)


@pytest.mark.parametrize("move", [lifecycle.stop, lifecycle.pause])
def test_claim__the_bot_does_not_run_any_more__is_never_sent(asked: Asked, bot: Bot, move: Callable[..., Bot]) -> None:
    move(bot.id, actor=ACTOR, now=NOW)
    assert (asked.send(), asked.reason(), placed()) == ("unsent", "STOPPED", 0)
    # its brackets are not waited for either
    assert set(OrderIntent.objects.exclude(leg=0).values_list("state", flat=True)) == {"canceled"}


@pytest.mark.parametrize("state", [AccountState.HALTED, AccountState.REDUCING])
def test_claim__the_account_takes_no_entries__is_never_sent(asked: Asked, state: AccountState) -> None:
    BrokerAccount.objects.update(state=state)
    assert (asked.send(), asked.reason(), placed()) == ("unsent", "DENIED", 0)


@pytest.mark.parametrize(("state", "wanted"), [(AccountState.REDUCING, "working"), (AccountState.HALTED, "unsent")])
def test_claim__an_exit_while_the_account_reduces__is_sent(
    bot: Bot, little: LittlePlatform, state: AccountState, wanted: str
) -> None:
    # Given: a position, and bar 7 says SELL
    little.bars(1)
    BrokerAccount.objects.update(state=state)
    little.bars(1)
    exit_asked = OrderIntent.objects.get(is_entry=False, leg=0)
    assert (bar_of(exit_asked.open_ms), str(exit_asked.state)) == (7, wanted)


def test_claim__another_bar_closed_meanwhile__is_never_sent(asked: Asked) -> None:
    assert replay.advance("1d", epoch=1, from_ms=day(5), to_ms=day(6))
    assert (asked.send(), asked.reason(), placed()) == ("unsent", "STALE_BAR", 0)


def test_claim__somebody_else_holds_the_lease__does_nothing(asked: Asked, bot: Bot, little: LittlePlatform) -> None:
    # Given: the worker slept past its lease, and another one took over
    little.lapse()
    [(bot_id, token)] = leases.dispatch()
    other = leases.take(bot_id, token, uuid4())
    assert other is not None
    # When, then
    assert (asked.send(), placed()) == ("pending", 0)
    assert (asked.send(lease=other), placed()) == ("working", 1)


def test_send__asleep_between_claim_and_post__does_not_post(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given: a hundredth of a second instead of five
    monkeypatch.setattr(submission, "SEND_WITHIN", timedelta(milliseconds=10))

    def sleeps(name: str) -> None:
        if name == "claimed":
            sleep(0.02)

    # When, then: nobody knows; as far as the books go it may have been sent
    assert (asked.send(sleeps), placed()) == ("unknown", 0)


# --- the answer


def test_answer__lost__the_order_is_found_and_recorded(bot: Bot, little: LittlePlatform) -> None:
    simulated.fail_next("submit", "lose_answer")
    assert little.advance_all() == ["done"]
    assert orders(bot) == WORKING
    assert (placed(), BrokerOrder.objects.count()) == (1, 3)
    little.bars()
    assert fills(bot) == [(6, 9, 101)]


def test_answer__none_and_nothing_arrived__is_sent_again_under_the_same_id(bot: Bot, little: LittlePlatform) -> None:
    simulated.fail_next("submit", "time_out")
    assert little.advance_all() == ["done"]
    assert orders(bot) == WORKING
    entry = OrderIntent.objects.get(leg=0)
    assert entry.misses == 1
    assert [one.client_order_id for one in SimulatedOrder.objects.using("broker").filter(leg=0)] == [
        entry.client_order_id
    ]


def test_answer__none_for_long__stays_in_doubt_until_the_broker_answers(bot: Bot, little: LittlePlatform) -> None:
    # Given: three posts in one cycle that do not arrive
    simulated.fail_next("submit", "time_out", times=3)
    assert little.advance_all() == ["in doubt"]
    assert orders(bot)[0] == (5, 0, "buy", 9, "unknown")
    # the feed waits
    assert little.publish().did == Did.BEHIND
    # When
    leases.wake([bot.id])
    assert little.advance_all() == ["nothing new"]
    # Then
    assert orders(bot) == WORKING
    assert placed() == 1
    assert Cycle.objects.filter(bot=bot).latest("number").state == CycleState.DONE


def test_answer__refused__the_leg_is_free_and_the_next_signal_orders_again(bot: Bot, little: LittlePlatform) -> None:
    # Given: bar 5's BUY is refused
    simulated.fail_next("submit", "refuse")
    little.advance_all()
    refused = OrderIntent.objects.get(leg=0)
    assert (refused.state, refused.broker_code, refused.reason) == ("rejected", "told_to_refuse", Reason.REJECTED)
    # When: bar 6 says BUY again
    little.bars()
    # Then: the engine heard of it, and orders
    assert orders(bot) == [
        (5, 0, "buy", 9, "rejected"),
        (None, 1, "sell", 9, "canceled"),
        (None, 2, "sell", 9, "canceled"),
        (6, 0, "buy", 9, "working"),
        (None, 1, "sell", 9, "held"),
        (None, 2, "sell", 9, "held"),
    ]
    assert Decision.objects.filter(reason=Reason.REJECTED).count() == 1
    assert recomputing.check(run_of(bot)).differences == ()


def test_answer__the_id_is_known__looks_the_order_up(asked: Asked) -> None:
    # Given: between claim and post the same order arrives by another way
    children = OrderIntent.objects.filter(parent=asked.intent).order_by("leg")
    bracket = tuple(
        Child(one.client_order_id, one.leg, one.order_type, one.bracket_fraction or 0.0) for one in children
    )
    request = OrderRequest(
        asked.intent.client_order_id, "AAPL", "long", 0, "buy", "market", True, D(9), bracket=bracket
    )

    def overtaken(name: str) -> None:
        if name == "claimed":
            assert isinstance(asked.broker.submit(request), OrderReport)

    # When, then
    assert (asked.send(overtaken), placed()) == ("working", 1)
    assert [one.state for one in OrderIntent.objects.order_by("leg")] == ["working", "held", "held"]


# --- the worker dies

PLACES = (
    "taken",
    "run_opened",
    "events_read",
    "events_taken",
    "cycle_opened",
    "stepped",
    "intended",
    "claimed",
    "answered",
    "sent",
    "finished",
    "released",
)


@pytest.mark.parametrize("place", PLACES)
def test_killed__at_each_bar__does_what_it_would_have_done(owner: User, little: LittlePlatform, place: str) -> None:
    # Given
    simulated_bars("AAPL", CLOSES)
    bot = a_trader(owner)
    # When: at every bar the worker dies there, once
    deaths = 0
    for number in range(len(CLOSES) + 1):
        if number:
            assert little.publish().did == Did.PUBLISHED
        deaths += _dies_once(little, little.killed_at(place))
    # Then: the same orders under the same ids as a worker that lives, see test_trading
    assert deaths > 0
    assert _books(bot) == AS_IF_NOTHING_HAPPENED
    assert set(Cycle.objects.values_list("state", flat=True)) == {"done"}
    assert Cycle.objects.count() == len(CLOSES)
    assert SimulatedOrder.objects.using("broker").count() == 7
    assert recomputing.check(run_of(bot)).differences == ()


@pytest.mark.parametrize("lost", ["lose_answer", "time_out"])
def test_killed__while_looking_up_an_order_in_doubt__does_what_it_would_have_done(
    owner: User, little: LittlePlatform, lost: str
) -> None:
    simulated_bars("AAPL", CLOSES)
    bot = a_trader(owner)
    deaths = 0
    for number in range(len(CLOSES) + 1):
        if number:
            assert little.publish().did == Did.PUBLISHED
        if number in (6, 8, 10):
            simulated.fail_next("submit", lost)
        deaths += _dies_once(little, little.killed_at("looked_up"))
    assert deaths == 3
    assert _books(bot) == AS_IF_NOTHING_HAPPENED


def _dies_once(little: LittlePlatform, checkpoint: Checkpoint) -> int:
    try:
        little.advance_all(checkpoint)
    except Killed:
        little.lapse()
        little.advance_all(checkpoint)
        return 1
    return 0


def _books(bot: Bot) -> dict[str, Any]:
    run = run_of(bot)
    return {
        "ids": [one.replace(bot.id.hex, "BOT") for one in _ids(bot)],
        "orders": orders(bot),
        "fills": fills(bot),
        "booked": list(Fill.objects.order_by("id").values_list("qty", "price")),
        "gains": list(Position.objects.order_by("opened_at").values_list("realized_pnl", flat=True)),
        "trades": Trade.objects.count(),
        "decisions": Decision.objects.count(),
        "runs": EngineRun.objects.count(),
        "cash": (run.cash, run.equity, Simulated(run.account_id).cash()),
    }


def _ids(bot: Bot) -> list[str]:
    return list(OrderIntent.objects.filter(bot=bot).order_by("id").values_list("client_order_id", flat=True))


AS_IF_NOTHING_HAPPENED = {
    # mode and schema, bot, epoch, when the bar closed, run and cycle, place
    "ids": [
        "p1-BOT-1-20200108T000000-1.6-AAPL-L0",
        "p1-BOT-1-20200108T000000-1.6-AAPL-L1",
        "p1-BOT-1-20200108T000000-1.6-AAPL-L2",
        "p1-BOT-1-20200110T000000-1.8-AAPL-L0",
        "p1-BOT-1-20200112T000000-1.10-AAPL-L0",
        "p1-BOT-1-20200112T000000-1.10-AAPL-L1",
        "p1-BOT-1-20200112T000000-1.10-AAPL-L2",
    ],
    "orders": [
        (5, 0, "buy", 9, "filled"),
        (6, 1, "sell", 9, "canceled"),
        (6, 2, "sell", 9, "canceled"),
        (7, 0, "sell", 9, "filled"),
        (9, 0, "buy", 9, "filled"),
        (10, 1, "sell", 9, "filled"),
        (10, 2, "sell", 9, "canceled"),
    ],
    "fills": [(6, 9, 101), (8, 9, 100), (10, 9, 103), (10, 9, D("92.7"))],
    "booked": [(9, 101), (9, 100), (9, 103), (9, D("92.7"))],
    "gains": [-9, D("-92.7")],
    "trades": 4,
    "decisions": 6,
    "runs": 1,
    "cash": (D("9898.3"), D("9898.3"), D("9898.3")),
}


def test_intend__the_lease_was_taken_over__writes_nothing(bot: Bot, little: LittlePlatform) -> None:
    # Given: another worker takes over between stepping and writing
    before: list[str] = []

    def overtaken(name: str) -> None:
        if name == "stepped":
            little.lapse()
            [(bot_id, token)] = leases.dispatch()
            assert leases.take(bot_id, token, uuid4()) is not None
            before.append(digest())

    # When, then
    [(bot_id, token)] = leases.dispatch()
    assert little.advance(bot_id, token, checkpoint=overtaken) == "left"
    assert before == [digest()]
    assert orders(bot) == []
    # and: the lease stays with whoever has it
    assert Bot.objects.get(id=bot.id).lease_owner not in (None, little.worker)


def test_pending__from_a_bar_that_is_over__is_not_sent_by_the_next_worker(bot: Bot, little: LittlePlatform) -> None:
    # Given: decided on bar 5, not sent; nobody worked until bar 6 was published by hand
    with pytest.raises(Killed):
        little.advance_all(little.killed_at("intended"))
    assert replay.advance("1d", epoch=1, from_ms=day(5), to_ms=day(6))
    little.lapse()
    # When
    little.advance_all()
    # Then: bar 5's order was given up and the engine told; bar 6's BUY is a new one
    leases.wake([bot.id])
    little.advance_all()
    assert [one for one in orders(bot) if one[1] == 0] == [(5, 0, "buy", 9, "unsent"), (6, 0, "buy", 9, "working")]
    assert OrderIntent.objects.get(leg=0, state=IntentState.UNSENT).reason == Reason.STALE_BAR
