"""The platform as a whole: what starts after what, when it is ready, and how it all ends."""

import ipaddress
import json
import os
import shlex
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from engine.domain.errors import SetupError
from tradingsite import deployment
from tradingsite.deployment import Deployment
from tradingsite.supervisor import control, leftovers, servers
from tradingsite.supervisor.child import Spec
from tradingsite.supervisor.console import Console
from tradingsite.supervisor.loop import Loop, ProcessFailed, StopRequested

_SERVERS = ("postgres", "valkey")
_NOT_IN_BACKTEST_MODE = ("worker-bots", "stream")
_SERVER_SECONDS = 30.0
_PREPARE_SECONDS = 600.0
_READY_SECONDS = 60.0
_GOODBYE_SECONDS = 10.0


class PortInUse(SetupError):
    """Another program listens on the web server's port."""

    code = "PLATFORM-004"


class Platform:
    """One running installation, from lock to last process."""

    def __init__(self, settings: Deployment, *, is_quiet: bool = False, is_throwaway: bool = False) -> None:
        self.settings = settings
        self.state = settings.state
        self.sockets = private_folder(deployment.socket_folder(self.state))
        self.console = console_of(settings, is_quiet=is_quiet)
        self.loop = Loop(self.console, self.answer, notes=self.state / "processes.json")
        self.summary: list[str] = []
        self.once: list[str] = []
        self.failure = ""
        self._is_throwaway = is_throwaway
        self._started = time.monotonic()
        self._environment = self._base_environment()

    # --- the two ways to use it

    def run(self) -> int:
        """Start everything, serve until asked to stop, stop everything. Gives the exit code."""
        with self._ended_afterwards() as ended:
            check_port(self.settings)
            self.loop.listen(self.sockets / "control.sock")
            self._start_servers()
            self._prepare()
            self._start_processes()
            self._wait_until_healthy()
            self._tell_ready()
            self.loop.serve()
        return ended.code

    def run_command(self, command: list[str]) -> int:
        """Start the servers, run one command against them on this terminal, stop the servers."""
        with self._ended_afterwards() as ended:
            self._start_servers()
            ended.code = self._run_in_foreground(command)
        return ended.code

    # --- starting

    def _start_servers(self) -> None:
        waiting: list[tuple[str, Callable[[], bool]]] = []
        if self.settings["DATABASE_URL"] == deployment.EMBEDDED:
            postgres = servers.postgres(self.state, self.sockets, is_throwaway=self._is_throwaway)
            postgres.prepare(self._environment)
            self.loop.start(postgres.spec(self._environment, self.state))
            waiting.append(("postgres", postgres.is_ready))
        if self.settings["REDIS_URL"] == deployment.EMBEDDED:
            valkey = servers.valkey(self.state, self.sockets)
            self.loop.start(valkey.spec(self._environment, self.state))
            waiting.append(("valkey", valkey.is_ready))
        for name, is_ready in waiting:
            self.loop.wait_until(is_ready, timeout=_SERVER_SECONDS, name=name)

    def _prepare(self) -> None:
        reading, writing = os.pipe()
        command = [sys.executable, "manage.py", "prepare", f"--secrets-to={writing}"]
        spec = Spec("prepare", command, self._environment, self.settings.root, is_one_shot=True, pass_fds=(writing,))
        try:
            self.loop.run_to_end(spec, timeout=_PREPARE_SECONDS)
        finally:
            os.close(writing)
        with os.fdopen(reading, encoding="utf-8") as secrets:
            self.once = secrets.read().splitlines()
        # In the foreground now: a password made by a start that then fails is still needed. In the
        # background the waiting `start -d` fetches it over the control socket.
        if not self.console.is_quiet:
            self._tell_once()

    def _tell_once(self) -> None:
        for line in self.once:
            self.console.show(line)
        self.once = []

    def _start_processes(self) -> None:
        for name, command in procfile(self.settings.root / "Procfile").items():
            if self.settings["TRADINGSITE_STARTUP_MODE"] == "live" or name not in _NOT_IN_BACKTEST_MODE:
                self._start_process(name, command)

    def _start_process(self, name: str, command: list[str]) -> None:
        environment = {**self._environment, "PLATFORM_PROCESS": name.partition(".")[0]}
        program = [sys.executable, *command[1:]] if command[0] == "python" else command
        self.loop.start(Spec(name, program, environment, self.settings.root, grace_seconds=8))

    def _wait_until_healthy(self) -> None:
        try:
            self.loop.wait_until(self._is_web_ready, timeout=_READY_SECONDS, name="web")
            self.loop.wait_until(self._is_healthy, timeout=_READY_SECONDS, name="health")
        except ProcessFailed as failed:
            if failed.name != "health":
                raise
            sick = [name for name, status in self._health().items() if status != "healthy"]
            raise ProcessFailed(", ".join(sick) or "web", None) from failed

    def _is_web_ready(self) -> bool:
        return self._get("/ready") is not None

    def _is_healthy(self) -> bool:
        found = self._health()
        return bool(found) and all(status == "healthy" for status in found.values())

    def _health(self) -> dict[str, str]:
        answer = self._get("/health") or {}
        return {name: facts["status"] for name, facts in answer.get("data", {}).get("components", {}).items()}

    def _get(self, path: str) -> dict[str, Any] | None:
        # Over loopback, as a proxy would: HTTPS is decided by a header, the host must be an allowed one.
        host = next((host.lstrip(".") for host in self.settings.items("ALLOWED_HOSTS") if host != "*"), "localhost")
        request = urllib.request.Request(
            f"http://{_own_address(self.settings)}{path}", headers={"Host": host, "X-Forwarded-Proto": "https"}
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=3) as answer:
                found: dict[str, Any] = json.load(answer)
        except (OSError, ValueError):
            return None
        return found

    def _tell_ready(self) -> None:
        took = time.monotonic() - self._started
        self.loop.is_ready = True
        self.summary = summary(self.settings, took)
        for line in self.summary:
            self.console.say(line)

    # --- running a command

    def _run_in_foreground(self, command: list[str]) -> int:
        program = [sys.executable, *command[1:]] if command[0] == "python" else command
        process = subprocess.Popen(program, cwd=self.settings.root, env=self._environment)  # noqa: S603  the operator's own
        try:
            self.loop.wait_until(lambda: process.poll() is not None, timeout=float("inf"), name="command")
        except StopRequested:
            # The terminal's Ctrl-C reached it too: let it finish its own goodbye first.
            with suppress(subprocess.TimeoutExpired):
                return process.wait(timeout=_GOODBYE_SECONDS)
            process.terminate()
        return process.wait()

    # --- answering other shells

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """The reply to one request on the control socket."""
        match request.get("do"):
            case "status":
                return self._status()
            case "stop":
                self.loop.stop_reason = "platform.sh stop"
                return {"pid": os.getpid()}
            case "worker":
                return self._add_worker(str(request.get("queue")))
            case "once":
                shown, self.once = self.once, []
                return {"lines": shown}
        return {"error": "unknown request"}

    def _status(self) -> dict[str, Any]:
        rows = [
            {
                "name": child.spec.name,
                "pid": child.pid,
                "state": child.state,
                "restarts": child.restarts,
                "age_seconds": round(child.age_seconds),
            }
            for child in self.loop.children.values()
        ]
        return {
            "pid": os.getpid(),
            "is_ready": self.loop.is_ready,
            "has_once": bool(self.once),
            "summary": self.summary,
            "processes": rows,
        }

    def _add_worker(self, queue: str) -> dict[str, Any]:
        command = procfile(self.settings.root / "Procfile").get(f"worker-{queue}")
        if command is None:
            known = [name[7:] for name in procfile(self.settings.root / "Procfile") if name.startswith("worker-")]
            return {"error": f"there is no queue {queue!r}; there are {', '.join(known)}"}
        number = 2 + sum(name.startswith(f"worker-{queue}.") for name in self.loop.children)
        self._start_process(f"worker-{queue}.{number}", command)
        return {"name": f"worker-{queue}.{number}"}

    # --- ending

    @contextmanager
    def _ended_afterwards(self) -> "Iterator[_Ending]":
        ending = _Ending()
        try:
            yield ending
        except StopRequested:
            pass
        except ProcessFailed as failed:
            ending.code = 1
            self._tell_failure(failed)
        except SetupError as error:
            ending.code = 1
            self.console.complain(f"{error.specific_code} {error.message}")
        finally:
            self._stop_everything()

    def _tell_failure(self, failed: ProcessFailed) -> None:
        self.console.complain(f"PLATFORM-005 The platform could not start: {failed}.")
        for line in self.console.recent(failed.name)[-12:]:
            self.console.complain(f"    {line}")
        self.console.complain(f"The whole log: {self.console.path}; what to do: docs/errors.md#platform-005")

    def _stop_everything(self) -> None:
        began = time.monotonic()
        self.loop.stop_reason = self.loop.stop_reason or "the end of the command"
        names = list(self.loop.children)
        # Clients first, then the queue, then the database: nobody loses the ground under them.
        self.loop.stop([name for name in names if name not in _SERVERS])
        self.loop.stop(["valkey"])
        self.loop.stop(["postgres"])
        self.loop.close()
        if names:
            self.console.say(f"stopped ({self.loop.stop_reason}) in {time.monotonic() - began:.1f} s")
        self.console.close()

    def _base_environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": os.environ.get("DJANGO_SETTINGS_MODULE", self.settings.settings_module),
            "PYTHONUNBUFFERED": "1",
            "TZ": "UTC",
        }


