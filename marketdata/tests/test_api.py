"""The API of market data, as a client sees it."""

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from marketdata import services, tasks
from marketdata.models import Dataset
from marketdata.tests.builders import MINUTE, NOW, START, a_dataset, an_instrument, as_csv, some_bars
from tests.people import a_person

pytestmark = pytest.mark.django_db
NOBODY = "00000000-0000-0000-0000-000000000001"


@pytest.fixture
def api(admin_user) -> Client:
    client = Client()
    client.force_login(admin_user)
    return client


@pytest.fixture
def reader(db) -> Client:
    client = Client()
    client.force_login(a_person("reader"))
    return client


def codes(response: Any) -> list[str]:
    assert response.json()["success"] is False
    return [fault["code"] for fault in response.json()["error"]["details"]]


@pytest.mark.parametrize("path", ["instruments", "datasets", "studies", f"datasets/{NOBODY}", f"studies/{NOBODY}"])
def test_api__nobody_logged_in__is_refused(client, path: str) -> None:
    assert client.get(f"/api/v1/{path}").status_code == 401


def test_instruments__defined_ones__are_listed_with_decimals_as_text(reader) -> None:
    an_instrument()

    body = reader.get("/api/v1/instruments").json()

    assert body["data"][0]["symbol"] == "BTCUSD"
    assert body["data"][0]["price_tick"] == "0.010000000"
    assert body["metadata"]["pagination"]["total"] == 1


def test_datasets__filters__choose(reader) -> None:
    services.import_samples(NOW)

    assert len(reader.get("/api/v1/datasets").json()["data"]) == 4
    assert [row["symbol"] for row in reader.get("/api/v1/datasets?symbol=ibm").json()["data"]] == ["IBM"]
    assert reader.get("/api/v1/datasets?timeframe=1h").json()["data"] == []
    assert codes(reader.get("/api/v1/datasets?timeframe=7m")) == ["unknown_timeframe"]


def test_datasets__superseded__are_hidden_unless_asked_for(reader) -> None:
    an_instrument()
    a_dataset(some_bars(3))
    a_dataset(some_bars(4))

    assert len(reader.get("/api/v1/datasets").json()["data"]) == 1
    assert len(reader.get("/api/v1/datasets?all=true").json()["data"]) == 2


def test_datasets__longer_list__takes_no_more_queries(reader) -> None:
    an_instrument()
    a_dataset(some_bars(3), source="s0")
    with CaptureQueriesContext(connection) as few:
        reader.get("/api/v1/datasets")
    for place in range(1, 6):
        a_dataset(some_bars(3), source=f"s{place}")
    with CaptureQueriesContext(connection) as many:
        reader.get("/api/v1/datasets")

    assert len(many) == len(few)


def test_dataset__one__has_its_quality_report(reader) -> None:
    an_instrument()
    dataset_id = a_dataset(some_bars(3))

    body = reader.get(f"/api/v1/datasets/{dataset_id}").json()["data"]

    assert (body["bar_count"], body["first_open_ms"]) == (3, START)
    assert body["quality"]["warnings"][0]["code"] == "zero_volume"  # the first bar of some_bars trades nothing


@pytest.mark.parametrize("path", [f"datasets/{NOBODY}", f"datasets/{NOBODY}/bars", f"studies/{NOBODY}"])
def test_api__unknown_id__is_not_found(reader, path: str) -> None:
    response = reader.get(f"/api/v1/{path}")

    assert response.status_code == 404
    assert response.json()["error"]["code"] == "NOT_FOUND"


def test_bars__window_in_iso_or_milliseconds__is_the_same(reader) -> None:
    an_instrument()
    path = f"/api/v1/datasets/{a_dataset(some_bars(10))}/bars"

    iso = reader.get(path, {"start": "2020-01-01T00:02:00Z", "end": "2020-01-01T00:05:00"}).json()["data"]
    numbers = reader.get(path, {"start": START + 2 * MINUTE, "end": START + 5 * MINUTE}).json()["data"]

    assert iso == numbers
    assert iso["open_ms"] == [START + place * MINUTE for place in (2, 3, 4)]
    assert iso["close"] == [100.02, 100.03, 100.04]


def test_bars__few_points__are_merged(reader) -> None:
    an_instrument()
    body = reader.get(f"/api/v1/datasets/{a_dataset(some_bars(10))}/bars?max_points=4").json()["data"]

    assert (body["bars_per_point"], body["bar_count"], len(body["close"])) == (3, 10, 4)


