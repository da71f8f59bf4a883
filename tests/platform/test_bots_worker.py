"""A worker of bots as a process: it says that it lives, ends itself when it hangs, and finishes what it began."""

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit, urlunsplit

import pytest
from django.db import connection

from bots.models import Worker
from bots.services import leases, reconciliation, submission
from tests.platform.test_supervisor import wait_for
from tradingsite import bots_worker, deployment

SET_UP = """
    import os, signal, sys, threading, time
    import django
    django.setup()
    from uuid import uuid4
    from bots import hints
    from bots.services import trading, working
    from tradingsite import bots_worker, worker
"""


@pytest.fixture
def process() -> Callable[[str], "subprocess.Popen[str]"]:
    """Starts Python on the lines given, after a common beginning, with the test's database and a queue in memory."""
    address = urlsplit(deployment.load().database_url)
    environment = {
        **os.environ,
        "DATABASE_URL": urlunsplit(address._replace(path=f"/{connection.settings_dict['NAME']}")),
        "DJANGO_SETTINGS_MODULE": "tradingsite.settings.test",
        "PLATFORM_PROCESS": "worker-bots",
    }

    def started(lines: str) -> "subprocess.Popen[str]":
        code = textwrap.dedent(SET_UP) + textwrap.dedent(lines)
        return subprocess.Popen(
            [sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    return started


@contextmanager
def running(process: "subprocess.Popen[str]") -> Iterator[None]:
    """The process for the length of the block; then it is killed."""
    try:
        yield
    finally:
        process.kill()
        process.communicate(timeout=10)


def heartbeats() -> list[object]:
    return list(Worker.objects.values_list("id", "heartbeat_at"))


def test_watchdog__cycle_older_than_it_may_be__ends_the_process_and_names_the_bot(process) -> None:
    hung = process(
        """
        with working.cycle(uuid4()):
            bots_worker.watch(longest_seconds=0.2)
        """
    )
    said, _ = hung.communicate(timeout=30)
    assert hung.returncode == 70
    assert "worker.stuck" in said
    assert "bot_id=" in said


def test_watchdog__short_cycles_one_after_the_other__lets_them_run(process) -> None:
    busy = process(
        """
        threading.Thread(target=bots_worker.watch, kwargs={"longest_seconds": 2.0}, daemon=True).start()
        for _ in range(30):
            with working.cycle(uuid4()):
                time.sleep(0.1)
        """
    )
    said, _ = busy.communicate(timeout=30)
    assert (busy.returncode, said) == (0, "")


def test_limits__of_time__follow_each_other() -> None:
    # Sending ends before the watchdog looks, the watchdog before another worker may take over, and that before an
    # order is given up; a worker may miss several heartbeats before it counts as dead.
    limits = [
        submission.SEND_WITHIN.total_seconds(),
        bots_worker.LONGEST_CYCLE_SECONDS,
        leases.LEASE_LASTS.total_seconds(),
        reconciliation.GIVEN_UP_AFTER.total_seconds(),
    ]
    assert limits == sorted(set(limits))
    assert leases.SILENT_AFTER.total_seconds() >= 4 * bots_worker.HEARTBEAT_SECONDS


def test_worker__part_of_it_broke__ends_rather_than_work_without(process) -> None:
    broken = process(
        """
        def beat():
            raise RuntimeError("no heartbeat any more")
        bots_worker._or_exit(beat)
        """
    )
    said, _ = broken.communicate(timeout=30)
    assert broken.returncode == 70
    assert "no heartbeat any more" in said


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_heartbeat__connection_cut_by_the_server__goes_on_over_a_new_one(process) -> None:
    with running(process("bots_worker.beat()")):
        assert wait_for(lambda: len(heartbeats()) == 1, seconds=15)
        # When every other connection to this database is cut
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        before = heartbeats()
        # Then the next heartbeat but one comes all the same, of the same worker
        assert wait_for(lambda: heartbeats() != before, seconds=10)
        assert len(heartbeats()) == 1


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_worker__told_to_end_during_a_cycle__finishes_it_and_says_nothing_bad(process) -> None:
    # Given a real worker with its queue in memory, whose cycles take two seconds
    worker = process(
        """
        def advance_bot(*, bot_id, token, worker):
            print("cycle of", worker == working.identity(), working.longest_cycle().bot_id == bot_id, flush=True)
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(2)
            print("cycle ended", flush=True)
        trading.advance_bot = advance_bot
        threading.Timer(1.0, hints.send, [[(uuid4(), 1)]]).start()
        worker.main(["bots"])
        """
    )
    said, _ = worker.communicate(timeout=60)
    # Then
    assert worker.returncode == 0, said
    assert "cycle of True True" in said
    assert "cycle ended" in said
    assert "Traceback" not in said
    # And it had warmed the engine and entered itself before it took anything
    assert said.index("worker.warm") < said.index("cycle of")
    assert Worker.objects.count() == 1
