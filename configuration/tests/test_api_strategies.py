"""The strategies over HTTP, as document 001 has them."""

from datetime import timedelta
from typing import Any

import pytest
from rest_framework.test import APIClient

from configuration import selectors
from configuration.catalogue import CATALOGUE
from configuration.models import ChangeSet, Override
from configuration.scopes import GLOBAL, symbol_scope
from configuration.services import ClearScope, SetValue
from configuration.tests.calling import API, a_caller, data, faults, gate
from configuration.tests.examples import BEN, NOON, decide, put, value_at

pytestmark = pytest.mark.django_db

STRATEGIES = f"{API}/strategies"
SKEW = f"{STRATEGIES}/orderbook_skew"
SIX = (
    "orderbook_skew", "trade_momentum", "ticker_velocity", "btc_dominance", "cross_exchange_spread", "onchain_metrics",
)  # fmt: skip


@pytest.fixture
def client() -> APIClient:
    return a_caller()


def test_list__strategies__are_six_or_more_with_their_flags(client: APIClient) -> None:
    put(GLOBAL, namespace="btc_dominance", high_threshold=65)
    put(symbol_scope("BTCUSDT"), namespace="btc_dominance", high_threshold=60)
    put(symbol_scope("ETHUSDT"), namespace="btc_dominance", high_threshold=61)

    response = client.get(STRATEGIES)

    by_id = {row["strategy_id"]: row for row in data(response)}
    assert set(SIX) < set(by_id)
    assert response.json()["metadata"]["total"] == len(by_id)
    dominance = by_id["btc_dominance"]
    assert (dominance["has_global_config"], dominance["symbol_overrides"]) == (True, ["BTCUSDT", "ETHUSDT"])
    assert (dominance["category"], dominance["type"], dominance["is_installed"]) == ("Market Logic", "rotation", False)
    assert dominance["parameter_count"] == 8  # the table of the specification, 2.5
    skew = by_id["orderbook_skew"]
    assert (skew["has_global_config"], skew["symbol_overrides"]) == (False, [])
    assert by_id["indicator_voting"]["is_installed"] is True


def test_list__many_overrides__costs_one_query(client: APIClient, django_assert_num_queries: Any) -> None:
    for number in range(10):
        put(symbol_scope(f"S{number}"), namespace="btc_dominance", high_threshold=65)
    client.get(STRATEGIES)
    with django_assert_num_queries(1):
        client.get(STRATEGIES)


@pytest.mark.parametrize("strategy", SIX)
def test_schema__of_a_strategy__describes_each_parameter(client: APIClient, strategy: str) -> None:
    response = client.get(f"{STRATEGIES}/{strategy}/schema")
    rows = data(response)
    assert response.json()["metadata"]["total_parameters"] == len(rows) == len(CATALOGUE.about(strategy).documented)
    documented = {"name", "type", "description", "default", "min", "max", "allowed_values", "example"}
    assert all(documented <= set(row) and row["description"] for row in rows)
    document = data(client.get(f"{STRATEGIES}/{strategy}/schema?format=jsonschema"))
    assert document["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert set(document["properties"]) >= {row["name"] for row in rows}


def test_defaults__of_a_strategy__are_the_documents_table(client: APIClient) -> None:
    response = client.get(f"{STRATEGIES}/btc_dominance/defaults")
    # The specification, 2.5.
    assert data(response) == {
        "high_threshold": 70.0,
        "low_threshold": 40.0,
        "change_threshold": 5.0,
        "window_hours": 24,
        "min_signal_interval": 14400,
        "base_confidence_high": 0.8,
        "base_confidence_low": 0.75,
        "momentum_confidence": 0.7,
    }
    assert response.json()["metadata"]["strategy_name"] == CATALOGUE.about("btc_dominance").title


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("get", "schema"),
        ("get", "defaults"),
        ("get", "config"),
        ("get", "config/BTCUSDT"),
        ("get", "audit"),
        ("post", "config"),
        ("post", "config/BTCUSDT"),
        ("put", "config"),
        ("put", "config/BTCUSDT"),
        ("delete", "config"),
        ("delete", "config/BTCUSDT"),
    ],
)
def test_unknown_strategy__whatever_is_asked__is_not_found(client: APIClient, method: str, path: str) -> None:
    body = {"parameters": {"top_levels": 10}, "reason": "r"} if method in ("post", "put") else None
    response = getattr(client, method)(f"{STRATEGIES}/orderbook_scew/{path}", body)
    assert (response.status_code, response.json()["error"]["code"]) == (404, "NOT_FOUND")
    assert gate(response, "unknown_strategy")["nearest"] == ["orderbook_skew"]
    assert selectors.head().version == 0


