"""One log for all processes: each line with its process's name, on the screen and in a rotated file."""

import contextlib
import logging
import logging.handlers
import os
import sys
import time
from collections import deque
from pathlib import Path

_COLOURS = (36, 32, 33, 35, 34, 96, 92, 93)
_REMEMBERED_LINES = 40


class Console:
    """Writes prefixed lines. ``is_quiet``: file only (a platform in the background)."""

    def __init__(self, path: Path, *, megabytes: int, files: int, is_quiet: bool = False) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with contextlib.suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL, 0o600))
        self.path = path
        self._file = logging.handlers.RotatingFileHandler(
            path, maxBytes=megabytes * 1024 * 1024, backupCount=files, encoding="utf-8"
        )
        self._file.setFormatter(logging.Formatter("%(message)s"))
        self.is_quiet = is_quiet
        self._is_coloured = not is_quiet and sys.stdout.isatty() and "NO_COLOR" not in os.environ
        self._colours: dict[str, int] = {}
        self._recent: dict[str, deque[str]] = {}

    def line(self, name: str, text: str) -> None:
        """One line of one process."""
        self._recent.setdefault(name, deque(maxlen=_REMEMBERED_LINES)).append(text)
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        record = logging.LogRecord("platform", logging.INFO, "", 0, f"{stamp} {name:<16} | {text}", None, None)
        self._file.handle(record)
        self.show(self._prefix(name) + text)

    def say(self, text: str) -> None:
        """A line of the supervisor's own."""
        self.line("platform", text)

    def show(self, text: str) -> None:
        """To the screen alone: what must not be kept, such as a password shown once."""
        if not self.is_quiet:
            # A terminal that went away must not take the platform with it.
            with contextlib.suppress(OSError, ValueError):
                sys.stdout.write(text + "\n")
                sys.stdout.flush()

    def complain(self, text: str) -> None:
        """A line that must be seen: also where the screen otherwise belongs to somebody else."""
        self.say(text)
        if self.is_quiet:
            with contextlib.suppress(OSError, ValueError):
                sys.stderr.write(text + "\n")

    def recent(self, name: str) -> list[str]:
        """The last lines of one process, to be told again when it could not start."""
        return list(self._recent.get(name, ()))

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def _prefix(self, name: str) -> str:
        plain = f"{name:<16} | "
        if not self._is_coloured:
            return plain
        colour = self._colours.setdefault(name, _COLOURS[len(self._colours) % len(_COLOURS)])
        return f"\x1b[{colour}m{plain}\x1b[0m"


def follow(path: Path, *, name: str = "", lines: int = 200, is_endless: bool = False) -> None:
    """Print the log's last lines, and with ``is_endless`` what is added, across rotations."""
    if not path.exists():
        print(f"There is no log yet at {path}.")  # noqa: T201  a command's answer
        return
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in deque((line for line in file if _is_of(line, name)), maxlen=lines):
            sys.stdout.write(line)
        sys.stdout.flush()
        if is_endless:
            _follow_on(path, file.tell(), name)


def _follow_on(path: Path, position: int, name: str) -> None:
    number = path.stat().st_ino
    while True:
        time.sleep(0.3)
        with contextlib.suppress(FileNotFoundError), path.open(encoding="utf-8", errors="replace") as file:
            if os.fstat(file.fileno()).st_ino != number:
                number, position = os.fstat(file.fileno()).st_ino, 0
            file.seek(position)
            for line in file:
                if _is_of(line, name):
                    sys.stdout.write(line)
            position = file.tell()
            sys.stdout.flush()


def _is_of(line: str, name: str) -> bool:
    parts = line.split(" ", 2)
    return not name or (len(parts) > 1 and parts[1] == name)
