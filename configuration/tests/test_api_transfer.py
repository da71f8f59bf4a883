"""Configuration as a file over HTTP: out, and in again by a plan."""

from typing import Any

import pytest
import yaml
from rest_framework.test import APIClient

from configuration import selectors
from configuration.models import ChangeSet
from configuration.scopes import GLOBAL, side_scope, symbol_scope
from configuration.services import ClearScope
from configuration.tests.calling import CONFIG, a_caller, data, faults
from configuration.tests.examples import decide, put, value_at

pytestmark = pytest.mark.django_db
LONG = side_scope("BTCUSDT", "LONG")
EXPORT, IMPORT = f"{CONFIG}/export", f"{CONFIG}/import"


@pytest.fixture
def client() -> APIClient:
    return a_caller()


def text_of(client: APIClient, query: str = "") -> str:
    response = client.get(f"{EXPORT}{query}")
    assert response.status_code == 200
    return str(response.content.decode())


# --- out


def test_export__yaml_and_json__are_files_with_the_same_values(client: APIClient) -> None:
    put(GLOBAL, leverage=11)
    put(LONG, leverage=20)

    as_yaml, as_json = client.get(EXPORT), client.get(f"{EXPORT}?format=json")

    assert (as_yaml["Content-Type"], as_json["Content-Type"]) == (
        "application/yaml; charset=utf-8", "application/json; charset=utf-8",
    )  # fmt: skip
    assert as_yaml["Content-Disposition"] == 'attachment; filename="configuration-v2.yaml"'
    assert as_json["Content-Disposition"] == 'attachment; filename="configuration-v2.json"'
    document = as_json.json()
    assert yaml.safe_load(as_yaml.content) == document
    assert document["namespaces"]["trading"] == {
        "global": {"leverage": 11},
        "symbol_side:BTCUSDT/LONG": {"leverage": 20},
    }
    assert client.get(EXPORT).content == as_yaml.content


def test_export__accepting_yaml_alone__is_answered(client: APIClient) -> None:
    response = client.get(EXPORT, headers={"Accept": "application/yaml"})
    assert response["Content-Type"] == "application/yaml; charset=utf-8"
    refused = client.get(f"{EXPORT}?format=xml", headers={"Accept": "application/yaml"})
    assert refused.status_code == 422
    assert yaml.safe_load(refused.content)["error"]["details"][0]["pointer"] == "/format"


def test_export__limited__holds_only_what_was_asked_for(client: APIClient) -> None:
    put(GLOBAL, leverage=11)
    put(LONG, leverage=20)
    put(GLOBAL, namespace="weather", edge_min=0.2)

    def namespaces(query: str) -> Any:
        return client.get(f"{EXPORT}?format=json&{query}").json()["namespaces"]

    assert namespaces("namespace=weather") == {"weather": {"global": {"edge_min": 0.2}}}
    assert namespaces("namespace=trading,weather&scope=symbol_side:BTCUSDT/LONG") == {
        "trading": {"symbol_side:BTCUSDT/LONG": {"leverage": 20}},
        "weather": {},
    }
    assert namespaces("namespace=trading&at_version=1") == {"trading": {"global": {"leverage": 11}}}


def test_export__asked_wrongly__is_refused(client: APIClient) -> None:
    assert faults(client.get(f"{EXPORT}?format=xml&name=x")) == [
        ("unknown_field", "/name"),
        ("not_a_choice", "/format"),
    ]
    assert faults(client.get(f"{EXPORT}?scope=symbol:A$,nowhere")) == [
        ("invalid_symbol", "/scope"),
        ("unknown_scope", "/scope"),
    ]
    assert client.get(f"{EXPORT}?namespace=tradng").status_code == 404
    assert client.get(f"{EXPORT}?at_version=9").status_code == 404


def test_export__many_overrides__costs_one_query(client: APIClient, django_assert_num_queries: Any) -> None:
    for number in range(10):
        put(symbol_scope(f"S{number}"), leverage=2)
    client.get(EXPORT)
    with django_assert_num_queries(1):
        client.get(EXPORT)


# --- in


