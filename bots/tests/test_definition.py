"""Defining bots: the form's rules, all faults at once, one transaction."""

from typing import Any

import pytest
from django.contrib.auth.models import User

from bots import selectors
from bots.errors import BotNotFound, BotRunning
from bots.models import Bot, BotStatus
from bots.services import definition
from bots.tests.builders import ACTOR, NOW, REASON, a_bot, a_form, redefined
from configuration import selectors as configuration
from configuration.services import bot_scope
from engine.domain.errors import InputError, StaleVersion

pytestmark = pytest.mark.django_db


def faults_of(owner: User, **changes: Any) -> dict[str, str]:
    """Pointer -> code of every fault the form is refused for."""
    with pytest.raises(InputError) as refused:
        a_bot(owner, **changes)
    return {fault.pointer: fault.code for fault in refused.value.faults}


def value(bot: Bot, namespace: str, name: str) -> Any:
    return selectors.described([bot])[0].resolved[namespace, name].value


def test_define__a_form_without_fault__stores_row_and_parameters(owner, instruments) -> None:
    # When
    bot = a_bot(owner)
    # Then: a stopped bot of its owner
    stored = Bot.objects.get()
    assert (stored.id, stored.owner, stored.name, stored.symbols) == (bot.id, owner, "Two voters", ["AAPL", "IBM"])
    assert (stored.status, stored.is_active, stored.error_count) == (BotStatus.STOPPED, False, 0)
    # and: what was said is the bot's own; what was not is inherited from the catalogue
    assert value(bot, "bot", "capital") == "10000"
    assert value(bot, "trading", "stop_loss_pct") == 2.0
    assert value(bot, "indicator_voting", "indicators") == ["RSI", "SMA"]
    assert value(bot, "indicator_voting", "rsi_period") == 10
    assert value(bot, "indicator_voting", "sma_period") == 50
    assert selectors.own_parameters(bot) == {
        ("bot", "capital"),
        ("trading", "stop_loss_pct"),
        ("trading", "take_profit_pct"),
        ("indicator_voting", "indicators"),
        ("indicator_voting", "rsi_period"),
    }


def test_define__one_decision__is_one_entry_in_the_ledger_with_actor_and_reason(owner, instruments) -> None:
    bot = a_bot(owner)
    decisions = list(configuration.change_sets(bot_scope(str(bot.id))))
    assert [(one.actor_label, one.reason, one.source) for one in decisions] == [("olga", REASON, "test")]
    assert decisions[0].changes.count() == 5  # the five values the form sets


def test_define__everything_wrong__names_every_fault_and_changes_nothing(owner, instruments) -> None:
    # Given
    before = configuration.head().version
    # When
    found = faults_of(
        owner,
        name="  ",
        timeframe="7m",
        symbols=["AAPL", "NOPE", "aapl"],
        capital=0,
        trading_frequency=4,
        start_hour=12,
        start_minute=0,
        end_hour=9,
        indicators={"RSI": {"period": 1}, "ASTROLOGY": {}},
        risk_management={"stop_loss": 0, "take_profit": 101, "max_position_size": 0, "max_concurrent_positions": -1},
        colour="green",
    )
    # Then
    assert found == {
        "/name": "blank",
        "/timeframe": "unknown_timeframe",
        "/symbols/1": "unknown_symbol",
        "/symbols/2": "duplicate_symbol",
        "/capital": "out_of_range",
        "/trading_frequency": "out_of_range",
        "/start_hour": "window_closed",
        "/indicators/ASTROLOGY": "not_a_choice",
        "/indicators/RSI/period": "out_of_range",
        "/risk_management/stop_loss": "out_of_range",
        "/risk_management/take_profit": "out_of_range",
        "/risk_management/max_position_size": "out_of_range",
        "/risk_management/max_concurrent_positions": "out_of_range",
        "/colour": "unknown_field",
    }
    assert Bot.objects.count() == 0
    assert configuration.head().version == before


def test_define__nothing_said__names_every_missing_field(owner, instruments) -> None:
    with pytest.raises(InputError) as refused:
        definition.define(owner_id=owner.pk, form={}, actor=ACTOR, source="test", reason="", now=NOW)
    found = {(fault.pointer, fault.code) for fault in refused.value.faults}
    assert found == {
        ("/name", "required"),
        ("/symbols", "required"),
        ("/capital", "required"),
        ("/indicators", "required"),
        ("/reason", "reason_required"),
    }


@pytest.mark.parametrize(
    ("changes", "pointer", "code"),
    [
        ({"symbols": []}, "/symbols", "no_symbol"),
        ({"symbols": "AAPL"}, "/symbols", "invalid_type"),
        ({"name": 5}, "/name", "invalid_type"),
        ({"name": "x" * 101}, "/name", "too_long"),
        ({"strategy": "magic"}, "/strategy", "unknown_strategy"),
        ({"capital": float("nan")}, "/capital", "not_finite"),
        ({"capital": True}, "/capital", "invalid_type"),
        ({"capital": "much"}, "/capital", "invalid_type"),
        ({"indicators": {}}, "/indicators", "empty"),
        ({"indicators": ["RSI"]}, "/indicators", "invalid_type"),
        ({"indicators": {"RSI": {"period": 10, "colour": 1}, "SMA": {}}}, "/indicators/RSI/colour", "unknown_field"),
        ({"indicators": {"RSI": {"oversold": 80}, "SMA": {}}}, "/indicators/RSI/oversold", "not_rising"),
        ({"risk_management": {"leverage": 3}}, "/risk_management/leverage", "unknown_field"),
        ({"risk_management": {"max_position_size": 100.5}}, "/risk_management/max_position_size", "out_of_range"),
    ],
)
def test_define__one_fault__is_named_where_it_stands(owner, instruments, changes, pointer, code) -> None:
    assert faults_of(owner, **changes)[pointer] == code


