"""The loop: reads every process's output, restarts what died, hears signals and the control socket."""

import contextlib
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from tradingsite.supervisor import control, keeper, leftovers
from tradingsite.supervisor.child import Child, Spec
from tradingsite.supervisor.console import Console

_TICK_SECONDS = 0.1
_LOOK_AGAIN_SECONDS = 0.05
# Said at every start, and of no use to the reader: Valkey asks for a kernel setting of the whole machine,
# PostgreSQL complains that it is asked whether it is up.
_NOISE = ("WARNING Memory overcommit", "FATAL:  the database system is starting up")
# Before the platform is ready a process that keeps dying stops the start instead of trying for ever.
_DEATHS_BEFORE_READY = 3


class StopRequested(Exception):
    """Somebody asked the platform to end: a signal, or ``platform.sh stop``."""


class ProcessFailed(Exception):
    """A process needed for the start did not come up. Carries its name."""

    def __init__(self, name: str, exit_code: int | None) -> None:
        how = "was not ready in time" if exit_code is None else f"ended with exit code {exit_code}"
        super().__init__(f"{name} {how}")
        self.name = name


class Loop:
    """Owns the children. ``answer`` replies to the control socket's requests."""

    def __init__(self, console: Console, answer: Callable[[dict[str, Any]], dict[str, Any]], *, notes: Path) -> None:
        self.console = console
        self.children: dict[str, Child] = {}
        self.is_ready = False
        self.stop_reason = ""
        self._answer = answer
        self._notes = notes
        self._selector = selectors.DefaultSelector()
        self._keeper = _start_keeper()
        self._listening: list[socket.socket] = []
        self._listen_to_signals()

    # --- processes

    def start(self, spec: Spec) -> Child:
        child = Child(spec, on_line=self._on_line)
        self.children[spec.name] = child
        self._launch(child)
        return child

    def run_to_end(self, spec: Spec, *, timeout: float) -> None:
        """Run a step of the start; raises ProcessFailed where it ends badly or not in time."""
        child = self.start(spec)
        self.wait_until(lambda: not child.is_running, timeout=timeout, name=spec.name)
        del self.children[spec.name]
        if child.exit_code:
            raise ProcessFailed(spec.name, child.exit_code)

    def stop(self, names: list[str]) -> None:
        """Ask these to end, all at once, and wait until they have."""
        chosen = [self.children[name] for name in names if name in self.children]
        for child in chosen:
            child.ask_to_stop()
        while any(child.is_running for child in chosen):
            self._turn()

    def _launch(self, child: Child) -> None:
        child.start()
        self._tell_keeper(f"+{child.pid} {int(child.spec.stop_signal)}")
        self._note()
        self._selector.register(child.output, selectors.EVENT_READ, child.read)

    def _on_line(self, name: str, text: str) -> None:
        if not any(noise in text for noise in _NOISE):
            self.console.line(name, text)

    # --- waiting

    def wait_until(self, condition: Callable[[], bool], *, timeout: float, name: str) -> None:
        """Turn until ``condition`` holds. Raises StopRequested, ProcessFailed (also when time is up)."""
        deadline = time.monotonic() + timeout
        while not condition():
            if self.stop_reason:
                raise StopRequested(self.stop_reason)
            if time.monotonic() > deadline:
                raise ProcessFailed(name, None)
            # Not at every line somebody writes: asking a server that starts makes it write another.
            looked = time.monotonic()
            while time.monotonic() - looked < _LOOK_AGAIN_SECONDS:
                self._turn(_LOOK_AGAIN_SECONDS)

    def serve(self) -> None:
        """Turn until somebody asks to stop."""
        while not self.stop_reason:
            self._turn()

    def _turn(self, longest: float = _TICK_SECONDS) -> None:
        for key, _events in self._selector.select(longest):
            if key.data() is False:
                self._selector.unregister(key.fd)
        for child in list(self.children.values()):
            self._tend(child)

    def _tend(self, child: Child) -> None:
        fd = child.output if child.is_running else -1
        pid = child.pid
        if child.reap():
            with contextlib.suppress(KeyError, ValueError):
                self._selector.unregister(fd)
            self._tell_keeper(f"-{pid}")
            self._note()
            self._after_death(child)
        elif child.insist():
            self.console.say(f"{child.spec.name} did not end in {child.spec.grace_seconds:.0f} s and was killed")
        elif child.next_start and time.monotonic() >= child.next_start and not self.stop_reason:
            self._launch(child)

    def _after_death(self, child: Child) -> None:
        if child.spec.is_one_shot or child.is_stopping or self.stop_reason:
            return
        if not self.is_ready and child.restarts >= _DEATHS_BEFORE_READY:
            raise ProcessFailed(child.spec.name, child.exit_code)
        pause = child.plan_restart()
        code = child.exit_code or 0
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        self.console.say(f"{child.spec.name} ended ({how}); restart {child.restarts} in {pause:g} s")

    # --- being spoken to

    def listen(self, path: Path) -> None:
        """Answer ``platform.sh status``, ``stop`` and ``worker`` on a socket only this user can open."""
        server = control.server(path)
        self._listening.append(server)
        self._selector.register(server, selectors.EVENT_READ, lambda: self._converse(server))

    def _converse(self, server: socket.socket) -> bool:
        control.converse(server, self._answer)
        return True

    def _listen_to_signals(self) -> None:
        reading, writing = socket.socketpair()
        reading.setblocking(False)
        writing.setblocking(False)
        signal.set_wakeup_fd(writing.fileno(), warn_on_full_buffer=False)
        self._signal_ends = (reading, writing)
        self._selector.register(reading, selectors.EVENT_READ, lambda: self._drain(reading))
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if self.stop_reason:
            # Asked twice: no more patience.
            for child in self.children.values():
                if child.pid is not None:
                    with contextlib.suppress(ProcessLookupError):
                        os.killpg(child.pid, signal.SIGKILL)
        self.stop_reason = signal.Signals(number).name

    @staticmethod
    def _drain(reading: socket.socket) -> bool:
        with contextlib.suppress(BlockingIOError):
            reading.recv(4096)
        return True

    def _note(self) -> None:
        running = {
            child.pid: (int(child.spec.stop_signal), str(child.spec.command[0]))
            for child in self.children.values()
            if child.pid is not None
        }
        leftovers.remember(self._notes, running)

    def _tell_keeper(self, line: str) -> None:
        if self._keeper.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._keeper.stdin.write(line.encode() + b"\n")
                self._keeper.stdin.flush()

    def close(self) -> None:
        """Let the keeper go: nothing is left to keep."""
        self._notes.unlink(missing_ok=True)
        if self._keeper.stdin is not None:
            self._keeper.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._keeper.wait(timeout=5)
        signal.set_wakeup_fd(-1)
        for end in (*self._signal_ends, *self._listening):
            end.close()
        self._selector.close()


def _start_keeper() -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603  our own file, no shell
        [sys.executable, "-I", "-S", keeper.__file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
