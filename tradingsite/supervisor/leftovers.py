"""Processes of a platform that died: remembered in a file, ended at the next start.

The keeper normally ends them within seconds. This is for the day when both were killed.
"""

import contextlib
import json
import os
import shutil
import subprocess
import time
from pathlib import Path

from tradingsite.supervisor import keeper

_PATIENCE_SECONDS = 5.0


def remember(path: Path, groups: dict[int, tuple[int, str]]) -> None:
    """Note process group -> (signal that ends it, the path of its program) for a later ``clear``."""
    scratch = path.with_suffix(".new")
    scratch.write_text(json.dumps({str(pid): facts for pid, facts in groups.items()}), encoding="utf-8")
    scratch.replace(path)


def clear(path: Path) -> list[int]:
    """End what is still there of the remembered groups; gives those that had to be ended."""
    with contextlib.suppress(OSError, ValueError):
        noted = json.loads(path.read_text(encoding="utf-8"))
        groups = {int(pid): (int(number), str(program)) for pid, (number, program) in noted.items()}
        _wait_for_keeper(groups)
        left = {pid: number for pid, (number, program) in groups.items() if _is_ours(pid, program)}
        keeper.end(left)
        path.unlink()
        return list(left)
    return []


def _wait_for_keeper(groups: dict[int, tuple[int, str]]) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline and any(_is_ours(pid, program) for pid, (_, program) in groups.items()):
        time.sleep(0.1)


def _is_ours(group: int, program: str) -> bool:
    """Whether processes of the group that was noted are still there: numbers are used again."""
    if not keeper.is_alive(group):
        return False
    try:
        os.kill(group, 0)
    except ProcessLookupError:
        # Its first process has ended and left others behind. The system gives the number to nobody
        # else while the group exists.
        return True
    except PermissionError:
        return False
    state, command = _shown(group)
    return state.startswith("Z") or command.startswith(program)


def _shown(pid: int) -> tuple[str, str]:
    """A process's state and command; a zombie (Z) has ended, and nobody has asked how yet."""
    done = subprocess.run(  # noqa: S603  fixed words and a number
        [shutil.which("ps") or "/bin/ps", "-o", "stat=", "-o", "command=", "-p", str(pid)],
        capture_output=True,
        text=True,
        check=False,
    )
    state, _, command = done.stdout.strip().partition(" ")
    return state, command.strip()
