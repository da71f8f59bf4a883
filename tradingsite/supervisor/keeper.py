"""Kills what a dead supervisor left behind. Started beside it, in a session of its own.

Standard input is a pipe whose other end only the supervisor holds: when it closes, the supervisor is
gone, however it died. The supervisor writes ``+pid signal`` for each process group it starts and
``-pid`` for each that ended. Works where PR_SET_PDEATHSIG does not exist, and for grandchildren.
"""

import contextlib
import os
import signal
import sys
import time

_GRACE_SECONDS = 3.0


def main() -> None:
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    groups: dict[int, int] = {}
    for line in sys.stdin:
        if line.startswith("+"):
            pid, number = line[1:].split()
            groups[int(pid)] = int(number)
        elif line.startswith("-"):
            groups.pop(int(line[1:]), None)
    end(groups)


def end(groups: dict[int, int]) -> None:
    """Ask each group with its own signal, then insist. Later groups first: clients before servers."""
    for pid, number in reversed(groups.items()):
        _signal(pid, number)
    deadline = time.monotonic() + _GRACE_SECONDS
    while time.monotonic() < deadline and any(is_alive(pid) for pid in groups):
        time.sleep(0.05)
    for pid in groups:
        _signal(pid, signal.SIGKILL)


def is_alive(group: int) -> bool:
    """Whether any process of the group still exists (a zombie counts until it is reaped)."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _signal(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


if __name__ == "__main__":
    main()
