"""Decisions over HTTP: found, read, compared, taken back, and many made as one."""

from datetime import timedelta
from typing import Any

import pytest
from rest_framework.test import APIClient

from configuration import selectors
from configuration.models import ChangeSet
from configuration.scopes import GLOBAL, bot_scope, side_scope, symbol_scope
from configuration.services import SetValue, change
from configuration.tests.calling import CONFIG, a_caller, data, faults, gate
from configuration.tests.examples import ANN, BEN, NOON, decide, put, value_at

pytestmark = pytest.mark.django_db
AAPL = symbol_scope("AAPL")


@pytest.fixture
def client() -> APIClient:
    client = a_caller()
    client.get(CONFIG)  # their role is asked once
    return client


@pytest.fixture
def four_decisions() -> None:
    put(GLOBAL, leverage=11)
    put(AAPL, leverage=12, actor=BEN)
    decide(
        SetValue(side_scope("AAPL", "LONG"), "trading", "max_retries", 1),
        reason="fewer tries",
        now=NOON + timedelta(hours=1),
    )
    change(
        actor=ANN,
        source="admin",
        kind="batch",
        reason="because",
        operations=[SetValue(GLOBAL, "weather", "edge_min", 0.1)],
        now=NOON + timedelta(hours=2),
    )


# --- finding


@pytest.mark.parametrize(
    ("query", "versions"),
    [
        ("", [4, 3, 2, 1]),
        ("namespace=weather", [4]),
        ("parameter=leverage", [2, 1]),
        ("symbol=aapl", [3, 2]),
        ("symbol=AAPL&side=long", [3]),
        ("scope=symbol", [2]),
        ("scope=global", [4, 1]),
        ("scope=global&parameter=leverage", [1]),
        ("actor=ben", [2]),
        ("source=admin", [4]),
        ("kind=batch", [4]),
        ("reason=FEWER", [3]),
        ("since=2026-03-02T13:00:00Z", [4, 3]),
        ("until=2026-03-02T13:00:00Z", [2, 1]),
        ("since=2026-03-02T13:00:00Z&until=2026-03-02T14:00:00%2B00:00", [3]),
        ("since_version=2", [3, 4]),
        ("sinceVersion=0&symbol=AAPL", [2, 3]),
        ("page=2&page_size=3", [1]),
        ("page=2&page_size=3&since_version=0", [4]),
        ("bot=b-1", []),
    ],
)
@pytest.mark.usefixtures("four_decisions")
def test_changes__filtered__are_those_asked_for(client: APIClient, query: str, versions: list[int]) -> None:
    assert [row["version"] for row in data(client.get(f"{CONFIG}/changes?{query}"))] == versions


@pytest.mark.usefixtures("four_decisions")
def test_changes__pages__add_up(client: APIClient) -> None:
    for query, total in (("", 4), ("symbol=AAPL", 2)):
        told = client.get(f"{CONFIG}/changes?page_size=1&{query}").json()["metadata"]["pagination"]
        assert (told["total"], told["pages"], told["has_next"]) == (total, total, True)


def test_changes__asked_wrongly__names_every_fault(client: APIClient) -> None:
    query = "symbl=A&since=today&since_version=x&scope=all&page=0&side=UP"
    assert faults(client.get(f"{CONFIG}/changes?{query}")) == [
        ("out_of_range", "/page"),
        ("unknown_field", "/symbl"),
        ("not_a_choice", "/scope"),
        ("not_a_choice", "/side"),
        ("invalid_time", "/since"),
        ("out_of_range", "/since_version"),
    ]
    assert faults(client.get(f"{CONFIG}/changes?side=LONG")) == [("empty", "/symbol")]


@pytest.mark.parametrize(("query", "queries"), [("", 3), ("?symbol=AAPL", 3), ("?since_version=0", 3)])
def test_changes__many__cost_the_same_queries(
    client: APIClient, query: str, queries: int, django_assert_num_queries: Any
) -> None:
    for number in range(10):
        put(AAPL, leverage=number + 2, max_retries=number)
    with django_assert_num_queries(queries):  # the head or a count, the decisions, their changes
        client.get(f"{CONFIG}/changes{query}")


