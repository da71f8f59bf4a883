"""Every operation has words and an example of what is sent and answered, and the examples are those of real calls."""

import io
import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from rest_framework.test import APIClient

from backtests.tests import builders as backtests
from bots.tests import builders
from tests.contract.stage import seeded
from tests.people import a_person
from tradingsite.api.examples import FILE, examples, shape_of

pytestmark = pytest.mark.django_db

API = "/api/v1"
METHODS = ("get", "post", "put", "patch", "delete")
CSV = "timestamp,open,high,low,close,volume\n2024-01-02,99,101,98,100,1000\n2024-01-03,100,102,99,101,1000\n"


@pytest.fixture(scope="module")
def described() -> Any:
    return SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]  # theirs has no types


def operations(described: Any) -> Iterator[tuple[str, Any]]:
    for path, methods in described["paths"].items():
        for method in METHODS:
            if method in methods:
                yield f"{method.upper()} {path}", methods[method]


def test_description__of_all_there_is__has_no_warnings_and_is_3_1() -> None:
    GENERATOR_STATS.reset()
    with GENERATOR_STATS.silence():
        found = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]  # theirs has no types
    assert (dict(GENERATOR_STATS._warn_cache), dict(GENERATOR_STATS._error_cache)) == ({}, {})
    assert found["openapi"].startswith("3.1.")


def test_description__every_operation__has_words_and_examples(described: Any) -> None:
    missing = []
    for label, operation in operations(described):
        missing += [f"{label}: {word}" for word in ("summary", "description") if not operation.get(word)]
        contents = [
            content
            for status, response in operation["responses"].items()
            if status.startswith("2")
            for content in response.get("content", {}).values()
        ]
        if not contents and "204" not in operation["responses"]:
            missing.append(f"{label}: answer")
        contents += operation.get("requestBody", {}).get("content", {}).values()
        missing += [f"{label}: schema" for content in contents if not content.get("schema")]
        missing += [f"{label}: example" for content in contents if not content.get("examples")]
    assert missing == []


def calls(own: dict[str, list[Any]]) -> Iterator[tuple[str, str, Any, str]]:
    """(operation, address, body, form): one good call of every operation whose view gives no example."""
    bots, runs = f"{API}/bots", f"{API}/backtests"
    bot, backtest, dataset = own["bot_id"][0], own["backtest_id"][0], own["dataset_id"][0]
    form = {**builders.a_form(name="A third", symbols=["ACME"]), "reason": "To try it out"}
    yield f"GET {bots}", bots, None, ""
    yield f"POST {bots}", bots, form, "json"
    yield f"GET {bots}/{{bot_id}}", f"{bots}/{bot}", None, ""
    yield f"PUT {bots}/{{bot_id}}", f"{bots}/{own['idle'][0]}", {**form, "name": "Renamed"}, "json"
    for step in ("start", "pause", "resume", "stop"):
        yield f"POST {bots}/{{bot_id}}/{step}", f"{bots}/{own['idle'][0]}/{step}", None, ""
    yield f"GET {API}/live", f"{API}/live", None, ""
    yield f"GET {API}/live/bots/{{bot_id}}", f"{API}/live/bots/{bot}", None, ""
    for name in ("trades", "positions", "decisions", "orders"):
        yield f"GET {API}/{name}", f"{API}/{name}", None, ""
        key = f"{name.removesuffix('s')}_id"
        yield f"GET {API}/{name}/{{{key}}}", f"{API}/{name}/{own[key][0]}", None, ""
    yield f"GET {API}/trades/stats", f"{API}/trades/stats", None, ""
    for name in ("summary", "market-status", "instruments", "studies"):
        yield f"GET {API}/{name}", f"{API}/{name}", None, ""
    yield f"GET {API}/market-data/{{symbol}}", f"{API}/market-data/ACME", None, ""
    closing = {"pause_bot": True, "reason": "Enough of it"}
    position = f"{API}/positions/{own['position_id'][0]}/close"
    yield f"POST {API}/positions/{{position_id}}/close", position, closing, "json"
    yield f"GET {runs}", runs, None, ""
    signals = [backtests.a_signal(3, "buy")]
    yield f"POST {runs}", runs, {"bot": own["follower"][0], "signals": signals, "fee_bps": 10}, "json"
    yield f"GET {runs}/{{backtest_id}}", f"{runs}/{backtest}", None, ""
    for name in ("equity", "candles", "trades", "fills", "orders", "decisions"):
        yield f"GET {runs}/{{backtest_id}}/{name}", f"{runs}/{backtest}/{name}?symbol=ACME", None, ""
    yield f"GET {runs}/{{backtest_id}}/decisions/{{row}}", f"{runs}/{backtest}/decisions/2", None, ""
    yield f"GET {API}/datasets", f"{API}/datasets", None, ""
    file = io.BytesIO(CSV.encode())
    file.name = "ibm.csv"
    sent = {"symbol": "IBM", "timeframe": "1d", "source": "csv", "file": file}
    yield f"POST {API}/datasets", f"{API}/datasets", sent, "multipart"
    yield f"GET {API}/datasets/{{dataset_id}}", f"{API}/datasets/{dataset}", None, ""
    yield f"GET {API}/datasets/{{dataset_id}}/bars", f"{API}/datasets/{dataset}/bars", None, ""
    study = {"name": "sma", "parameters": {"length": 3}}
    yield f"POST {API}/datasets/{{dataset_id}}/studies", f"{API}/datasets/{dataset}/studies", study, "json"
    yield f"GET {API}/studies/{{study_id}}", f"{API}/studies/{{study}}", None, ""
    queued = f"{API}/backtests/{{queued}}/cancel"
    yield f"POST {runs}/{{backtest_id}}/cancel", queued, None, ""


