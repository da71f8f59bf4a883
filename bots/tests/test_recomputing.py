"""Computing stored cycles again: what was recorded comes out the same, byte for byte, and what was altered does not."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection

from bots.models import Bot, Cycle, EngineRun, OrderFact, Position
from bots.services import closing, lifecycle, recomputing
from bots.tests.builders import ACTOR, NOW
from bots.tests.little_platform import LittlePlatform, a_trader, configure, run_of, simulated_bars
from configuration.services import bot_scope
from marketdata import selectors as marketdata

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "broker"])


def eventful(owner: User, little: LittlePlatform) -> Bot:
    """A bot over some 120 bars: a pause, a stop, a close by hand, missed bars, three changes of configuration."""
    wave = [100, 101, 102, 101, 100, 99, 100, 103, 103, 95, 100]
    simulated_bars("AAPL", list(itertools.islice(itertools.cycle(wave), 130)))
    simulated_bars("IBM", [50] * 140)
    bot = a_trader(owner)
    a_trader(owner, "IBM")
    mine = bot_scope(str(bot.id))
    little.bars(20)
    configure(mine, trading__stop_loss_pct=3.0)
    little.bars(10)
    lifecycle.pause(bot.id, actor=ACTOR, now=NOW)
    little.bars(4)
    lifecycle.resume(bot.id, actor=ACTOR, now=NOW)
    little.bars(10)
    configure(mine, indicator_voting__sma_period=4)
    little.bars(10)
    lifecycle.stop(bot.id, actor=ACTOR, now=NOW)
    little.bars(3)
    lifecycle.start(bot.id, actor=ACTOR, now=NOW)
    little.bars(5)
    configure(mine, indicator_voting__sma_period=2, trading__position_size_pct=0.05)
    _until_held(bot, little)
    closing.close_position(Position.objects.get(bot=bot, is_open=True).id, actor=ACTOR, now=NOW)
    little.bars(2)
    lifecycle.resume(bot.id, actor=ACTOR, now=NOW)
    little.bars(10)
    little.skip(3)
    little.bars(34)
    return bot


def _until_held(bot: Bot, little: LittlePlatform) -> None:
    for _ in range(12):
        if Position.objects.filter(bot=bot, is_open=True).exists():
            return
        little.bars()
    raise AssertionError("It held nothing.")


def test_check__after_everything_that_can_happen_to_a_bot__agrees_in_every_byte(
    owner: User, little: LittlePlatform
) -> None:
    # Given
    bot = eventful(owner, little)
    run = run_of(bot)
    cycles = Cycle.objects.filter(run=run)
    assert cycles.filter(kind="bars").count() >= 90
    assert cycles.count() > 100
    assert cycles.filter(kind="facts").exists()
    assert cycles.values("snapshot").distinct().count() == 4
    assert cycles.exclude(checkpoint=None).count() == 2
    assert OrderFact.objects.filter(run=run, kind="asked", cycle__isnull=False).count() == 1
    assert Position.objects.filter(bot=bot, close_reason="manual close").count() == 1
    # When
    found = recomputing.check(run)
    # Then: every bar and every fact was computed again
    assert found.differences == ()
    assert (found.cycles, found.bars) == (cycles.count(), run.rows)
    assert found.facts == OrderFact.objects.filter(run=run).count() > 40
    # and: the command says so
    assert "0 differ" in said("--check", "--bot", bot.name)


def said(*arguments: str) -> str:
    out = StringIO()
    call_command("replay", *arguments, stdout=out)
    return out.getvalue()


# --- records that were altered

CLOSES = [100, 100, 100, 100, 100, 101, 102, 100, 100, 103, 90, 90]


@contextmanager
def no_triggers() -> Iterator[Any]:
    """As somebody with the keys to the database: nothing refuses."""
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        try:
            yield cursor
        finally:
            cursor.execute("SET session_replication_role = origin")


def a_byte(column: str) -> Callable[[], int]:
    """Change the last byte of a record of the first cycle that has one; that cycle's number."""

    def altered() -> int:
        cycle = Cycle.objects.exclude(**{column: b""}).exclude(**{column: None}).order_by("number")[0]
        data = bytearray(getattr(cycle, column))
        data[-1] ^= 1
        Cycle.objects.filter(id=cycle.id).update(**{column: bytes(data)})
        return cycle.number

    return altered


def a_fill() -> int:
    with no_triggers() as cursor:
        cursor.execute("UPDATE bots_fill SET price = price + 1 WHERE id = (SELECT min(id) FROM bots_fill)")
    return 7  # bar 6's cycle heard it


def a_fact() -> int:
    """Somebody takes a fact from the cycle that heard it."""
    with no_triggers() as cursor:
        cursor.execute("UPDATE bots_orderfact SET cycle_id = NULL WHERE id = (SELECT min(id) FROM bots_orderfact)")
    return 7


def a_state_hash() -> int:
    Cycle.objects.filter(number=4).update(state_sha256="0" * 64)
    return 4


@pytest.mark.parametrize(
    ("alter", "named"),
    [
        (a_byte("orders"), "orders"),
        (a_byte("fills"), "fills"),
        (a_byte("trips"), "trips"),
        (a_byte("decided"), "decided"),
        (a_byte("checkpoint"), "checkpoint"),
        (a_fill, "fills"),
        (a_fact, "fills"),
        (a_state_hash, "state"),
    ],
    ids=["orders", "fills", "trips", "decided", "checkpoint", "a fill", "a fact", "a hash"],
)
def test_check__something_was_altered__names_the_cycle_and_the_part(
    owner: User, little: LittlePlatform, alter: Callable[[], int], named: str
) -> None:
    # Given
    simulated_bars("AAPL", CLOSES)
    bot = a_trader(owner)
    little.bars(len(CLOSES))
    assert recomputing.check(run_of(bot)).differences == ()
    # When
    number = alter()
    # Then
    first = recomputing.check(run_of(bot)).differences[0]
    assert first.cycle == number
    assert named in first.what
    with pytest.raises(CommandError) as refused:
        said("--check")
    assert refused.value.returncode == 1


def test_check__a_bar_was_altered__names_every_cycle_from_there(owner: User, little: LittlePlatform) -> None:
    # Given: the run remembers the bars it stepped by their hash; its series becomes another one
    simulated_bars("AAPL", CLOSES)
    bot = a_trader(owner)
    little.bars(len(CLOSES))
    run = run_of(bot)
    simulated_bars("AAPL", [*CLOSES[:8], 100.01, *CLOSES[9:]])
    corrected = marketdata.default_datasets(["AAPL"], "1d")["AAPL"].id
    assert str(corrected) != run.datasets[0]["id"]
    # the old revision is what it stepped, and stays
    assert recomputing.check(run).differences == ()
    # When: somebody points the run at the corrected bars
    EngineRun.objects.filter(id=run.id).update(datasets=[{**run.datasets[0], "id": str(corrected)}])
    # Then: bar 8 is cycle 9's
    first = recomputing.check(run_of(bot)).differences[0]
    assert (first.cycle, "bars" in first.what, "state" in first.what) == (9, True, True)


def test_check__of_ended_runs__only_where_asked_for(owner: User, little: LittlePlatform) -> None:
    simulated_bars("AAPL", CLOSES)
    bot = a_trader(owner)
    little.until_the_end()
    little.bars(3)
    assert EngineRun.objects.filter(bot=bot).count() == 2
    a_byte("orders")()
    assert "run 2: 3 cycles" in said("--check")
    with pytest.raises(CommandError):
        said("--check", "--all-runs")