def test_one_change__read__has_before_and_after_its_chain_and_its_undo(
    client: APIClient, django_assert_num_queries: Any
) -> None:
    put(GLOBAL, leverage=11)
    put(GLOBAL, leverage=12)
    with django_assert_num_queries(2):
        told = data(client.get(f"{CONFIG}/changes/2"))

    first, second = ChangeSet.objects.order_by("version")
    assert (told["version"], told["prev_hash"], told["hash"]) == (2, first.hash, second.hash)
    (change,) = told["changes"]
    assert (change["old"], change["old_version"], change["new"], change["op"]) == (11, 1, 12, "set")
    undone = client.post(told["undo"]["path"], {**told["undo"]["body"], "reason": "back"})
    assert (data(undone)["version"], value_at(GLOBAL, "leverage")) == (3, 11)
    before = client.post(told["restore_before"]["path"], {"before_version": 1, "reason": "all of it"})
    assert (data(before)["version"], value_at(GLOBAL, "leverage")) == (4, 10)


def test_one_change__there_is_not__is_not_found(client: APIClient) -> None:
    assert client.get(f"{CONFIG}/changes/1").status_code == 404


# --- comparing


def test_diff__versions_instants_and_now__tell_values_in_force(client: APIClient) -> None:
    put(GLOBAL, leverage=11)
    put(AAPL, max_retries=9)
    decide(SetValue(GLOBAL, "trading", "leverage", 12), now=NOON + timedelta(hours=1))

    def told(query: str) -> list[tuple[Any, ...]]:
        rows = data(client.get(f"{CONFIG}/diff?{query}"))["differences"]
        return [
            (row["parameter"], row["scope"].get("symbol"), row["before"]["value"], row["after"]["value"])
            for row in rows
        ]

    # AAPL inherits leverage: it differs there as well.
    assert told("from=1&to=2") == [("max_retries", "AAPL", 3, 9)]
    assert told("from=2") == [("leverage", None, 11, 12), ("leverage", "AAPL", 11, 12)]
    assert told("from=2026-03-02T12:30:00Z&to=2026-03-02T13:30:00Z") == told("from=2&to=3")
    assert told("from=0&symbol=MSFT") == [("leverage", "MSFT", 10, 12)]
    assert told("from=0&namespace=weather") == []
    assert told("from_scope=global&to_scope=symbol:AAPL") == [("max_retries", "AAPL", 3, 9)]
    assert told("from_scope=global&to_scope=symbol:AAPL&from=1") == []


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", [("empty", "/from")]),
        ("from=yesterday&too=1", [("unknown_field", "/too"), ("invalid_time", "/from")]),
        ("from_scope=symbol:A$&to_scope=nowhere", [("invalid_symbol", "/from_scope"), ("unknown_scope", "/to_scope")]),
        ("from_scope=global&to_scope=global&to=1", [("given_twice", "/to")]),
    ],
)
def test_diff__asked_wrongly__names_every_fault(client: APIClient, query: str, expected: Any) -> None:
    assert faults(client.get(f"{CONFIG}/diff?{query}")) == expected


def test_diff__version_there_is_not__is_not_found(client: APIClient) -> None:
    assert client.get(f"{CONFIG}/diff?from=0&to=9").status_code == 404


def test_diff__many_scopes__costs_the_same_queries(client: APIClient, django_assert_max_num_queries: Any) -> None:
    for number in range(10):
        put(symbol_scope(f"S{number}"), leverage=number + 20)
    with django_assert_max_num_queries(8):  # two images of the past, at most six queries in all, and the head
        answer = client.get(f"{CONFIG}/diff?from=0&to=10&page_size=2")
    assert len(data(answer)["differences"]) == 2
    assert answer.json()["metadata"]["pagination"]["total"] == 10


# --- taking back


