"""The socket at /ws/live, with a real web server, a real Redis and a real client."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis
from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from bots import consumers, publishing
from bots.models import Bot
from bots.services import events, relaying
from bots.tests import builders
from bots.tests.redis_of_our_own import own_redis
from tests.people import a_person, with_role

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]
READY_SECONDS = 30
HERE = Origin("http://127.0.0.1")
PREFIX = settings.CHANNEL_LAYERS["default"]["CONFIG"]["prefix"]
# Started with this, a socket joins and checks its user faster than once a minute.
QUICK = """
import sys
from bots import consumers
consumers.JOIN_SECONDS, consumers.CHECK_USER_EVERY = 0.5, 1
consumers.MOST_QUEUED_TEXTS = 20
import uvicorn
uvicorn.run("tradingsite.asgi:application", port=int(sys.argv[1]), ws="websockets-sansio", ws_max_size=1 << 20,
            lifespan="off", log_level="warning")
"""


@pytest.fixture(scope="module")
def port(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A web process on the database and the channel layer of this test run."""
    log = tmp_path_factory.mktemp("web") / "log"
    with a_web_process(log) as found:
        yield found
    assert "Traceback" not in log.read_text()


@contextmanager
def a_web_process(log: Path, **environment: str) -> Iterator[int]:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    path, _, query = settings.DEPLOYMENT.database_url.partition("?")
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tradingsite.settings.test",
        "DATABASE_URL": f"{path.rpartition('/')[0]}/{connection.settings_dict['NAME']}?{query}",
        "ALLOWED_HOSTS": "127.0.0.1,example.test",
        "PYTHONPATH": str(ROOT),
        **environment,
    }
    with log.open("wb") as stream:
        command = [sys.executable, "-c", QUICK, str(port)]
        web = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=stream, stderr=stream)
        try:
            _await_answer(port, log)
            yield port
        finally:
            web.terminate()
            web.wait(timeout=20)


def _await_answer(port: int, log: Path) -> None:
    until = time.monotonic() + READY_SECONDS
    while time.monotonic() < until:
        with closing(socket.socket()) as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    pytest.fail(f"The web process did not answer:\n{log.read_text()[-4000:]}")


