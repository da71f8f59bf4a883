"""What configuration is told of bots: all in service, with what they hold and have asked for."""

from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User

from bots.models import Bot, IntentState
from bots.selectors import reach
from bots.services import definition
from bots.tests import rows
from bots.tests.builders import ACTOR, NOW, a_bot, an_order
from bots.tests.builders import a_position as any_position
from configuration import ports, services
from configuration.ports import HeldPosition, ReachedBot, RestingOrder
from configuration.scopes import symbol_scope

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("instruments")]


def a_busy_bot(owner: User, name: str) -> Bot:
    bot = a_bot(owner, name=name)
    run = rows.a_run(bot)
    rows.a_position(run)
    rows.an_intent(run, IntentState.WORKING, "IBM")
    return bot


def test_reach__bot_with_books__tells_what_is_open_and_resting(owner: User) -> None:
    bot = a_bot(owner, name="Busy")
    run = rows.a_run(bot)
    position = rows.a_position(run)
    any_position(run, "IBM", closed_at=NOW)
    resting = rows.an_intent(run, IntentState.WORKING, "IBM")
    rows.an_intent(run, IntentState.FILLED, "AAPL")

    (found,) = reach.reached_bots()

    assert found == ReachedBot(
        id=str(bot.id),
        name="Busy",
        strategy="indicator_voting",
        symbols=("AAPL", "IBM"),
        status="stopped",
        pinned=run.snapshot_id,
        positions=(HeldPosition(str(position.id), "AAPL", "LONG", Decimal(5)),),
        orders=(RestingOrder(str(resting.id), "IBM", "LONG", "entry", Decimal(5)),),
    )


@pytest.mark.parametrize("state", list(IntentState))
def test_reach__order_in_any_state__rests_until_it_has_ended(owner: User, state: IntentState) -> None:
    rows.an_intent(rows.a_run(a_bot(owner)), state)
    ended = {"filled", "canceled", "expired", "rejected", "unsent", "abandoned"}
    (found,) = reach.reached_bots()
    assert len(found.orders) == (state not in ended)


@pytest.mark.parametrize(
    ("leg", "is_entry", "name"), [(0, True, "entry"), (0, False, "exit"), (1, False, "stop"), (2, False, "target")]
)
def test_reach__legs__have_names(owner: User, leg: int, is_entry: bool, name: str) -> None:
    an_order(rows.a_run(a_bot(owner)), leg=leg, is_entry=is_entry, state=IntentState.WORKING)
    assert reach.reached_bots()[0].orders[0].leg == name


def test_reach__bot_without_a_run_or_with_one_that_ended__pins_nothing(owner: User) -> None:
    a_bot(owner, name="A new one")
    ended = rows.a_run(a_bot(owner, name="B rests"))
    ended.ended_at = NOW
    ended.save(update_fields=["ended_at"])
    assert [bot.pinned for bot in reach.reached_bots()] == ["", ""]


def test_reach__retired_bot__is_not_reached(owner: User) -> None:
    definition.retire(bot_id=a_bot(owner).id, now=NOW)
    assert reach.reached_bots() == []


def test_reach__more_bots_of_several_owners__cost_the_same_queries(
    owner: User, stranger: User, django_assert_num_queries: Any
) -> None:
    for number in range(5):
        a_busy_bot(owner, f"olga's {number}")
        a_busy_bot(stranger, f"sven's {number}")
    with django_assert_num_queries(4):
        found = reach.reached_bots()
    assert [len(bot.positions) + len(bot.orders) for bot in found] == [2] * 10


def test_preview__of_a_symbol_real_bots_hold__names_their_positions(owner: User) -> None:
    # The port is wired by the project: nothing is given to the preview here.
    busy = a_busy_bot(owner, "Busy")
    assert [bot.id for bot in ports.reach().bots()] == [str(busy.id)]

    operation = services.SetValue(symbol_scope("AAPL"), "trading", "leverage", 20)
    touched = services.preview([operation], actor=ACTOR).touched

    assert [bot.name for bot in touched.bots] == ["Busy"]
    assert [position.symbol for position in touched.positions] == ["AAPL"]
    assert touched.orders == ()  # its order is in IBM
