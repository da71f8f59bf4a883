"""One supervised process: how it starts, what it says, how it ends, when it may come back."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

_PR_SET_PDEATHSIG = 1
_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 30.0
# A process that lived this long was well; its next death starts with the shortest pause again. Longer, and processes
# that die with their database (stream, beat) would stay away for half a minute after its third restart in a row.
_WELL_AFTER_SECONDS = 10.0
_LONGEST_LINE = 16_384

_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class Spec(NamedTuple):
    """What to run. ``stop_signal`` asks it to end; after ``grace_seconds`` its group is killed.

    ``wrapper`` is put in front of the command and replaces itself by it. ``user`` is a numeric user id
    to run under, or None. ``is_one_shot``: it is meant to end.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    folder: Path
    stop_signal: int = signal.SIGTERM
    grace_seconds: float = 10.0
    wrapper: Sequence[str] = ()
    user: int | None = None
    is_one_shot: bool = False
    pass_fds: Sequence[int] = ()


class Child:
    """The running side of a Spec. Everything happens on the supervisor's one thread."""

    def __init__(self, spec: Spec, *, on_line: Callable[[str, str], None]) -> None:
        self.spec = spec
        self.restarts = 0
        self.exit_code: int | None = None
        self.next_start = 0.0
        self._on_line = on_line
        self._process: subprocess.Popen[bytes] | None = None
        self._started = 0.0
        self._pause = _FIRST_PAUSE_SECONDS
        self._rest = b""
        self._kill_at: float | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None else None

    @property
    def is_running(self) -> bool:
        return self._process is not None

    @property
    def is_stopping(self) -> bool:
        return self._kill_at is not None

    @property
    def age_seconds(self) -> float:
        return time.monotonic() - self._started if self.is_running else 0.0

    @property
    def state(self) -> str:
        if self.is_running:
            return "stopping" if self.is_stopping else "running"
        return "waiting to restart" if self.next_start else "stopped"

    @property
    def output(self) -> int:
        """The file descriptor its words come out of."""
        assert self._process is not None
        assert self._process.stdout is not None
        return self._process.stdout.fileno()

    def start(self) -> None:
        """Start it in a session of its own, so that a terminal's Ctrl-C reaches only the supervisor."""
        self.exit_code, self.next_start, self._kill_at = None, 0.0, None
        self._process = subprocess.Popen(  # noqa: S603  commands come from the Procfile and our own servers
            [*self.spec.wrapper, *self.spec.command],
            cwd=self.spec.folder,
            env=dict(self.spec.environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            user=self.spec.user,
            group=self.spec.user,
            extra_groups=None if self.spec.user is None else [],
            pass_fds=tuple(self.spec.pass_fds),
            # One thread only, so nothing can hold a lock across the fork.
            preexec_fn=_die_with_parent(self.spec.stop_signal) if _libc is not None else None,  # noqa: PLW1509
        )
        self._started = time.monotonic()
        os.set_blocking(self.output, False)

    def read(self) -> bool:
        """Pass on the lines it has written; False once it has closed its output."""
        try:
            block = os.read(self.output, 65_536)
        except BlockingIOError:
            return True
        self._pass_on(block)
        return bool(block)

    def _pass_on(self, block: bytes) -> None:
        *lines, self._rest = (self._rest + block).split(b"\n")
        if len(self._rest) > _LONGEST_LINE or (not block and self._rest):
            lines, self._rest = [*lines, self._rest], b""
        for line in lines:
            self._on_line(self.spec.name, line.decode("utf-8", "replace").rstrip("\r"))

    def reap(self) -> bool:
        """True once, when it has ended; ``exit_code`` then says how."""
        if self._process is None or self._process.poll() is None:
            return False
        # Whatever it started in its group ends with it: a pool must not outlive its worker.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        # What it still had to say; not until the end of the pipe, which somebody else may hold open.
        with contextlib.suppress(BlockingIOError):
            while block := os.read(self.output, 65_536):
                self._pass_on(block)
        self._pass_on(b"")
        if self._process.stdout is not None:
            self._process.stdout.close()
        self.exit_code, self._process = self._process.returncode, None
        return True

    def plan_restart(self) -> float:
        """Set the next start after a pause that doubles with each quick death; gives the pause."""
        lived = time.monotonic() - self._started
        self._pause = _FIRST_PAUSE_SECONDS if lived > _WELL_AFTER_SECONDS else self._pause
        pause = self._pause
        self._pause = min(self._pause * 2, _LONGEST_PAUSE_SECONDS)
        self.restarts += 1
        self.next_start = time.monotonic() + pause
        return pause

    def ask_to_stop(self) -> None:
        """Ask once; later ticks insist (``insist``)."""
        self.next_start = 0.0
        if self._process is not None and self._kill_at is None:
            self._kill_at = time.monotonic() + self.spec.grace_seconds
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(self.spec.stop_signal)

    def insist(self) -> bool:
        """Kill its whole group once its grace is over; True when that was needed."""
        if self._process is None or self._kill_at is None or time.monotonic() < self._kill_at:
            return False
        self._kill_at = time.monotonic() + self.spec.grace_seconds
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        return True


def _die_with_parent(number: int) -> Callable[[], None]:
    # The kernel sends it when the supervisor is gone, even by kill -9; exec keeps the request, also
    # through unshare. The keeper covers other systems and the moment before this line has run.
    assert _libc is not None
    prctl = _libc.prctl

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)

    return ask