def test_rollback__to_a_version__is_previewed_and_then_done(client: APIClient) -> None:
    put(GLOBAL, leverage=11)
    put(GLOBAL, leverage=12, max_retries=1)
    body = {"to_version": 1, "reason": "as before"}

    preview = client.post(f"{CONFIG}/rollback", {**body, "validate_only": True})
    assert [(c["parameter"], c["new"], c["op"]) for c in data(preview)["changes"]] == [
        ("leverage", 11, "set"),
        ("max_retries", None, "clear"),
    ]
    assert (data(preview)["version"], selectors.head().version) == (3, 2)

    plan = data(preview)["preview"]["plan_hash"]
    done = client.post(f"{CONFIG}/rollback", {**body, "plan_hash": plan}, headers={"Idempotency-Key": "back-1"})
    again = client.post(f"{CONFIG}/rollback", {**body, "plan_hash": plan}, headers={"Idempotency-Key": "back-1"})
    assert data(done)["changes"] == data(again)["changes"] == data(preview)["changes"]
    written = ChangeSet.objects.get(version=3)
    assert (written.kind, written.source, written.reverts_version, ChangeSet.objects.count()) == (
        "rollback", "rollback", 2, 3,
    )  # fmt: skip


def test_rollback__undo_what_was_changed_again__is_refused_with_a_way_out(client: APIClient) -> None:
    put(GLOBAL, leverage=11)
    put(GLOBAL, leverage=12, actor=BEN)
    response = client.post(f"{CONFIG}/rollback", {"undo_version": 1, "reason": "back"})
    assert [code for code, _ in faults(response, 412)] == ["changed_since"]
    assert gate(response, "changed_since")["path"] == f"{CONFIG}/changes/2"
    done = client.post(f"{CONFIG}/rollback", {"undo_version": 1, "reason": "even so", "override_newer": True})
    assert (data(done)["version"], value_at(GLOBAL, "leverage")) == (3, 10)


def test_rollback__limited_to_a_scope__leaves_the_others(client: APIClient) -> None:
    put(GLOBAL, leverage=11)
    put(AAPL, leverage=12)
    client.post(f"{CONFIG}/rollback", {"to_version": 0, "scope": {"symbol": "AAPL"}, "reason": "there"})
    assert (value_at(AAPL, "leverage"), selectors.stored(AAPL)) == (11, {})


def test_rollback__asked_wrongly__names_every_fault(client: APIClient) -> None:
    put(GLOBAL, leverage=11)

    def told(body: Any) -> list[tuple[str, str]]:
        return faults(client.post(f"{CONFIG}/rollback", body))

    assert told({"reason": "r"}) == [("one_of", "/to_version")]
    assert told({"to_version": 0, "undo_version": 1, "reason": "r"}) == [("one_of", "/to_version")]
    assert told({"to_version": 9, "reason": "r"}) == [("out_of_range", "/to_version")]
    assert told({"to_verson": 1, "undo_version": "1", "scope": 3}) == [
        ("unknown_field", "/to_verson"),
        ("invalid_type", "/undo_version"),
        ("invalid_type", "/scope"),
    ]
    assert ("reason_required", "/reason") in told({"to_version": 0})
    assert ChangeSet.objects.count() == 1


def test_rollback__operator__may_take_back_only_what_they_may_change() -> None:
    put(GLOBAL, leverage=11)
    operator = a_caller("operator", name="olga")
    response = operator.post(f"{CONFIG}/rollback", {"undo_version": 1, "reason": "back"})
    assert [code for code, _ in faults(response, 403)] == ["risk_not_granted"]


# --- many as one


