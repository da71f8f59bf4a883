"""Every address of the API: closed to strangers, written by operators, and honest about what is not there."""

import re
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, reverse
from rest_framework.views import APIView

from tests.people import a_person
from tradingsite.access import matrix
from tradingsite.access.roles import Role
from tradingsite.api import urls

pytestmark = pytest.mark.django_db

NOBODY = UUID(int=1)
SAMPLES: dict[str, Any] = {
    "backtest_id": NOBODY,
    "bot_id": NOBODY,
    "dataset_id": NOBODY,
    "study_id": NOBODY,
    "trade_id": NOBODY,
    "position_id": NOBODY,
    "decision_id": 1,
    "order_id": 1,
    "token_id": NOBODY,
    "row": 1,
    "hash": "0" * 64,
    "symbol": "ACME",
    "side": "LONG",
    "namespace": "bot",
    "strategy_id": "external",
    "version": 1,
}
# A body in which nothing is wrong, where one is judged before the thing is looked for.
SOUND = {"dataset-studies": '{"name": "sma"}'}


def patterns(found: list[URLPattern | URLResolver] = urls.urlpatterns) -> Iterator[URLPattern]:
    for one in found:
        if isinstance(one, URLResolver):
            yield from patterns(one.url_patterns)
        else:
            yield one


def doors() -> Iterator[tuple[str, str]]:
    """(method, name) of everything one can do over the API."""
    for pattern in patterns():
        view: type[APIView] = pattern.callback.view_class  # type: ignore[attr-defined]  # set by as_view()
        for method in ("get", "post", "put", "patch", "delete"):
            if hasattr(view, method):
                yield method, str(pattern.name)


def addressed(name: str) -> str:
    pattern = next(one for one in patterns() if one.name == name)
    return reverse(name, kwargs={part: SAMPLES[part] for part in pattern.pattern.converters})


def told(method: str, name: str) -> str:
    """A door as people write it: ``GET bots/<bot_id>``."""
    route = next(str(one.pattern) for one in patterns() if one.name == name)
    return f"{method.upper()} {re.sub(r'<[a-z]+:', '<', route)}"


def is_an_operators(method: str, name: str) -> bool:
    """Whether a viewer may not: everything but reading, and asking what a change would do."""
    need = matrix.need_of(name, method.upper())
    return need is None or need.role > Role.VIEWER


DOORS = list(doors())
BY_NUMBER = {"snapshot", "api-decision", "api-order"}
BY_ID = [(method, name) for method, name in DOORS if "00000000-0000" in addressed(name) or name in BY_NUMBER]


def member(role: str) -> Client:
    client = Client()
    client.force_login(a_person("mia", role=role))
    return client


def asked(client: Client, method: str, name: str) -> Any:
    body = {} if method == "get" else {"content_type": "application/json", "data": SOUND.get(name, "{}")}
    return getattr(client, method)(addressed(name), **body)


@pytest.mark.parametrize(("method", "name"), DOORS)
def test_address__for_a_stranger__answers_401_and_nothing_else(method: str, name: str) -> None:
    answer = asked(Client(), method, name)
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "NOT_AUTHENTICATED")


@pytest.mark.parametrize(("method", "name"), [door for door in DOORS if is_an_operators(*door)])
def test_address__written_by_a_viewer__answers_403(method: str, name: str) -> None:
    answer = asked(member("viewer"), method, name)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "NOT_GRANTED")


@pytest.mark.parametrize(("method", "name"), BY_ID)
def test_address__of_what_does_not_exist__answers_404_with_a_code(method: str, name: str) -> None:
    answer = asked(member("owner"), method, name)
    assert answer.status_code == 404
    assert answer.json()["error"]["code"].endswith("NOT_FOUND")


@pytest.mark.parametrize("name", sorted({name for _, name in DOORS}))
def test_address__with_a_method_it_does_not_know__answers_405(name: str) -> None:
    answer = member("owner").patch(addressed(name), data="{}", content_type="application/json")
    assert (answer.status_code, answer.json()["error"]["code"]) == (405, "METHOD_NOT_ALLOWED")


def test_doors__of_the_api__are_collected() -> None:
    assert len(DOORS) > 30
    assert len(BY_ID) > 12
