"""Statistics of trades: figures by hand, and what has no answer by division."""

from datetime import UTC, date, datetime
from decimal import Decimal as D

import pytest

from bots import statistics
from bots.selectors import trades
from bots.selectors.trades import Wanted
from bots.statistics import Day
from bots.tests import rows
from bots.tests.builders import NOW, a_bot, a_position, a_trade


@pytest.mark.parametrize(
    ("winning", "closed", "wanted"),
    [(0, 0, "0"), (0, 3, "0.0"), (1, 1, "100.0"), (2, 3, "66.7"), (1, 3, "33.3"), (1, 8, "12.5"), (1, 16, "6.3")],
)
def test_win_rate__of_closed_trades__is_percent_to_one_place(winning: int, closed: int, wanted: str) -> None:
    # 1/16 is 6.25, and a half is rounded up
    assert str(statistics.win_rate(winning=winning, closed=closed)) == wanted


@pytest.mark.parametrize(
    ("gains", "losses", "wanted"),
    [
        ("100", "-50", "2.00"),
        ("100", "-300", "0.33"),
        ("100", "0", "999.99"),
        ("0", "0", "0"),
        ("0", "-50", "0.00"),
    ],
)
def test_profit_factor__without_losses_or_without_either__is_999_99_or_0(gains: str, losses: str, wanted: str) -> None:
    assert str(statistics.profit_factor(gains=D(gains), losses=D(losses))) == wanted


@pytest.mark.parametrize(
    ("profit_loss", "price", "side", "wanted"),
    [
        (None, "110", "long", None),
        # 5 bought at 100 cost 500; sold at 110 they make 50, which is 10 %
        ("50", "110", "long", "10.0000"),
        # sold at 90: 50 of 500 lost
        ("-50", "90", "long", "-10.0000"),
        # 5 sold short at 100 got 500; bought back at 90 they make 50 of those 500
        ("50", "90", "short", "10.0000"),
        ("0", "100", "long", "0.0000"),
        # a trade that gives more than it got has no cost to measure against
        ("600", "110", "long", None),
    ],
)
def test_profit_loss_pct__of_what_the_entry_cost__long_and_short(
    profit_loss: str | None, price: str, side: str, wanted: str | None
) -> None:
    made = statistics.profit_loss_pct(
        profit_loss=None if profit_loss is None else D(profit_loss), price=D(price), quantity=D(5), side=side
    )
    assert (None if made is None else str(made)) == wanted


def test_cumulated__days__carry_the_running_total() -> None:
    days = [(date(2026, 1, 5), D(10)), (date(2026, 1, 7), D(-4))]
    assert statistics.cumulated(days) == [Day(date(2026, 1, 5), D(10), D(10)), Day(date(2026, 1, 7), D(-4), D(6))]


def test_percent_and_mean__of_nothing__are_zero() -> None:
    assert (statistics.percent(D(5), D(0)), statistics.mean(D(0), 0)) == (D(0), D(0))
    assert str(statistics.percent(D(1), D(3))) == "33.33"


@pytest.mark.django_db
def test_statistics__of_a_hand_made_set__are_those_by_hand(owner, instruments, client_of) -> None:
    # Given: two bots; wins of 30 and 60, a loss of 45, a zero, and four entries
    first, second = a_bot(owner, name="First"), a_bot(owner, name="Second")
    one, two = a_position(rows.a_run(first), "AAPL"), a_position(rows.a_run(second), "IBM")
    for position, profit_loss, day in (
        (one, "30", 5), (one, "-45", 5), (one, "0", 6), (two, "60", 7),
    ):  # fmt: skip
        a_trade(position, at=datetime(2026, 1, day, 10, tzinfo=UTC))
        a_trade(position, profit_loss, at=datetime(2026, 1, day, 23, 59, tzinfo=UTC))
    # When
    answer = client_of(owner).get("/api/v1/trades/stats").json()["data"]
    # Then: 45 in 4 closed; 90 won in 2, 45 lost in 1; each loss counts against, the zero in the denominator only
    assert answer == {
        "total_trades": 8,
        "closed_trades": 4,
        "winning_trades": 2,
        "losing_trades": 1,
        "win_rate": "50",
        "total_pnl": "45",
        "avg_pnl": "11.25",
        "best_trade": "60",
        "worst_trade": "-45",
        "avg_win": "45",
        "avg_loss": "45",
        "profit_factor": "2",
        "pnl_by_date": [
            {"date": "2026-01-05", "pnl": "-15", "cumulative_pnl": "-15"},
            {"date": "2026-01-06", "pnl": "0", "cumulative_pnl": "-15"},
            {"date": "2026-01-07", "pnl": "60", "cumulative_pnl": "45"},
        ],
        # AAPL: 1 of 3 won; IBM: 1 of 1
        "pnl_by_symbol": [
            {"symbol": "AAPL", "pnl": "-15", "trades": 6, "win_rate": "33.3"},
            {"symbol": "IBM", "pnl": "60", "trades": 2, "win_rate": "100"},
        ],
        "pnl_by_bot": [
            {"bot_id": str(first.id), "bot_name": "First", "pnl": "-15", "trades": 6, "win_rate": "33.3"},
            {"bot_id": str(second.id), "bot_name": "Second", "pnl": "60", "trades": 2, "win_rate": "100"},
        ],
    }


@pytest.mark.django_db
def test_statistics__of_no_trades__are_zeros_and_nothing_best(owner, client_of) -> None:
    answer = client_of(owner).get("/api/v1/trades/stats").json()["data"]
    assert (answer["total_trades"], answer["win_rate"], answer["profit_factor"], answer["avg_pnl"]) == (
        0,
        "0",
        "0",
        "0",
    )
    assert (answer["best_trade"], answer["worst_trade"], answer["pnl_by_date"]) == (None, None, [])


@pytest.mark.django_db
def test_statistics__of_many_trades__cost_as_many_queries_as_of_one(
    owner, instruments, django_assert_num_queries
) -> None:
    position = a_position(rows.a_run(a_bot(owner)))
    wanted = Wanted(owner_id=owner.pk)
    a_trade(position, "1")
    with django_assert_num_queries(4):
        trades.statistics(wanted, now=NOW)
    for _ in range(49):
        a_trade(position, "1")
    with django_assert_num_queries(4):
        assert trades.statistics(wanted, now=NOW).total.pnl == 50
