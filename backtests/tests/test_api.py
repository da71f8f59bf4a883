"""Backtests over HTTP."""

import pytest

from backtests import services
from backtests.models import Backtest
from backtests.tests.builders import a_follower, a_signal, queued, ran
from tests.people import with_role

pytestmark = pytest.mark.django_db

BACKTESTS = "/api/v1/backtests"
PARTS = ("equity", "candles?symbol=ACME", "trades", "fills", "orders", "decisions", "decisions/1")


@pytest.fixture
def completed(owner, ten_days) -> Backtest:
    return ran(owner, a_follower(owner), signals=[a_signal(2, "buy"), a_signal(5, "sell")], fee_bps=10)


def test_backtests__posted__are_queued_run_and_read(owner, ten_days, client_of) -> None:
    # Given
    client = client_of(owner)
    body = {"bot": a_follower(owner), "signals": [a_signal(2, "buy"), a_signal(5, "sell")], "fee_bps": 10}
    # When
    answer = client.post(BACKTESTS, body)
    # Then
    assert answer.status_code == 202, answer.json()
    run = answer.json()["data"]
    assert (run["status"], run["progress"], run["symbols"]) == ("queued", 0.0, ["ACME"])
    # and once a worker was there
    services.run_chunked(backtest_id=Backtest.objects.get().id, worker="test")
    done = client.get(f"{BACKTESTS}/{run['id']}").json()["data"]
    assert (done["status"], done["progress"], done["metrics"]["final_equity"]) == ("completed", 1.0, "10037.94")
    assert len(done["snapshot"]) == len(done["engine_fingerprint"]) == len(done["data_fingerprint"]) == 64


def test_backtests__a_result__is_read_part_by_part(owner, completed, client_of) -> None:
    client = client_of(owner)
    read = {part: client.get(f"{BACKTESTS}/{completed.id}/{part}") for part in PARTS}
    assert {part: answer.status_code for part, answer in read.items()} == dict.fromkeys(PARTS, 200)
    data = {part: answer.json()["data"] for part, answer in read.items()}
    assert len(data["equity"]["at_ms"]) == len(data["equity"]["equity"]) == 10
    (trade,) = data["trades"]
    assert (trade["pnl"], trade["entry_price"], trade["qty"]) == ("37.94", "101", "10")  # money is text
    assert [fill["price"] for fill in data["fills"]] == ["101", "105"]
    assert len(data["candles?symbol=ACME"]["close"]) == 10
    assert read["orders"].json()["metadata"]["pagination"]["total"] == len(data["orders"])
    explained = data["decisions/1"]
    assert explained["bar"]["close"] == 100.0
    assert explained["decisions"][0]["signal"] == "buy"
    assert explained["snapshot"] == completed.snapshot_id
    capital = next(one for one in explained["values"]["ACME/LONG"] if one["parameter"] == "capital")
    assert (capital["value"], capital["actor_label"], capital["reason"]) == ("10000", "olga", "for a test")


@pytest.mark.parametrize("part", PARTS)
def test_backtests__a_result_before_it_is_there__answers_409(owner, ten_days, client_of, part) -> None:
    run = queued(owner, a_follower(owner), signals=[a_signal(2, "buy")])
    answer = client_of(owner).get(f"{BACKTESTS}/{run.id}/{part}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "BACKTEST_NOT_COMPLETED")


@pytest.mark.parametrize("part", ["", *(f"/{part}" for part in PARTS)])
def test_backtests__of_somebody_else__are_not_found(owner, stranger, root, completed, client_of, part) -> None:
    address = f"{BACKTESTS}/{completed.id}{part}"
    answer = client_of(stranger).get(address)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "BACKTEST_NOT_FOUND")
    assert client_of(root).get(address).status_code == 200


def test_backtests__cancelled__end_once(owner, ten_days, stranger, client_of) -> None:
    run = queued(owner, a_follower(owner), signals=[a_signal(2, "buy")])
    address = f"{BACKTESTS}/{run.id}/cancel"
    assert client_of(stranger).post(address).status_code == 404
    answer = client_of(owner).post(address)
    assert (answer.status_code, answer.json()["data"]["status"]) == (202, "cancelled")
    again = client_of(owner).post(address)
    assert (again.status_code, again.json()["error"]["code"]) == (409, "BACKTEST_FINISHED")


def test_backtests__listed__are_filtered_by_bot_and_status(owner, stranger, completed, client_of) -> None:
    # Given: a second bot with a run that waits
    other = queued(owner, a_follower(owner), signals=[a_signal(2, "buy")])
    client = client_of(owner)

    def listed(**filters):
        return [one["id"] for one in client.get(BACKTESTS, filters).json()["data"]]

    # Then
    assert set(listed()) == {str(completed.id), str(other.id)}
    assert listed(status="queued") == [str(other.id)]
    assert listed(bot=str(completed.bot_id)) == [str(completed.id)]
    assert client_of(stranger).get(BACKTESTS).json()["data"] == []
    refused = client.get(BACKTESTS, {"status": "lost", "bot": "mine"})
    assert refused.status_code == 422
    assert {one["pointer"] for one in refused.json()["error"]["details"]} == {"/status", "/bot"}


def test_backtests__a_longer_list__costs_no_more_queries(
    owner, completed, client_of, django_assert_num_queries
) -> None:
    client = client_of(owner)
    client.get(BACKTESTS)
    # session, user, role, count, runs
    with django_assert_num_queries(5):
        client.get(BACKTESTS)
    for _ in range(3):
        queued(owner, str(completed.bot_id), signals=[a_signal(2, "buy")])
    with django_assert_num_queries(5):
        assert len(client.get(BACKTESTS).json()["data"]) == 4


def test_backtests__a_decision_explained__costs_a_fixed_number_of_queries(
    owner, completed, client_of, django_assert_max_num_queries
) -> None:
    client = client_of(owner)
    client.get(f"{BACKTESTS}/{completed.id}/decisions/1")
    with django_assert_max_num_queries(10):
        client.get(f"{BACKTESTS}/{completed.id}/decisions/1")


@pytest.mark.parametrize(
    ("address", "pointer"),
    [
        ("trades?ordering=luck", "/ordering"),
        ("trades?symbol=NOPE", "/symbol"),
        ("decisions?reason=luck", "/reason"),
        ("equity?max_points=1", "/max_points"),
        ("candles", "/symbol"),
        ("candles?symbol=ACME&start_ms=now", "/start_ms"),
        ("fills?page=0", "/page"),
    ],
)
def test_backtests__asked_wrongly__answer_422_with_the_place(owner, completed, client_of, address, pointer) -> None:
    answer = client_of(owner).get(f"{BACKTESTS}/{completed.id}/{address}")
    assert answer.status_code == 422
    assert [one["pointer"] for one in answer.json()["error"]["details"]] == [pointer]


def test_backtests__a_row_without_a_decision__answers_404(owner, completed, client_of) -> None:
    answer = client_of(owner).get(f"{BACKTESTS}/{completed.id}/decisions/99999")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "DECISION_NOT_FOUND")


def test_backtests__written_by_a_viewer__answer_403(owner, ten_days, client_of) -> None:
    bot = a_follower(owner)
    viewer = with_role(owner, "viewer")
    assert client_of(viewer).post(BACKTESTS, {"bot": bot}).status_code == 403


def test_backtests__body_that_is_no_map__answers_422(owner, client_of) -> None:
    assert client_of(owner).post(BACKTESTS, ["bot"]).status_code == 422
