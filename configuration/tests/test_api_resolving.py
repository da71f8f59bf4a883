"""What is in force for whom, now and then, and why: resolve, explain, search."""

from datetime import timedelta
from typing import Any

import pytest
from rest_framework.test import APIClient

from configuration.scopes import GLOBAL, bot_scope, side_scope, symbol_scope
from configuration.services import SetValue
from configuration.tests.calling import API, CONFIG, TRADING, a_caller, data, faults, gate
from configuration.tests.examples import BEN, NOON, decide, put, value_at

pytestmark = pytest.mark.django_db
BTC_LONG = side_scope("BTCUSDT", "LONG")


@pytest.fixture
def client() -> APIClient:
    return a_caller()


def test_resolve__symbol_side_and_bot__hears_every_layer(client: APIClient) -> None:
    put(GLOBAL, leverage=5, max_retries=1)
    put(symbol_scope("BTCUSDT"), leverage=6, stop_loss_pct=3)
    put(BTC_LONG, leverage=7)
    put(bot_scope("b-1"), leverage=8)

    answer = data(client.get(f"{CONFIG}/resolve?symbol=btcusdt&side=long&bot=b-1"))

    assert (answer["symbol"], answer["side"], answer["bot"], answer["namespace"]) == (
        "BTCUSDT", "LONG", "b-1", "trading",
    )  # fmt: skip
    values, origins = answer["parameters"], answer["origins"]
    assert (values["leverage"], values["stop_loss_pct"], values["max_retries"]) == (8, 3.0, 1)
    assert origins["leverage"] == {"scope": "bot", "bot": "b-1", "version": 4}
    assert (answer["version"], answer["source"]) == (4, "database")
    assert "explained" not in answer


def test_resolve__explain_full__tells_who_decided_and_what_it_beats(client: APIClient) -> None:
    put(GLOBAL, leverage=5)
    put(symbol_scope("BTCUSDT"), leverage=6, actor=BEN)

    explained = data(client.get(f"{CONFIG}/resolve?symbol=BTCUSDT&explain=full"))["explained"]["leverage"]

    assert (explained["value"], explained["decision"]["actor"], explained["decision"]["version"]) == (6, "ben", 2)
    assert [(one["value"], (one["decision"] or {}).get("actor")) for one in explained["shadowed"]] == [
        (5, "ann"),
        (10, None),
    ]


def test_resolve__at_a_version_or_an_instant__is_as_it_was(client: APIClient) -> None:
    put(GLOBAL, leverage=5)
    decide(SetValue(GLOBAL, "trading", "leverage", 6), now=NOON + timedelta(hours=1))

    def leverage(query: str) -> tuple[int, int]:
        answer = data(client.get(f"{CONFIG}/resolve?{query}"))
        return answer["parameters"]["leverage"], answer["version"]

    assert leverage("") == (6, 2)
    assert (leverage("at_version=0"), leverage("at_version=1"), leverage("atVersion=2")) == ((10, 0), (5, 1), (6, 2))
    assert leverage("at_time=2026-03-02T12:59:59Z") == (5, 1)
    assert leverage("at_time=2026-03-02T11:00:00Z") == (10, 0)
    past = client.get(f"{CONFIG}/resolve?at_version=1")
    assert past["ETag"].startswith('"cfg-1-')


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("side=LONG", [("empty", "/symbol")]),
        (
            "symbol=A$&side=UP&bot=*",
            [("invalid_bot", "/bot"), ("invalid_symbol", "/symbol"), ("not_a_choice", "/side")],
        ),
        ("namespace=tradng", [("unknown_namespace", "/namespace")]),
        (
            "at_time=yesterday&at_version=-1&explain=some&sim=1",
            [
                ("unknown_field", "/sim"),
                ("out_of_range", "/at_version"),
                ("invalid_time", "/at_time"),
                ("not_a_choice", "/explain"),
            ],
        ),
        ("at_time=2026-03-02T12:00:00Z&at_version=0", [("one_of", "/at_version")]),
    ],
)
def test_resolve__asked_wrongly__names_every_fault(client: APIClient, query: str, expected: Any) -> None:
    assert faults(client.get(f"{CONFIG}/resolve?{query}")) == expected


def test_resolve__version_there_is_not_yet__is_not_found(client: APIClient) -> None:
    assert client.get(f"{CONFIG}/resolve?at_version=1").status_code == 404


def test_resolve__etag_known__is_304(client: APIClient) -> None:
    etag = client.get(f"{CONFIG}/resolve")["ETag"]
    assert client.get(f"{CONFIG}/resolve", headers={"If-None-Match": etag}).status_code == 304


@pytest.mark.parametrize(("query", "queries"), [("", 1), ("?symbol=A&side=LONG&bot=b", 1), ("?explain=full", 2)])
def test_resolve__whatever_is_asked__costs_the_same_queries(
    client: APIClient, query: str, queries: int, django_assert_num_queries: Any
) -> None:
    for number in range(8):
        put(GLOBAL, leverage=number + 2, max_retries=number)
    client.get(f"{CONFIG}/resolve{query}")
    with django_assert_num_queries(queries):  # the head; with explain the decisions too
        client.get(f"{CONFIG}/resolve{query}")


# --- explain