class _Ending:
    code = 0


# --- the pieces


def procfile(path: Path) -> dict[str, list[str]]:
    """Process name -> command, in the order of the file."""
    lines = (line.partition(":") for line in path.read_text(encoding="utf-8").splitlines() if line[:1].isalpha())
    return {name.strip(): shlex.split(command) for name, _, command in lines}


def private_folder(folder: Path) -> Path:
    """Make a directory only this user can enter; refuse one that somebody else made first."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    facts = folder.lstat()
    if folder.is_symlink() or (facts.st_uid != os.geteuid() and os.geteuid() != 0):
        raise SetupError(
            f"{folder} belongs to somebody else; remove it, or set TRADINGSITE_STATE_DIR to a shorter path."
        )
    folder.chmod(0o700)
    return folder


def console_of(settings: Deployment, *, is_quiet: bool) -> Console:
    return Console(
        log_path(settings),
        megabytes=int(settings["TRADINGSITE_LOG_FILE_MB"]),
        files=int(settings["TRADINGSITE_LOG_FILES"]),
        is_quiet=is_quiet,
    )


def log_path(settings: Deployment) -> Path:
    return settings.state / "log" / "platform.log"


def check_port(settings: Deployment) -> None:
    """Raises PortInUse (PLATFORM-004) where the web server could not listen."""
    host, port = settings["TRADINGSITE_HOST"], int(settings["TRADINGSITE_PORT"])
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise PortInUse(
            f"The web server cannot listen on {host} port {port}: {error.strerror or error}. Stop what uses it, or set "
            f"TRADINGSITE_PORT (now from {settings.origins['TRADINGSITE_PORT']}) in .env.local to a free port."
        ) from error


def summary(settings: Deployment, took_seconds: float) -> list[str]:
    """What a person needs to know about a platform that is ready."""
    database = _told(settings, "DATABASE_URL", f"our own PostgreSQL 18 in {settings.state / 'postgres'}")
    queue = _told(settings, "REDIS_URL", f"our own Valkey in {settings.state / 'valkey'}")
    has_keys = settings.get("ALPACA_API_KEY") and settings.get("ALPACA_SECRET_KEY")
    mode = settings["TRADINGSITE_STARTUP_MODE"]
    pace = settings["TRADINGSITE_REPLAY_BARS_PER_SECOND"]
    return [
        f"ready in {took_seconds:.1f} s",
        f"  address   http://{_own_address(settings)}/",
        f"  login     http://{_own_address(settings)}/login",
        f"  database  {database}",
        f"  queue     {queue}",
        "  broker    simulated" + (" (Alpaca keys are set, and not used yet)" if has_keys else ""),
        f"  mode      {mode}" + (" (without bots and streams)" if mode == "backtest" else ""),
        *([f"  feed      replay of stored bars at {pace} bars a second"] if mode == "live" else []),
        "  stop      Ctrl-C, or ./platform.sh stop",
    ]


def _told(settings: Deployment, name: str, ours: str) -> str:
    return ours if settings[name] == deployment.EMBEDDED else deployment.masked(name, settings[name])


def _own_address(settings: Mapping[str, str] | Deployment) -> str:
    host = settings["TRADINGSITE_HOST"]
    with suppress(ValueError):
        address = ipaddress.ip_address(host)
        if address.is_unspecified:  # listens on every address; this one is ours
            address = ipaddress.ip_address("127.0.0.1" if address.version == 4 else "::1")
        host = f"[{address}]" if address.version == 6 else str(address)
    return f"{host}:{settings['TRADINGSITE_PORT']}"


def acquire(state: Path) -> Any:
    """Hold the installation, with nothing left over from one that died. Raises control.AlreadyRunning."""
    held = control.lock(state / "platform.lock")
    leftovers.clear(state / "processes.json")
    return held
