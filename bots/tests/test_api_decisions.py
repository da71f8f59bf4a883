"""Decisions and orders over HTTP: filters, one with all that followed, and who sees them."""

from datetime import timedelta

import pytest

from bots.models import IntentState
from bots.tests import rows
from bots.tests.builders import NOW, a_bot, a_broker_order, a_decision, a_fill, an_order

pytestmark = pytest.mark.django_db

DECISIONS = "/api/v1/decisions"
ORDERS = "/api/v1/orders"


@pytest.fixture
def run(owner, instruments):
    return rows.a_run(a_bot(owner))


def ids(answer) -> list[int]:
    assert answer.status_code == 200, answer.json()
    return [one["id"] for one in answer.json()["data"]]


def faults(answer) -> set[tuple[str, str]]:
    assert answer.status_code == 422, answer.json()
    return {(fault["pointer"], fault["code"]) for fault in answer.json()["error"]["details"]}


def test_decisions__filtered__are_those_asked_for_newest_first(run, owner, client_of) -> None:
    # Given: bars of 2026-01-06, 07 and 08, at noon
    quiet = a_decision(run, number=1)
    asked = a_decision(run, number=2, orders=1, reason=0, signal=1, target=1)
    late = a_decision(run, "IBM", number=3, reason=38)
    client = client_of(owner)
    # Then
    assert ids(client.get(DECISIONS)) == [late.id, asked.id, quiet.id]
    assert ids(client.get(DECISIONS, {"symbol": "IBM"})) == [late.id]
    assert ids(client.get(DECISIONS, {"reason": "insufficient_capital"})) == [late.id]
    assert ids(client.get(DECISIONS, {"has_order": "true"})) == [asked.id]
    assert ids(client.get(DECISIONS, {"hasOrder": "0"})) == [late.id, quiet.id]
    assert ids(client.get(DECISIONS, {"after": "2026-01-07T12:00:00Z"})) == [late.id, asked.id]
    assert ids(client.get(DECISIONS, {"before": "2026-01-07T12:00:00Z"})) == [quiet.id]
    assert ids(client.get(DECISIONS, {"bot": run.bot_id, "page_size": 1, "page": 2})) == [asked.id]


def test_decision__read__has_its_cycle_votes_sentence_orders_and_fills(run, owner, client_of) -> None:
    # Given: RSI bought (2), MACD held (1), SMA sold (3): 2 + 1 * 4 + 3 * 16 = 54; an entry with a stop
    decision = a_decision(run, orders=1, signal=1, target=1, reason=0, votes=54, confidence=0.5)
    entry = an_order(run, origin="bot", cycle=decision.cycle, decision=decision)
    fill = a_fill(a_broker_order(entry))
    stop = an_order(run, leg=1, is_entry=False, action="sell", order_type="stop", parent=entry, state="held")
    an_order(run)
    # When
    answer = client_of(owner).get(f"{DECISIONS}/{decision.id}").json()["data"]
    # Then
    assert (answer["signal"], answer["target"], answer["reason"]) == ("buy", ["enter_long"], "none")
    assert answer["votes"] == {"RSI": "buy", "MACD": "hold", "SMA": "sell"}
    assert (answer["sentence"], answer["snapshot"]) == ("Nothing was refused.", run.snapshot_id)
    assert (answer["cycle"]["number"], answer["cycle"]["state"]) == (1, "done")
    assert [one["id"] for one in answer["asked"]] == [entry.id, stop.id]
    assert [one["id"] for one in answer["got"]] == [fill.id]
    assert "values" not in answer


def test_decision__explained__names_each_value_in_force_and_who_set_it(run, owner, client_of) -> None:
    decision = a_decision(run)
    values = client_of(owner).get(f"{DECISIONS}/{decision.id}", {"explain": "1"}).json()["data"]["values"]
    capital = next(one for one in values if one["parameter"] == "capital")
    assert (capital["value"], capital["origin"]["scope"], capital["reason"]) == ("10000", "bot", "trying it out")
    assert capital["actor_label"] == "olga"