def test_bars__everything_wrong__all_faults(reader) -> None:
    an_instrument()
    path = f"/api/v1/datasets/{a_dataset(some_bars(3))}/bars"

    assert codes(reader.get(path, {"start": "soon", "end": "9" * 30, "max_points": 0})) == [
        "invalid_timestamp", "invalid_timestamp", "out_of_range",
    ]  # fmt: skip
    assert codes(reader.get(path, {"start": "2020-01-02", "end": "2020-01-01"})) == ["end_before_start"]


def upload(client: Client, **fields: Any) -> Any:
    content = fields.pop("content", as_csv(some_bars(3)).read())
    file = SimpleUploadedFile("bars.csv", content)
    return client.post(
        "/api/v1/datasets", {"file": file, "symbol": "btcusd", "timeframe": "1m", "source": "up", **fields}
    )


def test_import__csv_of_staff__is_stored_once(api) -> None:
    an_instrument()

    first, second = upload(api), upload(api)

    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["data"][0]["dataset_id"] == second.json()["data"][0]["dataset_id"]
    assert Dataset.objects.count() == 1


def test_import__ordinary_user__may_not(reader) -> None:
    an_instrument()

    assert upload(reader).status_code == 403
    assert not Dataset.objects.exists()


def test_import__bad_file__names_every_fault_and_stores_nothing(api) -> None:
    an_instrument()
    rows = b"timestamp,open,high,low,close,volume\n2020-01-01T00:00:00Z,10,9,12,nan,1\nx,1,1,1,1,1\n"

    response = upload(api, content=rows)

    assert response.status_code == 422
    assert set(codes(response)) == {"not_finite", "unparseable_timestamp"}
    assert not Dataset.objects.exists()


def test_import__missing_and_unknown_fields__are_all_named(api) -> None:
    response = api.post("/api/v1/datasets", {"symbl": "BTCUSD"})

    assert response.status_code == 422
    assert codes(response) == ["unknown_field", "required", "required", "required", "required"]


def test_studies__catalogue__lists_parameters(reader) -> None:
    body = reader.get("/api/v1/studies").json()["data"]

    rsi = next(row for row in body if row["name"] == "rsi")
    assert rsi["parameters"][0] == {
        "name": "length", "kind": "int", "default": 14, "minimum": 1.0, "maximum": 5000.0, "choices": [],
    }  # fmt: skip


def test_study__asked_for__is_queued_then_computed_then_there(api) -> None:
    an_instrument()
    path = f"/api/v1/datasets/{a_dataset(some_bars(10))}/studies"
    body = {"name": "sma", "parameters": {"length": 3}}

    queued = api.post(path, body, content_type="application/json")
    study_id = queued.json()["data"]["id"]
    assert (queued.status_code, queued.json()["data"]["status"]) == (202, "queued")
    assert "values" not in api.get(f"/api/v1/studies/{study_id}").json()["data"]
    tasks.compute_study.apply(kwargs={"study_id": study_id}, throw=True)

    answer = api.get(f"/api/v1/studies/{study_id}", {"start": START + MINUTE}).json()["data"]
    assert answer["status"] == "completed"
    # Closes 100.00, 100.01, ...: the mean of bars 0-2 is 100.01, of 1-3 100.02; bar 1 has no mean of three yet.
    assert answer["values"]["SMA_3"][0] is None
    assert answer["values"]["SMA_3"][1:3] == pytest.approx([100.01, 100.02])
    assert answer["open_ms"][0] == START + MINUTE
    assert api.post(path, body, content_type="application/json").status_code == 200


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, ["required"]),
        ({"name": "rsi", "parameters": [], "extra": 1}, ["unknown_field", "wrong_type"]),
        ({"name": "nope"}, ["unknown_study"]),
        ({"name": "rsi", "parameters": {"length": 0, "colour": "red"}}, ["out_of_range", "unknown_parameter"]),
    ],
)
def test_study__bad_request__all_faults(api, body: dict, expected: list[str]) -> None:
    an_instrument()
    dataset_id = a_dataset(some_bars(10))

    response = api.post(f"/api/v1/datasets/{dataset_id}/studies", body, content_type="application/json")

    assert response.status_code == 422
    assert codes(response) == expected
