"""How another shell talks to a running platform: one JSON line each way over a private socket."""

import contextlib
import fcntl
import json
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

_LARGEST_MESSAGE = 1 << 20


def server(path: Path) -> socket.socket:
    """A listening socket; a file left by a dead supervisor is replaced (the lock is held)."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    path.chmod(0o600)
    listener.listen(8)
    return listener


def converse(listener: socket.socket, answer: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Take one request and answer it. A caller that hangs or talks nonsense is dropped."""
    with contextlib.suppress(OSError, ValueError):
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(1.0)
            request = json.loads(_line(connection))
            connection.sendall(json.dumps(answer(request)).encode() + b"\n")


def ask(path: Path, request: dict[str, Any]) -> dict[str, Any] | None:
    """A running supervisor's answer, or None where none is running."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(5.0)
        try:
            connection.connect(str(path))
            connection.sendall(json.dumps(request).encode() + b"\n")
            found: dict[str, Any] = json.loads(_line(connection))
        except (OSError, ValueError):
            return None
    return found


def _line(connection: socket.socket) -> bytes:
    received = b""
    while not received.endswith(b"\n") and len(received) < _LARGEST_MESSAGE:
        block = connection.recv(65_536)
        if not block:
            break
        received += block
    return received


class AlreadyRunning(Exception):
    """Another supervisor holds this state directory."""


def lock(path: Path) -> IO[str]:
    """Hold the state directory for as long as the returned file is open.

    The kernel lets go when this process ends, however it ends. Raises AlreadyRunning with its pid.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    file = path.open("a+", encoding="utf-8")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.seek(0)
        holder = file.read().strip() or "unknown"
        file.close()
        raise AlreadyRunning(holder) from error
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file


def wait_for_end(pid: int, *, timeout: float) -> bool:
    """Whether a supervisor that was told to stop has ended in time."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except OSError:
            return True
        if _is_zombie(pid):
            return True
        time.sleep(0.05)
    return False


def _is_zombie(pid: int) -> bool:
    # Ended, but its own parent has not looked yet: nothing of it runs any more.
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] == "Z"
    return False


def wait_for_lock(path: Path, *, timeout: float) -> bool:
    """Whether the state directory became free in time."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        try:
            lock(path).close()
        except AlreadyRunning:
            time.sleep(0.1)
        else:
            return True
    return False
