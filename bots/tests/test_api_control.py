"""Bots over HTTP: starting, stopping, pausing, resuming, and how they do."""

from datetime import UTC, datetime, timedelta

import pytest

from bots.models import Bot, BotStatus
from bots.tests import rows
from bots.tests.builders import NOW, a_bot, a_position, a_replay, a_trade

pytestmark = pytest.mark.django_db

BOTS = "/api/v1/bots"
ALIVE = (BotStatus.RUNNING, BotStatus.PAUSED)


def in_status(owner, status: str, **changes) -> Bot:
    bot = a_bot(owner, **changes)
    Bot.objects.filter(id=bot.id).update(status=status, is_active=status in ALIVE)
    return bot


@pytest.fixture
def datasets(instruments) -> None:
    """Bars of the bot's symbols."""
    for symbol in ("AAPL", "IBM"):
        rows.two_bars(symbol)


@pytest.mark.parametrize(
    ("status", "action", "then"),
    [
        ("stopped", "start", "running"),
        ("error", "start", "running"),
        ("paused", "start", "running"),
        ("running", "stop", "stopped"),
        ("paused", "stop", "stopped"),
        ("error", "stop", "stopped"),
        ("running", "pause", "paused"),
        ("paused", "resume", "running"),
    ],
)
def test_control__allowed_step__answers_the_bot_as_it_is_then(status, action, then, owner, datasets, client_of) -> None:
    bot = in_status(owner, status)
    answer = client_of(owner).post(f"{BOTS}/{bot.id}/{action}")
    assert answer.status_code == 200, answer.json()
    made = answer.json()["data"]
    assert (made["id"], made["status"], made["is_active"]) == (str(bot.id), then, then in ALIVE)
    assert client_of(owner).get(f"{BOTS}/{bot.id}").json()["data"]["status"] == then


@pytest.mark.parametrize(
    ("status", "action", "code"),
    [
        ("running", "start", "BOT_ALREADY_RUNNING"),
        ("stopped", "stop", "BOT_NOT_RUNNING"),
        ("stopped", "pause", "BOT_NOT_RUNNING"),
        ("paused", "pause", "BOT_NOT_RUNNING"),
        ("error", "pause", "BOT_NOT_RUNNING"),
        ("stopped", "resume", "BOT_NOT_PAUSED"),
        ("running", "resume", "BOT_NOT_PAUSED"),
        ("error", "resume", "BOT_NOT_PAUSED"),
    ],
)
def test_control__wrong_state__is_409_with_a_code(status, action, code, owner, datasets, client_of) -> None:
    bot = in_status(owner, status)
    answer = client_of(owner).post(f"{BOTS}/{bot.id}/{action}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, code)
    assert Bot.objects.get().status == status


@pytest.mark.parametrize("action", ["start", "stop", "pause", "resume"])
def test_control__of_somebody_elses_bot__is_404(action, owner, stranger, instruments, client_of) -> None:
    bot = a_bot(owner)
    answer = client_of(stranger).post(f"{BOTS}/{bot.id}/{action}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "BOT_NOT_FOUND")


def test_start__without_datasets__names_each_symbol(owner, instruments, client_of) -> None:
    bot = a_bot(owner)
    answer = client_of(owner).post(f"{BOTS}/{bot.id}/start")
    assert answer.status_code == 422
    assert [fault["code"] for fault in answer.json()["error"]["details"]] == ["no_dataset", "no_dataset"]


def test_figures__of_a_bot_that_never_ran__are_zeros(owner, instruments, client_of) -> None:
    shown = client_of(owner).get(f"{BOTS}/{a_bot(owner).id}").json()["data"]
    names = ("realized_gains", "trades_today", "win_rate", "today_pnl", "total_pnl", "equity", "run")
    assert [shown[name] for name in names] == ["0", 0, "0", "0", "0", None, None]


def test_figures__by_hand__are_told_for_each_bot(owner, instruments, client_of) -> None:
    # Given: the newest daily bar is that of 2000-03-01, in the second round
    newest = datetime(2000, 3, 1, tzinfo=UTC)
    a_replay("1d", newest, epoch=2)
    bot, other = a_bot(owner), a_bot(owner, name="Other")
    earlier = rows.a_run(bot, number=1, epoch=1, ended_at=NOW, equity=1)
    run = rows.a_run(bot, number=2, epoch=2, equity="10030.5", rows=12, recorded_ms=int(newest.timestamp()) * 1000)
    # 30 realised in a closed position, 5 of one that is open still; one of the first round on the same date
    sold = a_position(run, "IBM", closed_at=newest, realized_pnl=30)
    held = a_position(run, "AAPL", realized_pnl=5)
    a_trade(sold, at=newest - timedelta(days=1))
    a_trade(sold, "30", at=newest)
    a_trade(held, at=newest)
    a_trade(held, "-10", at=newest - timedelta(days=2))
    a_trade(held, "0", at=newest)
    a_trade(a_position(earlier, "GOOG", closed_at=NOW, realized_pnl=2), "2", at=newest)
    # When
    shown = {one["name"]: one for one in client_of(owner).get(BOTS).json()["data"]}
    # Then: 2 of 4 closed ones won; today three of this round, making 30 + 0; in all 30 - 10 + 0 + 2
    mine = shown[bot.name]
    assert (mine["realized_gains"], mine["win_rate"]) == ("32", "50")
    assert (mine["trades_today"], mine["today_pnl"], mine["total_pnl"]) == (3, "30", "22")
    assert mine["equity"] == "10030.5"
    assert mine["run"] == {"number": 2, "epoch": 2, "recorded_at": "2000-03-02T00:00:00Z", "rows": 12}
    assert (shown[other.name]["total_pnl"], shown[other.name]["run"]) == ("0", None)