def test_batch__several_scopes_and_namespaces__are_one_decision(client: APIClient) -> None:
    put(AAPL, leverage=12, max_retries=1)
    body = {
        "operations": [
            {"parameter": "leverage", "value": 11},
            {"scope": {"symbol": "btcusdt", "side": "long"}, "parameter": "leverage", "value": 20},
            {"scope": {"symbol": "AAPL"}, "clear": True},
            {"scope": "global", "namespace": "weather", "parameter": "edge_min", "value": 0.2},
            {"scope": {"kind": "symbol", "symbol": "BTC/USD"}, "parameter": "enabled", "value": False},
        ],
        "reason": "new regime",
    }
    preview = client.post(f"{CONFIG}/batch", {**body, "validate_only": True})
    assert (data(preview)["changes_total"], selectors.head().version) == (6, 1)

    done = client.post(f"{CONFIG}/batch", {**body, "plan_hash": data(preview)["preview"]["plan_hash"]})

    assert data(done)["changes"] == data(preview)["changes"]
    written = ChangeSet.objects.get(version=2)
    assert (written.kind, written.reason, written.changes.count()) == ("batch", "new regime", 6)
    assert value_at(side_scope("BTCUSDT", "LONG"), "leverage") == 20
    assert value_at(symbol_scope("BTC/USD"), "enabled") is False
    assert selectors.stored(AAPL) == {}


def test_batch__one_faulty__changes_nothing_and_names_every_fault(client: APIClient) -> None:
    body = {
        "operations": [
            {"parameter": "leverage", "value": 11},
            {"parameter": "leverage", "value": 200, "scope": {"symbol": "A$"}},
            {"parameter": "leverage"},
            {"parameter": "leverage", "value": 1, "clear": True},
            {"valu": 3},
            "leverage=3",
            {"namespace": "tradng", "parameter": "leverage", "value": 3},
            {"scope": {"side": "LONG"}, "parameter": "leverage", "value": 3},
            {"scope": {"kind": "symbol", "sym": "A"}, "parameter": "leverage", "value": 3},
        ],
    }
    response = client.post(f"{CONFIG}/batch", body)

    found = faults(response)
    assert found == [
        ("empty", "/operations/2/value"),
        ("given_twice", "/operations/3/clear"),
        ("unknown_field", "/operations/4/valu"),
        ("empty", "/operations/4/parameter"),
        ("invalid_type", "/operations/5"),
        ("unknown_field", "/operations/8/scope/sym"),
        ("invalid_symbol", "/operations/1"),
        ("out_of_range", "/operations/1"),
        ("unknown_namespace", "/operations/6"),
        ("invalid_symbol", "/operations/7"),
        ("reason_required", "/reason"),
    ]
    assert selectors.head().version == 0


@pytest.mark.parametrize("operations", [[], [{"parameter": "enabled", "value": True}] * 2001])
def test_batch__none_or_too_many__is_refused(client: APIClient, operations: Any) -> None:
    response = client.post(f"{CONFIG}/batch", {"operations": operations, "reason": "r"})
    assert faults(response) == [("too_long" if operations else "empty", "/operations")]


def test_batch__rule_between_two_of_them__is_judged_together(client: APIClient) -> None:
    # min 2000 alone would contradict the default max of 1000; with max 3000 it does not
    both = [
        {"parameter": "min_position_size_usd", "value": 2000},
        {"parameter": "max_position_size_usd", "value": 3000},
    ]
    refused = client.post(f"{CONFIG}/batch", {"operations": both[:1], "reason": "r"})
    assert faults(refused) == [("min_above_max", "/operations/0")]
    assert data(client.post(f"{CONFIG}/batch", {"operations": both, "reason": "r"}))["version"] == 1


def test_batch__bots_scope__is_written_like_any(client: APIClient) -> None:
    body = {"operations": [{"scope": {"bot": "b-1"}, "parameter": "leverage", "value": 3}], "reason": "r"}
    client.post(f"{CONFIG}/batch", body)
    assert value_at(bot_scope("b-1"), "leverage") == 3


def test_undo__of_every_answer__is_ready_to_be_sent(client: APIClient) -> None:
    done = data(client.post(f"{CONFIG}/batch", {"operations": [{"parameter": "max_retries", "value": 1}]}))
    undone = client.post(done["undo"]["path"], {**done["undo"]["body"], "reason": "tried"})
    assert (data(undone)["version"], value_at(GLOBAL, "max_retries")) == (2, 3)
