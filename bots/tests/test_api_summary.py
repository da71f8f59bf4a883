"""The dashboard's sums and the market the bots see, over HTTP."""

from datetime import UTC, datetime, timedelta

import pytest

from bots.models import Bot, BotStatus
from bots.tests import rows
from bots.tests.builders import a_bot, a_position, a_replay, a_trade
from marketdata.services import replay

pytestmark = pytest.mark.django_db

SUMMARY = "/api/v1/summary"
STATUS = "/api/v1/market-status"
DATA = "/api/v1/market-data"
JAN_3 = datetime(2024, 1, 3, tzinfo=UTC)


def in_status(owner, status: str, **changes) -> Bot:
    bot = a_bot(owner, name=status, **changes)
    is_active = status in (BotStatus.RUNNING, BotStatus.PAUSED)
    Bot.objects.filter(id=bot.id).update(status=status, is_active=is_active)
    return bot


def test_summary__of_a_hand_made_fixture__is_that_by_hand(owner, stranger, instruments, client_of) -> None:
    # Given: capital of 10 000 each but one with 20 000; the newest daily bar is that of 2024-01-03
    a_replay("1d", JAN_3)
    running = in_status(owner, "running", capital=20000)
    paused = in_status(owner, "paused")
    in_status(owner, "stopped")
    in_status(owner, "error")
    run, other = rows.a_run(running), rows.a_run(paused)
    long = a_position(run, "AAPL", quantity=5, current_price=104, unrealized_pnl=20)
    a_position(other, "IBM", quantity=2, current_price=50, unrealized_pnl=-3)
    sold = a_position(run, "GOOG", closed_at=JAN_3, quantity=0)
    a_trade(long, at=JAN_3)
    a_trade(sold, "300", at=JAN_3)
    a_trade(sold, "-50", at=JAN_3 - timedelta(days=1))
    a_trade(sold, "0", at=JAN_3 - timedelta(days=1))
    a_trade(a_position(rows.a_run(a_bot(stranger))), "999", at=JAN_3)
    # When
    answer = client_of(owner).get(SUMMARY).json()["data"]
    # Then: 250 of 50 000 is half a percent; 5 * 104 + 2 * 50; 1 of 3 closed won
    assert answer == {
        "total_pnl": "250",
        "pnl_percentage": "0.5",
        "today_pnl": "300",
        "capital": "50000",
        "total_bots": 4,
        "active_bots": 2,
        "running_bots": 1,
        "paused_bots": 1,
        "stopped_bots": 1,
        "error_bots": 1,
        "open_positions": 2,
        "positions_value": "620",
        "unrealized_pnl": "17",
        "total_trades_today": 2,
        "win_rate": "33.3",
    }


def test_summary__of_a_superuser__is_about_everybodys_bots(owner, stranger, root, instruments, client_of) -> None:
    a_trade(a_position(rows.a_run(a_bot(owner))), "1")
    a_trade(a_position(rows.a_run(a_bot(stranger))), "2")
    assert client_of(root).get(SUMMARY).json()["data"]["total_pnl"] == "3"
    assert client_of(owner).get(SUMMARY).json()["data"]["total_pnl"] == "1"


def test_summary__of_nothing__is_zeros(owner, client_of) -> None:
    answer = client_of(owner).get(SUMMARY).json()["data"]
    assert set(answer.values()) == {0, "0"}


def test_summary__of_many_bots__costs_as_many_queries_as_of_one(
    owner, instruments, client_of, django_assert_num_queries
) -> None:
    client = client_of(owner)
    a_trade(a_position(rows.a_run(a_bot(owner))), "1")
    client.get(SUMMARY)
    # session, user; clocks, trades, positions, bots; the configuration's head
    with django_assert_num_queries(8):
        client.get(SUMMARY)
    for number in range(5):
        a_trade(a_position(rows.a_run(a_bot(owner, name=f"Bot {number}"))), "1")
    client.get(SUMMARY)
    with django_assert_num_queries(8):
        assert client.get(SUMMARY).json()["data"]["total_bots"] == 6


def test_market_status__bars_flowing_in_one_replay__is_open(owner, client_of) -> None:
    # Given
    a_replay("1d", JAN_3)
    client = client_of(owner)
    assert client.get(STATUS).json()["data"]["is_open"] is False
    # When
    replay.tell_open("1d", is_open=True)
    # Then
    answer = client.get(STATUS).json()["data"]
    assert answer["is_open"] is True
    assert (answer["next_open"], answer["next_close"], answer["time_until_close"]) == (None, None, None)
    assert "replayed" in answer["note"]
    clock = answer["clocks"][0]
    assert (clock["timeframe"], clock["epoch"], clock["event_time"]) == ("1d", 1, "2024-01-04T00:00:00Z")


def test_market_status__nothing_replayed__is_closed(owner, client_of) -> None:
    answer = client_of(owner).get(STATUS).json()["data"]
    assert (answer["is_open"], answer["clocks"]) == (False, [])


def test_market_data__newest_published_bar__is_the_quote(owner, instruments, client_of) -> None:
    # Given: closes of 100 and 101 on 2024-01-02 and 03, both published
    rows.two_bars("AAPL")
    a_replay("1d", JAN_3)
    answer = client_of(owner).get(f"{DATA}/aapl").json()["data"]
    note = answer.pop("note")
    assert "no order book" in note
    assert answer == {
        "symbol": "AAPL",
        "timeframe": "1d",
        "at": "2024-01-04T00:00:00Z",
        "price": "101",
        "bid": None,
        "ask": None,
        "change": "1",
        "change_percent": "1",
        "volume": "1000",
    }


def test_market_data__first_bar__has_no_change_and_hides_what_is_to_come(owner, instruments, client_of) -> None:
    rows.two_bars("AAPL")
    a_replay("1d", JAN_3 - timedelta(days=1))
    answer = client_of(owner).get(f"{DATA}/AAPL", {"timeframe": "1d"}).json()["data"]
    assert (answer["price"], answer["change"], answer["change_percent"]) == ("100", None, None)


@pytest.mark.parametrize("asked", [{}, {"timeframe": "1h"}])
def test_market_data__nothing_published__is_503(asked, owner, instruments, client_of) -> None:
    rows.two_bars("AAPL")
    if asked:
        a_replay("1d", JAN_3)
    answer = client_of(owner).get(f"{DATA}/AAPL", asked)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "DATA_ERROR")


def test_market_data__published_without_bars_of_the_symbol__is_503(owner, instruments, client_of) -> None:
    a_replay("1d", JAN_3)
    assert client_of(owner).get(f"{DATA}/AAPL").status_code == 503


def test_market_data__unknown_symbol_or_timeframe__is_coded(owner, instruments, client_of) -> None:
    client = client_of(owner)
    answer = client.get(f"{DATA}/NOPE")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "SYMBOL_NOT_FOUND")
    answer = client.get(f"{DATA}/AAPL", {"timeframe": "7m", "at": "now"})
    assert {(one["pointer"], one["code"]) for one in answer.json()["error"]["details"]} == {
        ("/timeframe", "not_a_choice"),
        ("/at", "unknown_filter"),
    }
