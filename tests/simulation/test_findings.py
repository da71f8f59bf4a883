"""What the simulation found, told by hand: each symptom once, without the storm around it."""

from collections.abc import Callable, Iterator
from uuid import UUID

import pytest

from bots.brokers import simulated
from bots.models import (
    Bot,
    EngineRun,
    IntentState,
    JournalEntry,
    OrderIntent,
    Origin,
    Position,
    SimulatedEvent,
)
from bots.services import closing, lifecycle, stepping
from engine.domain.enums import Leg
from marketdata import selectors as marketdata
from tests.simulation import verdict
from tests.simulation.clock import START
from tests.simulation.market import OPERATOR
from tests.simulation.theatre import Theatre
from tests.simulation.world import CALM, World

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "broker"])


@pytest.fixture
def world(stage: Theatre) -> Iterator[World]:
    """Two bots in calm weather, before the first bar they trade on."""
    with stage.scene(5, weather=CALM) as played:
        played.begin()
        played.settle()
        yield played
        # Whatever a test did: in the end the books are right.
        played.heal()
        played.rest()
        assert [*played.violations, *verdict.of(played)] == []


def until(world: World, happened: Callable[[], bool]) -> None:
    for _ in range(10):
        if happened():
            return
        world.bar()
    raise AssertionError("It never happened.")


def held() -> Position:
    found = Position.objects.filter(is_open=True).order_by("bot", "symbol").first()
    assert found is not None
    return found


def test_close__refused_by_the_broker_before_the_bot_heard_of_it__leaves_the_leg_free(world: World) -> None:
    # Given: a position whose close the broker refuses. The order is sent before the cycle that hears the wish, so
    # both the wish and its refusal are news to the engine, in that order.
    until(world, Position.objects.filter(is_open=True).exists)
    world.is_faithful = False
    simulated.fail_next("submit", simulated.REFUSE)
    order = closing.close_position(held().id, actor=OPERATOR, now=START, pause_bot=True)
    # When
    world.settle()
    # Then: it was refused, and the engine does not wait for it for ever
    order.refresh_from_db()
    assert (order.origin, order.state) == (Origin.OPERATOR, IntentState.REJECTED)
    run = EngineRun.objects.get(id=order.run_id)
    place = run.symbols.index(order.symbol)
    assert not stepping.from_bytes(bytes(run.state)).legs["working"][place, :, Leg.MAIN].any()
    # And it can be asked for again
    again = closing.close_position(held().id, actor=OPERATOR, now=START, pause_bot=True)
    world.settle()
    assert OrderIntent.objects.get(id=again.id).state == IntentState.WORKING


def test_epoch_that_ends__with_a_fill_a_paused_bot_has_not_heard__books_it_before_the_run_ends(world: World) -> None:
    # Given: a paused bot that holds something; its resting order fills while no worker gets to it, and the series ends
    until(world, Position.objects.filter(is_open=True).exists)
    world.is_faithful = False
    position = held()
    lifecycle.pause(position.bot_id, actor=OPERATOR, now=START)
    order = closing.close_position(position.id, actor=OPERATOR, now=START)
    world.settle()
    turn_without(world, position.bot_id)
    assert SimulatedEvent.objects.filter(order__client_order_id=order.client_order_id, kind="fill").exists()
    epoch = marketdata.feed("1d").epoch
    while marketdata.feed("1d").epoch == epoch:
        turn_without(world, position.bot_id)
    # When: it goes on, in the next epoch
    lifecycle.resume(position.bot_id, actor=OPERATOR, now=START)
    world.settle()
    # Then: the run that ended has the fill in its books
    run = EngineRun.objects.get(id=position.run_id)
    assert run.ended_at is not None
    assert JournalEntry.objects.filter(fill__broker_order__intent=order).exists()


def turn_without(world: World, bot_id: UUID) -> None:
    """Publish a bar, or end the series; the worker that has this bot is somewhere else."""
    Bot.objects.filter(id=bot_id).update(wake_at=None)
    world.turn()
    Bot.objects.filter(id=bot_id).update(wake_at=None)
    world.settle()