def test_config__global_and_symbol__are_set_read_and_cleared(client: APIClient) -> None:
    posted = client.post(f"{SKEW}/config", {"parameters": {"top_levels": 10}, "reason": "deeper", "changed_by": "desk"})
    assert (data(posted)["parameters"]["top_levels"], posted.json()["metadata"]["action"]) == (10, "update")
    client.post(f"{SKEW}/config/btcusdt", {"parameters": {"top_levels": 7}, "reason": "thin book"})

    symbol = data(client.get(f"{SKEW}/config/BTCUSDT"))
    assert (symbol["strategy_id"], symbol["symbol"], symbol["parameters"]["top_levels"]) == (
        "orderbook_skew", "BTCUSDT", 7,
    )  # fmt: skip
    assert (symbol["source"], symbol["is_override"], symbol["scope_version"], symbol["version"]) == (
        "database", True, 1, 2,
    )  # fmt: skip
    assert symbol["origins"]["top_levels"] == {"scope": "symbol", "symbol": "BTCUSDT", "version": 2}
    # Merged key by key: an override of one symbol keeps what holds everywhere.
    assert data(client.get(f"{SKEW}/config/ETHUSDT"))["parameters"]["top_levels"] == 10

    assert data(client.delete(f"{SKEW}/config/BTCUSDT?reason=done"))["parameters"]["top_levels"] == 10
    assert data(client.delete(f"{SKEW}/config?reason=done"))["source"] == "default"
    assert client.delete(f"{SKEW}/config?reason=done").status_code == 404


def test_config__put__replaces(client: APIClient) -> None:
    put(GLOBAL, namespace="btc_dominance", high_threshold=65, low_threshold=35)
    client.put(f"{STRATEGIES}/btc_dominance/config", {"parameters": {"high_threshold": 66}, "reason": "r"})
    assert value_at(GLOBAL, "high_threshold", "btc_dominance") == 66.0
    assert value_at(GLOBAL, "low_threshold", "btc_dominance") == 40.0


def test_config__top_levels_out_of_range__is_refused_and_ten_is_taken(client: APIClient) -> None:
    # 001-31, the document's own test
    refused = client.post(f"{SKEW}/config", {"parameters": {"top_levels": -5}, "reason": "r"})
    assert faults(refused) == [("out_of_range", "/parameters/top_levels")]
    assert data(client.post(f"{SKEW}/config", {"parameters": {"top_levels": 10}, "reason": "r"}))["version"] == 1


def test_config__unknown_parameter__is_refused_with_every_fault(client: APIClient) -> None:
    body = {"parameters": {"top_levls": 10, "top_levels": "ten"}, "reason": "r"}
    refused = client.post(f"{SKEW}/config", body)
    assert faults(refused) == [
        ("unknown_parameter", "/parameters/top_levls"),
        ("invalid_type", "/parameters/top_levels"),
    ]
    assert gate(refused, "unknown_parameter")["path"] == f"{SKEW}/schema"
    assert gate(refused, "unknown_parameter")["nearest"] == ["top_levels"]
    assert ChangeSet.objects.count() == 0


def test_config__validate_only__writes_nothing_and_warns_that_nothing_is_installed(client: APIClient) -> None:
    body = {"parameters": {"top_levels": 10}, "reason": "r", "validate_only": True}
    response = client.post(f"{SKEW}/config", body)
    assert (response.json()["metadata"]["validation"], ChangeSet.objects.count()) == ("passed", 0)
    assert [one["code"] for one in data(response)["preview"]["warnings"]] == ["not_installed"]


# --- audit


