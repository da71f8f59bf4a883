"""The demo bots."""

import pytest
from django.core.management import CommandError, call_command

from bots.models import Bot, BotStatus
from bots.services import definition, demo, leases, lifecycle
from bots.tests import rows
from bots.tests.builders import ACTOR, NOW

pytestmark = pytest.mark.django_db


@pytest.fixture
def sample_bars(instruments, settings, tmp_path) -> None:
    settings.DATA_DIR = tmp_path
    for symbol in demo.SYMBOLS:
        rows.two_bars(symbol)


def test_demo_bots__made_twice__are_there_once(root, instruments, capsys) -> None:
    call_command("create_demo_bots")
    call_command("create_demo_bots")
    assert Bot.objects.count() == 2
    assert {bot.owner for bot in Bot.objects.all()} == {root}
    assert "none, they are there already" in capsys.readouterr().out


def test_demo_bots__first_start__trade_at_once(root, sample_bars) -> None:
    call_command("create_demo_bots")
    assert set(Bot.objects.values_list("status", "is_active")) == {(BotStatus.RUNNING, True)}
    assert len(leases.dispatch()) == 2


def test_demo_bots__stopped_by_somebody__stay_stopped_at_later_starts(root, sample_bars) -> None:
    call_command("create_demo_bots")
    for bot in Bot.objects.all():
        lifecycle.stop(bot.id, actor=ACTOR, now=NOW)
    call_command("create_demo_bots")
    assert set(Bot.objects.values_list("status", flat=True)) == {BotStatus.STOPPED}


def test_demo_bots__symbols_known_but_without_bars__are_made_and_wait(root, instruments) -> None:
    call_command("create_demo_bots")
    assert set(Bot.objects.values_list("status", flat=True)) == {BotStatus.STOPPED}


def test_demo_bots__retired__do_not_come_back(root, instruments) -> None:
    call_command("create_demo_bots")
    for bot in Bot.objects.all():
        definition.retire(bot_id=bot.id, now=NOW)
    call_command("create_demo_bots")
    assert Bot.objects.count() == 2


def test_demo_bots__renamed__are_not_made_again(root, instruments) -> None:
    call_command("create_demo_bots")
    Bot.objects.filter(name__contains="dips").update(name="Mine now")
    call_command("create_demo_bots")
    assert sorted(Bot.objects.values_list("name", flat=True)) == ["Demo: four-indicator vote", "Mine now"]


def test_demo_bots__without_an_administrator__say_what_to_do(instruments) -> None:
    with pytest.raises(CommandError, match="createsuperuser"):
        call_command("create_demo_bots")


def test_demo_bots__without_sample_bars__say_which_symbols_are_missing(root) -> None:
    with pytest.raises(CommandError, match="AAPL is not known"):
        call_command("create_demo_bots")