def asked(user: User, own: dict[str, list[Any]]) -> dict[str, Any]:
    """What every call of ``calls`` sent and was answered, as it would be written down."""
    client, found, made = APIClient(), {}, {"study": "", "queued": ""}
    client.force_authenticate(user)
    for label, address, body, form in calls(own):
        method = label.split()[0].lower()
        if form == "multipart":
            response = client.post(address, encode_multipart(BOUNDARY, body), content_type=MULTIPART_CONTENT)
        else:
            response = getattr(client, method)(address.format(**made), body)
        assert response.status_code in (200, 201, 202), (label, response.content)
        answer = response.json()
        if label.endswith("/studies") and method == "post":
            made["study"] = answer["data"]["id"]
        if label == f"POST {API}/backtests":
            made["queued"] = answer["data"]["id"]
        shown = {"file": "(the file's bytes)"} if form == "multipart" else {}
        metadata = {name: one for name, one in answer["metadata"].items() if name not in ("request_id", "timestamp")}
        found[label] = {
            **({"body": {**body, **shown}} if body else {}),
            "data": shortened(answer["data"]),
            "metadata": metadata,
        }
    return found


def shortened(value: Any) -> Any:
    """Lists cut to two, of things those that tell most: an example shows what one looks like."""
    if isinstance(value, dict):
        return {name: shortened(one) for name, one in value.items()}
    if not isinstance(value, list):
        return value
    telling = sorted(value, key=len, reverse=True) if value and isinstance(value[0], dict) else value
    return [shortened(one) for one in telling[:2]]


def test_examples__where_views_give_none__are_as_real_calls_are() -> None:
    caller = a_person("ann", role="owner")
    own, _ = seeded(caller)
    builders.a_replay("1d", datetime(2024, 1, 5, tzinfo=UTC))
    found = asked(caller, own)
    if os.environ.get("CONTRACT_WRITE"):
        FILE.write_text(json.dumps(found, indent=1, ensure_ascii=False, default=str) + "\n", "utf-8")
        examples.cache_clear()
    told = examples()
    assert told.keys() == found.keys()
    assert {label: outline(one["data"]) for label, one in told.items()} == {
        label: outline(one["data"]) for label, one in found.items()
    }


def outline(data: Any) -> Any:
    """The shape; of a list the names in it alone, for which of several equal ones is first is left to chance."""
    return sorted(data[0]) if isinstance(data, list) else shape_of(data)
