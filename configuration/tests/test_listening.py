"""Who is woken by a change, in which order it listens and reads, and what becomes of it when its line is cut."""

import os
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from django.conf import settings as configured
from django.db import connection, connections, transaction
from django.db.models.functions import Now
from structlog.testing import capture_logs

from configuration import listening, selectors, store
from configuration.models import ConfigReader
from configuration.scopes import GLOBAL
from configuration.services import readers
from configuration.tests.examples import put
from configuration.tests.test_store import elsewhere

pytestmark = pytest.mark.django_db(transaction=True)

Running = Callable[..., listening.Listener]


def soon(is_so: Callable[[], Any], *, seconds: float = 30) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if is_so():
            return True
        time.sleep(0.01)
    return False


@pytest.fixture
def running(settings: Any) -> Iterator[Running]:
    """Listeners in threads of their own, as each process has one; ended with the test."""
    settings.CONFIG_LISTEN = True
    settings.CONFIG_LISTEN_DATABASE_URL = ""
    made: list[tuple[listening.Listener, threading.Thread]] = []

    def start(process: str = "web", **more: Any) -> listening.Listener:
        listener = listening.Listener(process, **more)
        thread = threading.Thread(target=listener.run, daemon=True)
        thread.start()
        made.append((listener, thread))
        return listener

    yield start
    for listener, thread in made:
        listener.stopped.set()
        thread.join(10)
        assert not thread.is_alive()


def published() -> int:
    """The version of the image this process has in memory, without asking the database."""
    image = store.state().image
    return -1 if image is None else image.version


def is_published(version: int) -> bool:
    return published() == version


