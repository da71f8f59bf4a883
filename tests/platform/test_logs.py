"""Logs: JSON that parses, one request id through everything, no secret ever."""

import io
import json
import logging
import sys
from typing import Any

import pytest
import structlog
from django.test import Client
from structlog.testing import capture_logs

from tradingsite import logs


def events(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_json__event_of_ours_and_of_a_library__have_the_same_form(lines: io.StringIO) -> None:
    structlog.get_logger("engine.step").info("order.submitted", order_id="o-1")
    logging.getLogger("some.library").warning("retry %d of %d", 1, 3)
    ours, theirs = events(lines)
    assert (ours["event"], ours["order_id"], ours["level"], ours["logger"]) == (
        "order.submitted",
        "o-1",
        "info",
        "engine.step",
    )
    assert (theirs["event"], theirs["level"], theirs["logger"]) == ("retry 1 of 3", "warning", "some.library")
    assert ours["timestamp"].endswith("Z")


def test_json__exception__is_one_line_with_its_trace(lines: io.StringIO) -> None:
    try:
        raise ZeroDivisionError("seven by zero")
    except ZeroDivisionError:
        structlog.get_logger("x").exception("cycle.failed")
    (event,) = events(lines)
    assert "ZeroDivisionError: seven by zero" in event["exception"]


def test_json__secrets__are_masked_at_any_depth(lines: io.StringIO) -> None:
    canary = "canary-4711"
    structlog.get_logger("x").info(
        "settings.loaded",
        api_key=canary,
        headers={"Authorization": canary, "Accept": "json", "nested": [{"refresh_token": canary}]},
        password=canary,
        SECRET_KEY=canary,
        url=f"postgres://me:{canary}@db/x",
        keyword="kept",
    )
    logging.getLogger("library").error("cannot reach redis://:%s@queue", canary)
    assert canary not in lines.getvalue()
    first = events(lines)[0]
    assert (first["api_key"], first["headers"]["Accept"], first["keyword"]) == ("****", "json", "kept")
    assert first["url"] == "postgres://me:****@db/x"


def test_readable__exception__is_shown_without_the_values_of_variables() -> None:
    configuration = logs.settings(level="INFO", is_json=False)
    formatter = configuration["formatters"]["event"]
    made = formatter.pop("()")(**formatter)
    local = "canary-" + "0815"  # in pieces, so that the line of code itself does not hold it
    try:
        raise ValueError("bad")
    except ValueError:
        record = logging.LogRecord("x", logging.ERROR, "", 0, "failed", None, sys.exc_info())
    text = made.format(record)
    assert "ValueError: bad" in text
    assert local not in text


def test_readable__escape_sequence_in_an_address__is_spelt_out() -> None:
    configuration = logs.settings(level="INFO", is_json=False)
    formatter = configuration["formatters"]["event"]
    made = formatter.pop("()")(**formatter)
    record = logging.LogRecord("x", logging.INFO, "", 0, "GET /\x1b[31mred\x00\x9b", None, None)
    assert "GET /\\x1b[31mred\\x00\\x9b" in made.format(record)


@pytest.mark.django_db
def test_request__sane_id_comes_in__is_kept_logged_and_returned(client: Client) -> None:
    with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as captured:
        answer = client.get("/api/v1/nothing", headers={"X-Request-ID": "trace-me-0001"})
    assert answer["X-Request-ID"] == answer.json()["error"]["request_id"] == "trace-me-0001"
    finished = [event for event in captured if event["event"] == "request.finished"]
    assert [(event["request_id"], event["status"], event["path"]) for event in finished] == [
        ("trace-me-0001", 404, "/api/v1/nothing")
    ]


@pytest.mark.django_db
@pytest.mark.parametrize(
    "given", ["", "short", "x" * 65, "two words here", "newline\\nheader", "<script>alert</script>"]
)
def test_request__no_sane_id__gets_one_of_ours(given: str, client: Client) -> None:
    answer = client.get("/healthz", headers={"X-Request-ID": given})
    assert answer["X-Request-ID"] != given
    assert len(answer["X-Request-ID"]) == 32


@pytest.mark.django_db
def test_request__query__is_not_logged(client: Client) -> None:
    with capture_logs() as captured:
        client.get("/login?next=/&password=canary-4711")
    assert "canary-4711" not in str(captured)


@pytest.mark.django_db
def test_request__two_in_a_row__do_not_share_an_id(client: Client) -> None:
    assert client.get("/healthz")["X-Request-ID"] != client.get("/healthz")["X-Request-ID"]
    assert "request_id" not in structlog.contextvars.get_contextvars()
