"""How configuration does, over HTTP: the store, the readers, the ledger, what waits for a restart."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from configuration import services, store
from configuration.models import ConfigReader, LedgerCheck, Override
from configuration.scopes import GLOBAL
from configuration.tests.calling import CONFIG, a_caller, data, faults
from configuration.tests.examples import put, value_at

pytestmark = pytest.mark.django_db


@pytest.fixture
def client() -> APIClient:
    client = a_caller()
    client.get(CONFIG)  # their role is asked once
    return client


def a_reader(number: int, *, version: int = 0, environment: str = "a") -> ConfigReader:
    return ConfigReader.objects.create(
        id=UUID(int=number),
        process="web",
        host="desk",
        pid=number,
        version=version,
        catalogue_fingerprint="c" * 64,
        environment_fingerprint=environment * 64,
        is_listening=True,
    )


def test_health__nothing_wrong__is_ok(client: APIClient) -> None:
    told = data(client.get(f"{CONFIG}/health"))
    assert (told["status"], told["version"], told["is_lagging"], told["ledger"]) == ("ok", 0, False, None)
    assert (told["store"]["is_degraded"], told["store"]["ttl_s"], told["disagreements"]) == (False, 60, [])
    assert told["catalogue"]["namespaces"] >= 12


def test_health__reader_behind_and_another_that_resolves_differently__is_shown(client: APIClient) -> None:
    put(GLOBAL, leverage=11)
    put(GLOBAL, leverage=12)
    a_reader(1, version=2)
    a_reader(2, version=1, environment="b")
    told = data(client.get(f"{CONFIG}/health"))
    assert [(one["pid"], one["version"], one["lag"]) for one in told["readers"]] == [(1, 2, 0), (2, 1, 1)]
    assert (told["status"], told["is_lagging"], len(told["disagreements"])) == ("degraded", True, 1)


def test_health__ledger_verified__tells_how_far_and_what_was_found(client: APIClient) -> None:
    put(GLOBAL, leverage=11)
    LedgerCheck.objects.create(checked_at=timezone.now(), version=1, head_hash="a" * 64, took_ms=3.5)
    told = data(client.get(f"{CONFIG}/health"))
    assert (told["status"], told["ledger"]["is_sound"], told["ledger"]["version"]) == ("ok", True, 1)
    LedgerCheck.objects.create(
        checked_at=timezone.now(), version=1, first_bad_version=1, finding="altered", took_ms=3.5
    )
    told = data(client.get(f"{CONFIG}/health"))
    assert (told["status"], told["ledger"]["first_bad_version"]) == ("broken", 1)


def test_health__restart_parameter_decided_after_the_start__waits(client: APIClient) -> None:
    a_reader(1)
    services.change(
        actor=services.Actor("user", "7", "ann"),
        source="cli",
        reason="because",
        operations=[services.SetValue(GLOBAL, "engine", "interval_seconds", 600)],
        now=datetime.now(UTC).replace(year=2030),  # after any process of this test started
    )
    (waiting,) = data(client.get(f"{CONFIG}/health"))["pending_restarts"]
    assert (waiting["bot"], waiting["name"], waiting["parameter"]) == (None, "platform", "interval_seconds")
    assert (waiting["running_value"], waiting["new_value"], waiting["version"]) == (900, 600, 1)


def test_health__many_readers__costs_the_same_queries(client: APIClient) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as asked:
            client.get(f"{CONFIG}/health")
        return len(asked)

    a_reader(1)
    few = queries()
    for number in range(2, 12):
        a_reader(number)
    assert queries() == few <= 10
    assert faults(client.get(f"{CONFIG}/health?verbose=1")) == [("unknown_field", "/verbose")]


def test_refresh__a_value_written_past_the_store__is_in_force_at_once(client: APIClient) -> None:
    put(GLOBAL, max_retries=5)
    Override.objects.update(value=6)  # as a restored backup would: the head does not tell
    response = client.post(f"{CONFIG}/cache/refresh")
    assert (data(response)["version"], response["ETag"].startswith('"cfg-1-')) == (1, True)
    assert value_at(GLOBAL, "max_retries") == 6
    assert faults(client.post(f"{CONFIG}/cache/refresh", {"all": 1})) == [("unknown_field", "/all")]
    store.forget()


def test_refresh__viewer__is_refused() -> None:
    assert a_caller("viewer", name="vera").post(f"{CONFIG}/cache/refresh").status_code == 403
