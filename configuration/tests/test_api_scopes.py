"""One scope over HTTP: ETags, replacing, previews, plans, conflicts and the way on from every refusal."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from configuration import selectors, store
from configuration.api.output.previews import effect_output
from configuration.api.urls import urlpatterns
from configuration.catalogue import CATALOGUE
from configuration.effects import Effect
from configuration.image import Path
from configuration.models import ChangeSet
from configuration.scopes import GLOBAL, Origin, Resolved, side_scope, symbol_scope
from configuration.tests.calling import API, CONFIG, TRADING, a_caller, data, faults, gate, gates
from configuration.tests.examples import BEN, put, value_at

pytestmark = pytest.mark.django_db

AAPL = symbol_scope("AAPL")
WRITES = (("post", {"parameters": {"max_retries": 1}}), ("put", {"parameters": {"max_retries": 1}}), ("delete", None))


@pytest.fixture
def client() -> APIClient:
    return a_caller()


# --- reading


def test_get__answer__says_how_fresh_it_is_and_whether_the_scope_sets_anything(client: APIClient) -> None:
    put(AAPL, leverage=20)
    put(AAPL, max_retries=1)

    answer = data(client.get(f"{TRADING}/AAPL"))
    assert (answer["namespace"], answer["version"], answer["scope_version"]) == ("trading", 2, 2)
    assert (answer["is_override"], answer["source"], answer["is_degraded"]) == (True, "database", False)
    assert (answer["created_at"], answer["updated_at"]) == ("2026-03-02T12:00:00Z", "2026-03-02T12:00:00Z")

    below = data(client.get(f"{TRADING}/AAPL/LONG"))
    assert (below["is_override"], below["scope_version"], below["source"]) == (False, 0, "database")


def test_get__read_before__comes_out_of_memory(client: APIClient) -> None:
    client.get(TRADING)
    answer = data(client.get(TRADING))
    assert (answer["cache_hit"], answer["load_time_ms"] >= 0, answer["source"]) == (True, True, "default")


def test_get__environment_supplies_a_value__is_the_headline_source(
    client: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGE_MIN", "0.2")
    store.forget()
    try:
        answer = data(client.get(f"{CONFIG}/weather"))
    finally:
        monkeypatch.undo()
        store.forget()
    assert (answer["source"], answer["parameters"]["edge_min"]) == ("environment", 0.2)
    assert answer["origins"]["edge_min"] == {"scope": "environment", "name": "EDGE_MIN"}


def test_get__etag_known__is_304_until_something_changes(client: APIClient) -> None:
    put(AAPL, leverage=20)
    etag = client.get(f"{TRADING}/AAPL")["ETag"]

    known = client.get(f"{TRADING}/AAPL", headers={"If-None-Match": f'"other", {etag}'})
    assert (known.status_code, known.content, known["ETag"]) == (304, b"", etag)

    put(GLOBAL, max_retries=1)
    assert client.get(f"{TRADING}/AAPL", headers={"If-None-Match": etag}).status_code == 200


def test_get__query_nobody_knows__is_refused_with_the_likest_name(client: APIClient) -> None:
    assert faults(client.get(f"{TRADING}?at_versoin=1")) == [("unknown_field", "/at_versoin")]
    assert faults(client.get(f"{TRADING}/schema?formt=list&extras=maybe")) == [
        ("unknown_field", "/formt"),
        ("not_a_choice", "/extras"),
    ]
    assert gate(client.get(f"{TRADING}/schema?formt=list"), "unknown_field")["nearest"] == ["format"]


@pytest.mark.parametrize("path", ["trading", "trading/AAPL", "trading/AAPL/LONG", "weather", "engine"])
def test_get__many_overrides__costs_two_queries(client: APIClient, path: str, django_assert_num_queries: Any) -> None:
    for number in range(20):
        put(symbol_scope(f"S{number}"), leverage=2)
    client.get(f"{CONFIG}/{path}")
    with django_assert_num_queries(2):  # the head, and when the scope was written
        client.get(f"{CONFIG}/{path}")


def test_get__known_etag__costs_one_query(client: APIClient, django_assert_num_queries: Any) -> None:
    etag = client.get(TRADING)["ETag"]
    with django_assert_num_queries(1):
        client.get(TRADING, headers={"If-None-Match": etag})


# --- replacing and clearing


def test_put__parameters__are_all_the_scope_sets_afterwards(client: APIClient) -> None:
    put(AAPL, leverage=20, max_retries=1)
    response = client.put(f"{TRADING}/AAPL", {"parameters": {"max_retries": 5}, "reason": "afresh"})

    changed = [(c["parameter"], c["op"], c["old"], c["new"]) for c in data(response)["changes"]]
    assert changed == [("leverage", "clear", 20, None), ("max_retries", "set", 1, 5)]
    assert {name: stored.value for name, stored in selectors.stored(AAPL).items()} == {"max_retries": 5}
    assert response.json()["metadata"]["action"] == "update"


def test_put__what_is_set_already__changes_nothing_and_needs_no_reason(client: APIClient) -> None:
    put(AAPL, leverage=20)
    response = client.put(f"{TRADING}/AAPL", {"parameters": {"leverage": 20}, "reason": "r"})
    assert (data(response)["changes"], response.json()["metadata"]["action"]) == ([], "none")
    assert ChangeSet.objects.count() == 1


def test_put__null_and_empty__clear(client: APIClient) -> None:
    put(AAPL, leverage=20, max_retries=1)
    client.put(f"{TRADING}/AAPL", {"parameters": {"leverage": None, "max_retries": 1}, "reason": "r"})
    assert dict.fromkeys(selectors.stored(AAPL)) == {"max_retries": None}
    client.put(f"{TRADING}/AAPL", {"parameters": {}, "reason": "r"})
    assert selectors.stored(AAPL) == {}


def test_put__faulty__leaves_everything(client: APIClient) -> None:
    put(AAPL, leverage=20)
    response = client.put(f"{TRADING}/AAPL", {"parameters": {"leverage": 0, "enabled": "no"}, "reason": "r"})
    assert faults(response) == [("out_of_range", "/parameters/leverage"), ("invalid_type", "/parameters/enabled")]
    assert value_at(AAPL, "leverage") == 20


def test_delete__validate_only__says_what_it_would_clear(client: APIClient) -> None:
    put(AAPL, leverage=20)
    answer = data(client.delete(f"{TRADING}/AAPL?validateOnly=true&reason=done"))
    assert [(c["parameter"], c["op"]) for c in answer["changes"]] == [("leverage", "clear")]
    assert (answer["is_override"], answer["parameters"]["leverage"], value_at(AAPL, "leverage")) == (False, 10, 20)


def test_post__as_the_document_has_it__answers_its_fields(client: APIClient) -> None:
    # 002-55: the fields of the specification, 1.6; what stands beside them is ours
    body = {
        "parameters": {"leverage": 20, "take_profit_pct": 6.0},
        "changed_by": "admin",
        "reason": "More aggressive on long",
        "validate_only": False,
    }
    answer = client.post(f"{TRADING}/btcusdt/long", body).json()

    assert (answer["success"], set(answer)) == (True, {"success", "data", "metadata"})
    assert answer["metadata"]["action"] == "update"
    assert answer["metadata"]["scope"] == {"kind": "symbol_side", "symbol": "BTCUSDT", "side": "LONG"}
    told = answer["data"]
    assert (told["symbol"], told["side"], told["version"], told["source"]) == ("BTCUSDT", "LONG", 1, "database")
    assert (told["parameters"]["leverage"], told["parameters"]["take_profit_pct"]) == (20, 6.0)
    assert told["created_at"]
    assert told["created_at"] == told["updated_at"]
    refused = client.post(f"{TRADING}/btcusdt/long", {**body, "parameters": {"leverage": 200}}).json()
    assert {"code", "message", "details"} <= set(refused["error"])


# --- what is asked, all of it judged at once


def test_post__form_and_values_faulty__names_all_faults_together(client: APIClient) -> None:
    body = {"parameters": {"leverage": 130, "levrage": 1}, "reasn": "x", "base_version": "7"}
    response = client.post(f"{TRADING}/AAPL", body)

    assert faults(response) == [
        ("unknown_field", "/reasn"),
        ("invalid_type", "/base_version"),
        ("out_of_range", "/parameters/leverage"),
        ("unknown_parameter", "/parameters/levrage"),
        ("reason_required", "/reason"),
    ]
    assert selectors.head().version == 0


def test_post__many_faults__each_has_a_gate_that_says_what_to_do(client: APIClient) -> None:
    body = {"parameters": {"leverage": 130, "levrage": 1}, "reasn": "x"}
    response = client.post(f"{TRADING}/AAPL", body)

    assert {one["code"] for one in gates(response)} == {code for code, _ in faults(response)}
    assert all(one["how"] and one["method"] and one["path"].startswith(API) for one in gates(response))
    assert gate(response, "unknown_field")["nearest"] == ["reason"]
    assert gate(response, "unknown_parameter")["nearest"] == ["leverage"]
    assert gate(response, "unknown_parameter")["path"] == f"{TRADING}/schema"
    explain = gate(response, "out_of_range")["path"]
    assert explain == f"{CONFIG}/explain?namespace=trading&parameter=leverage&symbol=AAPL"
    assert data(client.get(explain))["limits"]["max"] == 125
    missing = gate(response, "reason_required")
    assert (missing["method"], missing["path"], '"reason"' in missing["how"]) == ("POST", f"{TRADING}/AAPL", True)


@pytest.mark.parametrize(
    ("path", "status", "code", "leads_to"),
    [
        ("config/wether", 404, "unknown_namespace", f"{CONFIG}/namespaces"),
        ("config/engine/AAPL", 422, "scope_not_allowed", f"{CONFIG}/engine"),
        ("config/bot", 422, "scope_not_allowed", f"{API}/bots"),
        ("strategies/btc_dominanc/config", 404, "unknown_strategy", f"{API}/strategies"),
        ("config/changes/7", 404, "NOT_FOUND", f"{CONFIG}/changes"),
    ],
)
def test_gate__path_that_leads_nowhere__leads_to_a_call_that_answers(
    client: APIClient, path: str, status: int, code: str, leads_to: str
) -> None:
    response = client.get(f"{API}/{path}")
    assert (response.status_code, gate(response, code)["path"]) == (status, leads_to)
    assert client.get(leads_to).status_code == 200


def test_post__null_where_null_is_a_value__clears(client: APIClient) -> None:
    put(GLOBAL, override_min_qty=0.5)
    client.post(TRADING, {"parameters": {"override_min_qty": None}, "reason": "r"})
    assert selectors.stored(GLOBAL) == {}


# --- previews and plans


def test_validate_only__a_change__answers_what_the_real_call_then_does(client: APIClient) -> None:
    put(GLOBAL, leverage=20)
    body = {"parameters": {"leverage": 5, "stop_loss_pct": 3}, "reason": "calmer"}

    foreseen = data(client.post(f"{TRADING}/AAPL", {**body, "validate_only": True}))
    assert (selectors.head().version, foreseen.pop("preview")["applies"]) == (1, True)
    done = data(client.post(f"{TRADING}/AAPL", body))

    clocks = ("created_at", "updated_at", "load_time_ms", "cache_hit")
    assert all(foreseen[name] is not None for name in clocks)
    assert {**foreseen, **dict.fromkeys(clocks)} == {**done, **dict.fromkeys(clocks)}


def test_preview__a_change__has_effects_before_and_after_and_whom_they_touch(client: APIClient) -> None:
    put(symbol_scope("AAPL"), leverage=20)
    body = {"parameters": {"leverage": 5}, "reason": "r", "validate_only": True}
    preview = data(client.post(TRADING, body))["preview"]

    # AAPL has its own leverage: only what holds everywhere changes.
    (effect,) = preview["effects"]
    assert (effect["scope"], effect["before"]["value"], effect["after"]["value"]) == ({"kind": "global"}, 10, 5)
    assert effect["after"]["shadowed"] == [{"value": 10, "origin": {"scope": "default"}}]
    assert (preview["effects_total"], preview["requires_restart"], preview["gates"]) == (1, [], [])
    assert set(preview["touched"]) == {"symbols", "sides", "bots", "positions", "orders"}
    assert len(preview["plan_hash"]) == 64


def test_preview__what_a_bot_does_on_a_side__is_named_with_symbol_and_side() -> None:
    effect = Effect(
        "trading",
        "leverage",
        Path("8b0f6e1c", "AAPL", "LONG"),
        Resolved(10, Origin("default"), ()),
        Resolved(5, Origin("global", version=1), ()),
        "next_cycle",
    )
    assert effect_output(effect)["scope"] == {"kind": "bot", "bot": "8b0f6e1c", "symbol": "AAPL", "side": "LONG"}


def test_preview__reason_still_missing__is_a_gate_and_no_refusal(client: APIClient) -> None:
    body = {"parameters": {"leverage": 5}, "validate_only": True}
    preview = data(client.post(TRADING, body))["preview"]
    assert (preview["applies"], [one["code"] for one in preview["gates"]]) == (False, ["reason_required"])


def test_preview__restart_parameter__is_named(client: APIClient) -> None:
    body = {"parameters": {"interval_seconds": 600}, "validate_only": True, "reason": "r"}
    assert data(client.post(f"{CONFIG}/engine", body))["preview"]["requires_restart"] == ["engine.interval_seconds"]


def test_plan_hash__nothing_changed_since__is_applied(client: APIClient) -> None:
    body = {"parameters": {"leverage": 5}, "reason": "r"}
    hash = data(client.post(TRADING, {**body, "validate_only": True}))["preview"]["plan_hash"]
    assert data(client.post(TRADING, {**body, "plan_hash": hash}))["parameters"]["leverage"] == 5


@pytest.mark.parametrize("validate_only", [False, True])
def test_plan_hash__somebody_changed_the_value__is_refused(client: APIClient, validate_only: bool) -> None:
    body = {"parameters": {"leverage": 5}, "reason": "r"}
    hash = data(client.post(TRADING, {**body, "validate_only": True}))["preview"]["plan_hash"]
    put(GLOBAL, leverage=7, actor=BEN)

    response = client.post(TRADING, {**body, "plan_hash": hash, "validate_only": validate_only})

    assert (response.status_code, response.json()["error"]["code"]) == (412, "STALE_PLAN")
    assert "by ben" in response.json()["error"]["details"][0]["message"]
    assert {"plan_changed", "preview_again"} <= {one["code"] for one in gates(response)}
    assert value_at(GLOBAL, "leverage") == 7


# --- conflicts


@pytest.mark.parametrize("validate_only", [False, True])
def test_base_version__parameter_changed_since__tells_both_sides_and_a_payload_to_send(
    client: APIClient, validate_only: bool
) -> None:
    put(GLOBAL, leverage=12)
    put(GLOBAL, leverage=7, actor=BEN)
    body = {"parameters": {"leverage": 5}, "reason": "r", "base_version": 1, "validate_only": validate_only}

    response = client.post(TRADING, body)

    assert faults(response, 412) == [("changed_since", "/parameters/leverage")]
    conflict = gate(response, "changed_since")
    assert (conflict["yours"], conflict["theirs"], conflict["base"]) == (5, 7, 12)
    assert (conflict["version"], conflict["by"]) == (2, "ben")
    # The rebased payload is ready to be sent.
    rebase = gate(response, "rebase")
    sent = {"operations": rebase["operations"], "base_version": rebase["base_version"], "reason": "mine after all"}
    assert data(client.post(f"{CONFIG}/batch", sent))["version"] == 3
    assert value_at(GLOBAL, "leverage") == 5


@pytest.mark.parametrize(("method", "body"), WRITES)
def test_if_match__older_etag__refuses_every_kind_of_write(client: APIClient, method: str, body: Any) -> None:
    put(AAPL, max_retries=7)
    etag = client.get(f"{TRADING}/AAPL")["ETag"]
    put(AAPL, max_retries=8, actor=BEN)

    response = getattr(client, method)(f"{TRADING}/AAPL", body, headers={"If-Match": etag})

    assert response.status_code == 412
    assert value_at(AAPL, "max_retries") == 8


@pytest.mark.parametrize(("method", "body"), WRITES)
def test_idempotency_key__sent_again__is_done_once(client: APIClient, method: str, body: Any) -> None:
    put(AAPL, max_retries=7)
    again = {"headers": {"Idempotency-Key": f"key-{method}"}}

    first = getattr(client, method)(f"{TRADING}/AAPL", body, **again)
    put(AAPL, max_retries=9)
    second = getattr(client, method)(f"{TRADING}/AAPL", body, **again)

    assert data(first)["changes"] == data(second)["changes"] != []
    assert (ChangeSet.objects.count(), value_at(AAPL, "max_retries")) == (3, 9)


# --- who may


def test_operator__guarded_parameter__hears_every_right_that_is_missing() -> None:
    operator = a_caller("operator", name="olga")
    body = {"parameters": {"leverage": 5, "max_retries": 1, "stop_loss_pct": 2.5}, "reason": "r"}

    response = operator.post(TRADING, body)

    assert faults(response, 403) == [
        ("risk_not_granted", "/parameters/leverage"),
        ("risk_not_granted", "/parameters/stop_loss_pct"),
    ]
    assert {one["needs"] for one in gates(response)} == {"risk:critical", "risk:guarded"}
    assert selectors.head().version == 0
    assert data(operator.post(TRADING, {"parameters": {"max_retries": 1}}))["version"] == 1


def test_write__recorded__names_actor_on_behalf_request_and_source(client: APIClient) -> None:
    body = {"parameters": {"max_retries": 1}, "changed_by": "night desk"}
    client.post(TRADING, body, headers={"X-Request-ID": "trace-me-please"})
    written = ChangeSet.objects.get()
    assert (written.actor_kind, written.actor_label, written.on_behalf_of) == ("user", "ann", "night desk")
    assert (written.source, written.request_id, written.reason) == ("api", "trace-me-please", "not given")


# --- every namespace by the same rules


def test_namespaces__generic_addresses__read_and_write_each(client: APIClient) -> None:
    for name in ("weather", "engine", "btc_dominance"):
        parameter = CATALOGUE.about(name).parameters[-1]
        body = {"parameters": {parameter.name: parameter.example}, "reason": "r"}
        assert data(client.post(f"{CONFIG}/{name}", body))["is_override"] is True
        assert data(client.get(f"{CONFIG}/{name}"))["parameters"][parameter.name] == parameter.example
        assert data(client.delete(f"{CONFIG}/{name}?reason=r"))["is_override"] is False


def test_namespaces__symbol_of_a_strategy__by_both_addresses_is_the_same(client: APIClient) -> None:
    client.post(f"{CONFIG}/btc_dominance/btcusdt", {"parameters": {"high_threshold": 65}, "reason": "r"})
    answer = data(client.get(f"{API}/strategies/btc_dominance/config/BTCUSDT"))
    assert (answer["parameters"]["high_threshold"], answer["is_override"]) == (65.0, True)


def test_namespaces__names__are_none_of_the_literal_paths() -> None:
    literal = {str(one.pattern).split("/")[1] for one in urlpatterns if str(one.pattern).startswith("config/")}
    assert (literal - {"trading", "<str:namespace>"}) & set(CATALOGUE.namespaces()) == set()


def test_side__of_a_symbol__is_trading_alone(client: APIClient) -> None:
    put(side_scope("AAPL", "LONG"), leverage=3)
    assert client.get(f"{CONFIG}/weather/AAPL/LONG").status_code == 404
    assert data(client.get(f"{TRADING}/AAPL/LONG"))["parameters"]["leverage"] == 3


def test_refusal__malformed_and_not_allowed__is_told_as_not_allowed_with_all_of_it() -> None:
    # leverage is critical, which no operator changes; the other value is far too large.
    body = {"parameters": {"leverage": 5, "max_retries": 5000}, "resaon": "r"}
    refused = a_caller("operator", name="otto").post(TRADING, body)

    told = faults(refused, 403)
    assert ("unknown_field", "/resaon") in told
    assert ("out_of_range", "/parameters/max_retries") in told
    assert ("risk_not_granted", "/parameters/leverage") in told
    assert gate(refused, "risk_not_granted")["parameter"] == "leverage"
