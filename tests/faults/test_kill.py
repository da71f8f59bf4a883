"""The short form of ``./platform.sh faults``: each process is killed once, and everything it promises is asserted."""

import os
import re
import subprocess
import sys

import pytest

from tests.faults import books
from tests.faults.follower import applied, from_snapshot
from tests.faults.throwaway import ROOT

ALONE = ("worker-bots", "stream", "valkey", "postgres")
PICTURE = books.Picture({"a": 3}, {"a": ("running", 100)}, {}, {})


@pytest.mark.slow
def test_platform__worker_stream_queue_and_database_killed__trades_on_and_loses_nothing() -> None:
    # Given, when: its output tells what it does; the seed makes it repeatable
    command = [sys.executable, "-m", "tests.faults", "1", "--seed", "3", "--pace", "20", "--least", "0", "--alone"]
    environment = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "ENGINE_CACHE_DIR")}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=540)
    # Then: trading within 30 s, browser right within 5 s more, the books whole and equal to the backtest
    assert done.returncode == 0, done.stdout + done.stderr
    assert {name for name in ALONE if re.search(rf"^{name} +1 ", done.stdout, re.MULTILINE)} == set(ALONE)
    assert len(re.findall(r"equal in every column", done.stdout)) >= 2
    assert "Everything held." in done.stdout


def test_differences__one_amount_and_one_version_off__names_both() -> None:
    other = books.Picture({"a": 4}, {"a": ("running", 101)}, {}, {})
    assert books.differences(PICTURE, other) == [
        "versions a: 3 and 4",
        "money a: ('running', 100) and ('running', 101)",
    ]
    assert books.differences(PICTURE, PICTURE) == []


def test_follower__events__applies_the_next_drops_the_known_and_stops_at_a_gap() -> None:
    state = from_snapshot(
        {"versions": {"a": 7}, "bots": [{"id": "a", "status": "running"}], "positions": [], "trades": []}
    )
    event = {"bot": "a", "version": 8, "event": "bot_status_changed", "payload": {"status": "paused"}}
    after, outcome = applied(state, event)
    assert (outcome, after.bots["a"]["status"], after.versions) == ("applied", "paused", {"a": 8})
    assert applied(after, event) == (after, "known")
    assert applied(after, {**event, "version": 10}) == (after, "gap")
    assert applied(after, {**event, "bot": "b", "version": 1}) == (after, "gap")
