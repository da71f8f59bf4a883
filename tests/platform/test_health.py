"""Health by component: what fails marks what needs it; strangers learn words, staff learn why."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
from django.test import Client

from configuration import store
from configuration.tests.test_freshness import locked
from tests.people import a_person
from tradingsite.health import components, heartbeats
from tradingsite.health.components import HEALTHY, NOT_INITIALIZED, UNHEALTHY, Component, Finding


def part(name: str, status: str, *needs: str, asked: list[str] | None = None) -> Component:
    def check() -> Finding:
        if asked is not None:
            asked.append(name)
        return Finding(status)

    return Component(name, check, needs)


def test_examine__a_part_fails__those_that_need_it_are_marked_and_not_asked() -> None:
    asked: list[str] = []
    parts = [
        part("database", UNHEALTHY, asked=asked),
        part("migrations", HEALTHY, "database", asked=asked),
        part("worker", HEALTHY, "migrations", asked=asked),
        part("redis", HEALTHY, asked=asked),
    ]
    found = components.examine(parts)
    assert {name: finding.status for name, finding in found.items()} == {
        "database": UNHEALTHY,
        "migrations": UNHEALTHY,
        "worker": UNHEALTHY,
        "redis": HEALTHY,
    }
    assert asked == ["database", "redis"]
    assert found["worker"].error == "needs migrations, which is not healthy"


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ([HEALTHY, HEALTHY], HEALTHY),
        ([HEALTHY, "unknown"], "unknown"),
        ([HEALTHY, "unknown", NOT_INITIALIZED], NOT_INITIALIZED),
        ([NOT_INITIALIZED, UNHEALTHY], UNHEALTHY),
    ],
)
def test_overall__is_healthy_only_if_every_part_is(statuses: list[str], expected: str) -> None:
    assert components.overall({str(n): Finding(status) for n, status in enumerate(statuses)}) == expected


def test_components__each__comes_after_what_it_needs() -> None:
    before: set[str] = set()
    for component in components.components():
        assert set(component.needs) <= before
        before.add(component.name)


def test_components__in_backtest_mode__there_are_neither_stream_nor_worker_for_bots(settings: Any) -> None:
    of_bots = {"stream", "worker-bots"}
    assert of_bots <= {component.name for component in components.components()}
    settings.STARTUP_MODE = "backtest"
    assert not of_bots & {component.name for component in components.components()}


@pytest.fixture
def unreachable_redis(settings: Any) -> Iterator[None]:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    heartbeats._client.cache_clear()
    yield
    heartbeats._client.cache_clear()


@pytest.fixture
def clean_heartbeats() -> Iterator[None]:
    heartbeats.forget()
    yield
    heartbeats.forget()


def test_redis__away__is_unhealthy_and_raises_nothing(unreachable_redis: None) -> None:
    assert components._redis().status == UNHEALTHY
    heartbeats.try_beat("beat")


@pytest.mark.usefixtures("clean_heartbeats")
def test_process__never_seen_then_seen_then_silent__goes_through_the_words(monkeypatch: pytest.MonkeyPatch) -> None:
    assert components._process("beat").status == NOT_INITIALIZED
    heartbeats.beat("beat")
    assert components._process("beat").status == HEALTHY
    heartbeats._client().set("tradingsite:heartbeat:beat", str(int(heartbeats._client().time()[0]) - 21))
    # Silent for 21 s, allowed are 20.
    assert components._process("beat") == Finding(UNHEALTHY, "was last seen 21 s ago, more than 20 s")


def test_directory__missing__is_unhealthy(tmp_path: Any) -> None:
    assert components._directory(tmp_path, 4, "read").status == HEALTHY
    assert components._directory(tmp_path / "nowhere", 4, "read").status == UNHEALTHY


@pytest.mark.django_db
def test_healthz__always__asks_nothing_else(
    client: Client, django_assert_num_queries: Callable[..., Any], unreachable_redis: None
) -> None:
    with django_assert_num_queries(0):
        answer = client.get("/healthz")
    assert (answer.status_code, answer.json()["data"]) == (200, {"status": "alive"})


@pytest.mark.django_db
def test_ready__database_and_queue_answer__is_200(client: Client) -> None:
    assert client.get("/ready").status_code == 200


@pytest.mark.django_db
def test_ready__queue_is_away__is_503_and_names_it(client: Client, unreachable_redis: None) -> None:
    answer = client.get("/ready")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "NOT_READY")
    assert "redis" in answer.json()["error"]["message"]


@pytest.mark.django_db
def test_health__anonymous__gets_status_words_only(client: Client) -> None:
    data = client.get("/health").json()["data"]
    assert set(data) == {"overall_health", "totals", "components"}
    assert {tuple(facts) for facts in data["components"].values()} == {("status",)}
    assert sum(data["totals"].values()) == len(data["components"])


@pytest.mark.django_db
def test_health__staff__learn_errors_dependencies_and_settings_without_secrets(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRADINGSITE_EXTRA_TOKEN", "abcdefghijkl1234")
    client.force_login(a_person("s", role="operator", password="x", is_staff=True))
    answer = client.get("/health")
    data = answer.json()["data"]
    assert data["components"]["migrations"]["dependencies"] == ["database"]
    assert data["passed_through"]["TRADINGSITE_EXTRA_TOKEN"] == "****1234"
    assert "abcdefghijkl" not in answer.content.decode()


@pytest.mark.django_db
def test_canary__taken_by_a_worker__is_remembered(clean_heartbeats: None) -> None:
    from tradingsite import tasks

    tasks.canary(queue="bots", added_by_a_newer_version=True)
    assert heartbeats.last_seen(["queue-bots", "queue-backtests"]) == {"queue-bots": 0, "queue-backtests": None}


def test_heartbeats__redis_error_inside_a_worker__is_not_raised(unreachable_redis: None) -> None:
    with pytest.raises(redis.RedisError):
        heartbeats.beat("beat")
    heartbeats.try_beat("beat")


def test_examine__what_a_part_needs_is_sick__asks_it_what_it_knows_alone() -> None:
    asked: list[str] = []
    parts = [
        part("database", UNHEALTHY, asked=asked),
        Component("configuration", lambda: Finding(UNHEALTHY), ("database",), without=lambda: Finding(HEALTHY)),
        part("reader", HEALTHY, "configuration", asked=asked),
    ]
    assert components.examine(parts)["configuration"].status == HEALTHY
    assert asked == ["database", "reader"]


@pytest.mark.django_db(transaction=True)
def test_configuration__degraded__is_unhealthy_and_staff_learn_version_and_age(
    client: Client, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    # 001-36. Given: the head was read, then the clock goes on by more than is allowed and the head stops answering
    settings.CONFIG_CACHE_TTL_SECONDS = 60
    settings.CONFIG_DATABASE_TIMEOUT_MS = 50
    now = [1000.0]
    monkeypatch.setattr(store._shared, "clock", lambda: now[0])
    store.forget()
    client.force_login(a_person("s", role="operator", password="x", is_staff=True))
    told = client.get("/health").json()["data"]["components"]["configuration"]
    assert (told["status"], told["version"], told["is_degraded"], told["age_s"]) == ("healthy", 0, False, 0.0)
    assert told["confirmed_at"] is not None
    # When
    now[0] += 75
    with locked("configuration_confighead"):
        told = client.get("/health").json()["data"]["components"]["configuration"]
    # Then
    assert (told["status"], told["is_degraded"], told["age_s"]) == ("unhealthy", True, 75.0)
    assert told["error"] == "degraded: version 0 was last confirmed 75 s ago"
    now[0] += 10
    assert components._configuration().status == HEALTHY
    assert components._configuration_unasked().facts["version"] == 0
    store.forget()
    assert components._configuration_unasked().status == NOT_INITIALIZED
