"""One id from the browser to the worker: what a task logs can be found by the request that asked for it."""

import pytest
import structlog
from celery.contrib.testing.worker import start_worker
from structlog.testing import capture_logs

from tests.platform.test_supervisor import wait_for
from tradingsite import tasks
from tradingsite.celery import app
from tradingsite.health import heartbeats


@pytest.mark.slow
def test_task__asked_for_in_a_request__logs_under_the_requests_id() -> None:
    if not app.conf.broker_url.startswith("memory:"):
        pytest.skip("needs the test settings, whose queue is in memory: this one is somebody's")
    # Given: a real worker, in a thread of its own
    heartbeats.forget()
    with (
        capture_logs(processors=[structlog.contextvars.merge_contextvars]) as captured,
        start_worker(app, pool="solo", perform_ping_check=False, queues=["bots"], shutdown_timeout=10),
    ):
        # When: a request asks for a task
        with structlog.contextvars.bound_contextvars(request_id="from-the-browser-1"):
            tasks.canary.apply_async(kwargs={"queue": "bots"}, queue="bots")
        assert wait_for(lambda: heartbeats.last_seen(["queue-bots"])["queue-bots"] is not None, seconds=10)
    heartbeats.forget()
    # Then
    (started,) = [event for event in captured if event["event"] == "task_started"]
    assert (started["request_id"], started["task"]) == ("from-the-browser-1", "tradingsite.canary")
    assert started["task_id"]