def test_define__one_indicator_with_majority__is_refused_with_a_way_out(owner, instruments) -> None:
    with pytest.raises(InputError) as refused:
        a_bot(owner, indicators={"RSI": {}})
    assert [fault.code for fault in refused.value.faults] == ["voters"]
    assert "single" in refused.value.faults[0].message
    assert Bot.objects.count() == 0


def test_define__one_indicator_with_single_voting__is_accepted(owner, instruments) -> None:
    bot = a_bot(owner, indicators={"RSI": {}}, voting="single")
    assert value(bot, "indicator_voting", "voting") == "single"


@pytest.mark.parametrize("unlimited", [0, None])
def test_define__no_limit_of_positions__is_stored_as_not_set(owner, instruments, unlimited) -> None:
    bot = a_bot(owner, risk_management={"max_concurrent_positions": unlimited})
    assert value(bot, "bot", "max_concurrent_positions") is None
    assert ("bot", "max_concurrent_positions") in selectors.own_parameters(bot)


def test_define__null_where_null_is_no_value__leaves_the_parameter_inherited(owner, instruments) -> None:
    bot = a_bot(owner, risk_management={"stop_loss": None, "take_profit": 5})
    assert ("trading", "stop_loss_pct") not in selectors.own_parameters(bot)


def test_define__external_strategy__needs_no_indicators(owner, instruments) -> None:
    bot = a_bot(owner, strategy="external", indicators=None)
    assert selectors.own_parameters(bot) == {
        ("bot", "capital"),
        ("trading", "stop_loss_pct"),
        ("trading", "take_profit_pct"),
    }


def test_redefine__a_field_left_out__is_inherited_again(owner, instruments) -> None:
    # Given
    bot = a_bot(owner, trading_frequency=300)
    # When
    redefined(bot, name="Renamed", risk_management={"take_profit": 7})
    # Then: 60 s is the catalogue's, the stop is no longer the bot's own, the target is
    assert value(bot, "bot", "trading_frequency") == 60
    own = selectors.own_parameters(bot)
    assert ("trading", "stop_loss_pct") not in own
    assert ("trading", "take_profit_pct") in own
    assert Bot.objects.get().name == "Renamed"


def test_redefine__another_strategy__takes_the_old_one_s_values_along(owner, instruments) -> None:
    bot = a_bot(owner)
    redefined(bot, strategy="external", indicators=None)
    assert configuration.stored(bot_scope(str(bot.id)), "indicator_voting") == {}


def test_redefine__with_faults__changes_neither_row_nor_parameters(owner, instruments) -> None:
    # Given
    bot = a_bot(owner)
    before = configuration.head().version
    # When
    with pytest.raises(InputError):
        redefined(bot, name="Renamed", capital=-1)
    # Then
    assert Bot.objects.get().name == "Two voters"
    assert configuration.head().version == before


def test_redefine__refused_by_the_ledger__leaves_the_row_as_it_was(owner, instruments) -> None:
    # Given: somebody changed the capital after this caller had read it
    bot = a_bot(owner)
    read_at = configuration.head().version
    redefined(bot, capital=20000)
    # When
    with pytest.raises(StaleVersion):
        definition.redefine(
            bot_id=bot.id,
            form=a_form(name="Renamed", capital=30000),
            actor=ACTOR,
            source="test",
            reason=REASON,
            now=NOW,
            base_version=read_at,
        )
    # Then: row and parameters are written together or not at all
    assert Bot.objects.get().name == "Two voters"
    assert value(bot, "bot", "capital") == "20000"


@pytest.mark.parametrize("changes", [{"symbols": ["AAPL"]}, {"timeframe": "1h"}])
def test_redefine__who_or_what_a_running_bot_trades__is_refused(owner, instruments, changes) -> None:
    bot = a_bot(owner)
    Bot.objects.update(status=BotStatus.RUNNING, is_active=True)
    with pytest.raises(BotRunning):
        redefined(bot, **changes)


def test_redefine__the_limits_of_a_running_bot__is_allowed(owner, instruments) -> None:
    bot = a_bot(owner)
    Bot.objects.update(status=BotStatus.RUNNING, is_active=True)
    redefined(bot, capital=5000)
    assert value(bot, "bot", "capital") == "5000"


@pytest.mark.parametrize("status", [BotStatus.RUNNING, BotStatus.PAUSED])
def test_retire__while_it_trades__is_refused(owner, instruments, status) -> None:
    bot = a_bot(owner)
    Bot.objects.update(status=status, is_active=True)
    with pytest.raises(BotRunning):
        definition.retire(bot_id=bot.id, now=NOW)


def test_retire__a_stopped_bot__hides_it_and_keeps_its_history(owner, instruments) -> None:
    # Given
    bot = a_bot(owner)
    # When
    definition.retire(bot_id=bot.id, now=NOW)
    # Then
    with pytest.raises(BotNotFound):
        selectors.bot(bot.id)
    assert list(selectors.bots()) == []
    assert Bot.objects.get().retired_at == NOW
    assert configuration.change_sets(bot_scope(str(bot.id))).count() == 1


def test_redefine__another_owner_s_bot__is_not_found(owner, stranger, instruments) -> None:
    bot = a_bot(owner)
    with pytest.raises(BotNotFound):
        definition.retire(bot_id=bot.id, now=NOW, owner_id=stranger.pk)
