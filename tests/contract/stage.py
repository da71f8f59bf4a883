"""A platform with something in it: two people's bots and all they did, so that calls go further than "not found"."""

from typing import Any

from django.contrib.auth.models import User

from backtests.tests import builders as backtests
from bots.tests import builders, rows
from configuration import services
from configuration.scopes import GLOBAL, side_scope
from configuration.services import Actor
from tests.people import a_person
from tradingsite.access import services as access

OWNER = Actor(kind="user", id="1", label="olga")
Samples = dict[str, list[Any]]


def seeded(caller: User) -> tuple[Samples, Samples]:
    """Values for what stands in paths: those anybody may know (the caller's own among them), and a stranger's."""
    for symbol in ("AAPL", "IBM"):
        builders.an_equity(symbol)
    backtests.an_equity("ACME")
    dataset = backtests.a_dataset("ACME", [*backtests.TEN_DAYS])
    for scope in (GLOBAL, side_scope("AAPL", "LONG")):
        services.change(
            operations=[services.SetValue(scope, "trading", "leverage", 5)],
            actor=OWNER, source="cli", reason="to have some", now=builders.NOW,
        )  # fmt: skip
    own, foreign = _belongings(caller), _belongings(a_person("stranger", role="owner"))
    instruments: Samples = {
        "symbol": ["AAPL", "ACME", "BTCUSDT"],
        "side": ["LONG", "SHORT", "long"],
        "namespace": ["weather", "engine", "indicator_voting", "trading"],
        "strategy_id": ["indicator_voting", "btc_dominance"],
        "version": [1, 2],
        "row": [0, 1],
        "dataset_id": [str(dataset)],
    }
    return {**instruments, **own}, foreign


def _belongings(owner: User) -> Samples:
    """One of everything that is somebody's."""
    bot = builders.a_bot(owner)
    run = rows.a_run(bot)
    position = builders.a_position(run)
    trade = builders.a_trade(position)
    follower = builders.a_bot(
        owner,
        name="Follower",
        strategy="external",
        symbols=["ACME"],
        indicators=None,
        risk_management={"stop_loss": 50, "take_profit": 100, "max_position_size": 10},
    )
    signals = [backtests.a_signal(3, "buy"), backtests.a_signal(6, "sell")]
    backtest = backtests.ran(owner, str(follower.id), signals=signals)
    token = access.make_token(owner=owner, name="spare", scopes=["read"], days=1, now=builders.NOW)
    return {
        "bot_id": [str(bot.id)],
        "position_id": [str(position.id)],
        "trade_id": [str(trade.id)],
        "order_id": [trade.intent_id],
        "decision_id": [builders.a_decision(run).id],
        "hash": [run.snapshot_id],
        "idle": [str(builders.a_bot(owner, name="Idle").id)],
        "follower": [str(follower.id)],
        "backtest_id": [str(backtest.id)],
        "token_id": [str(token.row.id)],
    }
