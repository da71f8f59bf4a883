"""What was once seen to go wrong with a bot's cycles and orders; each test is named after what one saw.

The prices are made up and every decision can be read off them; see ``little_platform``.
"""

from typing import Any

import pytest
from django.contrib.auth.models import User

from bots.models import Bot, Cycle, OrderIntent, Position
from bots.services import closing, lifecycle, recomputing
from bots.services.feeding import Did
from bots.tests.builders import ACTOR, NOW, redefined
from bots.tests.little_platform import Killed, LittlePlatform, a_trader, orders, run_of, simulated_bars

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "broker"])

# BUY on bar 5, filled with nine shares at 101 on bar 6; SELL on bar 7.
CLOSES = [100, 100, 100, 100, 100, 101, 102, 100, 100, 100, 100, 100]
# The same, and then it rises without end: nothing is sold.
RISING = [*CLOSES[:7], 103, 104, 105, 106, 107]


def closed(bot: Bot, **changes: Any) -> OrderIntent:
    """The operator closes what the bot holds."""
    position = Position.objects.get(bot=bot, is_open=True)
    return closing.close_position(position.id, actor=ACTOR, now=NOW, **changes)


def cycles(bot: Bot) -> list[tuple[int, str, str]]:
    return list(Cycle.objects.filter(bot=bot).order_by("id").values_list("number", "kind", "state"))


# --- cycles that nobody finished


def test_clock__worker_died_in_a_cycle_of_facts__goes_on(owner: User, little: LittlePlatform) -> None:
    # Given: an operator's close, and a worker that dies when it has opened the cycle that hears of it
    simulated_bars("AAPL", RISING)
    bot = a_trader(owner)
    little.bars(7)
    closed(bot, pause_bot=False)
    with pytest.raises(Killed):
        little.advance_all(little.killed_at("cycle_opened"))
    little.lapse()
    # When
    assert little.advance_all() == ["done"]
    # Then
    assert cycles(bot)[-2:] == [(8, "facts", "skipped"), (9, "facts", "done")]
    assert little.publish().did == Did.PUBLISHED


def test_clock__redefined_and_started_before_the_dead_workers_cycle_was_found__goes_on(
    owner: User, little: LittlePlatform
) -> None:
    # Given: flat, with a cycle that was opened and left
    simulated_bars("AAPL", CLOSES)
    simulated_bars("GOOG", [20] * 12)
    bot = a_trader(owner)
    little.bars(2)
    little.publish()
    with pytest.raises(Killed):
        little.advance_all(little.killed_at("cycle_opened"))
    # When: all of it before the lease lapses
    lifecycle.stop(bot.id, actor=ACTOR, now=NOW)
    redefined(bot, name=bot.name, symbols=["GOOG"], indicators={"SMA": {"period": 2}}, voting="single")
    lifecycle.start(bot.id, actor=ACTOR, now=NOW)
    little.lapse()
    little.advance_all()
    # Then
    assert [state for _, _, state in cycles(bot)] == ["done", "done", "skipped"]
    assert little.publish().did == Did.PUBLISHED


def test_check__facts_were_heard_between_a_cycles_failure_and_its_second_try__computes_the_same(
    owner: User, little: LittlePlatform
) -> None:
    # Given: bar 7, which wants to sell, broke; the bot was paused, the operator closed, and that was heard
    simulated_bars("AAPL", CLOSES)
    bot = a_trader(owner)
    little.bars(7)
    little.publish()

    def breaks(name: str) -> None:
        if name == "stepped":
            raise RuntimeError

    assert little.advance_all(breaks) == ["failed"]
    closed(bot)
    assert little.advance_all() == ["done"]
    # When: it goes on at the same bar
    lifecycle.resume(bot.id, actor=ACTOR, now=NOW)
    assert little.advance_all() == ["done"]
    # Then: its cycle has the number of the order in which they were decided
    assert cycles(bot)[-2:] == [(10, "bars", "done"), (9, "facts", "done")]
    assert recomputing.check(run_of(bot)).differences == ()
    little.bars(2)
    assert not Position.objects.filter(is_open=True).exists()
    assert [one for one in orders(bot) if one[1] == 0][-1][2:] == ("sell", 9, "filled")