def test_decisions__asked_wrongly__tell_all_faults(run, owner, client_of) -> None:
    client = client_of(owner)
    asked = {"reason": "bad_mood", "has_order": "maybe", "after": "2026-01-07", "before": "now", "vote": "buy"}
    assert faults(client.get(DECISIONS, asked)) == {
        ("/reason", "not_a_choice"),
        ("/has_order", "not_a_choice"),
        ("/after", "invalid_time"),
        ("/before", "invalid_time"),
        ("/vote", "unknown_filter"),
    }
    assert faults(client.get(f"{DECISIONS}/{a_decision(run).id}", {"page": 1})) == {("/page", "unknown_filter")}


@pytest.mark.parametrize("unknown", [0, 999_999_999, 10**30])
def test_decision_and_order__unknown__are_404_with_a_code(unknown, owner, client_of) -> None:
    client = client_of(owner)
    for address, code in ((DECISIONS, "BOT_DECISION_NOT_FOUND"), (ORDERS, "ORDER_NOT_FOUND")):
        answer = client.get(f"{address}/{unknown}")
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, code)


def test_decisions_and_orders__of_somebody_else__are_not_found(run, stranger, root, client_of) -> None:
    decision, order = a_decision(run), an_order(run)
    client = client_of(stranger)
    assert ids(client.get(DECISIONS)) == ids(client.get(ORDERS)) == []
    assert client.get(f"{DECISIONS}/{decision.id}").json()["error"]["code"] == "BOT_DECISION_NOT_FOUND"
    assert client.get(f"{ORDERS}/{order.id}").json()["error"]["code"] == "ORDER_NOT_FOUND"
    assert ids(client_of(root).get(DECISIONS)) == [decision.id]
    assert ids(client_of(root).get(ORDERS)) == [order.id]


def test_orders__filtered__are_those_asked_for_newest_first(run, owner, client_of) -> None:
    done = an_order(run)
    unsent = an_order(run, "IBM", state=IntentState.UNSENT, reason=85, claimed_at=None)
    foreign = an_order(run, origin="external")
    client = client_of(owner)
    assert ids(client.get(ORDERS)) == [foreign.id, unsent.id, done.id]
    assert ids(client.get(ORDERS, {"symbol": "IBM"})) == [unsent.id]
    assert ids(client.get(ORDERS, {"state": "unsent"})) == [unsent.id]
    assert ids(client.get(ORDERS, {"origin": "external"})) == [foreign.id]
    assert ids(client.get(ORDERS, {"bot_id": run.bot_id, "state": "filled"})) == [foreign.id, done.id]
    assert faults(client.get(ORDERS, {"state": "lost", "origin": "mars"})) == {
        ("/state", "not_a_choice"),
        ("/origin", "not_a_choice"),
    }


def test_order__read__has_the_brokers_order_and_its_fills(run, owner, client_of) -> None:
    order = an_order(run)
    broker_order = a_broker_order(order)
    a_fill(broker_order, qty=2, cum_qty=2)
    a_fill(broker_order, qty=3, cum_qty=5, price=101, executed_at=NOW + timedelta(days=1))
    answer = client_of(owner).get(f"{ORDERS}/{order.id}").json()["data"]
    assert (answer["state"], answer["qty"], answer["filled_qty"]) == ("filled", "5", "5")
    assert answer["broker_order"]["order_id"] == str(broker_order.broker_order_id)
    assert [(one["qty"], one["cum_qty"], one["price"]) for one in answer["fills"]] == [
        ("2", "2", "100"),
        ("3", "5", "101"),
    ]
    assert answer["facts"] == []


def test_order__never_sent__has_no_brokers_order_and_says_why(run, owner, client_of) -> None:
    order = an_order(run, state=IntentState.UNSENT, reason=85, claimed_at=None)
    answer = client_of(owner).get(f"{ORDERS}/{order.id}").json()["data"]
    assert (answer["broker_order"], answer["filled_qty"], answer["reason"]) == (None, "0", "stale_bar")
    assert answer["sentence"].startswith("The bar this order was decided on was too old")


def test_decisions_and_orders__fifty_instead_of_one__cost_no_more_queries(
    run, owner, client_of, django_assert_num_queries
) -> None:
    client = client_of(owner)
    a_decision(run, number=1)
    a_broker_order(an_order(run))
    for address in (DECISIONS, ORDERS):
        # session, user, count, the rows
        with django_assert_num_queries(5):
            client.get(address)
    for number in range(2, 51):
        a_decision(run, number=number)
        a_broker_order(an_order(run))
    for address in (DECISIONS, ORDERS):
        with django_assert_num_queries(5):
            assert len(client.get(address).json()["data"]) == 50
