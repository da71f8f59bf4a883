"""Closing a position: what is written, what is refused, and that nothing is half done."""

from datetime import UTC, datetime
from decimal import Decimal
from uuid import uuid4

import pytest

from bots.errors import OrderWorking, PositionAlreadyClosed, PositionNotFound
from bots.models import Bot, BotStatus, IntentState, OrderFact, OrderIntent, Outbox
from bots.services import closing
from bots.tests import rows
from bots.tests.builders import ACTOR, NOW, a_bot, a_position, a_replay, an_order

pytestmark = pytest.mark.django_db

NEWEST = datetime(2000, 3, 1, tzinfo=UTC)


@pytest.fixture
def bot(owner, instruments) -> Bot:
    bot = a_bot(owner)
    Bot.objects.filter(id=bot.id).update(status=BotStatus.RUNNING, is_active=True)
    return bot


def closed(position, **changes) -> OrderIntent:
    return closing.close_position(position.id, actor=ACTOR, now=NOW, **changes)


def test_close__at_an_instant_of_the_replay__writes_the_order_and_the_fact(bot) -> None:
    # Given: the bot's run is in the replay's round, whose newest daily bar opened on 2000-03-01
    a_replay("1d", NEWEST, epoch=2)
    run = rows.a_run(bot, number=3, epoch=2, last_open_ms=7)
    position = a_position(run, quantity=Decimal("2.5"), current_price=Decimal(104))
    # When
    order = closed(position)
    # Then
    kept = OrderIntent.objects.get()
    assert kept == order
    assert (kept.bot_id, kept.run_id, kept.account_id, kept.snapshot_id) == (
        bot.id, run.id, run.account_id, run.snapshot_id,
    )  # fmt: skip
    assert (kept.origin, kept.actor, kept.cycle_id, kept.state) == ("operator", "olga", None, "pending")
    assert (kept.symbol, kept.side, kept.leg, kept.is_entry) == ("AAPL", "long", 0, False)
    assert (kept.action, kept.order_type, kept.qty, kept.reference_price) == ("sell", "market", Decimal("2.5"), 104)
    # the close of that bar is the next midnight
    assert kept.asked_at == datetime(2000, 3, 2, tzinfo=UTC)
    assert kept.client_order_id.startswith(f"p1-{bot.id.hex}-3-op-")
    fact = OrderFact.objects.get()
    assert (fact.kind, fact.intent_id, fact.run_id, fact.cycle_id) == ("asked", kept.id, run.id, None)
    assert fact.at_ms == NEWEST.timestamp() * 1000


def test_close__a_short__buys_it_back(bot) -> None:
    assert closed(a_position(rows.a_run(bot), side="short")).action == "buy"


@pytest.mark.parametrize(("last_open_ms", "after_ms", "wanted"), [(7, 3, 7), (None, 3, 3)])
def test_close__a_replay_that_began_again__is_asked_on_the_runs_own_bar(bot, last_open_ms, after_ms, wanted) -> None:
    a_replay("1d", NEWEST, epoch=2)
    closed(a_position(rows.a_run(bot, epoch=1, last_open_ms=last_open_ms, after_ms=after_ms)))
    assert OrderFact.objects.get().at_ms == wanted


def test_close__nothing_replayed__is_asked_now(bot) -> None:
    assert closed(a_position(rows.a_run(bot))).asked_at == NOW


def test_close__of_a_running_bot__pauses_wakes_and_tells_it(bot) -> None:
    closed(a_position(rows.a_run(bot)))
    bot.refresh_from_db()
    assert (bot.status, bot.is_active) == (BotStatus.PAUSED, True)
    assert bot.wake_at is not None
    told = Outbox.objects.order_by("version").values_list("event", flat=True)
    assert list(told) == ["order_updated", "bot_status_changed"]


def test_close__without_pausing__leaves_the_bot_running_and_wakes_it(bot) -> None:
    closed(a_position(rows.a_run(bot)), pause_bot=False)
    bot.refresh_from_db()
    assert bot.status == BotStatus.RUNNING
    assert bot.wake_at is not None


def test_close__of_a_stopped_bot__is_asked_and_it_stays_stopped(bot) -> None:
    Bot.objects.update(status=BotStatus.STOPPED, is_active=False)
    closed(a_position(rows.a_run(bot)))
    bot.refresh_from_db()
    assert bot.status == BotStatus.STOPPED
    assert bot.wake_at is not None


@pytest.mark.parametrize("state", ["pending", "submitting", "unknown", "working"])
@pytest.mark.parametrize("is_entry", [True, False])
def test_close__an_order_in_its_place__is_refused_and_nothing_changed(bot, state, is_entry) -> None:
    # Given
    run = rows.a_run(bot)
    position = a_position(run)
    an_order(run, state=state, is_entry=is_entry)
    # When
    with pytest.raises(OrderWorking, match=state):
        closed(position)
    # Then
    bot.refresh_from_db()
    assert (bot.status, bot.event_version, OrderFact.objects.count()) == (BotStatus.RUNNING, 0, 0)


def test_close__stop_and_target_resting__is_asked_beside_them(bot) -> None:
    run = rows.a_run(bot)
    position = a_position(run)
    for leg in (1, 2):
        an_order(run, leg=leg, is_entry=False, action="sell", state=IntentState.WORKING)
    an_order(run, state=IntentState.FILLED)
    assert closed(position).leg == 0


def test_close__twice__asks_once(bot) -> None:
    position = a_position(rows.a_run(bot))
    closed(position)
    with pytest.raises(OrderWorking):
        closed(position)
    assert (OrderIntent.objects.count(), OrderFact.objects.count()) == (1, 1)


def test_close__closed_already__is_refused(bot) -> None:
    with pytest.raises(PositionAlreadyClosed):
        closed(a_position(rows.a_run(bot), closed_at=NOW))


def test_close__of_another_owner_or_nobodys__is_not_found(bot, stranger) -> None:
    position = a_position(rows.a_run(bot))
    with pytest.raises(PositionNotFound):
        closed(position, owner_id=stranger.pk)
    with pytest.raises(PositionNotFound):
        closing.close_position(uuid4(), actor=ACTOR, now=NOW)
    assert not OrderIntent.objects.exists()
