"""What bots did, in the admin: to look at, never to change, and each owner their own."""

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from bots.models import BrokerOrder, Cycle, Decision, EngineRun, Fill, OrderIntent, Position, Trade
from bots.tests import rows
from bots.tests.builders import a_bot, a_broker_order, a_decision, a_fill, a_position, a_trade, an_order

pytestmark = pytest.mark.django_db

LEDGERS = [EngineRun, Cycle, Decision, OrderIntent, BrokerOrder, Fill, Position, Trade]


def client_of(user) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def history(owner, instruments) -> None:
    """One row of each kind."""
    run = rows.a_run(a_bot(owner))
    a_decision(run)
    a_fill(a_broker_order(an_order(run, reason=85)))
    a_trade(a_position(run))


def address(model, page: str, *parts) -> str:
    return reverse(f"admin:bots_{model._meta.model_name}_{page}", args=parts)


@pytest.mark.parametrize("model", LEDGERS)
def test_ledger__listed_searched_and_opened__is_shown_and_cannot_be_written(model, root, history) -> None:
    client, row = client_of(root), model.objects.first()
    assert client.get(address(model, "changelist")).status_code == 200
    assert client.get(address(model, "changelist"), {"q": "voters"}).status_code == 200
    shown = client.get(address(model, "change", row.pk))
    assert shown.status_code == 200
    assert b"_save" not in shown.content
    assert client.get(address(model, "add")).status_code == 403
    assert client.post(address(model, "change", row.pk), {}).status_code == 405  # the page takes no POST from anybody
    assert client.post(address(model, "delete", row.pk), {"post": "yes"}).status_code == 403


@pytest.mark.parametrize("model", LEDGERS)
def test_ledger__of_somebody_elses_bot__is_empty(model, owner, stranger, history) -> None:
    for user in (owner, stranger):
        user.user_permissions.add(*Permission.objects.filter(content_type__app_label="bots"))
    path = address(model, "change", model.objects.first().pk)
    assert client_of(owner).get(path).status_code == 200
    assert client_of(stranger).get(path).status_code == 302
    assert client_of(stranger).get(address(model, "changelist")).context["cl"].result_count == 0


@pytest.mark.parametrize("model", LEDGERS)
def test_ledger__ten_rows_instead_of_one__cost_no_more_queries(model, root, history) -> None:
    client, page = client_of(root), address(model, "changelist")
    client.get(page)
    with CaptureQueriesContext(connection) as for_one:
        client.get(page)
    run = EngineRun.objects.get()
    for number in range(2, 11):
        a_decision(run, number=number)
        a_fill(a_broker_order(an_order(run)))
        a_trade(a_position(run, f"S{number}"))
    with CaptureQueriesContext(connection) as for_ten:
        client.get(page)
    assert len(for_ten) == len(for_one)
