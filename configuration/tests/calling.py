"""What tests of the API share: somebody who calls, and what is read out of an answer."""

from typing import Any

from rest_framework.test import APIClient

from tests.people import a_person

API = "/api/v1"
CONFIG = f"{API}/config"
TRADING = f"{CONFIG}/trading"


def a_caller(role: str = "risk_admin", *, name: str = "ann") -> APIClient:
    client = APIClient()
    client.force_authenticate(a_person(name, role=role))
    return client


def data(response: Any) -> Any:
    assert response.status_code == 200, response.content
    return response.json()["data"]


def faults(response: Any, status: int = 422) -> list[tuple[str, str]]:
    """(code, pointer) of every fault of a refusal."""
    assert (response.status_code, response.json()["success"]) == (status, False), response.content
    return [(fault["code"], fault["pointer"]) for fault in response.json()["error"]["details"]]


def gates(response: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = response.json()["error"]["gates"]
    return found


def gate(response: Any, code: str) -> dict[str, Any]:
    (found,) = [one for one in gates(response) if one["code"] == code]
    return found
