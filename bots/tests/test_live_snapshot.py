"""GET /api/v1/live and /api/v1/live/bots/<id>: what a page starts from, at one instant, in the words of events."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from bots import payloads, selectors
from bots.models import Bot, BrokerOrder, Cycle, CycleState, Decision, EngineRun, IntentState, Position, Trade
from bots.selectors import live, positions
from bots.services import events
from bots.tests import builders, rows
from bots.tests.builders import NOW

LIVE = "/api/v1/live"


@pytest.fixture
def bot(instruments: None, owner: User) -> Bot:
    return builders.a_bot(owner)


def a_decision(run: EngineRun, number: int, *, reason: int = 0) -> Decision:
    cycle = Cycle.objects.create(
        bot=run.bot, run=run, number=number, epoch=1, due_at=NOW + timedelta(days=number), lease_token=1,
        state=CycleState.DONE, snapshot_id=run.snapshot_id,
    )  # fmt: skip
    return Decision.objects.create(
        bot=run.bot, run=run, cycle=cycle, snapshot_id=run.snapshot_id, number=number, row=number, open_ms=number,
        at=NOW, symbol="AAPL", signal=1, target=1, strategy=0, fills=0, orders=1, reason=reason, confidence=0.5,
        votes=2, price=Decimal("100.25"), equity=Decimal(10000), long_qty=0, short_qty=0,
    )  # fmt: skip


def a_trade(run: EngineRun, position: Position, *, gain: str | None = None) -> Trade:
    intent = rows.an_intent(run, IntentState.FILLED, position.symbol)
    BrokerOrder.objects.create(intent=intent, account=run.account, status="filled", qty=5, filled_qty=5)
    return Trade.objects.create(
        bot=run.bot, run=run, position=position, intent=intent, symbol=position.symbol, type="buy", side="long",
        quantity=5, price=Decimal("100.5"), timestamp=NOW, status="filled", reason="signal",
        profit_loss=None if gain is None else Decimal(gain),
    )  # fmt: skip


def a_bot_that_traded(owner: User, name: str = "Two voters") -> Bot:
    bot = builders.a_bot(owner, name=name)
    run = rows.a_run(bot, equity=Decimal("10012.50"), cash=Decimal(9500), open_positions=1, rows=3)
    a_trade(run, rows.a_position(run))
    for number in (1, 2, 3):
        a_decision(run, number, reason=21)
    return bot


def data_of(client: APIClient, address: str) -> Any:
    answer = client.get(address)
    assert answer.status_code == 200, answer.content
    return answer.json()["data"]


def test_overview__of_an_owner__tells_rows_in_the_words_of_events(
    instruments: None, owner: User, client_of: Callable[[User], APIClient]
) -> None:
    bot = a_bot_that_traded(owner)
    events.emit(bot.id, owner.pk, [("cycle", {}), ("cycle", {})])
    # When
    found = data_of(client_of(owner), LIVE)
    # Then
    assert found["versions"] == {str(bot.id): 2}
    shown = found["bots"][0]
    assert {name: shown[name] for name in ("id", "status", "equity", "cash", "capital", "run", "epoch", "rows")} == {
        "id": str(bot.id), "status": "stopped", "equity": "10012.5", "cash": "9500", "capital": "10000", "run": 1,
        "epoch": 1, "rows": 3,
    }  # fmt: skip
    newest = [payloads.decision_payload(one) for one in Decision.objects.order_by("-id")]
    assert found["decisions"] == newest
    assert shown["last_decision"] == newest[0]
    assert found["positions"] == [payloads.position_payload(one) for one in positions.matching()]
    assert found["trades"] == [payloads.trade_payload(Trade.objects.get())]
    assert found["totals"]["equity"] == "10012.5"
    assert found["totals"]["bots"] == {"running": 0, "paused": 0, "stopped": 1, "error": 0}


def test_one_bot__that_traded__tells_its_orders_too(
    instruments: None, owner: User, client_of: Callable[[User], APIClient]
) -> None:
    bot = a_bot_that_traded(owner)
    EngineRun.objects.update(datasets=[{"symbol": "AAPL", "id": "abc", "calendar": "XNYS"}])
    found = data_of(client_of(owner), f"{LIVE}/bots/{bot.id}")
    assert [one["id"] for one in found["bots"]] == [str(bot.id)]
    assert found["versions"] == {str(bot.id): 0}
    assert [(one["state"], one["filled_qty"]) for one in found["orders"]] == [("filled", "5")]
    assert [one["id"] for one in found["decisions"]] == list(
        Decision.objects.order_by("-id").values_list("id", flat=True)
    )
    assert found["feeds"] == [{"symbol": "AAPL", "dataset": "abc", "now_ms": None}]


def test_one_bot__that_never_ran__is_empty_but_there(bot: Bot, client_of: Any, owner: User) -> None:
    found = data_of(client_of(owner), f"{LIVE}/bots/{bot.id}")
    shown = found["bots"][0]
    assert (shown["run"], shown["equity"], shown["rows"], shown["capital"]) == (None, None, 0, "10000")
    assert [found[name] for name in ("positions", "decisions", "orders", "trades", "feeds")] == [[], [], [], [], []]


def test_recorded_at__of_a_run__is_the_close_of_its_newest_bar(bot: Bot, client_of: Any, owner: User) -> None:
    # A daily bar that opens on 2 January 2024 closes a day later, which is what cycles tell.
    rows.a_run(bot, recorded_ms=int(datetime(2024, 1, 2, tzinfo=UTC).timestamp() * 1000))
    assert data_of(client_of(owner), LIVE)["bots"][0]["recorded_at"] == "2024-01-03T00:00:00Z"


def test_trades__of_an_older_run__are_not_the_newest(bot: Bot, client_of: Any, owner: User) -> None:
    first = rows.a_run(bot, ended_at=NOW)
    a_trade(first, rows.a_position(first))
    rows.a_run(bot, number=2, epoch=2)
    assert data_of(client_of(owner), LIVE)["trades"] == []


def test_snapshot__of_another_owner__shows_nothing_of_the_bot(
    instruments: None, owner: User, stranger: User, root: User, client_of: Any
) -> None:
    bot = a_bot_that_traded(owner)
    theirs = client_of(stranger)
    found = data_of(theirs, LIVE)
    assert [found[name] for name in ("bots", "positions", "decisions", "trades")] == [[], [], [], []]
    assert found["versions"] == {}
    assert found["totals"]["equity"] == "0"
    assert str(bot.id) not in theirs.get(LIVE).content.decode()
    refused = theirs.get(f"{LIVE}/bots/{bot.id}")
    assert (refused.status_code, refused.json()["error"]["code"]) == (404, "BOT_NOT_FOUND")
    # A superuser sees everybody's.
    assert list(data_of(client_of(root), LIVE)["versions"]) == [str(bot.id)]


def test_snapshot__nobody_logged_in__is_refused(db: None, bot: Bot) -> None:
    assert APIClient().get(LIVE).status_code in (401, 403)
    assert APIClient().get(f"{LIVE}/bots/{bot.id}").status_code in (401, 403)


def test_overview__of_30_bots__asks_as_many_queries_as_of_one(instruments: None, owner: User, client_of: Any) -> None:
    client = client_of(owner)
    a_bot_that_traded(owner)
    client.get(LIVE)
    with CaptureQueriesContext(connection) as of_one:
        assert len(data_of(client, LIVE)["bots"]) == 1
    for number in range(29):
        a_bot_that_traded(owner, f"Bot {number}")
    client.get(LIVE)  # the configuration has changed: it is read once more
    with CaptureQueriesContext(connection) as of_thirty:
        found = data_of(client, LIVE)
    assert (len(found["bots"]), len(found["positions"])) == (30, 30)
    # Twenty of ninety decisions, and of each bot its newest besides
    assert len(found["decisions"]) == live.NEWEST_OF_ALL
    assert all(one["last_decision"] for one in found["bots"])
    assert len(of_thirty) == len(of_one), [one["sql"][:90] for one in of_thirty]


@pytest.mark.django_db(transaction=True)
def test_overview__event_committed_while_it_is_read__is_in_all_of_it_or_in_none(
    instruments: None, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    bot = a_bot_that_traded(owner)
    real = positions.matching

    def write() -> None:
        Position.objects.update(quantity=7)
        events.emit(bot.id, owner.pk, [("position_updated", {})])
        connection.close()

    def late(**wanted: Any) -> Any:
        # After the bot was read, before its positions are: another connection commits both.
        if not writer.ident:
            writer.start()
            writer.join()
        return real(**wanted)

    writer = threading.Thread(target=write)
    monkeypatch.setattr(live.positions, "matching", late)
    before = live.overview(owner.pk, now=NOW)
    monkeypatch.undo()
    after = live.overview(owner.pk, now=NOW)
    told = [(one.bots[0].bot.event_version, one.positions[0].quantity) for one in (before, after)]
    assert told == [(0, 5), (1, 7)]


@pytest.mark.django_db(transaction=True)
def test_overview__read__leaves_the_connection_as_it_was(bot: Bot, owner: User) -> None:
    live.overview(owner.pk, now=NOW)
    with connection.cursor() as cursor:
        cursor.execute("SHOW transaction_isolation")
        assert cursor.fetchone() == ("read committed",)
    assert selectors.bot(bot.id)
    events.emit(bot.id, owner.pk, [("cycle", {})])  # and it may write again