def test_audit__each_write__has_its_action_and_all_the_scope_set_before_and_after(client: APIClient) -> None:
    name, btc = "btc_dominance", symbol_scope("BTCUSDT")
    put(GLOBAL, namespace=name, high_threshold=65)
    put(btc, namespace=name, high_threshold=60, actor=BEN)
    put(btc, namespace=name, low_threshold=35)
    decide(ClearScope(btc, name), reason="back", now=NOON + timedelta(hours=1), on_behalf_of="desk")

    rows = data(client.get(f"{STRATEGIES}/{name}/audit"))

    told = [(r["version"], r["symbol"], r["action"], r["old_parameters"], r["new_parameters"]) for r in rows]
    assert told == [
        (4, "BTCUSDT", "DELETE", {"high_threshold": 60.0, "low_threshold": 35.0}, None),
        (3, "BTCUSDT", "UPDATE", {"high_threshold": 60.0}, {"high_threshold": 60.0, "low_threshold": 35.0}),
        (2, "BTCUSDT", "CREATE", None, {"high_threshold": 60.0}),
        (1, None, "CREATE", None, {"high_threshold": 65.0}),
    ]
    assert len({row["id"] for row in rows}) == 4
    assert (rows[0]["reason"], rows[0]["on_behalf_of"], rows[0]["changed_at"]) == (
        "back", "desk", "2026-03-02T13:00:00Z",
    )  # fmt: skip
    assert [row["changed_by"] for row in rows] == ["ann", "ann", "ben", "ann"]
    assert [row["version"] for row in data(client.get(f"{STRATEGIES}/{name}/audit?symbol=btcusdt&limit=2"))] == [4, 3]
    # An old version is read from it, and taken back to.
    done = client.post(f"{API}/config/rollback", {"to_version": 2, "namespace": name, "reason": "as it was"})
    assert (
        value_at(btc, "high_threshold", name)
        == data(done)["changes"][0]["new"]
        == rows[2]["new_parameters"]["high_threshold"]
    )


def test_put__of_the_old_values__restores_them_exactly_and_the_audit_shows_both(client: APIClient) -> None:
    # 001-41
    address = f"{STRATEGIES}/btc_dominance/config"
    client.put(address, {"parameters": {"high_threshold": 65, "low_threshold": 35}, "reason": "first"})
    client.put(address, {"parameters": {"high_threshold": 80}, "reason": "second"})
    newest, oldest = data(client.get(f"{STRATEGIES}/btc_dominance/audit"))

    client.put(address, {"parameters": newest["old_parameters"], "reason": "as it was"})

    rows = data(client.get(f"{STRATEGIES}/btc_dominance/audit"))
    assert rows[0]["new_parameters"] == oldest["new_parameters"] == {"high_threshold": 65.0, "low_threshold": 35.0}
    assert [row["reason"] for row in rows] == ["as it was", "second", "first"]
    assert [row["action"] for row in rows] == ["UPDATE", "UPDATE", "CREATE"]


def test_audit__one_decision_over_two_scopes__is_two_rows(client: APIClient) -> None:
    name = "btc_dominance"
    decide(SetValue(GLOBAL, name, "high_threshold", 65), SetValue(symbol_scope("BTCUSDT"), name, "high_threshold", 60))
    rows = data(client.get(f"{STRATEGIES}/{name}/audit"))
    assert sorted(row["id"] for row in rows) == ["1/BTCUSDT", "1/global"]


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=ten", "symbol=A$", "sybmol=A", "limit=1&limit=2"])
def test_audit__asked_wrongly__is_refused(client: APIClient, query: str) -> None:
    assert len(faults(client.get(f"{SKEW}/audit?{query}"))) == 1


@pytest.mark.parametrize("limit", [1, 1000])
def test_audit__limits_at_their_ends__are_taken(client: APIClient, limit: int) -> None:
    assert data(client.get(f"{SKEW}/audit?limit={limit}")) == []


def test_audit__long_history__costs_three_queries(client: APIClient, django_assert_num_queries: Any) -> None:
    for number in range(12):
        put(symbol_scope(f"S{number}"), namespace="btc_dominance", high_threshold=60 + number)
    client.get(f"{STRATEGIES}/btc_dominance/audit")
    with django_assert_num_queries(3):  # the head, which decisions, their changes
        rows = data(client.get(f"{STRATEGIES}/btc_dominance/audit?limit=5"))
    assert [row["version"] for row in rows] == [12, 11, 10, 9, 8]


def test_refresh__a_value_written_past_the_store__is_in_force_at_once(client: APIClient) -> None:
    put(GLOBAL, namespace="btc_dominance", high_threshold=65)
    Override.objects.update(value=66.0)  # as a restored backup would: the head does not tell

    response = client.post(f"{STRATEGIES}/cache/refresh")

    assert (data(response)["version"], response.json()["metadata"]["action"]) == (1, "refresh")
    answer = data(client.get(f"{STRATEGIES}/btc_dominance/config"))
    assert answer["parameters"]["high_threshold"] == 66.0
    assert faults(client.post(f"{STRATEGIES}/cache/refresh", {"all": True})) == [("unknown_field", "/all")]
