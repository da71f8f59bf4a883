"""Bad input at the API's door: one coded answer with every fault and its place, and not one row of ours changed."""

from hashlib import sha256
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from backtests.tests import builders
from tests.architecture.test_structure import APPS

pytestmark = pytest.mark.django_db

HEADER = b"timestamp,open,high,low,close,volume\n"


@pytest.fixture
def owner(db: None) -> User:
    return User.objects.create_superuser("olga")


@pytest.fixture
def client(owner: User) -> Client:
    client = Client()
    client.force_login(owner)
    return client


@pytest.fixture
def bot(owner: User) -> str:
    """A bot told what to do in ACME, of which there are ten daily bars, 2024-01-01 to 2024-01-10."""
    builders.an_equity("ACME")
    builders.a_dataset("ACME", builders.TEN_DAYS)
    return builders.a_follower(owner)


def everything_stored() -> str:
    """A digest of every row of our apps: equal means that nothing changed."""
    digest = sha256()
    for model in sorted(apps.get_models(), key=lambda model: model._meta.label):
        if model._meta.app_label in APPS and not model._meta.proxy:
            rows = sorted(repr(row) for row in model._default_manager.values_list())
            digest.update(repr((model._meta.label, rows)).encode())
    return digest.hexdigest()


def refused(answer: Any) -> set[tuple[str, str]]:
    """(place, code) of every fault; each says in words what is wrong."""
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (422, "VALIDATION_ERROR"), answer.content
    assert all(len(fault["message"]) > 10 for fault in error["details"])
    return {(fault["pointer"], fault["code"]) for fault in error["details"]}


def imported(client: Client, content: bytes, **fields: str) -> Any:
    form: dict[str, Any] = {"symbol": "ACME", "timeframe": "1d", "source": "upload", **fields}
    return client.post("/api/v1/datasets", {**form, "file": SimpleUploadedFile("bars.csv", content)})


def posted(client: Client, address: str, body: dict[str, Any]) -> Any:
    return client.post(f"/api/v1/{address}", body, content_type="application/json")


def test_digest__one_cell_changes__is_another(bot: str) -> None:
    from bots.models import Bot

    before = everything_stored()
    assert everything_stored() == before
    Bot.objects.update(name="Renamed")
    assert everything_stored() != before


@pytest.mark.parametrize(
    ("content", "code"),
    [(b"\x1f\x8b no gzip", "unreadable_file"), (HEADER + b"\xff\xfe\x00,1,1,1,1,1\n", "unreadable_file")],
)
def test_import__unreadable_csv__is_refused(content: bytes, code: str, client: Client, bot: str) -> None:
    before = everything_stored()
    assert refused(imported(client, content)) == {("/file", code)}
    assert everything_stored() == before


def test_import__nan_price_high_below_low_and_more__names_each_line_and_each_field(client: Client, bot: str) -> None:
    # Given: a sound line and four bad ones, in a request that is wrong too; the header is line 1
    lines = [
        b"2024-01-01,10,12,9,11,5",
        b"2024-01-02,10,12,9,nan,5",
        b"2024-01-03,10,9,12,11,5",
        b"2023-12-31,10,12,9,11,-5",
    ]
    before = everything_stored()
    # When
    answer = imported(client, HEADER + b"\n".join(lines), symbol="NOPE", adjustment="half")
    # Then: line 4's open and close cannot lie between a low of 12 and a high of 9, which is the same fault
    assert refused(answer) == {
        ("/file/rows/3", "not_finite"),
        ("/file/rows/4", "high_below_low"),
        ("/file/rows/5", "out_of_order"),
        ("/file/rows/5", "negative_volume"),
        ("/symbol", "unknown_symbol"),
        ("/adjustment", "unknown_adjustment"),
    }
    assert everything_stored() == before


def test_backtest__unknown_symbol_end_before_start_and_costs_below_zero__are_told_together(
    client: Client, bot: str
) -> None:
    before = everything_stored()
    body = {"bot": bot, "symbols": ["NOPE"], "start": "2024-01-09", "end": "2024-01-02", "fee_bps": -1}
    assert refused(posted(client, "backtests", body)) == {
        ("/symbols/0", "unknown_symbol"),
        ("/end", "end_before_start"),
        ("/fee_bps", "out_of_range"),
        ("/signals", "signals_required"),
    }
    assert everything_stored() == before


def test_bot__one_indicator_with_majority_unknown_symbol_and_ranges__are_told_together(
    client: Client, bot: str
) -> None:
    before = everything_stored()
    body = {
        "name": "Lonely",
        "symbols": ["NOPE"],
        "capital": 1000,
        "indicators": {"RSI": {"period": 101}},
        "risk_management": {"stop_loss": 101},
        "reason": "for a test",
    }
    assert refused(posted(client, "bots", body)) == {
        ("/symbols/0", "unknown_symbol"),
        ("/indicators/RSI/period", "out_of_range"),
        ("/indicators", "voters"),
        ("/risk_management/stop_loss", "out_of_range"),
    }
    assert everything_stored() == before


def test_bot__redefined_badly__stays_as_it_was(client: Client, bot: str) -> None:
    before = everything_stored()
    body = {"name": "Lonely", "symbols": ["ACME"], "capital": 0, "indicators": {"RSI": {}}, "reason": "for a test"}
    answer = client.put(f"/api/v1/bots/{bot}", body, content_type="application/json")
    assert ("/capital", "out_of_range") in refused(answer)
    assert everything_stored() == before


def test_configuration__parameters_out_of_range__are_told_together_with_their_limits(client: Client, bot: str) -> None:
    before = everything_stored()
    parameters = {"leverage": 126, "stop_loss_pct": 0, "max_retries": 1, "leverige": 3}
    answer = posted(client, "config/trading/ACME", {"parameters": parameters, "reason": "for a test"})
    assert refused(answer) == {
        ("/parameters/leverage", "out_of_range"),
        ("/parameters/stop_loss_pct", "out_of_range"),
        ("/parameters/leverige", "unknown_parameter"),
    }
    assert answer.json()["error"]["details"][0]["allowed"] == {"minimum": 1, "maximum": 125}
    assert everything_stored() == before
