"""Bots in the admin: the same service, the same faults."""

import pytest
from django.test import Client

from bots import selectors
from bots.models import Bot, BotStatus
from bots.tests.builders import REASON, a_bot
from configuration import selectors as configuration
from configuration.services import bot_scope

pytestmark = pytest.mark.django_db

ADD = "/admin/bots/bot/add/"


@pytest.fixture
def admin(root) -> Client:
    client = Client()
    client.force_login(root)
    return client


def entered(**changes) -> dict[str, object]:
    return {
        "name": "From the admin",
        "strategy": "indicator_voting",
        "timeframe": "1d",
        "symbols": ["AAPL"],
        "bot.capital": "2500",
        "indicator_voting.indicators": ["RSI", "SMA"],
        "reason": REASON,
        **changes,
    }


def test_admin__a_bot_entered__is_made_by_the_service(admin, root, instruments) -> None:
    answer = admin.post(ADD, entered(**{"bot.long_only": "false", "indicator_voting.rsi_period": "9"}))
    assert answer.status_code == 302, answer.context["adminform"].form.errors
    bot = Bot.objects.get()
    assert bot.owner == root
    decided = configuration.change_sets(bot_scope(str(bot.id))).get()
    assert (decided.actor_label, decided.reason, decided.source) == ("root", REASON, "admin")
    parameters = selectors.described([bot])[0].definition.parameters
    assert parameters["bot", "capital"] == "2500"
    assert parameters["bot", "long_only"] is False
    assert parameters["indicator_voting", "rsi_period"] == 9


def test_admin__faults__stand_at_their_fields(admin, instruments) -> None:
    answer = admin.post(
        ADD,
        entered(
            **{"bot.capital": "-1", "indicator_voting.rsi_period": "many", "trading.stop_loss_pct": "99"}, reason=""
        ),
    )
    errors = answer.context["adminform"].form.errors
    assert set(errors) == {"bot.capital", "indicator_voting.rsi_period", "trading.stop_loss_pct", "reason"}
    assert Bot.objects.count() == 0


def test_admin__empty_form__calls_no_default_what_it_will_ask_for(admin, instruments) -> None:
    helps = {name: field.help_text for name, field in admin.get(ADD).context["adminform"].form.fields.items()}
    assert helps["bot.capital"].endswith("Required.")
    assert helps["indicator_voting.indicators"].endswith("Required.")
    assert helps["bot.long_only"].endswith("Default true.")
    assert helps["bot.start_hour"].endswith("Default 9.")

    errors = admin.post(ADD, entered(**{"bot.capital": "", "indicator_voting.indicators": []})).context["errors"]
    assert sorted(str(error) for (error,) in errors) == ["capital is missing.", "indicators is missing."]


def test_admin__one_indicator_with_majority__is_refused(admin, instruments) -> None:
    answer = admin.post(ADD, entered(**{"indicator_voting.indicators": ["RSI"]}))
    assert "indicator_voting.indicators" in answer.context["adminform"].form.errors
    assert Bot.objects.count() == 0


def test_admin__a_bot_opened__shows_its_own_values_and_names_the_inherited(admin, root, instruments) -> None:
    bot = a_bot(root)
    form = admin.get(f"/admin/bots/bot/{bot.id}/change/").context["adminform"].form
    assert form.initial["trading.stop_loss_pct"] == 2.0
    assert "bot.max_daily_loss" not in form.initial
    assert "Inherited: 10.0 (default)" in form.fields["bot.max_daily_loss"].help_text


def test_admin__one_field_changed__changes_one_parameter(admin, root, instruments) -> None:
    # Given
    bot = a_bot(root)
    form = admin.get(f"/admin/bots/bot/{bot.id}/change/").context["adminform"].form
    as_shown = {name: form[name].value() for name in form.fields if form[name].value() not in (None, "")}
    # When
    answer = admin.post(
        f"/admin/bots/bot/{bot.id}/change/", {**as_shown, "bot.max_daily_loss": "5", "reason": "less risk"}
    )
    # Then
    assert answer.status_code == 302, answer.context["adminform"].form.errors
    newest = configuration.change_sets(bot_scope(str(bot.id))).first()
    assert newest is not None
    assert [(one.parameter, one.old, one.new) for one in newest.changes.all()] == [("max_daily_loss", None, 5.0)]


def test_admin__somebody_was_faster__tells_so_and_overwrites_nothing(admin, root, instruments) -> None:
    # Given: a form opened before another change of the same parameter
    bot = a_bot(root)
    page = f"/admin/bots/bot/{bot.id}/change/"
    form = admin.get(page).context["adminform"].form
    as_shown = {name: form[name].value() for name in form.fields if form[name].value() not in (None, "")}
    admin.post(page, {**as_shown, "bot.capital": "111", "reason": "first"})
    # When
    answer = admin.post(page, {**as_shown, "bot.capital": "222", "reason": "second"}, follow=True)
    # Then
    assert "Changed since the version you had read" in answer.content.decode()
    assert selectors.described([bot])[0].definition.parameters["bot", "capital"] == "111"


def test_admin__history__shows_who_decided_what_and_why(admin, root, instruments) -> None:
    bot = a_bot(root)
    page = admin.get(f"/admin/bots/bot/{bot.id}/history/").content.decode()
    assert REASON in page
    assert "indicator_voting.rsi_period: inherited → 10" in page


def test_admin__retire_action__retires_the_stopped_and_refuses_the_running(admin, root, instruments) -> None:
    stopped, running = a_bot(root), a_bot(root, name="Runs")
    Bot.objects.filter(id=running.id).update(status=BotStatus.RUNNING, is_active=True)
    chosen = {"action": "retire", "_selected_action": [str(stopped.id), str(running.id)]}
    page = admin.post("/admin/bots/bot/", chosen, follow=True).content.decode()
    assert "Runs is running; stop it" in page
    assert [bot.id for bot in selectors.bots()] == [running.id]