def cut_lines() -> int:
    """End every listening connection of this database, as a restarted PostgreSQL would; how many there were."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE application_name = 'config-listener' AND datname = current_database()"
        )
        return int(cursor.fetchone()[0])


def a_change_of_another_process(leverage: int) -> None:
    """One that nobody here is told of but by the database: its commit loads no image in this process."""

    def change() -> None:
        with transaction.atomic():
            put(GLOBAL, leverage=leverage)
            connection.run_on_commit.clear()

    elsewhere(change)


def test_listener__a_change_commits__has_its_image_without_being_asked(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "BEAT_SECONDS", 3600.0)  # so that nothing but the notification can tell
    put(GLOBAL, leverage=11)
    listener = running()
    assert soon(lambda: listener.is_listening)
    with capture_logs() as logs:
        a_change_of_another_process(12)
        assert soon(lambda: published() == 2)
        assert soon(lambda: any(line["event"] == "config.applied" for line in logs))
    (told,) = [line for line in logs if line["event"] == "config.applied"]
    assert told["version"] == 2
    # The change was decided at the examples' noon, in March: days ago, not milliseconds.
    assert told["delay_ms"] > 24 * 3600 * 1000


def test_listener__a_change_between_connecting_and_listening__is_not_missed(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Connect, LISTEN, then read the head: the other way round there is a hole exactly here.
    monkeypatch.setattr(listening, "BEAT_SECONDS", 3600.0)
    put(GLOBAL, leverage=11)
    store.current()

    class Slow(psycopg.Connection[Any]):
        def execute(self, query: Any, *more: Any, **named: Any) -> Any:
            if str(query).startswith("LISTEN"):
                a_change_of_another_process(12)
            return super().execute(query, *more, **named)

    def connect() -> "psycopg.Connection[Any]":
        given = connection.get_connection_params()
        known = {key: given[key] for key in ("host", "port", "user", "password", "dbname") if given.get(key)}
        return Slow.connect(**known, autocommit=True)

    running(connect=connect)
    assert soon(lambda: published() == 2)


def test_listener__its_line_is_cut_again_and_again__comes_back_and_misses_nothing(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "_FIRST_PAUSE_SECONDS", 0.05)
    put(GLOBAL, leverage=11)
    listener = running()
    for version in (2, 3, 4):
        assert soon(lambda: listener.is_listening)
        assert cut_lines() >= 1
        a_change_of_another_process(20 + version)
        assert soon(partial(is_published, version))
    assert soon(lambda: listener.is_listening)


def test_listener__listening_is_off_or_impossible__looks_now_and_then(
    running: Running, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A pooler that shares connections out swallows LISTEN; the direct address may be wrong, too.
    monkeypatch.setattr(listening, "BEAT_SECONDS", 0.05)
    monkeypatch.setattr(listening, "_FIRST_PAUSE_SECONDS", 0.05)
    monkeypatch.setattr(listening, "_LONGEST_PAUSE_SECONDS", 0.05)
    put(GLOBAL, leverage=11)
    settings.CONFIG_LISTEN = False
    off = running("worker-bots")
    a_change_of_another_process(12)
    assert soon(lambda: published() == 2)
    off.stopped.set()

    settings.CONFIG_LISTEN = True
    settings.CONFIG_LISTEN_DATABASE_URL = "postgres://nobody@127.0.0.1:1/nowhere"
    deaf = running("worker-backtests")
    a_change_of_another_process(13)
    assert soon(lambda: published() == 3)
    assert not deaf.is_listening
    assert soon(lambda: [one.is_listening for one in selectors.readers()] == [False])


def test_listener__a_direct_address_is_set__listens_there(running: Running, settings: Any) -> None:
    path, _, query = configured.DEPLOYMENT.database_url.partition("?")
    settings.CONFIG_LISTEN_DATABASE_URL = f"{path.rpartition('/')[0]}/{connection.settings_dict['NAME']}?{query}"
    listener = running()
    assert soon(lambda: listener.is_listening)
    assert cut_lines() == 1


def test_listener__a_look_fails__is_logged_and_the_next_one_succeeds(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    # 001-49. Given: the environment of this process became unreadable, and nothing is in memory
    monkeypatch.setattr(listening, "BEAT_SECONDS", 0.05)
    put(GLOBAL, leverage=11)
    store.forget()
    monkeypatch.setenv("ORDERBOOK_SKEW_TOP_LEVELS", "lots")
    with capture_logs() as logs:
        running()
        assert soon(lambda: any(line["event"] == "config.look_failed" for line in logs))
        assert published() == -1
        monkeypatch.delenv("ORDERBOOK_SKEW_TOP_LEVELS")
        assert soon(lambda: published() == 1)


# --- who is alive


def test_readers__a_process_starts_and_stops__is_shown_as_long_as_it_lives(running: Running) -> None:
    # 001-48
    put(GLOBAL, leverage=11)
    listener = running("stream")
    assert soon(selectors.readers)
    (reader,) = selectors.readers()
    assert (reader.id, reader.process, reader.pid) == (str(listener.id), "stream", os.getpid())
    assert (reader.version, reader.lag, reader.is_listening) == (1, 0, True)
    assert reader.environment_fingerprint == store.environment_fingerprint()
    a_change_of_another_process(12)
    assert soon(lambda: [one.version for one in selectors.readers()] == [2])
    listener.stopped.set()
    assert soon(lambda: not ConfigReader.objects.exists())


def announced(process: str, *, silent: float = 0.0, **more: Any) -> None:
    known = readers.Announcement(
        id=uuid4(),
        process=process,
        host="here",
        pid=7,
        version=0,
        head_hash="",
        catalogue_fingerprint="c" * 64,
        environment_fingerprint="e" * 64,
        is_listening=True,
        delay_ms=None,
    )._replace(**more)
    readers.announce(known)
    ConfigReader.objects.filter(id=known.id).update(seen_at=Now() - timedelta(seconds=silent))


def test_readers__silent__are_left_out_and_then_dropped() -> None:
    announced("fresh")
    announced("silent", silent=25)
    announced("gone", silent=61)
    assert [one.process for one in selectors.readers()] == ["fresh"]
    announced("next")
    assert sorted(ConfigReader.objects.values_list("process", flat=True)) == ["fresh", "next", "silent"]


def test_readers__behind_the_head__say_by_how_much() -> None:
    put(GLOBAL, leverage=11)
    put(GLOBAL, leverage=12)
    announced("web", version=2)
    announced("worker-bots", version=1, pid=8)
    assert [(one.process, one.lag) for one in selectors.readers()] == [("web", 0), ("worker-bots", 1)]


def test_readers__environments_or_code_that_differ__are_reported() -> None:
    announced("web")
    announced("stream")
    assert selectors.freshness().disagreements == ()
    announced("worker-bots", environment_fingerprint="f" * 64)
    announced("worker-backtests", catalogue_fingerprint="d" * 64, silent=25)  # no longer alive
    (found,) = selectors.freshness().disagreements
    assert found.what == "environment"
    assert found.groups == (
        ("e" * 64, ("stream 7 on here", "web 7 on here")),
        ("f" * 64, ("worker-bots 7 on here",)),
    )
    assert "worker-bots 7 on here" in str(found)
    announced("worker-backtests", catalogue_fingerprint="d" * 64)
    assert [one.what for one in selectors.freshness().disagreements] == ["environment", "catalogue"]


def test_environment_fingerprint__another_value__is_another_one(monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for given in ("", "3", "4", "3"):
        monkeypatch.setenv("ORDERBOOK_SKEW_TOP_LEVELS", given)
        store.forget()
        found.append(store.environment_fingerprint())
    assert found[1] == found[3]
    assert len(set(found)) == 3


# --- processes

FORKING = """
import os, sys, threading, time, warnings
warnings.simplefilter("ignore", DeprecationWarning)  # forking with threads is what is tested
import django
django.setup()
from configuration import listening, selectors, store

