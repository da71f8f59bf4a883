"""Configuration over HTTP while the database is away: what is in memory is told and dated, nothing is written."""

import pytest

from configuration.models import ChangeSet
from configuration.scopes import GLOBAL
from configuration.tests.calling import CONFIG, TRADING, a_caller, data
from configuration.tests.examples import put
from configuration.tests.test_freshness import Clock, away, clock, head_is_locked

pytestmark = pytest.mark.django_db(transaction=True)
__all__ = ["clock"]  # a fixture


def test_api__head_does_not_answer__reads_degrade_writes_fail_and_health_shows_it(clock: Clock) -> None:
    # Given: somebody has read, then the table of the head answers nobody
    client = a_caller()
    put(GLOBAL, leverage=12)
    assert data(client.get(TRADING))["is_degraded"] is False
    with head_is_locked():
        # When: within the limit, then past it
        fresh = data(client.get(TRADING))
        clock.now += 61
        stale = client.get(TRADING, headers={"If-None-Match": client.get(TRADING)["ETag"]})
        told = data(client.get(f"{CONFIG}/resolve?explain=full"))
        health = data(client.get(f"{CONFIG}/health"))
    with away():
        refused = client.post(TRADING, {"parameters": {"max_retries": 1}})
    # Then: the last values are told, honestly dated, and never as "nothing is newer"
    assert (fresh["parameters"]["leverage"], fresh["is_degraded"], fresh["scope_version"]) == (12, False, None)
    assert (data(stale)["parameters"]["leverage"], data(stale)["is_degraded"]) == (12, True)
    assert (told["parameters"]["leverage"], told["explained"]["leverage"]["decision"]) == (12, None)
    assert (health["status"], health["store"]["is_confirmed"], health["store"]["is_degraded"]) == (
        "degraded", False, True,
    )  # fmt: skip
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "NOT_READY")
    # and afterwards everything is as before
    clock.now += 10
    assert data(client.get(TRADING))["is_degraded"] is False
    assert ChangeSet.objects.count() == 1
