"""Text, paths and dates that somebody means badly: shown as text, found nowhere, refused with a code."""

from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from backtests.models import Backtest
from backtests.tests import builders
from configuration import services as configuration
from configuration.services import Actor, SetValue, symbol_scope
from engine.domain.errors import InputError
from marketdata.models import Dataset, Instrument

pytestmark = pytest.mark.django_db

HOSTILE = "</script><img src=x onerror=alert(1)>\"'"


@pytest.fixture
def owner(db: None) -> User:
    return User.objects.create_superuser("olga")


@pytest.fixture
def client(owner: User) -> Client:
    client = Client()
    client.force_login(owner)
    return client


@pytest.fixture
def ten_days(db: None) -> None:
    builders.an_equity("ACME")
    builders.a_dataset("ACME", builders.TEN_DAYS)


# --- text


def test_text__markup_in_a_name_and_a_reason__is_shown_as_text_on_every_page(
    client: Client, owner: User, ten_days: None
) -> None:
    # Given: a bot, its reason and a change of configuration that would all like to be markup
    bot_id = builders.a_bot(
        owner, name=HOSTILE, strategy="external", symbols=["ACME"], indicators=None, reason=f"bot {HOSTILE}"
    )
    run = builders.ran(owner, bot_id, signals=[builders.a_signal(2, "buy")])
    configuration.change(
        actor=Actor("user", "1", f"actor {HOSTILE}"),
        source="test",
        reason=f"change {HOSTILE}",
        operations=[SetValue(symbol_scope("ACME"), "trading", "max_daily_trades", 7)],
        now=builders.NOW,
    )
    # When
    shown = {
        page: client.get(page, follow=True).content.decode()
        for page in (
            "/",
            "/bots",
            f"/bots/{bot_id}",
            "/backtests",
            f"/backtests/{run.id}",
            f"/backtests/{run.id}/decisions/1",
            f"/snapshots/{run.snapshot_id}",
            "/admin/bots/bot/",
            f"/admin/bots/bot/{bot_id}/change/",
            f"/admin/bots/bot/{bot_id}/history/",
            "/admin/backtests/backtest/",
            "/admin/configuration/changeset/",
        )
    }
    # Then: nowhere a tag, everywhere the words
    assert [page for page, text in shown.items() if "<img src=x" in text] == []
    assert [page for page, text in shown.items() if "&lt;img src=x" not in text] == []


# --- paths


@pytest.mark.parametrize(
    "address",
    [
        "/static/../manage.py",
        "/static/%2e%2e/manage.py",
        "/static/..%2fmanage.py",
        "/static/....//manage.py",
        "/static//etc/passwd",
        "/snapshots/..%2f..%2fmanage.py",
        "/api/v1/snapshots/..%2f..%2fmanage.py",
    ],
)
def test_path__out_of_its_folder__is_not_found(address: str, client: Client) -> None:
    assert client.get(address).status_code == 404


UP = "../../escaped"


def upload(client: Client, file_name: str = "bars.csv", **fields: str) -> Any:
    content = b"timestamp,open,high,low,close,volume\n2020-01-01,10,12,9,11,5\n"
    form: dict[str, Any] = {"symbol": "ACME", "timeframe": "1d", "source": "up", **fields}
    return client.post("/api/v1/datasets", {**form, "file": SimpleUploadedFile(file_name, content)})


@pytest.mark.parametrize(
    ("field", "code"), [("symbol", "unknown_symbol"), ("source", "invalid_source"), ("timezone", "unknown_timezone")]
)
def test_upload__a_path_for_a_word__is_refused_with_a_code(
    field: str, code: str, client: Client, ten_days: None
) -> None:
    answer = upload(client, **{field: UP})
    assert answer.status_code == 422
    assert [fault["code"] for fault in answer.json()["error"]["details"]] == [code]
    assert Dataset.objects.filter(source="up").count() == 0


def test_upload__a_file_named_like_a_path__is_read_and_never_written_under_that_name(
    client: Client, ten_days: None
) -> None:
    assert upload(client, f"{UP}.csv").status_code == 201
    around = Path(settings.DATA_DIR).resolve().parent.parent
    assert [path for folder in (around, around.parent) for path in folder.glob("escaped*")] == []


@pytest.mark.parametrize("symbol", [UP, "/etc/passwd", "..", "A\\B", "A B", "", "A" * 65])
def test_instrument__a_path_for_a_symbol__is_refused(symbol: str, ten_days: None) -> None:
    with pytest.raises(InputError) as refused:
        builders.an_equity(symbol)
    assert [fault.code for fault in refused.value.faults] == ["invalid_symbol"]
    assert list(Instrument.objects.values_list("symbol", flat=True)) == ["ACME"]


# --- dates


@pytest.mark.parametrize(
    ("start", "code"),
    [
        ("0000-01-01", "invalid_time"),
        ("10000-01-01", "invalid_time"),
        ("9999-12-31T23:59:59-12:00", "invalid_time"),  # in UTC it lies beyond the last year there is
        ("2024-13-01", "invalid_time"),
        ("9999-12-31", "no_bars_in_window"),
        (2**63, "invalid_time"),
    ],
)
def test_window__beyond_what_a_date_can_be__is_a_fault_and_starts_nothing(
    start: Any, code: str, client: Client, owner: User, ten_days: None
) -> None:
    body = {"bot": builders.a_follower(owner), "signals": [builders.a_signal(2, "buy")], "start": start}
    answer = client.post("/api/v1/backtests", body, content_type="application/json")
    assert answer.status_code == 422, answer.content
    assert code in [fault["code"] for fault in answer.json()["error"]["details"]]
    assert Backtest.objects.count() == 0


def test_window__from_the_first_year_there_is__runs_from_the_first_bar(
    client: Client, owner: User, ten_days: None
) -> None:
    body = {"bot": builders.a_follower(owner), "signals": [builders.a_signal(2, "buy")], "start": "0001-01-01"}
    assert client.post("/api/v1/backtests", body, content_type="application/json").status_code == 202
    assert Backtest.objects.get().rows_total == 10