parent = listening.start("parent")
assert listening.start("again") is parent
while store.state().image is None or not parent.is_listening:
    time.sleep(0.01)
store._shared.loading.acquire()  # a thread that was loading while the process forked
child = os.fork()
if child == 0:
    store.forget()
    own = listening.start("child")
    assert own is not parent and own.id != parent.id
    until = time.monotonic() + 20
    while len(selectors.readers()) < 2 and time.monotonic() < until:
        time.sleep(0.05)
    print(sorted((one.process, one.pid == os.getpid()) for one in selectors.readers()), flush=True)
    listening.stop()
    os._exit(0)
store._shared.loading.release()
os.waitpid(child, 0)
print("parent listens:", parent.is_listening, flush=True)
listening.stop()
print("left:", len(selectors.readers()), flush=True)
"""


def on_this_database(**more: str) -> dict[str, str]:
    path, _, query = configured.DEPLOYMENT.database_url.partition("?")
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tradingsite.settings.test",
        "DATABASE_URL": f"{path.rpartition('/')[0]}/{connection.settings_dict['NAME']}?{query}",
        **more,
    }


@pytest.mark.slow
def test_fork__a_process_that_listens_has_a_child__both_listen_on_lines_of_their_own() -> None:
    put(GLOBAL, leverage=11)
    connections.close_all()
    done = subprocess.run(
        [sys.executable, "-c", FORKING],
        cwd=configured.BASE_DIR,
        env=on_this_database(),
        capture_output=True,
        text=True,
        check=False,
    )
    said = [line for line in done.stdout.splitlines() if not line.startswith(("[", "20")) or "child" in line]
    assert said == [
        "[('child', True), ('parent', False)]",
        "parent listens: True",
        "left: 0",
    ], done.stderr


@pytest.mark.slow
def test_web__started_and_told_to_end__listens_before_it_answers_and_leaves_cleanly(tmp_path: Any) -> None:
    # 001-48
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path / "web.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "tradingsite.web"],
            cwd=configured.BASE_DIR,
            env=on_this_database(TRADINGSITE_PORT=str(port), TRADINGSITE_HOST="127.0.0.1"),
            stdout=output,
            stderr=output,
        )

    def answers() -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    try:
        assert soon(answers, seconds=60), log.read_text()
        assert soon(lambda: [one.process for one in selectors.readers()] == ["web"]), log.read_text()
        process.terminate()
        assert process.wait(30) == 0, log.read_text()
        assert not ConfigReader.objects.exists()
    finally:
        process.kill()
        process.wait()
