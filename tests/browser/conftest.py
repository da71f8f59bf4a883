"""A web process with its own database, a stand-in for the workers, and Debian's chromium.

The database is not pytest-django's: the processes must see committed rows, and no other test may.
"""

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.error import URLError
from urllib.parse import urlsplit, urlunsplit
from urllib.request import urlopen

import psycopg
import pytest
from django.conf import settings

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = os.environ.get("CHROMIUM") or next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)
CONTRAST = (Path(__file__).parent / "contrast.js").read_text("utf-8")
PHONE = {"width": 360, "height": 740}
PASSWORD = "correct horse battery"
READY_SECONDS = 30

PREPARE = f"""
from datetime import UTC, datetime
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from bots.services import demo
from marketdata import services
now = datetime.now(UTC)
services.import_samples(now)
users = get_user_model().objects
admin = users.create_superuser("admin", password={PASSWORD!r})
Group.objects.get(name="viewer").user_set.add(users.create_user("viewer", password={PASSWORD!r}))
demo.create_demo_bots(owner_id=admin.pk, now=now)
"""


class Site(NamedTuple):
    """Where the web process listens, a way to ask its database, and one to start a process beside it."""

    url: str
    python: Callable[[str], str]
    start: Callable[[str], None]

    def facts(self, code: str) -> Any:
        """What ``code`` leaves in ``answer``, read by a process of its own, straight from the services' rows."""
        return json.loads(self.python(f"import json\n{code}\nprint(json.dumps(answer, default=str))").splitlines()[-1])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)
            if CHROMIUM is None:
                item.add_marker(pytest.mark.skip(reason="no browser: install Debian's chromium, or set CHROMIUM"))


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    name = f"test_browser_{secrets.token_hex(4)}"
    address = urlsplit(settings.DEPLOYMENT.database_url)
    maintenance = urlunsplit(address._replace(path="/postgres"))
    folder = tmp_path_factory.mktemp("site")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tradingsite.settings.test",
        "DATABASE_URL": urlunsplit(address._replace(path=f"/{name}")),
        "TRADINGSITE_DATA_DIR": str(folder),
        "TRADINGSITE_RESULTS_DIR": str(folder),
        "TRADINGSITE_LOG_LEVEL": "WARNING",
        "ALLOWED_HOSTS": "127.0.0.1",
        "PYTHONPATH": str(ROOT),
    }

    def python(code: str) -> str:
        command = [sys.executable, "-W", "ignore", "manage.py", "shell", "--no-imports", "-c", code]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(module: str) -> None:
        command = [sys.executable, "-m", module]
        processes.append(subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log))

    with psycopg.connect(maintenance, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    processes: list[subprocess.Popen[bytes]] = []
    log = (folder / "processes.log").open("wb")
    try:
        _run([sys.executable, "manage.py", "migrate", "--verbosity", "0"], environment)
        python(PREPARE)
        web = [sys.executable, "-m", "uvicorn", "tradingsite.asgi:application", "--port", str(port)]
        web += ["--ws", "websockets-sansio"]  # as tradingsite.web does
        processes.append(subprocess.Popen(web, cwd=ROOT, env=environment, stdout=log, stderr=log))
        start("tests.browser.stand_in_worker")
        url = f"http://127.0.0.1:{port}"
        _await_answer(f"{url}/login", folder / "processes.log")
        yield Site(url, python, start)
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(timeout=20)
        log.close()
        with psycopg.connect(maintenance, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def _run(command: list[str], environment: dict[str, str]) -> None:
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def _await_answer(url: str, log: Path) -> None:
    until = time.monotonic() + READY_SECONDS
    while time.monotonic() < until:
        try:
            with urlopen(url, timeout=2):
                return
        except (URLError, OSError):
            time.sleep(0.2)
    pytest.fail(f"The web process did not answer:\n{log.read_text()[-4000:]}")


@pytest.fixture(scope="session")
def relay(site: Site) -> None:
    """Events on their way to browsers, and beats, as the stream process sends them."""
    site.start("tests.browser.stand_in_relay")


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        )
        yield browser
        browser.close()


# Runs before every script of the page; the policy does not apply to what the browser's driver adds.
WATCH_POLICY = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) =>
  window.violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`));
"""


class Reader:
    """A person with a browser. ``problems``: whatever the console, the policy or a failed request complained of."""

    def __init__(self, chromium: Any, site: Site, **context: Any) -> None:
        self.site = site
        self.problems: list[str] = []
        self.context = chromium.new_context(**{"viewport": {"width": 1280, "height": 900}, **context})
        self.context.set_default_timeout(15_000)
        self.context.add_init_script(WATCH_POLICY)
        self.page = self.context.new_page()
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.problems.append(f"exception: {error}"))
        self.page.on("response", self._answered)

    def sign_in(self, name: str = "admin") -> "Reader":
        self.open("/login")
        self.page.fill("#id_username", name)
        self.page.fill("#id_password", PASSWORD)
        self.page.click("main button[type=submit]")
        self.page.wait_for_url(f"{self.site.url}/")
        return self

    def open(self, path: str) -> Any:
        response = self.page.goto(self.site.url + path)
        self.page.wait_for_load_state("networkidle")
        return response

    def api(self, path: str) -> Any:
        """The data of a GET, with this person's session."""
        answer = self.context.request.get(f"{self.site.url}/api/v1/{path}")
        assert answer.ok, answer.text()
        return answer.json()["data"]

    def check(self) -> None:
        """Nothing was complained of so far, and the policy was not violated on the page in sight."""
        assert self.problems + self.page.evaluate("window.violations") == []

    def _heard(self, message: Any) -> None:
        # A page that is refused on purpose is reported as a resource; requests of scripts are watched below.
        if message.type in ("error", "warning") and not message.text.startswith("Failed to load resource"):
            self.problems.append(f"console: {message.text}")

    def _answered(self, response: Any) -> None:
        if response.status >= 400 and response.request.resource_type != "document":
            self.problems.append(f"{response.status} {response.url}")


@pytest.fixture
def reader(chromium: Any, site: Site) -> Iterator[Reader]:
    someone = Reader(chromium, site)
    yield someone
    someone.check()
    someone.context.close()


@pytest.fixture(scope="session")
def finished_run(site: Site) -> dict[str, Any]:
    """One completed run of the first demo bot over all its bars, with a decision that asked for an order."""
    return site.facts("""
import time
from datetime import UTC, datetime
from django.contrib.auth import get_user_model
from backtests import selectors
from backtests.services import queue
from bots import selectors as bots
admin = get_user_model().objects.get(username="admin")
bot = bots.bot_named("Demo: four-indicator vote")
form = {"bot": str(bot.id), "fee_bps": 1, "slippage_bps": 2}
run = queue(form=form, owner_id=admin.pk, bots_of=None, now=datetime.now(UTC))
while run.status in ("queued", "running"):  # the stand-in for the workers is at it
    time.sleep(0.1)
    run = selectors.backtest(run.id)
rows = [one.row for one in selectors.decisions(run)[:200] if one.orders]
answer = {"id": run.id, "bot": bot.id, "snapshot": run.snapshot_id, "row": rows[0], "status": run.status,
          "dataset": run.request["datasets"][0]["id"], "metrics": run.metrics}
""")
