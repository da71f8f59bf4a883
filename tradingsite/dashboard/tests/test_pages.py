"""Each page: who may open it, what it says, and what it costs."""

from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from backtests.selectors import Backtest
from backtests.tests import builders
from configuration import services as configuration
from configuration.services import Actor, SetValue, symbol_scope
from tests.people import a_person
from tradingsite.dashboard import urls

OPEN_TO_ALL = {"credits"}
ARGUMENTS = {
    "bot_id": uuid4(),
    "backtest_id": uuid4(),
    "dataset_id": uuid4(),
    "decision_id": 1,
    "row": 0,
    "version": 1,
    "scope": "AAPL/LONG",
    "hash": "0" * 64,
}


@pytest.fixture
def client(owner: User) -> Client:
    client = Client()
    client.force_login(owner)
    return client


@pytest.fixture
def run(ten_days, owner: User) -> Backtest:
    """A finished run of a bot that bought on the second day of January 2024 and sold on the fifth."""
    signals = [builders.a_signal(2, "buy"), builders.a_signal(5, "sell")]
    return builders.ran(owner, builders.a_follower(owner), signals=signals, fee_bps=1)


def text_of(client: Client, name: str, *args) -> str:
    answer = client.get(reverse(f"pages:{name}", args=args))
    assert answer.status_code == 200
    return answer.content.decode()


@pytest.mark.parametrize("pattern", urls.urlpatterns, ids=lambda pattern: pattern.name)
def test_page__for_somebody_not_signed_in__leads_to_the_login(db, pattern) -> None:
    wanted = {name: ARGUMENTS[name] for name in pattern.pattern.converters}

    answer = Client().get(reverse(f"pages:{pattern.name}", kwargs=wanted))

    if pattern.name in OPEN_TO_ALL:
        assert answer.status_code == 200
    else:
        assert answer.status_code == 302
        assert answer["Location"].startswith("/login?next=/")


def test_overview__of_an_empty_installation__says_what_to_do_next(client) -> None:
    text = text_of(client, "overview")

    for hint in ("No bots yet", "Nothing tried yet", "No bars yet", "Everything is at its default", "no real money"):
        assert hint in text


def test_overview__after_a_change__shows_who_and_why(client, run) -> None:
    actor = Actor("user", "1", "Rita Risk")
    wanted = [SetValue(symbol_scope("ACME"), "trading", "stop_loss_pct", 3.5)]
    configuration.change(actor=actor, source="test", reason="Calmer week", operations=wanted, now=builders.NOW)

    text = text_of(client, "overview")

    assert "Rita Risk" in text
    assert "Calmer week" in text
    assert "inherited → 3.5" in text


@pytest.mark.parametrize("name", ["overview", "bots", "backtests", "datasets"])
def test_list__with_more_rows__costs_the_same_queries(client, run, owner: User, name) -> None:
    text_of(client, name)  # fills the image of the configuration
    with CaptureQueriesContext(connection) as few:
        text_of(client, name)
    for number in range(4):
        bot_id = builders.a_bot(owner, name=f"More {number}", strategy="external", symbols=["ACME"], indicators=None)
        builders.queued(owner, bot_id, signals=[builders.a_signal(2, "buy")])
        builders.a_dataset("ACME", builders.TEN_DAYS, source=f"more{number}")
    text_of(client, name)
    with CaptureQueriesContext(connection) as many:
        text_of(client, name)

    assert len(many) == len(few) <= 16


def test_bot_page__a_value_set_for_the_symbol__is_shown_there_with_its_origin(client, run) -> None:
    actor = Actor("user", "1", "Rita Risk")
    wanted = [SetValue(symbol_scope("ACME"), "trading", "max_daily_trades", 7)]
    configuration.change(actor=actor, source="test", reason="Thin market", operations=wanted, now=builders.NOW)

    everywhere = text_of(client, "bot", run.bot_id)
    there = client.get(reverse("pages:bot", args=[run.bot_id]), {"node": "ACME/LONG"}).content.decode()

    assert "Thin market" not in everywhere
    assert "Thin market" in there
    assert "origin-symbol" in there


def test_bot_page__run_again__starts_from_what_the_earlier_run_asked(client, ten_days, owner: User) -> None:
    bot_id = builders.a_follower(owner)
    signals = [builders.a_signal(2, "buy")]
    earlier = builders.queued(owner, bot_id, signals=signals, start="2024-01-02", end="2024-01-05", fee_bps=12.5)

    text = client.get(reverse("pages:bot", args=[bot_id]), {"like": str(earlier.id)}).content.decode()

    for value in ("2024-01-02", "2024-01-05", "12.5"):
        assert f'value="{value}"' in text


def test_result_page__of_a_run__shows_every_figure_as_exact_as_the_row(client, run) -> None:
    text = text_of(client, "backtest", run.id)

    for value in run.metrics.values():
        if value is not None:
            assert f'<data value="{value}"' in text
    assert "too few to judge by" in text  # one round trip
    assert run.snapshot_id in text
    assert run.engine_fingerprint in text
    assert run.data_fingerprint in text


def test_result_page__while_queued__follows_the_run_and_offers_to_cancel(client, ten_days, owner: User) -> None:
    waiting = builders.queued(owner, builders.a_follower(owner), signals=[builders.a_signal(2, "buy")])

    text = text_of(client, "backtest", waiting.id)
    client.post(reverse("pages:backtest-cancel", args=[waiting.id]))

    assert f'data-live-run="/api/v1/backtests/{waiting.id}"' in text
    assert "Cancelled after 0 of 10 bars" in text_of(client, "backtest", waiting.id)


def test_decision_page__of_the_entry__tells_order_snapshot_and_origin(client, run) -> None:
    text = text_of(client, "decision", run.id, 1)  # the second bar

    assert "to enter long" in text
    assert "for a test" in text  # the reason the bot was defined with
    assert run.snapshot_id in text


@pytest.mark.parametrize("name", ["backtest", "decision", "backtest-curve", "bot"])
def test_what_is_another_ones__is_not_found(run, stranger: User, name) -> None:
    client = Client()
    client.force_login(stranger)
    args = {"bot": [run.bot_id], "decision": [run.id, 1]}.get(name, [run.id])

    assert client.get(reverse(f"pages:{name}", args=args)).status_code == 404


def test_missing_things__answer_404_and_say_what_is_missing(client) -> None:
    for name, args in (("backtest", [uuid4()]), ("bot", [uuid4()]), ("dataset", [uuid4()]), ("snapshot", ["0" * 64])):
        answer = client.get(reverse(f"pages:{name}", args=args))
        assert answer.status_code == 404
        assert "There is no" in answer.content.decode()


def test_writes__of_a_viewer__are_refused_and_nothing_changes(run, db) -> None:
    viewer = a_person("vera")
    bot_id = builders.a_follower(a_person("sam", role="risk_admin"))
    client = Client()
    client.force_login(viewer)

    for url in (reverse("pages:dataset-import"), reverse("pages:backtest-cancel", args=[run.id])):
        assert client.post(url).status_code == 403
    assert client.post(reverse("pages:bot", args=[bot_id])).status_code == 403


def test_writes__without_a_csrf_token__are_refused(owner: User, run) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(owner)

    answer = client.post(reverse("pages:bot", args=[run.bot_id]), {"fee_bps": "1"})

    assert answer.status_code == 403
    assert "expired" in answer.content.decode()