@pytest.mark.parametrize("form", ["yaml", "json"])
def test_import__what_was_exported__brings_back_exactly_that(client: APIClient, form: str) -> None:
    put(GLOBAL, leverage=11, strategy_weights={"default": 1.5})
    put(LONG, leverage=20)
    exported = text_of(client, f"?format={form}")
    decide(ClearScope(LONG, "trading"), ClearScope(GLOBAL, "trading"))
    body = {"document": exported, "reason": "restored"}

    plan = data(client.post(IMPORT, {**body, "validate_only": True}))
    assert (plan["created"], plan["updated"], plan["deleted"], plan["changes_total"]) == (3, 0, 0, 3)
    assert selectors.head().version == 3
    done = data(client.post(IMPORT, {**body, "plan_hash": plan["preview"]["plan_hash"]}))

    assert done["changes"] == plan["changes"]
    assert (value_at(LONG, "leverage"), value_at(GLOBAL, "strategy_weights")) == (20, {"default": 1.5})
    again = data(client.post(IMPORT, {**body, "mode": "replace"}))
    assert (again["changes"], again["version"]) == ([], 4)
    assert (ChangeSet.objects.get(version=4).kind, ChangeSet.objects.get(version=4).source) == ("import", "import")


def test_import__replace__clears_what_the_document_leaves_out(client: APIClient) -> None:
    put(GLOBAL, leverage=11)
    document = client.get(f"{EXPORT}?format=json&namespace=trading").json()
    put(LONG, leverage=20)
    merged = data(client.post(IMPORT, {"document": document, "reason": "r", "validate_only": True}))
    replaced = data(client.post(IMPORT, {"document": document, "reason": "r", "mode": "replace"}))
    assert (merged["deleted"], replaced["deleted"], selectors.stored(LONG)) == (0, 1, {})


def test_import__faulty_in_form_and_values__names_every_fault_and_changes_nothing(client: APIClient) -> None:
    document = {
        "format": "tradingsite-configuration-1",
        "namespaces": {"trading": {"global": {"leverage": 200, "levrage": 1}, "symbol:A$": {"leverage": 2}}},
    }
    assert faults(client.post(IMPORT, {"document": document, "reasn": "x", "mode": "merge"})) == [
        ("unknown_field", "/reasn"),
        ("invalid_symbol", "/document/namespaces/trading/symbol:A$"),
    ]
    del document["namespaces"]["trading"]["symbol:A$"]  # type: ignore[attr-defined]  # a map of maps
    assert faults(client.post(IMPORT, {"document": document})) == [
        ("reason_required", "/reason"),
        ("out_of_range", "/document/namespaces/trading/global/leverage"),
        ("unknown_parameter", "/document/namespaces/trading/global/levrage"),
    ]
    assert faults(client.post(IMPORT, {"document": document, "reason": "r", "validate_only": True})) == [
        ("out_of_range", "/document/namespaces/trading/global/leverage"),
        ("unknown_parameter", "/document/namespaces/trading/global/levrage"),
    ]
    assert selectors.head().version == 0


@pytest.mark.parametrize(
    ("document", "code"),
    [
        ("{", "unreadable"),
        ("- 1\n", "invalid_type"),
        ("a: &x 1\nb: *x\n", "alias"),
        ("format: tradingsite-configuration-1\nnamespaces: {trading: {global: {leverage: .nan}}}\n", "not_finite"),
    ],
)
def test_import__text_that_is_no_document__is_refused(client: APIClient, document: str, code: str) -> None:
    found = faults(client.post(IMPORT, {"document": document, "reason": "r"}))
    assert code in {one for one, _ in found}
    assert all(pointer.startswith("/document") for _, pointer in found)


def test_import__no_document_or_another_mode__is_refused(client: APIClient) -> None:
    assert faults(client.post(IMPORT, {"reason": "r"})) == [("empty", "/document")]
    found = faults(client.post(IMPORT, {"document": {"format": "x"}, "mode": "overwrite", "reason": "r"}))
    assert ("not_a_choice", "/mode") in found
    assert ("not_a_choice", "/document/format") in found


def test_import__operator__is_refused_what_they_may_not_change() -> None:
    operator = a_caller("operator", name="olga")
    document = {"format": "tradingsite-configuration-1", "namespaces": {"trading": {"global": {"leverage": 2}}}}
    response = operator.post(IMPORT, {"document": document, "reason": "r"})
    assert faults(response, 403) == [("risk_not_granted", "/document/namespaces/trading/global/leverage")]
