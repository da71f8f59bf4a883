"""Leverage over HTTP, and in the admin. 10 is configured by default; a new account at the broker has 1x."""

from typing import Any

import jsonschema
import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from drf_spectacular.generators import SchemaGenerator

from bots import brokers
from bots.brokers import simulated_faults
from bots.models import BrokerAccount, EngineRun, LeverageStatus, SimulatedAccount
from bots.tests import rows
from bots.tests.builders import ACTOR, NOW, a_bot
from configuration import services as configuration
from configuration.services import SetValue, symbol_scope
from tests.people import with_role

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "broker"])

LEVERAGE = "/api/v1/leverage"
FORCING = {"leverage": 5, "reason": "Less risk over the weekend"}


@pytest.fixture
def run(owner: User, instruments: None) -> EngineRun:
    return a_trading_bot(owner, "Two voters")


def a_trading_bot(owner: User, name: str) -> EngineRun:
    """A bot that trades AAPL and IBM in an account at the simulated broker."""
    run = rows.a_run(a_bot(owner, name=name))
    SimulatedAccount.objects.using("broker").create(id=run.account_id, symbols=["AAPL", "IBM"], params={}, state=b"")
    return run


def listed(client: Any, **query: Any) -> Any:
    answer = client.get(LEVERAGE, query)
    assert answer.status_code == 200, answer.json()
    return answer.json()["data"]


def test_list__nothing_set_yet__tells_what_is_wanted(owner, run, client_of) -> None:
    aapl, ibm = listed(client_of(owner))
    assert (aapl["symbol"], ibm["symbol"]) == ("AAPL", "IBM")
    assert {name: value for name, value in aapl.items() if name not in ("account", "bot")} == {
        "broker": "simulated",
        "mode": "paper",
        "bot_name": "Two voters",
        "symbol": "AAPL",
        "target": 10,
        "configured": None,
        "actual": None,
        "in_doubt": False,
        "synced": False,
        "offered": True,
        "note": "",
        "last_sync_at": None,
        "last_sync_success": None,
        "last_sync_error": "",
        "forced_at": None,
        "forced_by": "",
        "forced_reason": "",
        "updated_at": None,
    }


def test_sync__one_refused__shows_the_mismatch_until_the_next_sync(owner, run, client_of) -> None:
    # Given: 10 in force for both, then 20 configured for AAPL, which the broker refuses
    client = client_of(owner)
    assert client.post(f"{LEVERAGE}/sync").json()["data"]["synced"] == 2
    wanted = [SetValue(symbol_scope("AAPL"), "trading", "leverage", 20)]
    configuration.change(operations=wanted, actor=ACTOR, source="test", reason="calmer", now=NOW)
    simulated_faults.fail_next("set_leverage", "refuse")
    # When
    done = client.post(f"{LEVERAGE}/sync").json()["data"]
    # Then
    assert [done[name] for name in ("total", "synced", "failed", "not_offered")] == [2, 1, 1, 0]
    said = "refused: The simulated broker was told to refuse."
    account = str(run.account_id)
    assert done["results"] == [
        {"account": account, "symbol": "AAPL", "leverage": 20, "outcome": "mismatch", "error": said},
        {"account": account, "symbol": "IBM", "leverage": 10, "outcome": "in_force", "error": ""},
    ]
    (aapl,) = listed(client, synced="false")
    names = ("symbol", "target", "configured", "actual", "synced", "last_sync_success", "last_sync_error")
    assert [aapl[name] for name in names] == ["AAPL", 20, 20, 10, False, False, said]
    client.post(f"{LEVERAGE}/sync")
    assert [(one["symbol"], one["actual"]) for one in listed(client, synced="true")] == [("AAPL", 20), ("IBM", 10)]
    assert [one["actual"] for one in listed(client, symbol="aapl")] == [20]


def test_list__broker_without_leverage__says_so_plainly(owner, run, client_of, monkeypatch) -> None:
    class NoLeverage:
        def offers_leverage(self, symbol: str) -> bool:
            return False

    monkeypatch.setitem(brokers.LEVERAGE_DESKS, "fake", lambda account_id: NoLeverage())
    BrokerAccount.objects.update(broker="fake")
    client = client_of(owner)
    assert [(one["offered"], one["note"]) for one in listed(client)] == [(False, "not offered by this broker")] * 2
    answer = client.post(f"{LEVERAGE}/AAPL/force", FORCING)
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "LEVERAGE_NOT_OFFERED")


def test_force__taken__answers_the_status_with_who_and_why(owner, run, client_of) -> None:
    client = client_of(owner)
    answer = client.post(f"{LEVERAGE}/aapl/force", FORCING)
    assert answer.status_code == 200, answer.json()
    names = ("symbol", "target", "configured", "actual", "synced", "forced_by", "forced_reason")
    expected = ["AAPL", 10, 5, 5, True, "olga", "Less risk over the weekend"]
    assert [answer.json()["data"][name] for name in names] == expected
    assert listed(client, symbol="AAPL") == [answer.json()["data"]]


@pytest.mark.parametrize(
    ("kind", "status", "code"), [("refuse", 409, "LEVERAGE_REFUSED"), ("time_out", 502, "BROKER_UNSURE")]
)
def test_force__not_taken__is_an_error_and_no_record(kind, status, code, owner, run, client_of) -> None:
    simulated_faults.fail_next("set_leverage", kind)
    answer = client_of(owner).post(f"{LEVERAGE}/AAPL/force", FORCING)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert LeverageStatus.objects.count() == 0


