"""Bots over HTTP."""

import pytest

from bots.models import Bot, BotStatus
from bots.tests.builders import REASON, a_bot, a_form
from tests.people import with_role

pytestmark = pytest.mark.django_db

BOTS = "/api/v1/bots"


def test_bots__posted__are_created_stopped_and_read_back(owner, instruments, client_of) -> None:
    client = client_of(owner)
    # When
    answer = client.post(BOTS, {**a_form(), "reason": REASON})
    # Then
    assert answer.status_code == 201, answer.json()
    made = answer.json()["data"]
    assert made["status"] == "stopped"
    assert made["indicators"] == {
        "RSI": {"period": 10, "oversold": 30.0, "overbought": 70.0},
        "SMA": {"period": 50},
    }
    assert made["risk_management"]["stop_loss"] == 2.0
    assert made["risk_management"]["max_concurrent_positions"] == 3
    assert "/capital" in made["own_parameters"]
    assert client.get(f"{BOTS}/{made['id']}").json()["data"] == made


def test_bots__what_was_read_put_back__is_accepted(owner, instruments, client_of) -> None:
    # Given
    client, bot = client_of(owner), a_bot(owner)
    read = client.get(f"{BOTS}/{bot.id}").json()["data"]
    fields = {"id", "status", "is_active", "error_count", "error_code", "error_message", "own_parameters"}
    fields |= {"created_at", "updated_at", "last_run_at", "run", "equity", "realized_gains"}
    fields |= {"trades_today", "win_rate", "today_pnl", "total_pnl"}
    form = {name: value for name, value in read.items() if name not in fields}
    # When
    answer = client.put(f"{BOTS}/{bot.id}", {**form, "name": "Renamed", "reason": REASON})
    # Then
    assert answer.status_code == 200, answer.json()
    assert answer.json()["data"]["name"] == "Renamed"
    assert answer.json()["data"]["indicators"] == read["indicators"]


def test_bots__a_form_full_of_faults__answers_422_with_all_of_them(owner, instruments, client_of) -> None:
    answer = client_of(owner).post(BOTS, {**a_form(name="", capital=-5, symbols=["NOPE"]), "colour": 1})
    assert answer.status_code == 422
    error = answer.json()["error"]
    assert error["code"] == "VALIDATION_ERROR"
    assert {detail["pointer"] for detail in error["details"]} == {
        "/name",
        "/capital",
        "/symbols/0",
        "/colour",
        "/reason",
    }


def test_bots__changed_since_they_were_read__answer_412(owner, instruments, client_of) -> None:
    # Given
    client, bot = client_of(owner), a_bot(owner)
    etag = client.get(f"{BOTS}/{bot.id}").headers["ETag"]
    client.put(f"{BOTS}/{bot.id}", {**a_form(capital=20000), "reason": REASON})
    # When
    answer = client.put(f"{BOTS}/{bot.id}", {**a_form(capital=30000), "reason": REASON}, headers={"If-Match": etag})
    # Then
    assert answer.status_code == 412
    assert client.get(f"{BOTS}/{bot.id}").json()["data"]["capital"] == "20000"


def test_bots__deleted__are_gone_for_readers_and_kept_in_the_database(owner, instruments, client_of) -> None:
    client, bot = client_of(owner), a_bot(owner)
    assert client.delete(f"{BOTS}/{bot.id}").status_code == 204
    assert client.get(f"{BOTS}/{bot.id}").json()["error"]["code"] == "BOT_NOT_FOUND"
    assert Bot.objects.count() == 1


def test_bots__deleted_while_running__answer_409(owner, instruments, client_of) -> None:
    bot = a_bot(owner)
    Bot.objects.update(status=BotStatus.RUNNING, is_active=True)
    answer = client_of(owner).delete(f"{BOTS}/{bot.id}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "BOT_RUNNING")


def test_bots__of_somebody_else__are_not_found(owner, stranger, root, instruments, client_of) -> None:
    bot = a_bot(owner)
    for method in ("get", "put", "delete"):
        answer = getattr(client_of(stranger), method)(f"{BOTS}/{bot.id}", {**a_form(), "reason": REASON})
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "BOT_NOT_FOUND")
    assert client_of(stranger).get(BOTS).json()["data"] == []
    assert [one["id"] for one in client_of(root).get(BOTS).json()["data"]] == [str(bot.id)]


def test_bots__written_by_a_viewer__answer_403(owner, instruments, client_of) -> None:
    viewer = with_role(owner, "viewer")
    assert client_of(viewer).post(BOTS, {**a_form(), "reason": REASON}).status_code == 403


def test_bots__listed__come_newest_first_in_pages(owner, instruments, client_of) -> None:
    made = [a_bot(owner, name=f"Bot {number}") for number in range(3)]
    assert len(made) == 3
    answer = client_of(owner).get(BOTS, {"page_size": 2}).json()
    assert len(answer["data"]) == 2
    assert answer["metadata"]["pagination"]["total"] == 3


def test_bots__a_longer_list__costs_no_more_queries(owner, instruments, client_of, django_assert_num_queries) -> None:
    client = client_of(owner)
    a_bot(owner)
    client.get(BOTS)
    # session, user, role, count, bots; positions, runs, the replays' clocks, trades; the configuration's head
    with django_assert_num_queries(10):
        client.get(BOTS)
    for number in range(4):
        a_bot(owner, name=f"Bot {number}")
    client.get(BOTS)
    with django_assert_num_queries(10):
        assert len(client.get(BOTS).json()["data"]) == 5


def test_bots__body_that_is_no_map__answers_422(owner, client_of) -> None:
    assert client_of(owner).post(BOTS, [1, 2]).status_code == 422
