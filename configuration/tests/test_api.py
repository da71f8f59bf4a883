"""Configuration over HTTP, as documented: resolved values with origins, merging writes, every fault."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from configuration import selectors, services
from configuration.models import ChangeSet
from configuration.scopes import GLOBAL, side_scope, symbol_scope
from configuration.tests.examples import put, some_bot, value_at
from tests.people import a_person

pytestmark = pytest.mark.django_db
TRADING = "/api/v1/config/trading"


@pytest.fixture
def client() -> APIClient:
    client = APIClient()
    client.force_authenticate(a_person("ann", role="risk_admin"))
    return client


def faults(response: Any) -> list[tuple[str, str]]:
    assert response.json()["success"] is False
    return [(fault["code"], fault["pointer"]) for fault in response.json()["error"]["details"]]


# --- reading


def test_schema__literal_path__is_not_taken_for_a_symbol(client: APIClient) -> None:
    body = client.get(f"{TRADING}/schema").json()

    assert (len(body["data"]), body["metadata"]["total_parameters"]) == (31, 31)
    assert list(body["metadata"]["groups"].values()) == [5, 8, 7, 4, 2, 5]
    leverage = body["data"][0]
    assert (leverage["name"], leverage["type"], leverage["min"], leverage["max"]) == ("leverage", "int", 1, 125)
    assert all(leverage[field] for field in ("description", "example", "impact", "when_to_change"))


def test_defaults__literal_path__is_the_map_of_31(client: APIClient) -> None:
    body = client.get(f"{TRADING}/defaults").json()
    assert body["metadata"]["total_parameters"] == len(body["data"]) == 31
    assert (body["data"]["leverage"], body["data"]["override_min_qty"]) == (10, None)


def test_get__nothing_set__is_all_defaults(client: APIClient) -> None:
    data = client.get(TRADING).json()["data"]
    assert (data["symbol"], data["side"], data["version"], data["scope_version"]) == (None, None, 0, 0)
    assert (data["source"], data["created_at"], data["updated_at"]) == ("default", None, None)
    assert data["parameters"]["leverage"] == 10
    assert data["origins"]["leverage"] == {"scope": "default"}


def test_get__symbol_and_side_in_any_case__is_resolved_with_origins(client: APIClient) -> None:
    put(GLOBAL, leverage=20)
    put(symbol_scope("AAPL"), stop_loss_pct=1.5)

    response = client.get(f"{TRADING}/aapl/long")

    data = response.json()["data"]
    assert (data["symbol"], data["side"], data["version"], data["source"]) == ("AAPL", "LONG", 2, "database")
    assert (data["parameters"]["leverage"], data["parameters"]["stop_loss_pct"]) == (20, 1.5)
    assert data["origins"]["leverage"] == {"scope": "global", "version": 1}
    assert data["origins"]["stop_loss_pct"] == {"scope": "symbol", "symbol": "AAPL", "version": 2}
    assert response.json()["metadata"]["scope"] == {"kind": "symbol_side", "symbol": "AAPL", "side": "LONG"}
    assert response["ETag"].startswith('"cfg-2-')


@pytest.mark.parametrize(("path", "code"), [("/AAPL/UP", "not_a_choice"), ("/A$B", "invalid_symbol")])
def test_get__path_that_is_no_scope__is_a_clients_error(client: APIClient, path: str, code: str) -> None:
    response = client.get(TRADING + path)
    assert (response.status_code, faults(response)) == (422, [(code, "/path")])


# --- writing


def test_post__parameters__are_merged_with_actor_reason_and_before_after(client: APIClient) -> None:
    put(GLOBAL, max_retries=5)
    body = {"parameters": {"leverage": 20, "stop_loss_pct": 3}, "changed_by": "desk", "reason": "calmer markets"}

    response = client.post(TRADING, body)

    assert response.status_code == 200
    data, metadata = response.json()["data"], response.json()["metadata"]
    assert (data["parameters"]["leverage"], data["parameters"]["max_retries"], data["version"]) == (20, 5, 2)
    assert [(c["parameter"], c["old"], c["new"]) for c in data["changes"]] == [
        ("leverage", None, 20), ("stop_loss_pct", None, 3.0),
    ]  # fmt: skip
    assert (metadata["action"], metadata["scope"]) == ("update", {"kind": "global"})
    written = ChangeSet.objects.get(version=2)
    assert (written.actor_label, written.on_behalf_of, written.reason, written.source) == (
        "ann", "desk", "calmer markets", "api",
    )  # fmt: skip


def test_post__example_of_the_document__resolves_as_printed(client: APIClient) -> None:
    # 002-35 over HTTP
    for path, parameters in (
        ("", {"leverage": 10, "position_size_pct": 0.1, "stop_loss_pct": 2.0}),
        ("/BTCUSDT", {"leverage": 15, "position_size_pct": 0.15}),
        ("/BTCUSDT/LONG", {"leverage": 20, "take_profit_pct": 6.0}),
    ):
        body = {"parameters": parameters, "changed_by": "admin", "reason": "example"}
        assert client.post(TRADING + path, body).status_code == 200

    values = client.get(f"{TRADING}/BTCUSDT/LONG").json()["data"]["parameters"]
    got = [
        values[name] for name in ("leverage", "position_size_pct", "stop_loss_pct", "take_profit_pct", "max_retries")
    ]
    assert got == [20, 0.15, 2.0, 6.0, 3]


def test_post__null__lets_one_parameter_be_inherited_again(client: APIClient) -> None:
    put(symbol_scope("AAPL"), leverage=20, max_retries=5)
    client.post(f"{TRADING}/AAPL", {"parameters": {"leverage": None}, "reason": "back to normal"})
    assert (value_at(symbol_scope("AAPL"), "leverage"), value_at(symbol_scope("AAPL"), "max_retries")) == (10, 5)


def test_post__validate_only__answers_what_would_change_and_writes_nothing(client: APIClient) -> None:
    body = {"parameters": {"leverage": 20}, "validate_only": True}
    response = client.post(TRADING, body)

    assert (response.status_code, response.json()["metadata"]["validation"]) == (200, "passed")
    assert [(c["parameter"], c["new"]) for c in response.json()["data"]["changes"]] == [("leverage", 20)]
    # The body is the real call's: the value and version it would leave. Nothing was written.
    data = response.json()["data"]
    assert (data["parameters"]["leverage"], data["version"], selectors.head().version) == (20, 1, 0)


def test_post__many_faults__are_all_named_with_pointers_and_nothing_changes(client: APIClient) -> None:
    parameters = {"leverage": 130, "leverige": 1, "enabled": 1, "strategy_weights": {"a": -1}, "stop_loss_pct": 1.0}
    response = client.post(TRADING, {"parameters": parameters})

    assert response.status_code == 422
    assert faults(response) == [
        ("out_of_range", "/parameters/leverage"),
        ("unknown_parameter", "/parameters/leverige"),
        ("invalid_type", "/parameters/enabled"),
        ("out_of_range", "/parameters/strategy_weights/a"),
        ("reason_required", "/reason"),
    ]
    assert response.json()["error"]["details"][0]["allowed"] == {"minimum": 1, "maximum": 125}
    assert selectors.head().version == 0


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ([], [("invalid_type", "")]),
        ({}, [("empty", "/parameters")]),
        ({"parameters": {}}, [("empty", "/parameters")]),
        (
            {"parameters": [], "reasn": "x", "validate_only": "yes", "changed_by": 3, "base_version": True},
            [
                ("unknown_field", "/reasn"),
                ("invalid_type", "/parameters"),
                ("invalid_type", "/changed_by"),
                ("invalid_type", "/validate_only"),
                ("invalid_type", "/base_version"),
            ],
        ),
        ({"parameters": {"max_retries": 1}, "changed_by": "x" * 201}, [("too_long", "/changed_by")]),
    ],
)
def test_post__body_that_is_none__names_every_fault(client: APIClient, body: Any, expected: Any) -> None:
    response = client.post(TRADING, body)
    assert (response.status_code, faults(response)) == (422, expected)


def test_post__nan_in_the_body__is_unreadable(client: APIClient) -> None:
    response = client.post(TRADING, b'{"parameters": {"leverage": NaN}}', content_type="application/json")
    assert response.status_code == 400


def test_post__etag_of_an_older_version__is_stale_only_for_the_same_parameter(client: APIClient) -> None:
    etag = client.get(TRADING)["ETag"]
    put(GLOBAL, leverage=20)

    collides = client.post(TRADING, {"parameters": {"leverage": 30}, "reason": "r"}, headers={"If-Match": etag})
    passes = client.post(TRADING, {"parameters": {"max_retries": 1}}, headers={"If-Match": etag})
    nonsense = client.post(TRADING, {"parameters": {"max_retries": 2}}, headers={"If-Match": '"abc"'})

    assert (collides.status_code, faults(collides)) == (412, [("changed_since", "/parameters/leverage")])
    assert "version 1 by ann: because" in collides.json()["error"]["details"][0]["message"]
    assert passes.status_code == 200
    assert (nonsense.status_code, faults(nonsense)) == (422, [("invalid_etag", "/headers/If-Match")])


def test_post__idempotency_key__answers_twice_and_writes_once(client: APIClient) -> None:
    again = {"headers": {"Idempotency-Key": "k-1"}}
    first = client.post(TRADING, {"parameters": {"max_retries": 1}}, **again)
    second = client.post(TRADING, {"parameters": {"max_retries": 1}}, **again)
    other = client.post(TRADING, {"parameters": {"max_retries": 2}}, **again)

    assert first.json()["data"]["changes"] == second.json()["data"]["changes"]
    assert (other.status_code, other.json()["error"]["code"]) == (409, "IDEMPOTENCY_MISMATCH")
    assert ChangeSet.objects.count() == 1


@pytest.mark.parametrize(
    ("path", "scope"),
    [("", GLOBAL), ("/aapl", symbol_scope("AAPL")), ("/aapl/short", side_scope("AAPL", "SHORT"))],
)
def test_scope__written_read_and_cleared__at_each_kind_of_path(client: APIClient, path: str, scope: Any) -> None:
    # Given / When: leverage 20 there
    posted = client.post(f"{TRADING}{path}", {"parameters": {"leverage": 20}, "reason": "r"})
    # Then: it is stored, and read back with its origin
    assert (posted.status_code, value_at(scope, "leverage")) == (200, 20)
    read = client.get(f"{TRADING}{path}").json()["data"]
    assert (read["parameters"]["leverage"], read["origins"]["leverage"]["version"]) == (20, 1)
    assert [row["parameter"] for row in client.get("/api/v1/config/changes").json()["data"][0]["changes"]] == [
        "leverage"
    ]
    # and cleared, it is the default again
    cleared = client.delete(f"{TRADING}{path}?reason=done")
    assert (cleared.status_code, value_at(scope, "leverage")) == (200, 10)


def test_delete__scope_with_values__is_inherited_again(client: APIClient) -> None:
    put(symbol_scope("AAPL"), leverage=20)
    response = client.delete(f"{TRADING}/AAPL?reason=done&changed_by=desk")

    assert (response.status_code, response.json()["metadata"]["action"]) == (200, "delete")
    assert value_at(symbol_scope("AAPL"), "leverage") == 10
    assert ChangeSet.objects.get(version=2).kind == "delete"


def test_delete__scope_without_values_or_reason__is_refused(client: APIClient) -> None:
    nothing = client.delete(f"{TRADING}/AAPL?reason=done")
    put(GLOBAL, leverage=20)
    silent = client.delete(f"{TRADING}?why=x")
    unreasoned = client.delete(TRADING)

    assert nothing.status_code == 404
    assert faults(silent) == [("unknown_field", "/why")]
    assert faults(unreasoned) == [("reason_required", "/reason")]
    assert value_at(GLOBAL, "leverage") == 20


# --- who may


def test_anonymous__reading__is_refused() -> None:
    assert APIClient().get(TRADING).status_code == 401


def test_reader__writing__is_refused_and_reading_is_not() -> None:
    client = APIClient()
    client.force_authenticate(a_person("reader"))
    assert client.get(TRADING).status_code == 200
    assert client.post(TRADING, {"parameters": {"max_retries": 1}}).status_code == 403
    assert client.delete(TRADING).status_code == 403


# --- records


def test_changes__list__is_newest_first_filtered_and_paged(client: APIClient) -> None:
    put(GLOBAL, leverage=11)
    put(symbol_scope("AAPL"), leverage=12)
    put(GLOBAL, max_retries=1)

    def versions(query: str) -> list[int]:
        return [row["version"] for row in client.get(f"/api/v1/config/changes?{query}").json()["data"]]

    assert versions("") == [3, 2, 1]
    assert versions("symbol=aapl") == [2]
    assert versions("scope=global") == [3, 1]
    assert versions("scope=global&parameter=leverage") == [1]
    assert versions("page=2&page_size=2") == [1]
    assert client.get("/api/v1/config/changes").json()["metadata"]["pagination"]["total"] == 3
    assert client.get("/api/v1/config/changes?side=LONG").status_code == 422


def test_changes__many_rows__cost_the_same_queries(client: APIClient, django_assert_num_queries: Any) -> None:
    for retries in range(10):
        put(GLOBAL, max_retries=retries, leverage=20 + retries)
    with django_assert_num_queries(4):  # role, count, change-sets, their changes
        client.get("/api/v1/config/changes")


def test_snapshot__every_row__says_value_unit_origin_who_why_when(client: APIClient) -> None:
    put(symbol_scope("AAPL"), stop_loss_pct=1.0)
    hash = services.keep(selectors.snapshot_for(some_bot("AAPL")))

    data = client.get(f"/api/v1/snapshots/{hash}").json()["data"]

    (stop,) = [r for r in data["rows"] if (r["node"], r["parameter"]) == ("AAPL/LONG", "stop_loss_pct")]
    assert (data["bot"]["id"], stop["value"], stop["unit"]) == ("bot-1", 1.0, "percent")
    assert stop["origin"] == {"scope": "symbol", "symbol": "AAPL", "version": 1}
    assert (stop["actor_label"], stop["reason"], stop["created_at"]) == ("ann", "because", "2026-03-02T12:00:00Z")


def test_snapshot__unknown__is_not_found(client: APIClient) -> None:
    assert client.get("/api/v1/snapshots/nope").status_code == 404
