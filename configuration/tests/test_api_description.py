"""The description of configuration's addresses: complete, true of real answers, and with sound examples."""

from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
from django.urls import reverse
from drf_spectacular.generators import SchemaGenerator
from rest_framework.test import APIClient

from configuration import services
from configuration.api.urls import urlpatterns
from configuration.scopes import GLOBAL, symbol_scope
from configuration.selectors import snapshot_for
from configuration.tests.calling import API, CONFIG, TRADING, a_caller, data
from configuration.tests.examples import put, some_bot

pytestmark = pytest.mark.django_db

PREFIXES = (f"{API}/config", f"{API}/strategies", f"{API}/snapshots")


@pytest.fixture(scope="module")
def described() -> Any:
    return SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]  # theirs has no types


def operations(described: Any) -> Iterator[tuple[str, str, Any]]:
    for path, methods in described["paths"].items():
        if path.startswith(PREFIXES):
            for method, operation in methods.items():
                yield method, path, operation


def sound(described: Any, schema: Any, value: Any) -> list[str]:
    """What of a value breaks its description."""
    validator = jsonschema.Draft202012Validator({**schema, "components": described["components"]})
    return [
        f"{'/'.join(map(str, error.absolute_path))}: {error.message[:120]}" for error in validator.iter_errors(value)
    ]


def answer_of(operation: Any) -> Any:
    return operation["responses"]["200"]["content"]["application/json"]


def test_description__every_address__is_there_with_a_component_and_examples(described: Any) -> None:
    found = list(operations(described))
    assert len(found) > 50
    for method, path, operation in found:
        place = f"{method} {path}"
        assert operation.get("description"), place
        assert answer_of(operation)["examples"], place
        if method in ("post", "put") and not path.endswith(("refresh", "reload")):
            sent = operation["requestBody"]["content"]["application/json"]
            assert sent["schema"]["$ref"], place
            assert sent["examples"], place


def test_description__every_example__keeps_to_its_own_schema(described: Any) -> None:
    wrong = {}
    for method, path, operation in operations(described):
        parts = [answer_of(operation)]
        if "requestBody" in operation:
            parts.append(operation["requestBody"]["content"]["application/json"])
        for part in parts:
            for example in part.get("examples", {}).values():
                if faults := sound(described, part["schema"], example["value"]):
                    wrong[f"{method} {path}"] = faults
    assert wrong == {}


def test_examples__of_bodies__are_taken(described: Any) -> None:
    # Each example is sent as it stands to its own address; where it names a version there is one.
    client = a_caller("owner")
    for number in range(42):
        put(symbol_scope("FILLER"), max_retries=number % 9)
    for method, path, operation in operations(described):
        if "requestBody" in operation:
            body = next(iter(operation["requestBody"]["content"]["application/json"]["examples"].values()))["value"]
            address = path.format(namespace="trading", symbol="BTCUSDT", side="LONG", strategy_id="btc_dominance")
            sent = {**body, "override_newer": True} if "undo_version" in body else body
            assert getattr(client, method)(address, sent).status_code == 200, (method, path)


QUERIES = {
    "config-resolve": "?symbol=AAPL&side=LONG&explain=full",
    "config-explain": "?parameter=leverage&symbol=AAPL",
    "config-diff": "?from=0",
    "config-search": "?q=leverage",
    "config-export": "?format=json",
}
SAMPLES = {
    "namespace": "trading", "symbol": "AAPL", "side": "LONG", "strategy_id": "indicator_voting", "version": 1,
}  # fmt: skip