def test_explain__value_of_a_side__answers_why_and_leads_to_change_undo_and_history(client: APIClient) -> None:
    # Given: why does BTCUSDT long have leverage 20?
    put(GLOBAL, leverage=12)
    put(BTC_LONG, leverage=20, actor=BEN)
    # When
    told = data(client.get(f"{CONFIG}/explain?parameter=leverage&symbol=btcusdt&side=long"))
    # Then
    assert (told["value"], told["decision"]["actor"], told["decision"]["reason"], told["unit"]) == (
        20, "ben", "because", "x",
    )  # fmt: skip
    assert told["origin"] == {"scope": "symbol_side", "symbol": "BTCUSDT", "side": "LONG", "version": 2}
    assert [(one["value"], one["origin"]["scope"]) for one in told["shadowed"]] == [(12, "global"), (10, "default")]
    assert told["summary"] == (
        "leverage at BTCUSDT/LONG is 20 x: set at BTCUSDT/LONG by ben in version 2, because: because. "
        "Without that it would be 12 (set at global)."
    )
    assert (told["limits"]["min"], told["limits"]["max"], told["limits"]["type"]) == (1, 125, "int")
    assert all(told["about"][words] for words in ("description", "impact", "when_to_change", "risk", "reload"))
    # and each call it names can be sent as it stands, with a reason
    calls = {call["code"]: call for call in told["next"]}
    for code in ("change", "inherit"):
        body = {**calls[code]["body"], "reason": "tried"}
        assert data(client.post(calls[code]["path"], body))["preview"]["applies"] is True
    assert [row["version"] for row in data(client.get(calls["history"]["path"]))] == [2, 1]
    undone = client.post(calls["undo"]["path"], {**calls["undo"]["body"], "reason": "too much"})
    assert (data(undone)["version"], value_at(BTC_LONG, "leverage")) == (3, 12)


def test_explain__default__has_nobody_who_decided_and_no_undo(client: APIClient) -> None:
    told = data(client.get(f"{CONFIG}/explain?parameter=leverage"))
    assert (told["decision"], told["shadowed"], told["origin"]) == (None, [], {"scope": "default"})
    assert {call["code"] for call in told["next"]} == {"change", "history"}


def test_explain__where_it_cannot_be_set__leads_to_where_it_can(client: APIClient) -> None:
    told = data(client.get(f"{CONFIG}/explain?namespace=weather&parameter=edge_min&symbol=KLGA"))
    (change,) = [call for call in told["next"] if call["code"] == "change"]
    assert (change["path"], "global" in change["how"]) == (f"{CONFIG}/weather", True)


def test_explain__unknown_parameter__names_the_likest_and_the_schema(client: APIClient) -> None:
    response = client.get(f"{CONFIG}/explain?parameter=levrage")
    assert faults(response) == [("unknown_parameter", "/parameter")]
    assert (gate(response, "unknown_parameter")["nearest"], gate(response, "unknown_parameter")["path"]) == (
        ["leverage"], f"{TRADING}/schema",
    )  # fmt: skip
    assert faults(client.get(f"{CONFIG}/explain")) == [("empty", "/parameter")]


def test_explain__at_a_version__is_as_it_was(client: APIClient) -> None:
    put(GLOBAL, leverage=5)
    put(GLOBAL, leverage=6)
    told = data(client.get(f"{CONFIG}/explain?parameter=leverage&at_version=1"))
    assert (told["value"], told["decision"]["version"], told["version"]) == (5, 1, 1)


def test_explain__any_parameter__costs_two_queries(client: APIClient, django_assert_num_queries: Any) -> None:
    put(GLOBAL, leverage=5)
    put(BTC_LONG, leverage=20)
    client.get(f"{CONFIG}/explain?parameter=leverage")
    with django_assert_num_queries(2):  # the head, and the decisions of the whole chain
        client.get(f"{CONFIG}/explain?parameter=leverage&symbol=BTCUSDT&side=LONG")


# --- finding


@pytest.mark.parametrize(
    ("words", "found"),
    [("leverage", "leverage"), ("SL", "stop_loss_pct"), ("stop loss", "stop_loss_pct"), ("leverge", "leverage")],
)
def test_search__name_synonym_words_or_a_slip__finds_the_parameter_with_all_about_it(
    client: APIClient, words: str, found: str
) -> None:
    response = client.get(f"{CONFIG}/search", {"q": words, "limit": 3})
    best = data(response)[0]
    assert (best["namespace"], best["parameter"], best["about"]["name"]) == ("trading", found, found)
    assert response.json()["metadata"]["total"] >= 1
    assert data(client.get(best["explain"]["path"]))["parameter"] == found


def test_search__nothing_or_nonsense__finds_nothing(client: APIClient) -> None:
    assert data(client.get(f"{CONFIG}/search")) == data(client.get(f"{CONFIG}/search?q=zzqxw")) == []
    assert faults(client.get(f"{CONFIG}/search?limit=101&qq=1")) == [
        ("unknown_field", "/qq"),
        ("out_of_range", "/limit"),
    ]


def test_namespaces__list__leads_to_each_schema_and_configuration(client: APIClient) -> None:
    rows = data(client.get(f"{CONFIG}/namespaces"))
    assert {"trading", "bot", "weather", "engine", "orderbook_skew"} <= {row["namespace"] for row in rows}
    for row in rows:
        assert client.get(row["schema"]).status_code == 200
        if row["address"] and row["scopes"]:
            assert client.get(row["address"]).status_code == 200
    assert client.get(f"{CONFIG}/namespaces?x=1").status_code == 422


def test_anybody_reading__without_a_role__is_refused() -> None:
    nobody = a_caller("", name="nina")
    for path in ("resolve", "explain?parameter=leverage", "search?q=a", "namespaces"):
        assert nobody.get(f"{CONFIG}/{path}").status_code == 403
    assert a_caller("viewer", name="vera").get(f"{API}/config/resolve").status_code == 200
