"""Fairness: a bucket for each principal, reads and writes apart, refilling evenly."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client

from tests.people import a_person
from tradingsite.access import services
from tradingsite.api import throttles

KEY = ("reads", "user 1")


@pytest.fixture(autouse=True)
def _empty() -> None:
    throttles._buckets.clear()


def test_take__a_full_bucket__gives_a_minutes_worth_then_makes_wait() -> None:
    assert [throttles.take(KEY, per_minute=3, now=100.0) for _ in range(3)] == [0.0, 0.0, 0.0]
    # Three a minute are one in 20 s.
    assert throttles.take(KEY, per_minute=3, now=100.0) == pytest.approx(20.0)
    assert throttles.take(KEY, per_minute=3, now=110.0) == pytest.approx(10.0)
    assert throttles.take(KEY, per_minute=3, now=120.5) == 0.0
    assert throttles.take(KEY, per_minute=3, now=120.5) > 0.0


def test_take__after_a_long_rest__has_no_more_than_a_minutes_worth() -> None:
    throttles.take(KEY, per_minute=2, now=0.0)
    assert [throttles.take(KEY, per_minute=2, now=1e6) > 0 for _ in range(3)] == [False, False, True]


def test_take__by_others__is_counted_apart() -> None:
    assert throttles.take(KEY, per_minute=1, now=0.0) == 0.0
    assert throttles.take(KEY, per_minute=1, now=0.0) > 0.0
    assert throttles.take(("writes", "user 1"), per_minute=1, now=0.0) == 0.0
    assert throttles.take(("reads", "user 2"), per_minute=1, now=0.0) == 0.0


def test_take__by_many_principals__forgets_those_longest_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttles, "_MOST_PRINCIPALS", 3)
    for number in range(5):
        throttles.take(("reads", f"user {number}"), per_minute=1, now=0.0)
    assert list(throttles._buckets) == [("reads", f"user {number}") for number in (2, 3, 4)]


@pytest.mark.django_db
def test_request__beyond_the_share__answers_429_and_says_when_to_come_back(settings: Any) -> None:
    settings.API_READS_PER_MINUTE, settings.API_WRITES_PER_MINUTE = 2, 1
    client = Client()
    client.force_login(a_person("ann", role="operator"))
    address = "/api/v1/config/trading/defaults"
    assert [client.get(address).status_code for _ in range(3)] == [200, 200, 429]
    answer = client.get(address)
    assert answer.json()["error"]["code"] == "RATE_LIMITED"
    assert 1 <= int(answer["Retry-After"]) <= 30
    # Writes have a share of their own, and so has everybody else.
    wrong = {"parameters": 7}
    answers = [client.post("/api/v1/config/trading", wrong, content_type="application/json") for _ in range(2)]
    assert [one.status_code for one in answers] == [422, 429]
    other = Client()
    other.force_login(a_person("bob"))
    assert other.get(address).status_code == 200


@pytest.mark.django_db
def test_request__of_each_token__has_a_share_of_its_own(settings: Any) -> None:
    settings.API_READS_PER_MINUTE = 1
    ann = a_person("ann")
    address = "/api/v1/config/trading/defaults"
    for name in ("one", "two"):
        made = services.make_token(owner=ann, name=name, scopes=["read"], days=1, now=datetime.now(UTC))
        client = Client(headers={"Authorization": f"Bearer {made.value}"})
        assert [client.get(address).status_code for _ in range(2)] == [200, 429]
