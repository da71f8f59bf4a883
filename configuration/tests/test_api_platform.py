"""The platform's configuration by section over HTTP, as document 000 has it."""

from typing import Any

import pytest
from django.test import override_settings
from rest_framework.test import APIClient

from configuration import selectors, store
from configuration.models import ChangeSet, Override
from configuration.scopes import GLOBAL
from configuration.tests.calling import CONFIG, a_caller, data, faults
from configuration.tests.examples import put

pytestmark = pytest.mark.django_db
KEYS = {"alpaca_api_key": "PKTESTTESTTESTTEST42", "alpaca_secret_key": "abc"}  # not-a-secret

# The table of the specification, 4.3, and the sigmas of 4.2.
DEFAULTS = {
    "trading": {
        "active_stations": ["EGLC", "KLGA"],
        "edge_min": 0.05,
        "fee_bp": 50,
        "slippage_bp": 30,
        "kelly_cap": 0.1,
        "daily_bankroll_cap": 3000.0,
        "per_market_cap": 500.0,
        "liquidity_min_usd": 1000.0,
    },
    "probability_model": {
        "model_mode": "spread",
        "zeus_likely_pct": 0.8,
        "zeus_possible_pct": 0.95,
        "sigma_default": 2.0,
        "sigma_min": 0.5,
        "sigma_max": 10.0,
        "bracket_interval": "continuity",
    },
    "dynamic_trading": {"interval_seconds": 900, "lookahead_days": 2},
    "execution_mode": "paper",
}


@pytest.fixture
def client() -> APIClient:
    client = a_caller()
    client.get(CONFIG)  # their role is asked once
    return client


def section_values(answer: Any) -> Any:
    return {name: answer[name] for name in DEFAULTS}


# --- reading


@override_settings(API_KEYS=KEYS)
def test_get__sections__are_values_in_force_and_masked_keys(client: APIClient) -> None:
    put(GLOBAL, namespace="weather", edge_min=0.2)
    response = client.get(CONFIG)

    answer = data(response)
    assert section_values(answer) == {**DEFAULTS, "trading": {**DEFAULTS["trading"], "edge_min": 0.2}}  # type: ignore[dict-item]
    # The last four; of a key shorter than that, nothing.
    assert answer["api_keys"] == {"alpaca_api_key": "****ST42", "alpaca_secret_key": "****"}
    assert KEYS["alpaca_api_key"] not in response.content.decode()
    assert (answer["version"], response["ETag"].startswith('"cfg-1-')) == (1, True)
    assert client.get(CONFIG, headers={"If-None-Match": response["ETag"]}).status_code == 304


@override_settings(API_KEYS={"alpaca_api_key": "", "alpaca_secret_key": ""})
def test_get__no_keys__says_so(client: APIClient) -> None:
    assert data(client.get(CONFIG))["api_keys"] == {"alpaca_api_key": None, "alpaca_secret_key": None}


def test_get__any_number_of_fields__costs_one_query(client: APIClient, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(1):
        client.get(CONFIG)


def test_defaults__by_section__are_the_documents_table(client: APIClient) -> None:
    put(GLOBAL, namespace="weather", edge_min=0.2)
    assert data(client.get(f"{CONFIG}/defaults")) == DEFAULTS
    assert faults(client.get(f"{CONFIG}/defaults?section=trading")) == [("unknown_field", "/section")]


# --- changing


def test_put__some_fields__updates_exactly_these(client: APIClient) -> None:
    put(GLOBAL, namespace="weather", fee_bp=40)
    body = {
        "trading": {"edge_min": 0.2, "fee_bp": 40},
        "probability_model": {"zeus_likely_pct": 0.7},
        "reason": "measured anew",
    }
    answer = data(client.put(CONFIG, body))

    # fee_bp was 40 before: it is not updated.
    assert answer["updated_fields"] == ["trading.edge_min", "probability_model.zeus_likely_pct"]
    assert (answer["requires_restart"], answer["version"]) == (False, 2)
    assert (answer["config"]["trading"]["edge_min"], answer["config"]["trading"]["kelly_cap"]) == (0.2, 0.1)
    assert ChangeSet.objects.get(version=2).kind == "batch"
    # and the version before can be taken back to
    client.post(f"{CONFIG}/rollback", {"to_version": 1, "reason": "not better"})
    assert data(client.get(CONFIG))["trading"]["edge_min"] == 0.05


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"trading": {"active_stations": ["KMDW"]}}, "trading.active_stations"),
        ({"dynamic_trading": {"interval_seconds": 600}}, "dynamic_trading.interval_seconds"),
        ({"dynamic_trading": {"lookahead_days": 3}}, "dynamic_trading.lookahead_days"),
        ({"execution_mode": "live"}, "execution_mode"),
    ],
)
def test_put__one_of_the_four_that_need_a_restart__says_so(client: APIClient, body: Any, field: str) -> None:
    answer = data(client.put(CONFIG, {**body, "reason": "r"}))
    assert (answer["requires_restart"], answer["restart_fields"], answer["updated_fields"]) == (True, [field], [field])


