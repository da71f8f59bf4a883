"""A whole platform of its own in an empty directory: started, asked, added to and ended from outside."""

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import IO

import django
import psycopg

from tradingsite import deployment
from tradingsite.supervisor import control

ROOT = Path(__file__).resolve().parents[2]
_START_SECONDS = 240
_COMMAND_SECONDS = 600


class Throwaway:
    """``port``: of its web server; ``password``: of its user admin, once it has started."""

    def __init__(self, folder: Path, *, bars_per_second: float) -> None:
        self.folder = folder
        with closing(socket.socket()) as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self.password = ""
        self.environment = {
            **{name: value for name, value in os.environ.items() if name in ("PATH", "ENGINE_CACHE_DIR")},
            "HOME": str(folder),
            "TRADINGSITE_ENV_DIR": str(folder),
            "TRADINGSITE_STATE_DIR": str(folder / "var"),
            "TRADINGSITE_PORT": str(self.port),
            "TRADINGSITE_REPLAY_BARS_PER_SECOND": f"{bars_per_second:g}",
        }
        self._by_hand: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        return self.folder / "var" / "log" / "platform.log"

    def start(self) -> None:
        done = self._run("-m", "tradingsite.supervisor", "start", "-d", seconds=_START_SECONDS)
        if done.returncode:
            raise RuntimeError(f"The platform does not start:\n{done.stdout}{done.stderr}")
        (self.password,) = re.findall(r"Password, shown once: +(\S+)", done.stdout)

    def stop(self) -> None:
        self.end_by_hand()
        self._run("-m", "tradingsite.supervisor", "stop", seconds=60)

    def manage(self, *words: str) -> "subprocess.CompletedProcess[str]":
        return self._run("manage.py", *words, seconds=_COMMAND_SECONDS)

    def add_worker(self, queue: str) -> None:
        done = self._run("-m", "tradingsite.supervisor", "worker", queue, seconds=30)
        if done.returncode:
            raise RuntimeError(done.stderr)

    def processes(self) -> dict[str, int]:
        """Name -> number of each process that runs under the supervisor."""
        status = control.ask(self._sockets / "control.sock", {"do": "status"}) or {"processes": []}
        return {row["name"]: row["pid"] for row in status["processes"] if row["state"] == "running"}

    def enter(self) -> None:
        """Make this process one of the platform's: Django with its settings, its database and its queue."""
        os.environ.clear()  # whatever was set here is another installation's
        os.environ.update(self.environment)
        os.environ["TRADINGSITE_LOG_LEVEL"] = "WARNING"  # this process talks to a person
        os.environ["DJANGO_SETTINGS_MODULE"] = deployment.load().settings_module
        django.setup()

    def cpu_seconds(self) -> dict[str, float]:
        """Processor time of each process and its descendants so far. From /proc, so on Linux only."""
        parents, seconds = {}, {}
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):
                facts = stat.read_text().rpartition(")")[2].split()
                parents[int(stat.parent.name)] = int(facts[1])
                # Its own, and of those of its children that have ended: connections of PostgreSQL come and go.
                seconds[int(stat.parent.name)] = sum(map(int, facts[11:15])) / os.sysconf("SC_CLK_TCK")
        return {
            name: sum(value for pid, value in seconds.items() if ancestor in _line_of(pid, parents))
            for name, ancestor in self.processes().items()
        }

    def database(self) -> "psycopg.Connection[tuple[object, ...]]":
        """A connection that commits each statement. Raises: psycopg.Error while the server is away."""
        return psycopg.connect(
            host=str(self._sockets), user="postgres", dbname="tradingsite", autocommit=True, connect_timeout=2
        )

    # --- processes beside the supervisor's

    def run_by_hand(self, name: str, *, module: str) -> None:
        """Start ``python -m module`` unless it runs already, as somebody at a second terminal would."""
        if name in self._by_hand and self._by_hand[name].poll() is None:
            return
        with (self.folder / f"{name}.log").open("ab") as words:
            self._by_hand[name] = self._started(module, words)

    def kill_by_hand(self, name: str) -> None:
        self._by_hand[name].kill()
        self._by_hand[name].wait()

    def end_by_hand(self) -> None:
        for process in self._by_hand.values():
            process.kill()
            process.wait()
        self._by_hand.clear()

    def _started(self, module: str, words: IO[bytes]) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", module]
        return subprocess.Popen(command, cwd=ROOT, env=self.environment, stdout=words, stderr=words)

    def _run(self, *words: str, seconds: float) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, *words]
        return subprocess.run(
            command, cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False, timeout=seconds
        )

    @property
    def _sockets(self) -> Path:
        return deployment.socket_folder(self.folder / "var")


def kill(pid: int) -> None:
    """As a power cut would: no goodbye, nothing is flushed."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _line_of(pid: int, parents: Mapping[int, int]) -> Iterator[int]:
    """The process, its parent, and so on."""
    while pid:
        yield pid
        pid = parents.get(pid, 0)


@contextmanager
def running(*, bars_per_second: float) -> Iterator[Throwaway]:
    """A platform for the length of the block; its directory goes with it."""
    with tempfile.TemporaryDirectory(prefix="platform-") as folder:
        made = Throwaway(Path(folder), bars_per_second=bars_per_second)
        try:
            made.start()
            yield made
        finally:
            made.stop()
