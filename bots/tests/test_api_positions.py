"""Positions over HTTP: filters, five sorts both ways, and closing one."""

from datetime import timedelta
from uuid import uuid4

import pytest

from bots.models import BotStatus, OrderIntent
from bots.tests import rows
from bots.tests.builders import NOW, a_bot, a_position

pytestmark = pytest.mark.django_db

POSITIONS = "/api/v1/positions"


def ids(answer) -> list[str]:
    assert answer.status_code == 200, answer.json()
    return [one["id"] for one in answer.json()["data"]]


def test_position__listed__has_the_fields_documented(owner, instruments, client_of) -> None:
    position = a_position(
        rows.a_run(a_bot(owner)), current_price=104, unrealized_pnl=20, stop_loss_price=98, take_profit_price=105
    )
    shown = client_of(owner).get(POSITIONS).json()["data"]
    assert shown == [
        {
            "id": str(position.id),
            "bot_id": str(position.bot_id),
            "symbol": "AAPL",
            "side": "long",
            "quantity": "5",
            "entry_price": "100",
            "current_price": "104",
            "stop_loss_price": "98",
            "take_profit_price": "105",
            "unrealized_pnl": "20",
            "realized_pnl": "0",
            "opened_at": "2026-01-05T12:00:00Z",
            "closed_at": None,
            "is_open": True,
            "cost": "500",
            "fees": "0",
            "close_reason": "",
            "snapshot": position.snapshot_id,
        }
    ]
    assert client_of(owner).get(f"{POSITIONS}/{position.id}").json()["data"] == shown[0]


def test_filters__bot_symbol_and_state__narrow_the_list(owner, instruments, client_of) -> None:
    run, other = rows.a_run(a_bot(owner)), rows.a_run(a_bot(owner, name="Other"))
    held = a_position(run, "AAPL")
    elsewhere = a_position(other, "IBM", opened_at=NOW - timedelta(days=1))
    sold = a_position(run, "IBM", closed_at=NOW, opened_at=NOW - timedelta(days=2))
    client = client_of(owner)
    assert ids(client.get(POSITIONS)) == [str(held.id), str(elsewhere.id)]
    assert ids(client.get(POSITIONS, {"botId": run.bot_id})) == [str(held.id)]
    assert ids(client.get(POSITIONS, {"symbol": "ibm"})) == [str(elsewhere.id)]
    assert ids(client.get(POSITIONS, {"state": "closed"})) == [str(sold.id)]
    assert ids(client.get(POSITIONS, {"state": "all"})) == [str(held.id), str(elsewhere.id), str(sold.id)]


@pytest.mark.parametrize("field", ["symbol", "unrealized_pnl", "entry_price", "current_price", "opened_at"])
@pytest.mark.parametrize("names", [("sort_by", "sort_order"), ("sortBy", "sortOrder")])
def test_sorts__each_field__goes_both_ways(field, names, owner, instruments, client_of) -> None:
    # Given: one that is smaller than the other in every column
    run = rows.a_run(a_bot(owner))
    small = a_position(
        run, "AAPL", unrealized_pnl=-1, entry_price=10, current_price=9, opened_at=NOW - timedelta(days=1)
    )
    large = a_position(run, "IBM", unrealized_pnl=1, entry_price=20, current_price=21)
    rising = [str(small.id), str(large.id)]
    client = client_of(owner)
    assert ids(client.get(POSITIONS, {names[0]: field, names[1]: "asc"})) == rising
    assert ids(client.get(POSITIONS, {names[0]: field, names[1]: "desc"})) == rising[::-1]
    assert ids(client.get(POSITIONS, {names[0]: field})) == rising[::-1]


def test_query__wrong_in_every_name__tells_all_faults(owner, client_of) -> None:
    asked = {"state": "half", "sort_by": "colour", "sort_order": "up", "bot": "x", "side": "long", "page_size": 501}
    answer = client_of(owner).get(POSITIONS, asked)
    assert answer.status_code == 422
    assert {(fault["pointer"], fault["code"]) for fault in answer.json()["error"]["details"]} == {
        ("/state", "not_a_choice"),
        ("/sort_by", "not_a_choice"),
        ("/sort_order", "not_a_choice"),
        ("/bot", "invalid_type"),
        ("/side", "unknown_filter"),
        ("/page_size", "out_of_range"),
    }


def test_close__an_open_position__asks_for_its_sale_and_pauses_the_bot(owner, instruments, client_of) -> None:
    # Given
    bot = a_bot(owner)
    bot.status, bot.is_active = BotStatus.RUNNING, True
    bot.save()
    position = a_position(rows.a_run(bot))
    # When
    answer = client_of(owner).post(f"{POSITIONS}/{position.id}/close", {"reason": "enough"})
    # Then
    assert answer.status_code == 202, answer.json()
    order = answer.json()["data"]
    assert (order["action"], order["qty"], order["order_type"], order["leg"]) == ("sell", "5", "market", "main")
    assert (order["state"], order["origin"], order["actor"]) == ("pending", "operator", "olga")
    assert client_of(owner).get(f"/api/v1/orders/{order['id']}").json()["data"]["facts"][0]["kind"] == "asked"
    bot.refresh_from_db()
    assert bot.status == BotStatus.PAUSED


def test_close__asked_again_while_it_works__is_409_and_no_second_order(owner, instruments, client_of) -> None:
    position = a_position(rows.a_run(a_bot(owner)))
    client = client_of(owner)
    client.post(f"{POSITIONS}/{position.id}/close", {})
    answer = client.post(f"{POSITIONS}/{position.id}/close", {})
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "ORDER_WORKING")
    assert OrderIntent.objects.count() == 1


def test_close__a_closed_position__is_409(owner, instruments, client_of) -> None:
    position = a_position(rows.a_run(a_bot(owner)), closed_at=NOW)
    answer = client_of(owner).post(f"{POSITIONS}/{position.id}/close", {})
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "POSITION_ALREADY_CLOSED")


def test_close__with_a_body_full_of_faults__tells_all_and_asks_nothing(owner, instruments, client_of) -> None:
    position = a_position(rows.a_run(a_bot(owner)))
    answer = client_of(owner).post(f"{POSITIONS}/{position.id}/close", {"pause_bot": "yes", "price": 5})
    assert answer.status_code == 422
    found = {(fault["pointer"], fault["code"]) for fault in answer.json()["error"]["details"]}
    assert found == {("/pause_bot", "invalid_type"), ("/price", "unknown_field")}
    assert not OrderIntent.objects.exists()


def test_positions__of_somebody_else__are_not_found(owner, stranger, root, instruments, client_of) -> None:
    position = a_position(rows.a_run(a_bot(owner)))
    client = client_of(stranger)
    assert ids(client.get(POSITIONS)) == []
    for answer in (client.get(f"{POSITIONS}/{position.id}"), client.post(f"{POSITIONS}/{position.id}/close", {})):
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "POSITION_NOT_FOUND")
    assert client.get(f"{POSITIONS}/{uuid4()}").status_code == 404
    assert ids(client_of(root).get(POSITIONS)) == [str(position.id)]


def test_positions__fifty_instead_of_one__cost_no_more_queries(
    owner, instruments, client_of, django_assert_num_queries
) -> None:
    run, client = rows.a_run(a_bot(owner)), client_of(owner)
    a_position(run, "S0")
    # session, user, role, count, positions
    with django_assert_num_queries(5):
        client.get(POSITIONS)
    for number in range(1, 50):
        a_position(run, f"S{number}")
    with django_assert_num_queries(5):
        assert len(client.get(POSITIONS).json()["data"]) == 50
