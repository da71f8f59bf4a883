"""The stream process, started for real: one leads, it feeds and relays, outages are waited for, it ends when told."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection

from bots.models import Bot, Outbox
from bots.tests import builders
from bots.tests.markets import days_of, joined, record
from marketdata import selectors as marketdata
from tests.people import a_person
from tests.platform.test_supervisor import wait_for
from tradingsite.deployment import ROOT
from tradingsite.health import heartbeats

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True, databases=["default", "broker"])]

NAME = "stream-under-test"


class Process:
    """``python -m tradingsite.stream`` on the database of this test run."""

    def __init__(self, log: Path, **environment: str) -> None:
        path, _, query = settings.DEPLOYMENT.database_url.partition("?")
        self._log = log
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tradingsite.stream"],
                cwd=ROOT,
                env={
                    **os.environ,
                    "DJANGO_SETTINGS_MODULE": "tradingsite.settings.test",
                    "DATABASE_URL": f"{path.rpartition('/')[0]}/{connection.settings_dict['NAME']}?{query}",
                    "PGAPPNAME": NAME,
                    "TRADINGSITE_DATA_DIR": str(settings.DATA_DIR),
                    "TRADINGSITE_REPLAY_BARS_PER_SECOND": "1000",
                    **environment,
                },
                stdout=output,
                stderr=output,
            )

    @property
    def log(self) -> str:
        return self._log.read_text(encoding="utf-8")

    @property
    def exit_code(self) -> int | None:
        return self._process.poll()

    def says(self, words: str, *, seconds: float = 40) -> bool:
        return wait_for(lambda: words in self.log, seconds=seconds)

    def is_told_to_end(self) -> int:
        """Its exit code after SIGTERM, within the eight seconds that the supervisor grants."""
        self._process.terminate()
        return self._process.wait(timeout=8)

    def is_killed(self) -> None:
        self._process.kill()
        self._process.wait()


@pytest.fixture
def stream(tmp_path: Path) -> Iterator[Callable[..., Process]]:
    made: list[Process] = []

    def start(**environment: str) -> Process:
        made.append(Process(tmp_path / f"stream-{len(made)}.log", **environment))
        return made[-1]

    yield start
    for one in made:
        one.is_killed()


@pytest.fixture
def owner(settings, tmp_path: Path) -> User:
    """Whose bots trade AAPL on three days."""
    settings.DATA_DIR = tmp_path / "data"
    settings.DATA_DIR.mkdir()
    builders.an_equity("AAPL")
    days_of("AAPL", 0, 1, 2)
    return a_person("olga", role="risk_admin")


def terminate_connections(*, that_hold_the_lead: bool) -> int:
    """End connections of the process; how many."""
    leads = "EXISTS (SELECT 1 FROM pg_locks WHERE pg_locks.pid = sessions.pid AND locktype = 'advisory')"
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity AS sessions "
            f"WHERE application_name = %s AND {'' if that_hold_the_lead else 'NOT '}{leads}",
            [NAME],
        )
        return int(cursor.fetchone()[0])


def epoch() -> int:
    return marketdata.feed("1d").epoch


def test_stream__bots_that_record__are_fed_to_the_end_and_events_are_sent(
    owner: User, stream: Callable[..., Process]
) -> None:
    heartbeats.forget()
    run = joined(owner, "AAPL")
    process = stream()

    def is_over() -> bool:
        record(run)
        return epoch() == 2

    assert wait_for(is_over, seconds=60), process.log
    assert Bot.objects.get(id=run.bot_id).wake_at is not None
    # The market opened: told, and sent by the relay.
    assert wait_for(lambda: Outbox.objects.filter(event="market_status_changed", sent_at__isnull=False).exists())
    assert wait_for(lambda: heartbeats.last_seen(["stream"])["stream"] is not None, seconds=40)
    assert process.is_told_to_end() == 0
    assert "Traceback" not in process.log


def test_stream__a_second_one__waits_and_takes_over_when_the_first_dies(stream: Callable[..., Process]) -> None:
    first = stream()
    assert first.says("stream.leading"), first.log
    second = stream()
    assert second.says("another stream holds the lock"), second.log
    assert "stream.leading" not in second.log
    first.is_killed()
    assert second.says("stream.leading", seconds=15), second.log


def test_stream__that_waits_for_the_lead__ends_at_once_when_told(stream: Callable[..., Process]) -> None:
    first = stream()
    assert first.says("stream.leading")
    second = stream()
    assert second.says("stream.waiting")
    assert second.is_told_to_end() == 0


def test_stream__its_working_connections_are_cut__goes_on(owner: User, stream: Callable[..., Process]) -> None:
    run = joined(owner, "AAPL")
    process = stream()
    assert wait_for(lambda: marketdata.feed("1d").now_ms is not None, seconds=60), process.log
    # Given: it waits for the bot, and its connections are cut, those of feed and relay
    assert terminate_connections(that_hold_the_lead=False) >= 2

    def is_over() -> bool:
        record(run)
        return epoch() == 2

    # Then
    assert wait_for(is_over, seconds=40), process.log
    assert process.exit_code is None


def test_stream__the_connection_of_its_lock_is_cut__ends_so_that_another_may_lead(
    stream: Callable[..., Process],
) -> None:
    process = stream()
    assert wait_for(lambda: heartbeats.last_seen(["stream"])["stream"] is not None, seconds=40)
    assert process.says("stream.leading")
    assert wait_for(lambda: terminate_connections(that_hold_the_lead=True) >= 1)
    assert process.says("the lock's connection is lost"), process.log
    assert wait_for(lambda: process.exit_code == 1)


def test_stream__a_database_that_is_away__is_waited_for(stream: Callable[..., Process], tmp_path: Path) -> None:
    process = stream(DATABASE_URL=f"postgres://postgres:@/nothing?host={tmp_path}")
    assert process.says("stream.waiting"), process.log
    assert process.exit_code is None
    assert process.is_told_to_end() == 0
