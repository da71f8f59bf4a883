"""Bots asked for what they cannot do: one coded answer with every fault, and not one row of ours changed."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from bots.models import Bot, BotStatus, OrderIntent
from bots.tests import rows
from bots.tests.builders import NOW, a_bot, a_position, an_equity
from tests.platform.test_bad_input import everything_stored, posted, refused

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner(db: None) -> User:
    return User.objects.create_superuser("olga")


@pytest.fixture
def client(owner: User) -> Client:
    client = Client()
    client.force_login(owner)
    return client


@pytest.fixture
def bot(owner: User) -> Bot:
    """A stopped bot in AAPL and IBM, of which there are no bars."""
    for symbol in ("AAPL", "IBM"):
        an_equity(symbol)
    return a_bot(owner)


def conflict(answer: Any) -> str:
    error = answer.json()["error"]
    assert answer.status_code == 409, answer.content
    assert len(error["message"]) > 10
    return str(error["code"])


def test_start__a_running_bot__is_a_conflict(client: Client, bot: Bot) -> None:
    Bot.objects.update(status=BotStatus.RUNNING, is_active=True)
    before = everything_stored()
    assert conflict(posted(client, f"bots/{bot.id}/start", {})) == "BOT_ALREADY_RUNNING"
    assert everything_stored() == before


def test_start__a_bot_without_datasets__names_each_symbol(client: Client, bot: Bot) -> None:
    before = everything_stored()
    assert {code for _, code in refused(posted(client, f"bots/{bot.id}/start", {}))} == {"no_dataset"}
    assert everything_stored() == before


def test_close__a_closed_position_or_one_whose_exit_works__is_a_conflict(client: Client, bot: Bot) -> None:
    run = rows.a_run(bot)
    sold, held = a_position(run, "IBM", closed_at=NOW), a_position(run, "AAPL")
    posted(client, f"positions/{held.id}/close", {})
    before = everything_stored()
    assert conflict(posted(client, f"positions/{sold.id}/close", {})) == "POSITION_ALREADY_CLOSED"
    assert conflict(posted(client, f"positions/{held.id}/close", {})) == "ORDER_WORKING"
    assert refused(posted(client, f"positions/{held.id}/close", {"pause_bot": 1, "qty": 3})) == {
        ("/pause_bot", "invalid_type"),
        ("/qty", "unknown_field"),
    }
    assert everything_stored() == before
    assert OrderIntent.objects.count() == 1


@pytest.mark.parametrize("address", ["trades", "positions", "decisions", "orders"])
def test_list__page_of_a_million_and_unknown_filters__are_told_together(address: str, client: Client, bot: Bot) -> None:
    before = everything_stored()
    answer = client.get(f"/api/v1/{address}", {"page_size": 10**6, "bot": "x", "colour": "red"})
    assert refused(answer) == {
        ("/page_size", "out_of_range"),
        ("/bot", "invalid_type"),
        ("/colour", "unknown_filter"),
    }
    allowed = {fault["pointer"]: fault["allowed"] for fault in answer.json()["error"]["details"]}
    assert allowed["/page_size"] == [1, 500]
    assert {"page", "page_size", "bot", "symbol"} <= set(allowed["/colour"])
    assert everything_stored() == before