def test_put__every_other_field__needs_no_restart(client: APIClient) -> None:
    body = {
        "trading": {
            "edge_min": 0.06,
            "fee_bp": 51,
            "slippage_bp": 31,
            "kelly_cap": 0.2,
            "daily_bankroll_cap": 1.0,
            "per_market_cap": 1.0,
            "liquidity_min_usd": 1.0,
        },
        "probability_model": {
            "model_mode": "bands",
            "zeus_likely_pct": 0.7,
            "zeus_possible_pct": 0.9,
            "sigma_default": 2.5,
            "sigma_min": 0.6,
            "sigma_max": 9.0,
            "bracket_interval": "literal",
        },
        "reason": "r",
    }
    answer = data(client.put(CONFIG, body))
    assert (answer["requires_restart"], len(answer["updated_fields"])) == (False, 14)


def test_put__null__lets_a_field_be_its_default_again(client: APIClient) -> None:
    put(GLOBAL, namespace="weather", edge_min=0.2)
    put(GLOBAL, namespace="engine", execution_mode="live")
    answer = data(client.put(CONFIG, {"trading": {"edge_min": None}, "execution_mode": None, "reason": "r"}))
    assert sorted(answer["updated_fields"]) == ["execution_mode", "trading.edge_min"]
    assert (answer["config"]["trading"]["edge_min"], answer["config"]["execution_mode"]) == (0.05, "paper")


def test_put__many_faults__names_them_all_and_changes_nothing(client: APIClient) -> None:
    body = {
        "trading": {"edge_min": 0.6, "edge_mn": 1, "active_stations": ["EGLC", "NOWHERE"]},
        "probability_model": [],
        "execution_mode": "demo",
        "tradng": {},
    }
    assert faults(client.put(CONFIG, body)) == [
        ("unknown_field", "/tradng"),
        ("unknown_field", "/trading/edge_mn"),
        ("invalid_type", "/probability_model"),
        ("out_of_range", "/trading/edge_min"),
        ("not_a_choice", "/trading/active_stations/1"),
        ("not_a_choice", "/execution_mode"),
        ("reason_required", "/reason"),
    ]
    assert selectors.head().version == 0


def test_put__likely_above_the_stored_possible__is_refused(client: APIClient) -> None:
    # 4.6 (g): alone it is in its range; merged with the stored 0.85 it contradicts
    put(GLOBAL, namespace="weather", zeus_possible_pct=0.85)
    response = client.put(CONFIG, {"probability_model": {"zeus_likely_pct": 0.9}, "reason": "r"})
    assert [pointer for _, pointer in faults(response)] == ["/probability_model/zeus_likely_pct"]
    assert "0.85" in response.json()["error"]["details"][0]["message"]


def test_put__nothing__is_refused(client: APIClient) -> None:
    assert faults(client.put(CONFIG, {"reason": "r"})) == [("empty", "")]
    assert faults(client.put(CONFIG, [])) == [("invalid_type", ""), ("empty", "")]


def test_put__validate_only__says_what_it_would_do(client: APIClient) -> None:
    body = {"dynamic_trading": {"interval_seconds": 600}, "reason": "r", "validate_only": True}
    answer = data(client.put(CONFIG, body))
    assert (answer["requires_restart"], answer["config"]["dynamic_trading"]["interval_seconds"]) == (True, 600)
    assert answer["preview"]["requires_restart"] == ["engine.interval_seconds"]
    assert ChangeSet.objects.count() == 0


# --- keys