def test_force__full_of_faults__names_all_of_them(owner, run, client_of) -> None:
    body = {"leverage": 126, "account": "mine", "colour": 1}
    answer = client_of(owner).post(f"{LEVERAGE}/AAPL/force", body)
    assert answer.status_code == 422
    found = {(fault["code"], fault["pointer"]) for fault in answer.json()["error"]["details"]}
    assert found == {
        ("unknown_field", "/colour"),
        ("invalid_type", "/account"),
        ("out_of_range", "/leverage"),
        ("reason_required", "/reason"),
    }


def test_force__symbol_in_two_accounts__needs_to_know_which(owner, run, client_of) -> None:
    other = a_trading_bot(owner, "Another")
    client = client_of(owner)
    (fault,) = client.post(f"{LEVERAGE}/AAPL/force", FORCING).json()["error"]["details"]
    assert (fault["code"], sorted(fault["allowed"])) == (
        "account_needed",
        sorted([str(run.account_id), str(other.account_id)]),
    )
    assert client.post(f"{LEVERAGE}/AAPL/force", {**FORCING, "account": str(other.account_id)}).status_code == 200
    assert LeverageStatus.objects.get().account_id == other.account_id


def test_leverage__of_somebody_elses_bot__does_not_exist(stranger, run, client_of) -> None:
    client = client_of(stranger)
    assert listed(client) == []
    assert client.post(f"{LEVERAGE}/sync").json()["data"]["total"] == 0
    for body in (FORCING, {**FORCING, "account": str(run.account_id)}):
        answer = client.post(f"{LEVERAGE}/AAPL/force", body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "LEVERAGE_NOT_FOUND")
    assert LeverageStatus.objects.count() == 0


def test_leverage__an_operator__reads_and_sets_nothing(owner, run, client_of) -> None:
    client = client_of(with_role(owner, "operator"))
    assert len(listed(client)) == 2
    for address in ("sync", "AAPL/force"):
        assert client.post(f"{LEVERAGE}/{address}", FORCING).status_code == 403


def test_description__examples__keep_to_their_schemas() -> None:
    described = SchemaGenerator().get_schema(request=None, public=True)
    found = {path: one for path, one in described["paths"].items() if path.startswith(LEVERAGE)}
    assert len(found) == 3
    for methods in found.values():
        for operation in methods.values():
            parts = [operation["responses"]["200"]["content"]["application/json"]]
            if "requestBody" in operation:
                parts.append(operation["requestBody"]["content"]["application/json"])
            for part in parts:
                validator = jsonschema.Draft202012Validator({**part["schema"], "components": described["components"]})
                for example in part["examples"].values():
                    assert list(validator.iter_errors(example["value"])) == []


def test_answer__of_the_list__keeps_to_its_schema(owner, run, client_of) -> None:
    described = SchemaGenerator().get_schema(request=None, public=True)
    schema = described["paths"][LEVERAGE]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    validator = jsonschema.Draft202012Validator({**schema, "components": described["components"]})
    client = client_of(owner)
    client.post(f"{LEVERAGE}/AAPL/force", FORCING)
    assert list(validator.iter_errors(client.get(LEVERAGE).json())) == []


# The admin


def admin_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


CHANGELIST = "/admin/bots/leveragestatus/"


def a_mismatch(run: EngineRun, symbol: str) -> LeverageStatus:
    return LeverageStatus.objects.create(account=run.account, symbol=symbol, configured=20, actual=10, updated_at=NOW)


def test_admin__list__shows_own_rows_only_and_to_look_at(owner, stranger, run) -> None:
    row = a_mismatch(run, "AAPL")
    shown = admin_of(owner).get(CHANGELIST, {"q": "voters"})
    assert (shown.status_code, shown.context["cl"].result_count) == (200, 1)
    assert admin_of(stranger).get(CHANGELIST).context["cl"].result_count == 0
    assert b"_save" not in admin_of(owner).get(f"{CHANGELIST}{row.pk}/change/").content
    assert admin_of(owner).get(f"{CHANGELIST}add/").status_code == 403


def test_admin__list__ten_rows_instead_of_one__cost_no_more_queries(owner, run) -> None:
    client = admin_of(owner)
    a_mismatch(run, "AAPL")
    client.get(CHANGELIST)
    with CaptureQueriesContext(connection) as for_one:
        client.get(CHANGELIST)
    for number in range(9):
        a_mismatch(run, f"S{number}")
    with CaptureQueriesContext(connection) as for_ten:
        client.get(CHANGELIST)
    assert len(for_ten) == len(for_one)


def test_admin__sync__asks_for_the_chosen_rows_only(owner, run) -> None:
    for symbol in ("AAPL", "IBM"):
        LeverageStatus.objects.create(account=run.account, symbol=symbol, configured=20, actual=20, updated_at=NOW)
    chosen = LeverageStatus.objects.get(symbol="IBM")
    answer = admin_of(owner).post(CHANGELIST, {"action": "sync", "_selected_action": [chosen.pk]})
    assert answer.status_code == 302
    assert dict(LeverageStatus.objects.values_list("symbol", "actual")) == {"AAPL": 20, "IBM": 10}


def test_admin__sync__is_no_operators(owner, run) -> None:
    row = LeverageStatus.objects.create(account=run.account, symbol="AAPL", configured=20, updated_at=NOW)
    client = admin_of(with_role(owner, "operator"))
    assert b'value="sync"' not in client.get(CHANGELIST).content
    assert client.post(CHANGELIST, {"action": "sync", "_selected_action": [row.pk]}).status_code == 403
    row.refresh_from_db()
    assert row.actual is None
