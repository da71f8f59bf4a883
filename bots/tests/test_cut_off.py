"""The database goes away in the middle of a cycle, or the queue before a message: the bot is due again at once."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.db import DEFAULT_DB_ALIAS, DatabaseError, connection, connections
from structlog.testing import capture_logs
from structlog.typing import EventDict

from bots import hints, tasks
from bots.models import Bot, Cycle, CycleState, EngineRun
from bots.services import feeding, leases
from bots.services.pacing import Pace
from bots.tests.builders import NOW
from bots.tests.little_platform import LittlePlatform, a_trader, day, simulated_bars
from marketdata import selectors as marketdata

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "broker"])

CLOSES = [100, 100, 100, 100, 100, 101, 102]


def cut_at(place: str) -> Callable[[str], None]:
    """A checkpoint at which the server ends this thread's connection, once."""
    left = [place]

    def checkpoint(name: str) -> None:
        if name in left:
            left.remove(name)
            another = connections[DEFAULT_DB_ALIAS].copy()
            with connection.cursor() as mine, another.cursor() as cursor:
                mine.execute("SELECT pg_backend_pid()")
                cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [mine.fetchone()[0]])
            another.close()

    return checkpoint


@pytest.mark.parametrize("place", ["taken", "stepped", "intended", "finished"])
def test_cycle__cut_off_from_the_database__gives_the_bot_back_and_is_done_again(
    owner: User, little: LittlePlatform, place: str
) -> None:
    # Given: the bar on which the bot votes for its first order
    simulated_bars("AAPL", CLOSES)
    bot = a_trader(owner)
    little.bars(5)
    little.publish()
    leases.beat(little.worker, name="test")
    [due] = leases.dispatch()
    # When
    assert little.advance(*due, checkpoint=cut_at(place)) == "cut off"
    # Then: it is free and due, nobody counts it against the bot, and the next cycle loses nothing
    bot.refresh_from_db()
    assert (bot.lease_owner, bot.lease_until, bot.error_count) == (None, None, 0)
    little.advance_all()
    run = EngineRun.objects.get(bot=bot)
    assert (run.rows, run.recorded_ms) == (6, day(5))
    assert set(Cycle.objects.values_list("state", flat=True)) == {CycleState.DONE}


def test_cycle__cut_off_where_configuration_is_read_next__goes_on_over_a_new_connection(
    owner: User, little: LittlePlatform
) -> None:
    # The store replaces a connection that has died, once; nothing was under way on it here.
    simulated_bars("AAPL", CLOSES)
    bot = a_trader(owner)
    little.bars(5)
    little.publish()
    leases.beat(little.worker, name="test")
    [due] = leases.dispatch()
    assert little.advance(*due, checkpoint=cut_at("cycle_opened")) == "done"
    bot.refresh_from_db()
    assert (bot.lease_owner, bot.error_count) == (None, 0)
    little.advance_all()
    run = EngineRun.objects.get(bot=bot)
    assert (run.rows, run.recorded_ms) == (6, day(5))
    assert set(Cycle.objects.values_list("state", flat=True)) == {CycleState.DONE}


def test_give_back__of_a_lease_that_was_never_ours__changes_nothing(owner: User, little: LittlePlatform) -> None:
    simulated_bars("AAPL", CLOSES)
    bot = a_trader(owner)
    lease = little.lease(bot)
    leases.give_back(lease._replace(token=lease.token + 1))
    assert Bot.objects.get(id=bot.id).lease_owner == little.worker


def test_cut_off__a_refused_statement__is_another_matter(db: None) -> None:
    with pytest.raises(DatabaseError) as refused, connection.cursor() as cursor:
        cursor.execute("SELECT 1 / 0")
    assert not leases.is_cut_off(refused.value)


def told(lines: list[EventDict]) -> list[tuple[str, str, bool]]:
    """(event, level, whether with a traceback) of what was logged."""
    return [(line["event"], line["log_level"], "exc_info" in line) for line in lines]


def test_feed__cut_off_from_the_database__says_so_in_one_line_and_goes_on(owner: User, little: LittlePlatform) -> None:
    simulated_bars("AAPL", CLOSES)
    a_trader(owner)
    little.advance_all()
    pace = Pace("1d", dispatch=lambda: None)
    cut_at("now")("now")
    with capture_logs() as lines:
        pace.turn()
        pace.turn()
    assert [(line["event"], line["log_level"], "exc_info" in line) for line in lines] == [
        ("feed.waits", "warning", False)
    ]
    assert marketdata.feed("1d").now_ms == day(0)


def test_feed__broken_otherwise__leaves_the_whole_story_in_the_log(
    owner: User, little: LittlePlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(**_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(feeding, "turn", broken)
    with capture_logs() as lines:
        Pace("1d", dispatch=lambda: None).turn()
    assert [(line["event"], line["log_level"], "exc_info" in line) for line in lines] == [
        ("feed.failed", "error", True)
    ]


def test_dispatch__the_queue_is_away__leaves_the_bots_due_for_the_next_tick(
    owner: User, little: LittlePlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given: two bots, one that is due only because its worker died
    simulated_bars("AAPL", CLOSES)
    bots = {a_trader(owner).id, a_trader(owner).id}
    leases.beat(little.worker, name="test")
    for bot_id, token in leases.dispatch():
        leases.take(bot_id, token, little.worker)
    little.lapse()
    Bot.objects.filter(id=min(bots)).update(lease_until=None, lease_owner=None, wake_at=NOW)
    # When
    monkeypatch.setattr(hints, "send", lambda due: 0)
    assert tasks.dispatch_due() == 0
    # Then: an offer that travelled would keep both for ten seconds
    assert {bot_id for bot_id, _ in leases.dispatch()} == bots
