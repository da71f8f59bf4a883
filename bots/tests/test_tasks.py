"""The tasks of bots: what is sent for whom, and what a message does when it arrives once, twice, late or never."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from queue import Empty
from typing import Any, NamedTuple
from uuid import uuid4

import pytest
from celery import Celery, current_app
from django.db.models.functions import Now

from bots import hints, tasks
from bots.models import Bot, BotStatus, Cycle, EngineRun, Outbox, Worker
from bots.services import leases, lifecycle, working
from bots.tests import builders, rows
from bots.tests.builders import ACTOR, NOW

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "broker"])


class Message(NamedTuple):
    task: str
    kwargs: dict[str, Any]
    expires: str | None


@pytest.fixture(autouse=True)
def queue() -> Iterator[None]:
    """The queue in memory, empty before and after."""
    arrived()
    yield
    arrived()


@pytest.fixture
def bars(instruments, settings, tmp_path) -> None:
    settings.DATA_DIR = tmp_path
    for symbol in ("AAPL", "IBM"):
        rows.two_bars(symbol)


@pytest.fixture
def worker() -> None:
    leases.beat(working.identity(), name=working.name())


def arrived() -> list[Message]:
    """Every message that waits in the queue of bots, taken out."""
    assert current_app.conf.broker_url == "memory://"
    found = []
    with current_app.connection_for_read() as connection, connection.SimpleQueue(hints.QUEUE) as waiting:
        while True:
            try:
                message = waiting.get_nowait()
            except Empty:
                return found
            message.ack()
            _args, kwargs, _embed = message.decode()
            found.append(Message(message.headers["task"], kwargs, message.headers["expires"]))


def worked_off() -> list[str | None]:
    """Dispatch, and do what each message asks for, as a worker would; what each answered."""
    tasks.dispatch_due()
    return [tasks.advance(**message.kwargs) for message in arrived()]


def a_running_bot(owner, **changes) -> Bot:
    bot = builders.a_bot(owner, **changes)
    return lifecycle.start(bot.id, actor=ACTOR, now=NOW)


def woken_again() -> None:
    Bot.objects.update(wake_at=Now())


# --- dispatch and hints


def test_dispatch__bots_due__sends_one_message_each_with_nothing_but_id_and_token(owner, bars, worker) -> None:
    bots = [a_running_bot(owner, name=name) for name in ("One", "Two")]
    assert tasks.dispatch() == 2
    found = arrived()
    assert [message.task for message in found] == ["bots.advance"] * 2
    assert sorted(message.kwargs["bot_id"] for message in found) == sorted(str(bot.id) for bot in bots)
    assert [sorted(message.kwargs) for message in found] == [["bot_id", "token"]] * 2
    assert all(message.expires for message in found)
    assert tasks.dispatch() == 0


def test_dispatch__more_bots_than_one_statement_takes__drains_them_all(owner, bars, worker, monkeypatch) -> None:
    for number in range(5):
        a_running_bot(owner, name=f"Bot {number}")
    taken = leases.dispatch
    monkeypatch.setattr(leases, "dispatch", lambda: taken(limit=2))
    assert tasks.dispatch() == 5


def test_dispatch__no_worker_alive__sends_nothing_and_leaves_the_bots_due(owner, bars) -> None:
    a_running_bot(owner)
    assert tasks.dispatch() == 0
    leases.beat(working.identity(), name=working.name())
    assert tasks.dispatch() == 1


def test_hint__redis_away__says_so_in_the_log_and_raises_nothing() -> None:
    # Given a process of its own, whose Redis is an address where nobody listens
    code = (
        "import django; django.setup()\n"
        "from uuid import uuid4\n"
        "from tradingsite.celery import app\n"
        "from bots import hints\n"
        "print('sent', hints.send([(uuid4(), 1), (uuid4(), 1)]))"
    )
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tradingsite.settings.dev",
        "REDIS_URL": "unix:///nowhere/valkey.sock?db=0",
    }
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, check=False, capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 0, done.stderr
    assert "sent 0" in done.stdout
    assert "hints.not_sent" in done.stdout


def test_message__lost_in_redis__is_sent_again_after_ten_seconds_under_a_new_token(owner, bars, worker) -> None:
    bot = a_running_bot(owner)
    tasks.dispatch()
    (lost,) = arrived()
    assert tasks.dispatch() == 0
    Bot.objects.filter(id=bot.id).update(lease_until=Now() - timedelta(seconds=1))  # ten seconds later
    tasks.dispatch()
    (again,) = arrived()
    assert (again.kwargs["token"], lost.kwargs["token"]) == (2, 1)
    # And should the first one turn up after all, it does nothing
    assert tasks.advance(**lost.kwargs) is None
    assert tasks.advance(**again.kwargs) is not None


# --- advance


def test_advance__delivered_twice__works_once(owner, bars, worker) -> None:
    a_running_bot(owner)
    tasks.dispatch()
    (message,) = arrived()
    assert tasks.advance(**message.kwargs) is not None
    assert tasks.advance(**message.kwargs) is None


def test_advance__message_of_a_newer_version__is_understood(owner, bars, worker) -> None:
    a_running_bot(owner)
    tasks.dispatch()
    (message,) = arrived()
    assert tasks.advance(**message.kwargs, urgency="high") is not None


def test_advance__task__is_acknowledged_early_and_never_retried() -> None:
    # The lapsed lease is the retry: a late acknowledgement or Celery's own retry would be a second one.
    assert (tasks.advance.acks_late, tasks.advance.max_retries, tasks.advance.ignore_result) == (False, 0, True)
    assert (tasks.advance.time_limit, tasks.advance.soft_time_limit) == (None, None)


def test_advance__one_bot_keeps_failing__ends_in_error_while_the_other_goes_on(owner, bars, worker) -> None:
    # Given a bot that trades GOOG, of which there are no bars (any more), beside a sound one
    sound = a_running_bot(owner, name="Sound")
    sick = builders.a_bot(owner, name="Sick", symbols=["GOOG"])
    Bot.objects.filter(id=sick.id).update(status=BotStatus.RUNNING, is_active=True)
    # When five rounds pass
    for _round in range(5):
        woken_again()
        answers = worked_off()
        assert len(answers) == 2
        assert answers.count("failed") == 1
    # Then the sick one is out, and says why; nobody else noticed
    sick.refresh_from_db()
    sound.refresh_from_db()
    assert (sick.status, sick.error_count, sick.error_code) == (BotStatus.ERROR, 5, "NO_BARS")
    assert (sound.status, sound.error_count) == (BotStatus.RUNNING, 0)
    assert sound.last_run_at is not None
    last = Outbox.objects.filter(bot=sick).latest("version")
    assert (last.event, last.payload["status"], last.payload["error_count"]) == ("bot_status_changed", "error", 5)
    assert EngineRun.objects.filter(bot=sound, ended_at__isnull=True).exists()


# --- starting again is nothing special


def test_start_up__bots_of_every_status_after_a_crash__only_those_running_trade(owner, bars) -> None:
    # Given four bots, one in each state, and a worker that died with everything else
    dead = uuid4()
    later = Now() + timedelta(seconds=80)
    bots = {status: builders.a_bot(owner, name=status.label) for status in BotStatus}
    for status, bot in bots.items():
        is_active = status in (BotStatus.RUNNING, BotStatus.PAUSED)
        Bot.objects.filter(id=bot.id).update(
            status=status,
            is_active=is_active,
            lease_owner=dead,
            lease_token=4,
            lease_until=later,
        )
    # When a new worker starts; nothing else is done for a start
    leases.beat(working.identity(), name=working.name())
    answers = worked_off()
    # Then each lease is found lapsed and settled, and only the running bot opens a run
    assert len(answers) == 4
    assert set(EngineRun.objects.values_list("bot", flat=True)) == {bots[BotStatus.RUNNING].id}
    assert set(Bot.objects.values_list("lease_token", "lease_owner")) == {(5, None)}
    assert dict(Bot.objects.values_list("id", "status")) == {bot.id: status for status, bot in bots.items()}


def test_shutdown__of_all_workers__leaves_every_status_as_it_is(owner, bars, worker) -> None:
    bot = a_running_bot(owner)
    worked_off()
    Worker.objects.all().delete()
    bot.refresh_from_db()
    assert (bot.status, bot.is_active) == (BotStatus.RUNNING, True)
    woken_again()
    leases.beat(working.identity(), name=working.name())
    assert tasks.dispatch() == 1


# --- from the button to the worker


def test_start_stop_pause__through_the_services__decide_whether_the_worker_runs_cycles(owner, bars, worker) -> None:
    bot = builders.a_bot(owner)
    assert worked_off() == []
    lifecycle.start(bot.id, actor=ACTOR, now=NOW)
    assert len(worked_off()) == 1
    assert EngineRun.objects.filter(bot=bot).count() == 1
    before = Cycle.objects.count()
    for action in (lifecycle.pause, lifecycle.stop):
        action(bot.id, actor=ACTOR, now=NOW)
        woken_again()
        worked_off()
        assert Cycle.objects.count() == before


# --- the schedule


def scheduled(settings, mode: str) -> dict[str, Any]:
    settings.STARTUP_MODE = mode
    app = Celery("schedule", set_as_current=False)
    tasks.schedule(app)
    found: dict[str, Any] = app.conf.beat_schedule
    return found


def test_schedule__live__has_the_work_of_bots_and_lets_no_tick_outlive_the_next(settings) -> None:
    found = scheduled(settings, "live")
    seconds = {name: entry["schedule"] for name, entry in found.items()}
    assert seconds == {
        "bots.dispatch": 1,
        "bots.reconcile_accounts": 10,
        "bots.check_ledger": 60,
        "bots.forget_events": 3600,
        "bots.forget_workers": 3600,
    }
    assert {name: entry["options"]["expires"] for name, entry in found.items()} == seconds
    assert {entry["options"]["queue"] for entry in found.values()} == {"bots"}


def test_schedule__backtest_mode__has_none_of_it(settings) -> None:
    # Nobody serves the queue of bots there.
    assert scheduled(settings, "backtest") == {}


# --- what a process knows of itself


def test_working__no_cycle__knows_none() -> None:
    assert working.longest_cycle() is None


def test_working__several_cycles__tells_the_one_that_began_first() -> None:
    first, second = uuid4(), uuid4()
    with working.cycle(first):
        time.sleep(0.02)
        with working.cycle(second):
            oldest = working.longest_cycle()
            assert oldest is not None
            assert oldest.bot_id == first
            assert oldest.seconds >= 0.02
    assert working.longest_cycle() is None


def test_working__cycle_that_broke__runs_no_more() -> None:
    with pytest.raises(ValueError, match="broke"), working.cycle(uuid4()):
        raise ValueError("broke")
    assert working.longest_cycle() is None


def test_working__identity__is_one_for_the_process_and_another_for_the_next() -> None:
    assert working.identity() == working.identity()
    code = "from bots.services import working; print(working.identity())"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)
    assert other.stdout.strip() != str(working.identity())
