"""The whole platform, started for real in a directory of its own: what README promises, end to end."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.platform.test_supervisor import is_running, wait_for
from tradingsite import deployment
from tradingsite.deployment import ROOT

pytestmark = pytest.mark.slow
COVERAGE = {name: value for name, value in os.environ.items() if name.startswith("COV")}


class Installation:
    """An empty directory in which ``platform.sh``'s commands are run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "TRADINGSITE_ENV_DIR": str(folder),
            "TRADINGSITE_STATE_DIR": str(folder / "var"),
            "TRADINGSITE_PORT": str(self.port),
            **COVERAGE,
        }

    def run(self, *words: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "tradingsite.supervisor", *words]
        return subprocess.run(
            command, cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False, timeout=180
        )

    def health(self) -> dict[str, str]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health", timeout=10) as answer:
            components = json.load(answer)["data"]["components"]
        return {name: facts["status"] for name, facts in components.items()}

    def processes(self) -> dict[str, int]:
        rows = (line.split() for line in self.run("status").stdout.splitlines()[2:])
        return {row[0]: int(row[1]) for row in rows if len(row) > 2 and row[2] == "running"}

    def supervisor(self) -> int:
        return int(self.run("status").stdout.split()[2])


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    made = Installation(tmp_path_factory.mktemp("installation"))
    yield made
    made.run("stop")


@pytest.fixture(scope="module")
def first_start(installation: Installation) -> "subprocess.CompletedProcess[str]":
    return installation.run("start", "-d")


def test_first_start__in_an_empty_directory__is_ready_and_tells_how_to_log_in(
    installation: Installation, first_start: "subprocess.CompletedProcess[str]"
) -> None:
    assert first_start.returncode == 0, first_start.stdout + first_start.stderr
    assert (installation.folder / ".env.local").stat().st_mode & 0o777 == 0o600
    for words in (
        "ready in",
        f"http://127.0.0.1:{installation.port}/login",
        "our own PostgreSQL",
        "broker    simulated",
    ):
        assert words in first_start.stdout
    assert set(installation.health().values()) == {"healthy"}


def test_first_start__the_password__is_shown_once_and_in_no_log(
    installation: Installation, first_start: "subprocess.CompletedProcess[str]"
) -> None:
    (password,) = re.findall(r"Password, shown once: +(\S+)", first_start.stdout)
    assert len(password) == 20
    log = (installation.folder / "var" / "log" / "platform.log").read_text(encoding="utf-8")
    assert password not in log
    assert password not in installation.run("logs").stdout


def test_status__running__shows_every_process(installation: Installation, first_start: object) -> None:
    names = ["postgres", "valkey", "web", "worker-bots", "worker-backtests", "stream", "beat"]
    assert list(installation.processes()) == names


def test_start__a_second_time__is_refused(installation: Installation, first_start: object) -> None:
    done = installation.run("start")
    assert done.returncode == 1
    assert f"running already (process {installation.supervisor()})" in done.stderr


def test_worker__added_from_another_shell__runs(installation: Installation, first_start: object) -> None:
    assert installation.run("worker", "backtests").returncode == 0
    assert "worker-backtests.2" in installation.processes()
    refused = installation.run("worker", "coffee")
    assert refused.returncode == 1
    assert "there are bots, backtests" in refused.stderr


def test_canary__sent_by_beat__is_answered_by_each_queue(installation: Installation, first_start: object) -> None:
    log = installation.folder / "var" / "log" / "platform.log"
    assert "beat.leading" in log.read_text(encoding="utf-8")
    import redis

    queue = redis.Redis.from_url(f"unix://{deployment.socket_folder(installation.folder / 'var')}/valkey.sock?db=0")
    names = ["tradingsite:heartbeat:queue-bots", "tradingsite:heartbeat:queue-backtests"]
    assert wait_for(lambda: all(queue.mget(names)), seconds=30)
    queue.close()


def test_web_and_database__killed__come_back_and_are_healthy(installation: Installation, first_start: object) -> None:
    before = installation.processes()
    for name in ("postgres", "web"):
        os.kill(before[name], signal.SIGKILL)

    def is_back() -> bool:
        try:
            return set(installation.health().values()) == {"healthy"}
        except OSError:
            return False

    assert wait_for(is_back, seconds=40)
    after = installation.processes()
    assert {name for name in ("postgres", "web") if after[name] != before[name]} == {"postgres", "web"}


def test_stop__from_another_shell__leaves_no_process(installation: Installation, first_start: object) -> None:
    pids = [*installation.processes().values(), installation.supervisor()]
    started = time.monotonic()
    assert installation.run("stop").stdout == "stopped\n"
    assert time.monotonic() - started < 15
    assert not any(is_running(pid) for pid in pids)
    assert installation.run("stop").returncode == 3
    assert installation.run("status").stdout == "not running\n"


def test_next_start__in_backtest_mode__finds_its_data_and_starts_no_bots(
    installation: Installation, first_start: object
) -> None:
    done = installation.run("start", "backtest", "-d")
    assert done.returncode == 0, done.stdout
    assert "Password" not in done.stdout  # the administrator is there already
    assert "worker-bots" not in installation.processes()
    assert "worker-bots" not in installation.health()
    assert set(installation.health().values()) == {"healthy"}


def test_supervisor__killed_with_signal_9__leaves_no_process_and_starts_again(
    installation: Installation, first_start: object
) -> None:
    pids = [*installation.processes().values()]
    os.kill(installation.supervisor(), signal.SIGKILL)
    assert wait_for(lambda: not any(is_running(pid) for pid in pids), seconds=10)
    assert installation.run("start", "-d").returncode == 0
    assert installation.run("stop").returncode == 0


def test_servers__for_a_restore__are_up_for_one_command(installation: Installation, first_start: object) -> None:
    code = "import os, sys; from tradingsite import deployment; sys.exit(7)"
    assert installation.run("servers", "--", "python", "-c", code).returncode == 7


def test_settings__printed__tell_their_origin_and_no_secret(installation: Installation, first_start: object) -> None:
    shown = installation.run("settings").stdout
    secret = deployment.load(installation.environment)["SECRET_KEY"]
    assert secret not in shown
    assert re.search(r"SECRET_KEY +\*{4}.{4} +\.env\.local", shown)
    assert re.search(rf"TRADINGSITE_PORT +{installation.port} +environment", shown)


def test_start__port_taken__stops_with_a_code_and_leaves_nothing(
    installation: Installation, first_start: object
) -> None:
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", installation.port))
        taken.listen()
        done = installation.run("start")
    assert done.returncode == 1
    assert "PLATFORM-004" in done.stdout
    assert installation.run("status").returncode == 3


def test_start__a_setting_broken__tells_before_anything_starts(installation: Installation, first_start: object) -> None:
    installation.environment["TRADINGSITE_LOG_LEVEL"] = "LOUD"
    done = installation.run("start")
    assert done.returncode == 1
    assert "CONFIG-MGR-005  TRADINGSITE_LOG_LEVEL must be one of DEBUG, INFO, WARNING, ERROR" in done.stderr
    del installation.environment["TRADINGSITE_LOG_LEVEL"]
