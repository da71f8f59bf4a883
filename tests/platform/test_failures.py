"""Failures injected into the web process: a clean answer outside, the whole story in the log, and no lasting damage."""

import io
import json
import os
import subprocess
import sys
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from tests.people import a_person
from tests.platform.test_logs import events
from tradingsite import deployment

BOTS = "/api/v1/bots"


@pytest.fixture
def member(db: None) -> Client:
    # What a person would see, instead of Django's test client raising what the view raised.
    client = Client(raise_request_exception=False)
    client.force_login(a_person("mia", password="x"))
    return client


def break_the_database() -> None:
    """The table of bots is gone, until the test's transaction is rolled back."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE bots_bot RENAME TO bots_bot_lost")


def test_api__broken_inside__answers_an_envelope_and_logs_the_trace_under_its_id(
    member: Client, lines: io.StringIO
) -> None:
    break_the_database()
    answer = member.get(BOTS)
    # Outside: the code, the component and the id; nothing of our tables
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["component"]) == (500, "INTERNAL_ERROR", "platform")
    assert "bots_bot" not in answer.content.decode()
    assert "trace" not in error
    # Inside: one event with the same id, code, component, time and the whole trace
    (failed,) = [event for event in events(lines) if event["event"] == "request.failed"]
    assert failed["request_id"] == error["request_id"] == answer["X-Request-ID"]
    assert (failed["level"], failed["code"], failed["component"]) == ("error", "INTERNAL_ERROR", "platform")
    assert failed["timestamp"].endswith("Z")
    assert 'relation "bots_bot" does not exist' in failed["exception"]
    assert "Traceback (most recent call last)" in failed["exception"]


def test_page__broken_inside__is_a_plain_page_and_the_log_has_the_trace_under_its_id(
    member: Client, lines: io.StringIO
) -> None:
    break_the_database()
    answer = member.get("/bots")
    assert (answer.status_code, answer["Content-Type"]) == (500, "text/html; charset=utf-8")
    assert "bots_bot" not in answer.content.decode()
    (failed,) = [event for event in events(lines) if "exception" in event]
    assert failed["request_id"] == answer["X-Request-ID"]
    assert 'relation "bots_bot" does not exist' in failed["exception"]


def test_api__database_too_slow__answers_503_and_not_500(member: Client) -> None:
    # Given: reading a bot takes a second, allowed is a twentieth of one
    break_the_database()
    with connection.cursor() as cursor:
        cursor.execute("CREATE VIEW bots_bot AS SELECT * FROM bots_bot_lost WHERE (SELECT pg_sleep(1) IS NOT NULL)")
        cursor.execute("SET LOCAL statement_timeout = '50ms'")
    answer = member.get(BOTS)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "NOT_READY")


ASK_TWICE = """
import django; django.setup()
import psycopg
from django.db import connection
settings = connection.settings_dict
settings["OPTIONS"]["application_name"] = "test-of-lost-connections"

def backend():
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        pid = cursor.fetchone()[0]
    connection.close()
    return pid

before = backend()
address = {"host": settings["HOST"], "port": settings["PORT"], "user": settings["USER"]}
address |= {"dbname": settings["NAME"], "password": settings["PASSWORD"]}
with psycopg.connect(**{name: value for name, value in address.items() if value}, autocommit=True) as other:
    ours = "FROM pg_stat_activity WHERE application_name = 'test-of-lost-connections'"
    lost = {row[0] for row in other.execute(f"SELECT pid {ours}")}
    other.execute(f"SELECT pg_terminate_backend(pid, 5000) {ours}")
after = backend()
print(before in lost, after in lost)
connection.close_pool()
"""


@pytest.mark.slow
def test_pool__every_connection_lost__the_next_request_does_not_notice() -> None:
    # Given: a web process, whose pooled connections the server ends, as a restart of it does
    environment: dict[str, Any] = os.environ | {
        "PLATFORM_PROCESS": "web",
        "DJANGO_SETTINGS_MODULE": "tradingsite.settings.dev",
        "DATABASE_URL": deployment.load().database_url.replace("/platform?", "/postgres?"),
    }
    done = subprocess.run(
        [sys.executable, "-c", ASK_TWICE],
        cwd=deployment.ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    # Then: it had one of the lost ones, and got a new one without an error
    assert done.stdout.split()[-2:] == ["True", "False"], done.stdout + done.stderr


LOG_A_LITTLE = """
import logging, django
django.setup()
import structlog
structlog.get_logger("bots.cycle").info("bot.halted", bot_id="b-1", text="two\\nlines")
logging.getLogger("library").warning("retry %d", 1)
try:
    {}["nothing"]
except KeyError:
    logging.getLogger("library").exception("broke")
"""


@pytest.mark.slow
@pytest.mark.parametrize(("environment", "is_json"), [("dev", False), ("staging", True), ("production", True)])
def test_logs__by_environment__are_json_line_by_line_outside_dev(environment: str, is_json: bool) -> None:
    module = "dev" if environment == "dev" else "prod"
    variables = os.environ | {
        "DJANGO_SETTINGS_MODULE": f"tradingsite.settings.{module}",
        "TRADINGSITE_ENVIRONMENT": environment,
        "TRADINGSITE_DEBUG": "false",
        "TRADINGSITE_LOG_FORMAT": "auto",
        "ALLOWED_HOSTS": "trading.example.com",
    }
    done = subprocess.run(
        [sys.executable, "-c", LOG_A_LITTLE],
        cwd=deployment.ROOT,
        env=variables,
        capture_output=True,
        text=True,
        check=True,
    )
    printed = done.stdout.splitlines()
    if is_json:
        assert [json.loads(line)["event"] for line in printed] == ["bot.halted", "retry 1", "broke"]
    else:
        assert "bot.halted" in printed[0]
        assert not printed[0].startswith("{")
