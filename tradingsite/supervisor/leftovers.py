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
    """Note process group -> (signal that ends it, its program) for a later ``clear``."""
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


def _is_ours(pid: int, program: str) -> bool:
    """Whether ``pid`` is still the process that was noted: numbers are used again."""
    try:
        os.kill(pid, 0)
        shown = subprocess.run(  # noqa: S603
            [shutil.which("ps") or "/bin/ps", "-o", "command=", "-p", str(pid)],
            capture_output=True,
            text=True,
            check=False,
        ).stdout
    except OSError:
        return False
    return program in shown