class Browser:
    """A page with its socket. ``said`` waits for the next message that is not a beat."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    def said(self, timeout: float = 5.0) -> dict[str, Any]:
        while True:
            message: dict[str, Any] = json.loads(self.socket.recv(timeout=timeout))
            if message["type"] != "beat":
                return message

    def heard(self, count: int) -> list[dict[str, Any]]:
        """The next ``count`` events, however they were packed."""
        found: list[dict[str, Any]] = []
        while len(found) < count:
            found += self.said()["events"]
        return found

    def until_closed(self, timeout: float = 10.0) -> tuple[str, int]:
        """The last words before the server closes, and the code with which it does."""
        last = ""
        try:
            while True:
                last = str(self.socket.recv(timeout=timeout))
        except ConnectionClosed as closed:
            return last, closed.rcvd.code if closed.rcvd else 0

    def close_code(self) -> int:
        return self.until_closed()[1]


@pytest.fixture
def browser(port: int) -> Iterator[Callable[..., Browser]]:
    """Opens a socket as a page of this site does, in the session of ``user``."""
    opened = ExitStack()

    def made(user: User | None, *, origin: str | None = HERE, **options: Any) -> Browser:
        headers = {"Cookie": cookie_of(user)} if user else {}
        options = {"origin": origin, "additional_headers": headers, "open_timeout": 10, **options}
        return Browser(opened.enter_context(connect(f"ws://127.0.0.1:{port}/ws/live", **options)))

    with opened:
        yield made


def cookie_of(user: User) -> str:
    client = Client()
    client.force_login(user)
    return f"{settings.SESSION_COOKIE_NAME}={client.cookies[settings.SESSION_COOKIE_NAME].value}"


@pytest.fixture
def bots_of_two(instruments: None, owner: User, stranger: User) -> tuple[Bot, Bot]:
    return builders.a_bot(owner), builders.a_bot(stranger)


def tell(bot: Bot, *errors: int) -> None:
    """One event for each number of errors, committed."""
    events.emit(bot.id, bot.owner_id, [("bot_status_changed", {"error_count": count}) for count in errors])


def test_socket__event_committed_and_relayed__reaches_its_owner_in_order(
    browser: Callable[..., Browser], bots_of_two: tuple[Bot, Bot], owner: User
) -> None:
    bot = bots_of_two[0]
    page = browser(owner)
    # When
    tell(bot, 1, 2)
    tell(bot, 3)
    relaying.pump()
    # Then
    heard = page.heard(3)
    assert [(one["bot"], one["version"], one["event"]) for one in heard] == [
        (str(bot.id), version, "bot_status_changed") for version in (1, 2, 3)
    ]
    assert [one["payload"]["error_count"] for one in heard] == [1, 2, 3]


def test_socket__of_another_owner__never_hears_of_the_bot(
    browser: Callable[..., Browser], bots_of_two: tuple[Bot, Bot], owner: User, stranger: User
) -> None:
    mine, theirs = bots_of_two
    pages = {owner: browser(owner), stranger: browser(stranger)}
    # When each bot has something to tell, several times over
    for _ in range(3):
        tell(mine, 1)
        tell(theirs, 2)
        relaying.pump()
    relaying.beat()
    # Then each page hears its own, and nothing else before the next beat
    for user, bot in ((owner, mine), (stranger, theirs)):
        assert {one["bot"] for one in pages[user].heard(3)} == {str(bot.id)}
        beat = json.loads(pages[user].socket.recv(timeout=5))
        assert (beat["type"], beat["versions"]) == ("beat", {str(bot.id): 3})


def test_socket__of_a_superuser__hears_of_every_bot_once(
    browser: Callable[..., Browser], bots_of_two: tuple[Bot, Bot], root: User
) -> None:
    page = browser(root)
    tell(bots_of_two[0], 1)
    tell(bots_of_two[1], 1)
    relaying.pump()
    relaying.beat()
    assert sorted(one["bot"] for one in page.heard(2)) == sorted(str(bot.id) for bot in bots_of_two)
    assert json.loads(page.socket.recv(timeout=5))["versions"] == {str(bot.id): 1 for bot in bots_of_two}


def test_beat__user_without_a_bot__is_heard_all_the_same(browser: Callable[..., Browser], owner: User) -> None:
    page = browser(owner)
    relaying.beat()
    beat = json.loads(page.socket.recv(timeout=5))
    assert (beat["type"], beat["versions"]) == ("beat", {})
    assert beat["at"].endswith("Z")


def test_socket__nobody_logged_in__is_closed_with_4401(browser: Callable[..., Browser]) -> None:
    assert browser(None).close_code() == consumers.NOT_LOGGED_IN


@pytest.mark.parametrize("origin", ["http://evil.test", "null", None])
def test_socket__from_a_page_of_another_site__is_refused(
    browser: Callable[..., Browser], owner: User, origin: str | None
) -> None:
    with pytest.raises(InvalidStatus) as refused:
        browser(owner, origin=origin)
    assert refused.value.response.status_code == 403


def test_socket__address_unknown__is_refused(port: int, owner: User) -> None:
    address = f"ws://127.0.0.1:{port}/ws/other"
    with pytest.raises(InvalidStatus) as refused, connect(address, origin=HERE):
        pass
    assert refused.value.response.status_code == 403


def test_socket__groups_lost_with_redis__are_joined_again(
    browser: Callable[..., Browser], bots_of_two: tuple[Bot, Bot], owner: User
) -> None:
    page = browser(owner)
    with closing(redis.Redis.from_url(settings.REDIS_URL)) as client:
        keys = list(client.scan_iter(f"{PREFIX}*"))
        assert f"{PREFIX}:group:{publishing.group_of(owner.pk)}".encode() in keys
        client.delete(*keys)
    # When what is told now is lost, and something is told after the next joining
    tell(bots_of_two[0], 1)
    relaying.pump()
    time.sleep(1.0)
    tell(bots_of_two[0], 2)
    relaying.pump()
    # Then the gap shows in the version
    assert [one["version"] for one in page.heard(1)] == [2]


def test_socket__session_ended__is_closed_with_4401(browser: Callable[..., Browser], owner: User) -> None:
    page = browser(owner)
    Session.objects.all().delete()
    assert page.close_code() == consumers.NOT_LOGGED_IN


def test_socket__user_switched_off__is_closed_with_4401(browser: Callable[..., Browser], owner: User) -> None:
    page = browser(owner)
    User.objects.filter(id=owner.pk).update(is_active=False)
    assert page.close_code() == consumers.NOT_LOGGED_IN


def test_socket__user_no_longer_superuser__has_to_connect_again(browser: Callable[..., Browser], root: User) -> None:
    with_role(root, "viewer")
    page = browser(root)
    User.objects.filter(id=root.pk).update(is_superuser=False)
    assert page.close_code() == consumers.CONNECT_AGAIN


def test_socket__user_without_a_role_any_more__is_closed(browser: Callable[..., Browser], owner: User) -> None:
    page = browser(owner)
    owner.groups.clear()
    assert page.close_code() == consumers.NO_ROLE


def test_socket__user_who_never_had_a_role__is_refused(browser: Callable[..., Browser], db: None) -> None:
    assert browser(a_person("nobody", role="")).close_code() == consumers.NO_ROLE


def test_socket__one_more_than_a_user_may_have__is_closed_with_4429(
    browser: Callable[..., Browser], owner: User, stranger: User
) -> None:
    first, *_ = [browser(owner) for _ in range(consumers.SOCKETS_PER_USER)]
    assert browser(owner).close_code() == consumers.TOO_MANY_SOCKETS
    # Others are not counted, and a closed one makes room.
    relaying.beat()
    assert json.loads(first.socket.recv(timeout=5))["type"] == "beat"
    theirs = browser(stranger)
    relaying.beat()
    assert json.loads(theirs.socket.recv(timeout=5))["type"] == "beat"
    assert json.loads(browser(stranger).socket.recv(timeout=5) if False else first.socket.recv(timeout=5))
    first.socket.close()
    time.sleep(0.5)
    page = browser(owner)
    relaying.beat()
    assert json.loads(page.socket.recv(timeout=5))["type"] == "beat"


@pytest.mark.parametrize("frame", ["{}", '{"type":"subscribe"}', "[", b"\x00\xff", "x" * 64 * 1024])
def test_socket__browser_says_something__is_answered_with_an_error(
    browser: Callable[..., Browser], owner: User, frame: str | bytes
) -> None:
    page = browser(owner)
    page.socket.send(frame)
    assert page.said() == {"type": "error", "code": "unknown_message"}


def test_socket__frame_larger_than_64_kib__is_closed_with_1009(browser: Callable[..., Browser], owner: User) -> None:
    page = browser(owner)
    page.socket.send("ä" * 32 * 1024 + "x")  # 65 537 bytes
    assert page.said() == {"type": "error", "code": "message_too_large"}
    assert page.close_code() == consumers.FRAME_TOO_LARGE


def test_socket__more_than_20_frames_a_second__is_closed_with_1008(
    browser: Callable[..., Browser], owner: User
) -> None:
    page = browser(owner)
    for _ in range(21):
        page.socket.send("{}")
    said = [page.said()["code"] for _ in range(21)]
    assert said == ["unknown_message"] * 20 + ["too_many_messages"]
    assert page.close_code() == consumers.TOO_MANY_FRAMES


def test_socket__browser_reads_too_slowly__is_told_to_start_over_while_others_go_on(
    browser: Callable[..., Browser], bots_of_two: tuple[Bot, Bot], owner: User
) -> None:
    # A page that stopped reading: its client holds one message, the network a few, the server twenty.
    slow = browser(owner, max_queue=1, compression=None, max_size=None)
    quick = browser(owner, compression=None, max_size=None)
    text = "x" * 190_000
    got = 0
    for count in range(80):
        events.emit(bots_of_two[0].id, owner.pk, [("decision", {"text": text, "count": count})])
        relaying.pump()
        got += len(quick.heard(1))
    # Then
    assert got == 80
    last, code = slow.until_closed()
    assert json.loads(last) == {"type": "resync"}
    assert code == consumers.TOO_SLOW


def test_socket__redis_away__is_closed_with_1013_and_serves_again_when_it_is_back(
    bots_of_two: tuple[Bot, Bot], owner: User, tmp_path: Path, settings: Any
) -> None:
    layer = settings.CHANNEL_LAYERS["default"]
    with own_redis() as server, a_web_process(tmp_path / "log", REDIS_URL=server.url) as port:
        settings.CHANNEL_LAYERS = {"default": {**layer, "CONFIG": {**layer["CONFIG"], "hosts": [server.url]}}}
        headers = {"Cookie": cookie_of(owner)}
        address = f"ws://127.0.0.1:{port}/ws/live"
        with connect(address, origin=HERE, additional_headers=headers) as socket:
            # When
            server.stop()
            tell(bots_of_two[0], 1)
            assert Browser(socket).close_code() == consumers.TRY_LATER
        with connect(address, origin=HERE, additional_headers=headers) as socket:
            assert Browser(socket).close_code() == consumers.TRY_LATER
        server.start()
        # Then
        with connect(address, origin=HERE, additional_headers=headers) as socket:
            relaying.pump()
            assert [one["version"] for one in Browser(socket).heard(1)] == [1]
