"""A bot whose configuration cannot be confirmed opens nothing and goes on closing, unless it was told to go on."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError

from bots.models import Bot, Cycle
from bots.services import recomputing
from bots.tests.little_platform import LittlePlatform, a_trader, configure, fills, run_of, simulated_bars
from bots.tests.test_trading import CLOSES, decisions
from configuration import loading, store
from configuration import selectors as configuration
from configuration.services import bot_scope

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "broker"])


class Head:
    """The store's read of the head, which can be made to fail while the rest of the database answers."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.is_away = False
        self.now = 1000.0
        read = loading.head

        def head(**given: Any) -> loading.Head:
            if self.is_away:
                raise OperationalError("canceling statement due to statement timeout")
            return read(**given)

        monkeypatch.setattr(loading, "head", head)
        monkeypatch.setattr(store._shared, "clock", lambda: self.now)


@pytest.fixture
def head(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[Head]:
    settings.CONFIG_CACHE_TTL_SECONDS = 60
    store.forget()
    yield Head(monkeypatch)
    store.forget()


def entries(bot: Bot) -> list[Any]:
    """For each cycle, whether its snapshot allowed longs, and why."""
    found = []
    for cycle in Cycle.objects.filter(bot=bot, bars__gt=0).order_by("number"):
        entry = configuration.snapshot(str(cycle.snapshot_id))["nodes"]["AAPL/LONG"]["trading.enable_longs"]
        found.append((entry["value"], entry["origin"]["scope"]))
    return found


def test_bot__configuration_degraded_before_it_buys__opens_nothing(
    owner: User, little: LittlePlatform, head: Head
) -> None:
    # 001-36. Given: it would buy on bar 5 (see test_trading)
    simulated_bars("AAPL", CLOSES)
    bot = a_trader(owner)
    little.bars(5)  # bars 0 to 4
    head.is_away = True
    head.now += 61
    little.bars(2)
    assert decisions(bot) == [(5, 1, "LONGS_DISABLED", 0, 0), (6, 1, "LONGS_DISABLED", 0, 0)]
    assert entries(bot)[-2:] == [(False, "stale")] * 2
    assert fills(bot) == []


def test_bot__configuration_degraded_while_it_holds__closes_and_opens_nothing(
    owner: User, little: LittlePlatform, head: Head
) -> None:
    # Given: it has bought on bar 5, sells on bar 7, and would buy again on bar 9
    simulated_bars("AAPL", CLOSES)
    bot = a_trader(owner)
    little.bars(7)
    head.is_away = True
    head.now += 60
    little.bars(1)  # bar 7: unconfirmed, but not for longer than allowed
    head.now += 1
    little.bars(2)
    assert decisions(bot) == [
        (5, 1, "NONE", 1, 0),
        (6, 1, "ALREADY_HELD", 0, 1),
        (7, -1, "NONE", 1, 0),
        (8, 0, "NO_SIGNAL", 0, 1),
        (9, 1, "LONGS_DISABLED", 0, 0),
    ]
    assert entries(bot)[-3:] == [(True, "default"), (False, "stale"), (False, "stale")]
    # When confirmed again, it trades as configured, and every cycle comes out the same again
    head.is_away = False
    head.now += 10
    little.bars(1)
    assert entries(bot)[-1] == (True, "default")
    assert recomputing.check(run_of(bot)).differences == ()


def test_bot__degraded_when_its_exit_signal_comes__closes(owner: User, little: LittlePlatform, head: Head) -> None:
    simulated_bars("AAPL", CLOSES)
    bot = a_trader(owner)
    little.bars(7)
    head.is_away = True
    head.now += 61
    little.bars(2)  # bar 7 sells, bar 8 fills it
    assert [(number, price) for number, _, price in fills(bot)] == [(6, 101), (8, 100)]


def test_bot__told_to_go_on__buys_all_the_same(owner: User, little: LittlePlatform, head: Head) -> None:
    simulated_bars("AAPL", CLOSES)
    bot = a_trader(owner)
    configure(bot_scope(str(bot.id)), bot__on_config_stale="continue")
    little.bars(5)
    head.is_away = True
    head.now += 61
    little.bars(1)
    assert decisions(bot) == [(5, 1, "NONE", 1, 0)]