@pytest.mark.parametrize("name", [one.name for one in urlpatterns if hasattr(one.callback.view_class, "get")])  # type: ignore[union-attr]  # set by as_view()
def test_answers__real_ones__are_as_described(described: Any, name: str) -> None:
    client = a_caller("owner")
    put(GLOBAL, leverage=11)
    put(symbol_scope("AAPL"), namespace="indicator_voting", rsi_oversold=20.0)
    samples = {**SAMPLES, "hash": services.keep(snapshot_for(some_bot("AAPL")))}
    pattern = next(one for one in urlpatterns if one.name == name)
    address = reverse(name, kwargs={part: samples[part] for part in pattern.pattern.converters})

    response = client.get(address + QUERIES.get(name, ""))

    assert response.status_code == 200
    path = f"{API}/" + str(pattern.pattern).replace("<str:", "{").replace("<int:", "{").replace(">", "}")
    schema = answer_of(described["paths"][path]["get"])["schema"]
    assert sound(described, schema, response.json()) == []


def test_answers__real_writes_and_previews__are_as_described(described: Any) -> None:
    client = a_caller("owner")
    put(GLOBAL, leverage=11)

    def judged(method: str, address: str, path: str, body: Any) -> None:
        response = getattr(client, method)(address, body)
        assert response.status_code == 200, response.content
        schema = answer_of(described["paths"][path][method])["schema"]
        assert sound(described, schema, response.json()) == []

    for more in ({"validate_only": True}, {}):
        body = {"parameters": {"leverage": 5}, "reason": "r", **more}
        judged("post", f"{TRADING}/AAPL", f"{TRADING}/{{symbol}}", body)
        judged("put", f"{TRADING}/AAPL", f"{TRADING}/{{symbol}}", {**body, "parameters": {"leverage": 6}})
        judged(
            "post",
            f"{CONFIG}/batch",
            f"{CONFIG}/batch",
            {"operations": [{"parameter": "max_retries", "value": 1}], **more},
        )
        judged("put", CONFIG, CONFIG, {"dynamic_trading": {"interval_seconds": 600}, "reason": "r", **more})
        judged("post", f"{CONFIG}/reset", f"{CONFIG}/reset", {"reason": "r", **more})
        document = client.get(f"{CONFIG}/export?format=json").json()
        judged("post", f"{CONFIG}/import", f"{CONFIG}/import", {"document": document, "reason": "r", **more})
        judged("post", f"{CONFIG}/rollback", f"{CONFIG}/rollback", {"to_version": 1, "reason": "r", **more})
    judged("post", f"{CONFIG}/validate", f"{CONFIG}/validate", {"execution_mode": "demo"})
    judged("delete", f"{TRADING}?reason=r", TRADING, None)


def test_refusals__real_ones__are_as_described(described: Any) -> None:
    refused = a_caller("owner").post(TRADING, {"parameters": {"leverage": 500, "lev": 1}, "resn": ""})
    schema = {"$ref": "#/components/schemas/Error"}
    assert sound(described, schema, refused.json()) == []
    assert refused.status_code == 422


@pytest.mark.parametrize("name", [one.name for one in urlpatterns if hasattr(one.callback.view_class, "get")])  # type: ignore[union-attr]  # set by as_view()
def test_queries__described_names__are_exactly_those_accepted(described: Any, name: str) -> None:
    client: APIClient = a_caller("owner")
    put(GLOBAL, leverage=11)
    samples = {**SAMPLES, "hash": services.keep(snapshot_for(some_bot("AAPL")))}
    pattern = next(one for one in urlpatterns if one.name == name)
    address = reverse(name, kwargs={part: samples[part] for part in pattern.pattern.converters})

    refused = client.get(f"{address}?nobody_reads_this=1")

    (fault,) = [one for one in refused.json()["error"]["details"] if one["pointer"] == "/nobody_reads_this"]
    path = f"{API}/" + str(pattern.pattern).replace("<str:", "{").replace("<int:", "{").replace(">", "}")
    told = described["paths"][path]["get"].get("parameters", [])
    assert {one["name"] for one in told if one["in"] == "query"} == set(fault["allowed"])


def test_schema__asked_for_by_an_agent__is_served_with_every_address(described: Any) -> None:
    served = a_caller("viewer", name="vera").get(f"{API}/schema")
    assert served.status_code == 200
    assert set(described["paths"]) == set(served.json()["paths"])
    assert data(a_caller("viewer", name="vic").get(f"{CONFIG}/namespaces"))
