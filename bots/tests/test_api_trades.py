"""Trades over HTTP: five periods, filters, six sorts both ways, pages, and who sees them."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from bots.tests import rows
from bots.tests.builders import NOW, a_bot, a_position, a_replay, a_trade

pytestmark = pytest.mark.django_db

TRADES = "/api/v1/trades"


@pytest.fixture
def position(owner, instruments):
    return a_position(rows.a_run(a_bot(owner)))


def ids(answer) -> list[str]:
    assert answer.status_code == 200, answer.json()
    return [one["id"] for one in answer.json()["data"]]


def faults(answer) -> set[tuple[str, str]]:
    assert answer.status_code == 422, answer.json()
    return {(fault["pointer"], fault["code"]) for fault in answer.json()["error"]["details"]}


def test_trade__listed__has_the_fields_documented(owner, position, client_of) -> None:
    entry, exit_ = a_trade(position), a_trade(position, "50", price=110, at=NOW + timedelta(days=1))
    shown = client_of(owner).get(TRADES).json()["data"]
    assert [one["id"] for one in shown] == [str(exit_.id), str(entry.id)]
    assert shown[0] == {
        "id": str(exit_.id),
        "bot_id": str(position.bot_id),
        "position_id": str(position.id),
        "symbol": "AAPL",
        "type": "sell",
        "side": "long",
        "quantity": "5",
        "price": "110",
        "timestamp": "2026-01-06T12:00:00Z",
        "profit_loss": "50",
        # 5 sold at 110 for 550, of which 50 are won: the entry cost 500
        "profit_loss_pct": "10",
        "status": "filled",
        "order_id": str(exit_.intent.broker_order.broker_order_id),
        "client_order_id": exit_.intent.client_order_id,
        "commission": "0",
        "slippage": "0",
        "reason": "signal",
        "indicators_snapshot": {},
    }
    assert (shown[1]["type"], shown[1]["profit_loss"], shown[1]["profit_loss_pct"]) == ("buy", None, None)
    assert client_of(owner).get(f"{TRADES}/{exit_.id}").json()["data"] == shown[0]


@pytest.mark.parametrize("name", ["date_range", "dateRange"])
def test_periods__nothing_replayed__count_back_from_now(name, owner, position, client_of) -> None:
    # Given: one just now, and one some seconds inside and outside of each period
    now = timezone.now()
    ages = [timedelta(0), timedelta(days=6, hours=23), timedelta(days=8), timedelta(days=29), timedelta(days=31)]
    made = [str(a_trade(position, at=now - age).id) for age in ages]
    client = client_of(owner)
    # Then
    assert ids(client.get(TRADES, {name: "today"})) == made[:1]
    assert ids(client.get(TRADES, {name: "week"})) == made[:2]
    assert ids(client.get(TRADES, {name: "month"})) == made[:4]
    assert ids(client.get(TRADES, {name: "all"})) == ids(client.get(TRADES)) == made


def test_periods__of_a_replayed_bot__count_back_from_event_time(owner, instruments, client_of) -> None:
    # Given: the replay of daily bars has published that of 2000-03-01 in its second round
    newest = datetime(2000, 3, 1, tzinfo=UTC)
    a_replay("1d", newest, epoch=2)
    bot = a_bot(owner)
    earlier = rows.a_run(bot, number=1, epoch=1, ended_at=NOW)
    here = a_position(rows.a_run(bot, number=2, epoch=2))
    # one in the first round on the same date, then by age in days, on bars stamped with midnight
    a_trade(a_position(earlier, closed_at=NOW), at=newest)
    made = [str(a_trade(here, at=newest - timedelta(days=age)).id) for age in (0, 1, 6, 29, 40)]
    # a bot of another timeframe lives by the wall's clock
    other = a_position(rows.a_run(a_bot(owner, name="Minutes", timeframe="1m")))
    fresh = str(a_trade(other, at=timezone.now()).id)
    client = client_of(owner)
    # Then
    assert ids(client.get(TRADES, {"date_range": "today"})) == [fresh, *made[:1]]
    assert ids(client.get(TRADES, {"date_range": "week"})) == [fresh, *made[:3]]
    assert ids(client.get(TRADES, {"date_range": "month"})) == [fresh, *made[:4]]
    assert len(ids(client.get(TRADES))) == 7


def test_custom_period__both_days__are_inclusive(owner, position, client_of) -> None:
    first = a_trade(position, at=datetime(2026, 1, 5, 0, 0, tzinfo=UTC))
    last = a_trade(position, at=datetime(2026, 1, 7, 23, 59, 59, tzinfo=UTC))
    a_trade(position, at=datetime(2026, 1, 4, 23, 59, 59, tzinfo=UTC))
    a_trade(position, at=datetime(2026, 1, 8, tzinfo=UTC))
    for start, end in (("custom_start_date", "custom_end_date"), ("customStartDate", "customEndDate")):
        asked = {"dateRange": "custom", start: "2026-01-05", end: "2026-01-07"}
        assert ids(client_of(owner).get(TRADES, asked)) == [str(last.id), str(first.id)]


def test_filters__bot_symbol_and_type__narrow_the_list(owner, position, instruments, client_of) -> None:
    other = a_position(rows.a_run(a_bot(owner, name="Other")), "IBM")
    bought, sold, elsewhere = a_trade(position), a_trade(position, "1"), a_trade(other, "2")
    client = client_of(owner)
    for name in ("bot", "bot_id", "botId"):
        assert ids(client.get(TRADES, {name: other.bot_id})) == [str(elsewhere.id)]
    assert ids(client.get(TRADES, {"symbol": "ibm"})) == [str(elsewhere.id)]
    assert ids(client.get(TRADES, {"type": "buy"})) == [str(bought.id)]
    assert set(ids(client.get(TRADES, {"type": "sell"}))) == {str(sold.id), str(elsewhere.id)}
    assert ids(client.get(TRADES, {"type": "sell", "symbol": "AAPL"})) == [str(sold.id)]
    assert len(ids(client.get(TRADES, {"type": "all", "symbol": ""}))) == 3
    assert client.get(f"{TRADES}/stats", {"symbol": "IBM"}).json()["data"]["total_pnl"] == "2"


@pytest.mark.parametrize("field", ["timestamp", "symbol", "type", "quantity", "price", "profit_loss"])
@pytest.mark.parametrize("names", [("sort_field", "sort_direction"), ("sortField", "sortDirection")])
def test_sorts__each_field__goes_both_ways(field, names, owner, instruments, client_of) -> None:
    # Given: one that is smaller than the other in every column
    run = rows.a_run(a_bot(owner))
    small = a_trade(a_position(run, "AAPL"), "-1", quantity=1, price=10, type="buy", at=NOW - timedelta(days=1))
    large = a_trade(a_position(run, "IBM"), "1", quantity=2, price=20, type="sell", at=NOW)
    rising = [str(small.id), str(large.id)]
    client = client_of(owner)
    # Then
    assert ids(client.get(TRADES, {names[0]: field, names[1]: "asc"})) == rising
    assert ids(client.get(TRADES, {names[0]: field, names[1]: "desc"})) == rising[::-1]
    assert ids(client.get(TRADES, {names[0]: field})) == rising[::-1]


@pytest.mark.parametrize("direction", ["asc", "desc"])
def test_sort__by_profit__puts_entries_last_either_way(direction, owner, position, client_of) -> None:
    entry, loss = a_trade(position), a_trade(position, "-5")
    asked = {"sort_field": "profit_loss", "sort_direction": direction}
    assert ids(client_of(owner).get(TRADES, asked)) == [str(loss.id), str(entry.id)]


def test_pages__of_five_trades_by_two__are_three(owner, position, client_of) -> None:
    made = [str(a_trade(position, at=NOW - timedelta(days=age)).id) for age in range(5)]
    client = client_of(owner)
    answer = client.get(TRADES, {"page": 3, "pageSize": 2})
    assert ids(answer) == made[4:]
    assert answer.json()["metadata"]["pagination"] == {
        "page": 3,
        "page_size": 2,
        "total": 5,
        "pages": 3,
        "has_next": False,
        "has_previous": True,
    }
    assert ids(client.get(TRADES, {"page": 9, "page_size": 2})) == []


def test_pages__of_no_trades__are_one(owner, client_of) -> None:
    pagination = client_of(owner).get(TRADES).json()["metadata"]["pagination"]
    assert (pagination["total"], pagination["pages"]) == (0, 1)


def test_query__wrong_in_every_name__tells_all_faults_with_what_is_allowed(owner, client_of) -> None:
    asked = {
        "date_range": "fortnight",
        "bot": "seven",
        "type": "hold",
        "sort_field": "colour",
        "sort_direction": "sideways",
        "page_size": 1_000_000,
        "page": 0,
        "colour": "red",
        "custom_start_date": "soon",
    }
    answer = client_of(owner).get(TRADES, asked)
    assert faults(answer) == {
        ("/date_range", "not_a_choice"),
        ("/bot", "invalid_type"),
        ("/type", "not_a_choice"),
        ("/sort_field", "not_a_choice"),
        ("/sort_direction", "not_a_choice"),
        ("/page_size", "out_of_range"),
        ("/page", "out_of_range"),
        ("/colour", "unknown_filter"),
        ("/custom_start_date", "invalid_date"),
        ("/custom_start_date", "not_custom"),
    }
    allowed = {fault["pointer"]: fault["allowed"] for fault in answer.json()["error"]["details"]}
    assert allowed["/type"] == ["all", "buy", "sell"]
    assert allowed["/page_size"] == [1, 500]
    assert "sort_field" in allowed["/colour"]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"date_range": "custom"}, {("/custom_start_date", "required"), ("/custom_end_date", "required")}),
        (
            {"date_range": "custom", "custom_start_date": "2026-01-08", "custom_end_date": "2026-01-07"},
            {("/custom_end_date", "end_before_start")},
        ),
        ({"date_range": "week", "customEndDate": "2026-01-07"}, {("/custom_end_date", "not_custom")}),
        ({"bot": "x", "botId": "y"}, {("/bot", "given_twice"), ("/bot", "invalid_type")}),
    ],
)
def test_query__that_contradicts_itself__is_refused_for_list_and_statistics(asked, found, owner, client_of) -> None:
    client = client_of(owner)
    assert faults(client.get(TRADES, asked)) == faults(client.get(f"{TRADES}/stats", asked)) == found


def test_trades__of_somebody_else__are_not_found(owner, stranger, root, position, client_of) -> None:
    trade = a_trade(position, "7")
    client = client_of(stranger)
    assert ids(client.get(TRADES)) == ids(client.get(TRADES, {"bot": position.bot_id})) == []
    assert client.get(f"{TRADES}/stats").json()["data"]["total_trades"] == 0
    answer = client.get(f"{TRADES}/{trade.id}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "TRADE_NOT_FOUND")
    assert ids(client_of(root).get(TRADES)) == [str(trade.id)]


def test_trades__fifty_instead_of_one__cost_no_more_queries(
    owner, position, client_of, django_assert_num_queries
) -> None:
    client = client_of(owner)
    a_trade(position, "1")
    # session, user, role, count, trades with their orders
    with django_assert_num_queries(5):
        client.get(TRADES)
    for _ in range(49):
        a_trade(position, "1")
    with django_assert_num_queries(5):
        assert len(client.get(TRADES).json()["data"]) == 50