@override_settings(API_KEYS=KEYS)
@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"alpaca_api_key": "bad key!"}, [("invalid_key", "/api_keys/alpaca_api_key")]),  # not-a-secret
        ({"alpaca_secret_key": 7}, [("invalid_key", "/api_keys/alpaca_secret_key")]),
        ({"alpaca_key": "x"}, [("unknown_field", "/api_keys/alpaca_key")]),
        ("PK", [("invalid_type", "/api_keys")]),
        # Sound in form, but a deployment setting: nothing secret is stored here.
        (
            {"alpaca_api_key": "PKOTHEROTHEROTHER001"},  # not-a-secret
            [("deployment_setting", "/api_keys/alpaca_api_key")],
        ),
    ],
)
def test_keys__sent__are_judged_and_never_stored_or_repeated(client: APIClient, keys: Any, expected: Any) -> None:
    response = client.put(CONFIG, {"trading": {"edge_min": 0.2}, "api_keys": keys, "reason": "r"})
    assert faults(response) == expected
    assert "bad key" not in response.content.decode()
    assert "PKOTHER" not in response.content.decode()
    assert selectors.head().version == 0
    assert [one["code"] for one in data(client.post(f"{CONFIG}/validate", {"api_keys": keys}))["errors"]] == [
        code for code, _ in expected
    ]


@override_settings(API_KEYS=KEYS)
def test_keys__as_they_were_read__come_back_unchanged(client: APIClient) -> None:
    read = data(client.get(CONFIG))
    body = {name: read[name] for name in (*DEFAULTS, "api_keys")}
    body["trading"]["edge_min"] = 0.2
    answer = data(client.put(CONFIG, {**body, "reason": "r"}))
    assert "trading.edge_min" in answer["updated_fields"]


# --- judging, reloading, resetting


def test_validate__faulty_or_not__is_always_200_and_writes_nothing(client: APIClient) -> None:
    body = {"trading": {"edge_min": 0.6}, "execution_mode": "demo", "what": 1}
    judged = data(client.post(f"{CONFIG}/validate", body))
    assert (judged["valid"], [(one["code"], one["pointer"]) for one in judged["errors"]]) == (
        False,
        [("unknown_field", "/what"), ("out_of_range", "/trading/edge_min"), ("not_a_choice", "/execution_mode")],
    )
    assert data(client.post(f"{CONFIG}/validate", {"trading": {"edge_min": 0.2}})) == {"valid": True, "errors": []}
    assert data(client.post(f"{CONFIG}/validate", ["x"]))["valid"] is False
    assert selectors.head().version == 0


def test_validate__viewer__may_ask() -> None:
    assert data(a_caller("viewer", name="vera").post(f"{CONFIG}/validate", {"execution_mode": "live"}))["valid"]


def test_reload__a_value_written_past_the_store__is_seen(client: APIClient) -> None:
    put(GLOBAL, namespace="weather", edge_min=0.2)
    Override.objects.update(value=0.3)  # as a restored backup would: the head does not tell
    answer = data(client.post(f"{CONFIG}/reload"))
    assert (answer["trading"]["edge_min"], answer["cache_hit"]) == (0.3, False)
    assert faults(client.post(f"{CONFIG}/reload", {"force": True})) == [("unknown_field", "/force")]
    store.forget()


def test_reset__everything_set__equals_the_defaults(client: APIClient) -> None:
    put(GLOBAL, namespace="weather", edge_min=0.2, kelly_cap=0.2)
    put(GLOBAL, namespace="engine", interval_seconds=600)
    assert faults(client.post(f"{CONFIG}/reset")) == [("reason_required", "/reason")]

    planned = data(client.post(f"{CONFIG}/reset", {"reason": "afresh", "validate_only": True}))
    answer = data(client.post(f"{CONFIG}/reset", {"reason": "afresh"}))

    assert planned["updated_fields"] == answer["updated_fields"]
    assert (sorted(answer["updated_fields"]), answer["requires_restart"]) == (
        ["dynamic_trading.interval_seconds", "trading.edge_min", "trading.kelly_cap"], True,
    )  # fmt: skip
    assert section_values(answer["config"]) == DEFAULTS
    assert data(client.post(f"{CONFIG}/reset", {"reason": "again"}))["updated_fields"] == []
