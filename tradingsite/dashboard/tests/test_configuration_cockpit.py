"""The cockpit, the time machine and the import: what they say, what they do, and what they cost."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from configuration import selectors, store
from configuration.catalogue import CATALOGUE
from configuration.scopes import GLOBAL, bot_scope, side_scope, symbol_scope
from configuration.services import ClearValue, SetValue
from configuration.tests.examples import NOON, decide, put, value_at
from configuration.tests.test_freshness import Clock, clock, head_is_locked
from tests.people import a_person
from tradingsite.dashboard import overrides
from tradingsite.dashboard.views.configuration import transfer

__all__ = ["clock"]  # a fixture

pytestmark = pytest.mark.django_db

COCKPIT = "pages:config-cockpit"
TIME = "pages:config-time"
IMPORT = "pages:config-import"
DOCUMENT = """format: tradingsite-configuration-1
namespaces:
  trading:
    global:
      leverage: 7
    symbol:AAPL:
      max_daily_trades: 3
"""


@pytest.fixture
def client(owner: User) -> Client:
    client = Client()
    client.force_login(owner)
    return client


def text_of(client: Client, route: str, asked: dict[str, Any] | None = None, *, status: int = 200) -> str:
    answer = client.get(reverse(route), asked)
    assert answer.status_code == status, answer.content.decode()
    return answer.content.decode()


def context_of(client: Client, route: str, asked: dict[str, Any] | None = None) -> Any:
    answer = client.get(reverse(route), asked)
    assert answer.status_code == 200, answer.content.decode()
    return answer.context


def a_process(name: str, **facts: Any) -> None:
    """A live process as it shows itself; nothing here starts one."""
    told = {
        "version": store.current().version,
        "catalogue_fingerprint": CATALOGUE.fingerprint,
        "environment_fingerprint": "a" * 64,
        "is_listening": True,
        "delay_ms": 4.0,
    }
    readers = apps.get_model("configuration", "ConfigReader").objects
    readers.create(id=uuid4(), process=name, host="desk", pid=11, **{**told, **facts})


def a_check(*, ago: timedelta, version: int, bad: int | None = None, finding: str = "") -> None:
    apps.get_model("configuration", "LedgerCheck").objects.create(
        checked_at=datetime.now(UTC) - ago, version=version, first_bad_version=bad, finding=finding, took_ms=1.0
    )


# --- the cockpit


def test_cockpit__of_an_empty_installation__says_so_and_what_comes(client: Client) -> None:
    text = text_of(client, COCKPIT)

    for said in ("v0", "ledger never verified", "Everything is at its default", "Nothing was decided yet"):
        assert said in text
    assert "No process has shown itself" in text
    assert 'role="alert"' not in text


def test_cockpit__ledger_verified__says_up_to_which_version_and_when(client: Client) -> None:
    put(GLOBAL, leverage=5)
    put(GLOBAL, leverage=6)
    a_check(ago=timedelta(minutes=3, seconds=5), version=1)

    text = text_of(client, COCKPIT)

    assert "verified to v1, 3 min ago" in text
    assert "1 newer not yet" in text


def test_cockpit__last_check_hours_ago__is_late(client: Client) -> None:
    a_check(ago=timedelta(hours=4), version=0)

    assert "but 4 h ago" in text_of(client, COCKPIT)
    assert context_of(client, COCKPIT)["ledger"].state == "late"


def test_cockpit__broken_ledger__is_loud(client: Client) -> None:
    put(GLOBAL, leverage=5)
    a_check(ago=timedelta(minutes=1), version=1, bad=1, finding="Version 1: its text is not that of its columns.")

    text = text_of(client, COCKPIT)

    assert "The ledger is broken from v1 on." in text
    assert "Version 1: its text is not that of its columns." in text
    assert "verified to" not in text


def test_cockpit__processes__are_shown_with_version_delay_and_how_they_hear(client: Client) -> None:
    put(GLOBAL, leverage=5)
    a_process("web")
    a_process("bots", version=0, is_listening=False, delay_ms=58_211.0)

    text = text_of(client, COCKPIT)

    assert "v0, 1 behind" in text
    assert "polling" in text
    assert "4 ms" in text
    assert "58,211 ms" in text
    assert "read the same version differently" not in text


@pytest.mark.parametrize("what", ["environment", "catalogue"])
def test_cockpit__processes_that_resolve_differently__raise_a_banner(client: Client, what: str) -> None:
    a_process("web")
    a_process("bots", **{f"{what}_fingerprint": "b" * 64})

    text = text_of(client, COCKPIT)

    assert "Live processes read the same version differently." in text
    assert f"Their {what} differs" in text


def test_cockpit__restart_parameter_changed_since_the_start__waits(client: Client) -> None:
    # 900 is the interval as shipped; the process started before 120 was decided.
    a_process("weather", started_at=NOON - timedelta(hours=1))
    decide(SetValue(GLOBAL, "engine", "interval_seconds", 120), now=NOON)

    (waiting,) = context_of(client, COCKPIT)["waiting"]

    assert (waiting.who, waiting.pending.running_value, waiting.pending.new_value) == ("The platform", 900, 120)


@pytest.mark.django_db(transaction=True)
def test_cockpit__database_does_not_name_its_head__says_what_is_shown_is_old(client: Client, clock: Clock) -> None:
    put(GLOBAL, leverage=5)
    text_of(client, COCKPIT)
    with head_is_locked():
        clock.now += 61
        text = text_of(client, COCKPIT)

    assert "Degraded: this is old." in text
    assert "all on v1" not in text


def test_cockpit__whatever_there_is__costs_the_same_queries(client: Client) -> None:
    def fill(tag: str) -> None:
        for number in range(3):
            put(symbol_scope(f"{tag}{number}"), leverage=5, max_retries=number + 5)
            a_process(f"{tag}{number}")
        text_of(client, COCKPIT)  # fills the image

    fill("A")
    with CaptureQueriesContext(connection) as few:
        text_of(client, COCKPIT)
    fill("B")
    fill("C")
    with CaptureQueriesContext(connection) as many:
        text_of(client, COCKPIT)

    assert len(many) == len(few) <= 20


# --- what is set, summed up


def all_set() -> Any:
    return overrides.everything(store.current())


def test_counted__by_kind_of_scope__with_the_scopes_that_set_most() -> None:
    put(GLOBAL, leverage=5)
    put(symbol_scope("A"), leverage=4)
    put(symbol_scope("B"), leverage=4, max_retries=2)
    put(side_scope("B", "LONG"), leverage=3)

    (line,) = overrides.counted(all_set(), {})

    assert (line.namespace, line.values) == ("trading", 5)
    assert [(cell.kind, cell.values) for cell in line.cells] == [
        ("global", 1), ("symbol", 3), ("symbol_side", 1), ("bot", 0),
    ]  # fmt: skip
    assert [(spot.words, spot.total) for spot in line.cells[1].spots] == [("B", 2), ("A", 1)]


def test_departures__critical_before_low__name_every_place_that_differs() -> None:
    # leverage ships as 10 (critical), max_retries as 3 (low)
    put(GLOBAL, max_retries=5)
    put(symbol_scope("A"), leverage=10)  # the default itself departs from nothing
    put(symbol_scope("B"), leverage=4)

    found = overrides.departures(all_set(), store.current(), {})

    assert [(one.parameter, one.default, [(at.words, at.value) for at in one.where]) for one in found] == [
        ("leverage", 10, [("B", 4)]),
        ("max_retries", 3, [("everywhere", 5)]),
    ]


def test_idle__the_very_value_it_would_inherit__and_no_other() -> None:
    put(GLOBAL, leverage=5)
    put(symbol_scope("A"), leverage=5)  # pinned to what holds everywhere
    put(symbol_scope("B"), leverage=4)
    put(side_scope("B", "LONG"), leverage=4)  # pinned to what B says
    put(side_scope("B", "SHORT"), leverage=5)  # that of everywhere, which B overrules
    put(GLOBAL, max_retries=3)  # pinned to the default

    found = overrides.idle(all_set(), store.current(), {})

    assert {(one.parameter, one.place, one.inherited_from) for one in found} == {
        ("leverage", "A", "everywhere"),
        ("leverage", "B long", "the symbol"),
        ("max_retries", "everywhere", "the default"),
    }


def test_idle__bot_that_says_what_holds_everywhere__is_none_while_a_symbol_says_otherwise() -> None:
    # On A the bot overrules 4 with 5: cleared, it would trade A with 4.
    put(GLOBAL, leverage=5)
    put(bot_scope("one"), leverage=5)
    put(symbol_scope("A"), leverage=4)
    assert overrides.idle(all_set(), store.current(), {}) == []

    decide(ClearValue(symbol_scope("A"), "trading", "leverage"))
    assert [one.kind for one in overrides.idle(all_set(), store.current(), {})] == ["bot"]


# --- the time machine


def history() -> None:
    """v1: 5 everywhere at noon; v2: 6 everywhere, v3: 4 at AAPL, an hour and two later."""
    put(GLOBAL, leverage=5)
    decide(SetValue(GLOBAL, "trading", "leverage", 6), now=NOON + timedelta(hours=1))
    decide(SetValue(symbol_scope("AAPL"), "trading", "leverage", 4), now=NOON + timedelta(hours=2))


def leverage_of(context: Any) -> Any:
    rows = {row.parameter.name: row for group in context["groups"] for row in group.rows}
    return rows["leverage"]


@pytest.mark.parametrize(
    ("asked", "version", "then"),
    [
        ({"at_version": "1"}, 1, 5),
        ({"at_version": "v2"}, 2, 6),
        ({"at_version": "0"}, 0, 10),  # as shipped
        ({"at_time": "2026-03-02T12:30"}, 1, 5),  # half past noon, in UTC
        ({"at_time": "2026-03-02T13:30:00+00:00"}, 2, 6),
        ({"at_time": "2026-03-02T15:30:00+04:00"}, 0, 10),  # 11:30 UTC: before anything
        ({"slide": "1", "was": "3", "at_version": "3"}, 1, 5),  # the slider was moved
        ({"slide": "3", "was": "3", "at_version": "2"}, 2, 6),  # the field was
        ({}, 3, 6),
    ],
)
def test_time__version_slider_or_instant__shows_what_was_in_force(
    client: Client, asked: dict[str, str], version: int, then: int
) -> None:
    history()
    context = context_of(client, TIME, asked)

    assert context["asked"].version == version
    assert (leverage_of(context).then.value, leverage_of(context).now.value) == (then, 6)


def test_time__another_place__differs_there_alone(client: Client) -> None:
    history()
    asked = {"at_version": "2", "only": "different"}
    everywhere = context_of(client, TIME, asked)
    at_aapl = context_of(client, TIME, {**asked, "symbol": "aapl", "side": "LONG"})

    assert (everywhere["differing"], everywhere["groups"]) == (0, [])
    row = leverage_of(at_aapl)
    assert (at_aapl["differing"], row.change, row.then.value, row.now.value) == (1, "value", 6, 4)
    assert (row.then.kind, row.then.version, row.now.kind, row.now.version) == ("global", 2, "symbol", 3)


@pytest.mark.parametrize("asked", [{"at_version": "4"}, {"at_version": "soon"}, {"at_time": "yesterday"}])
def test_time__no_such_moment__says_so_and_shows_now(client: Client, asked: dict[str, str]) -> None:
    history()
    text = text_of(client, TIME, asked, status=422)
    assert 'role="alert"' in text
    assert "v3, now" in text


def test_time__before_the_first_decision__has_no_past(client: Client) -> None:
    assert "There is no past yet" in text_of(client, TIME)


def test_time__value_of_the_environment__is_marked_as_todays(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    history()
    monkeypatch.setenv("DYNAMIC_INTERVAL_SECONDS", "600")
    store.forget()
    asked = {"at_version": "1", "namespace": "engine"}
    context, text = context_of(client, TIME, asked), text_of(client, TIME, asked)
    monkeypatch.undo()
    store.forget()

    (row,) = [row for group in context["groups"] for row in group.rows if row.parameter.name == "interval_seconds"]
    assert (row.then.value, row.then.kind, row.then.is_todays, row.now.is_todays) == (600, "environment", True, False)
    assert "was never recorded" in text


def test_time__longer_history__costs_the_same_queries(client: Client) -> None:
    history()
    text_of(client, TIME)
    with CaptureQueriesContext(connection) as few:
        text_of(client, TIME, {"at_version": "1", "symbol": "AAPL"})
    for number in range(5):
        put(symbol_scope(f"S{number}"), leverage=number + 1, max_retries=number)
        put(GLOBAL, leverage=number + 1)
    text_of(client, TIME)
    with CaptureQueriesContext(connection) as many:
        text_of(client, TIME, {"at_version": "1", "symbol": "AAPL"})

    assert len(many) == len(few) <= 16


def back(client: Client, **asked: str) -> Any:
    """The preview of the way back, and the answer to going it with the hash it showed."""
    way = context_of(client, TIME, {"back": "all", **asked})["way"]
    posted = {"back": "all", "plan_hash": way.shown.preview.plan_hash, "reason": "It went wrong", **asked}
    return way, client.post(reverse(TIME), posted)


def test_roll_back__everything__is_previewed_and_then_done_as_one_decision(client: Client) -> None:
    history()
    way, answer = back(client, at_version="1")

    assert {(line.name, line.place, line.before, line.after) for line in way.shown.lines} == {
        ("leverage", "everywhere", (6,), (5,)),
        ("leverage", "AAPL", (4,), None),
    }
    assert answer["Location"] == reverse("pages:config-change", args=[4])
    assert value_at(symbol_scope("AAPL"), "leverage") == 5
    decided = selectors.decision(4)
    assert (decided.kind, decided.actor_label, decided.reason) == ("rollback", "olga", "It went wrong")


def test_roll_back__only_here__leaves_the_rest(client: Client) -> None:
    history()
    back(client, at_version="1", back="here", symbol="AAPL")

    assert value_at(symbol_scope("AAPL"), "leverage") == 6  # inherited again, and not rolled back itself


def test_roll_back__changed_since_the_preview__does_nothing_and_shows_the_new_plan(client: Client) -> None:
    history()
    seen = context_of(client, TIME, {"back": "all", "at_version": "1"})["way"].shown.preview.plan_hash
    put(GLOBAL, leverage=8)
    posted = {"back": "all", "at_version": "1", "plan_hash": seen, "reason": "It went wrong"}

    answer = client.post(reverse(TIME), posted)

    assert answer.status_code == 412
    assert "what it would do now" in answer.content.decode()
    assert "It went wrong" in answer.content.decode()  # what was typed is not lost
    assert selectors.head().version == 4


@pytest.mark.parametrize(("missing", "status"), [("reason", 422), ("plan_hash", 412)])
def test_roll_back__without_a_reason_or_an_unseen_plan__does_nothing(client: Client, missing: str, status: int) -> None:
    history()
    seen = context_of(client, TIME, {"back": "all", "at_version": "1"})["way"].shown.preview.plan_hash
    posted = {"back": "all", "at_version": "1", "plan_hash": seen, "reason": "It went wrong", missing: ""}

    assert client.post(reverse(TIME), posted).status_code == status
    assert selectors.head().version == 3


def test_roll_back__of_an_operator_who_may_not__is_barred(db: None) -> None:
    history()  # leverage is critical, an operator changes what is low
    client = Client()
    client.force_login(a_person("otto", role="operator"))
    way, answer = back(client, at_version="1")

    assert (way.shown.is_ready, answer.status_code, selectors.head().version) == (False, 403, 3)


# --- import


def send(client: Client, **posted: Any) -> Any:
    return client.post(reverse(IMPORT), posted)


def test_import__document_as_text_or_file__is_planned_and_nothing_is_stored(client: Client) -> None:
    put(GLOBAL, leverage=5, max_retries=2)
    file = SimpleUploadedFile("configuration.yaml", DOCUMENT.encode())
    for answer in (send(client, document=DOCUMENT.replace("\n", "\r\n")), send(client, file=file)):
        assert answer.status_code == 200
        counts = answer.context["plan"].counts
        assert (counts.created, counts.updated, counts.deleted, counts.unchanged) == (1, 1, 0, 0)
    # What the document does not name is cleared: max_retries at global.
    replacing = send(client, document=DOCUMENT, mode="replace").context["plan"].counts
    assert (replacing.created, replacing.updated, replacing.deleted) == (1, 1, 1)
    assert selectors.head().version == 1


def test_import__applied_by_its_plan__is_one_decision_with_the_reason(client: Client) -> None:
    seen = send(client, document=DOCUMENT).context["plan"].shown.preview.plan_hash
    sent = {"document": DOCUMENT, "intent": "apply", "plan_hash": seen, "reason": "From the test desk"}

    answer = send(client, **sent)

    assert answer["Location"] == reverse("pages:config-change", args=[1])
    assert (value_at(GLOBAL, "leverage"), value_at(symbol_scope("AAPL"), "max_daily_trades")) == (7, 3)
    decided = selectors.decision(1)
    assert (decided.kind, decided.source, decided.actor_label) == ("import", "import", "olga")
    assert decided.reason == "From the test desk"


def test_import__another_document_than_planned__does_nothing(client: Client) -> None:
    seen = send(client, document=DOCUMENT).context["plan"].shown.preview.plan_hash
    other = DOCUMENT.replace("7", "8")

    answer = send(client, document=other, intent="apply", plan_hash=seen, reason="From the test desk")

    assert answer.status_code == 412
    assert "what it would do now" in answer.content.decode()
    assert selectors.head().version == 0


@pytest.mark.parametrize(("missing", "status"), [("reason", 422), ("plan_hash", 412)])
def test_import__without_a_reason_or_an_unseen_plan__does_nothing(client: Client, missing: str, status: int) -> None:
    seen = send(client, document=DOCUMENT).context["plan"].shown.preview.plan_hash
    sent = {"document": DOCUMENT, "intent": "apply", "plan_hash": seen, "reason": "From the test desk", missing: ""}

    assert send(client, **sent).status_code == status
    assert selectors.head().version == 0


def test_import__faults__are_all_listed_with_their_places(client: Client) -> None:
    wrong = DOCUMENT.replace("7", "700").replace("max_daily_trades", "max_daily_trade")

    answer = send(client, document=wrong)
    text = answer.content.decode()

    assert answer.status_code == 422
    assert {(fault.pointer, fault.code) for fault in answer.context["faults"]} == {
        ("/namespaces/trading/global/leverage", "out_of_range"),
        ("/namespaces/trading/symbol:AAPL/max_daily_trade", "unknown_parameter"),
    }
    assert "/namespaces/trading/symbol:AAPL/max_daily_trade" in text
    assert "Import exactly this" not in text


@pytest.mark.parametrize(
    ("posted", "code"),
    [
        ({"document": ""}, "required"),
        ({"document": "x" * (transfer.LARGEST_BYTES + 1)}, "file_too_large"),
        ({"file": SimpleUploadedFile("c.yaml", b"\xff\xfe\x00")}, "unreadable"),
        ({"document": "a: &x 1\nb: *x"}, "alias"),
    ],
    ids=["nothing", "large", "not text", "alias"],
)
def test_import__no_document__is_refused_with_the_reason(client: Client, posted: dict[str, Any], code: str) -> None:
    answer = send(client, **posted)

    assert answer.status_code == 422
    assert code in {fault.code for fault in answer.context["faults"]}


def test_import__of_an_operator_who_may_not__is_barred(db: None) -> None:
    client = Client()
    client.force_login(a_person("otto", role="operator"))
    plan = send(client, document=DOCUMENT).context["plan"]
    hash_seen = plan.shown.preview.plan_hash

    answer = send(client, document=DOCUMENT, intent="apply", plan_hash=hash_seen, reason="From the test desk")

    assert (plan.shown.is_ready, answer.status_code, selectors.head().version) == (False, 403, 0)


def test_viewer__sees_all_three_pages_and_changes_nothing(db: None) -> None:
    history()
    client = Client()
    client.force_login(a_person("vera"))

    assert "Clear it there" not in text_of(client, COCKPIT)
    assert "Roll back to this version" not in text_of(client, TIME, {"at_version": "1"})
    assert "Importing needs the role operator" in text_of(client, IMPORT)
    assert send(client, document=DOCUMENT).status_code == 403
    assert client.post(reverse(TIME), {"back": "all", "at_version": "1"}).status_code == 403
