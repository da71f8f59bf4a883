"""The agent of docs/examples: told only where the description is, and given a token, it does all of it.

It runs as it is shipped, in a process of its own, against a server that listens; nothing of ours is imported there.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from configuration import selectors, store
from configuration.image import Path as Place
from tests.contract.conftest import Issue

ROOT = Path(__file__).resolve().parents[2]
AGENT = ROOT / "docs" / "examples" / "agent.py"


def told(server: Any, token: str, *asked: str) -> list[dict[str, Any]]:
    """The steps the agent tells of."""
    command = [sys.executable, "-I", str(AGENT), f"{server.url}/api/v1/schema", *asked]
    environment = {"TRADINGSITE_TOKEN": token, "PATH": os.environ["PATH"]}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def leverage_of_the_long_side() -> Any:
    return store.current().resolve("trading", Place("", "BTCUSDT", "LONG"))["leverage"].value


@pytest.mark.django_db(transaction=True)
def test_agent__given_the_description_and_a_token__finds_changes_is_refused_mends_applies_and_undoes(
    live_server: Any, token_of: Issue
) -> None:
    before = leverage_of_the_long_side()
    also = {"parameters": {"max_retrys": 7}, "resaon": "typed wrongly"}

    steps = told(
        live_server,
        token_of("risk_admin"),
        *("--about", "leverage", "--value", "500", "--symbol", "BTCUSDT", "--side", "LONG"),
        *("--reason", "Calm enough", "--also", json.dumps(also)),
    )

    found, explained, refused, *_ = steps
    assert (found["step"], found["namespace"], found["parameter"]) == ("found", "trading", "leverage")
    assert (explained["step"], explained["value"], explained["limits"]["max"]) == ("explained", 10, 125)
    # All of it in one answer: beyond its limit, a name and a field that are not known, no reason for a critical one.
    assert refused["step"] == "refused"
    assert {tuple(fault) for fault in refused["faults"]} == {
        ("out_of_range", "/parameters/leverage"),
        ("unknown_parameter", "/parameters/max_retrys"),
        ("unknown_field", "/resaon"),
        ("reason_required", "/reason"),
    }
    (previewed,) = [step for step in steps if step["step"] == "previewed"]
    # 500 became the largest that is allowed, and the mistyped name the one it resembles.
    assert previewed["body"]["parameters"] == {"leverage": 125, "max_retries": 7}
    (applied,) = [step for step in steps if step["step"] == "applied"]
    values = [step["value"] for step in steps if step["step"] == "explained"]
    assert values == [10, 125, 10]  # in force before, then, and after it was taken back
    (undone,) = [step for step in steps if step["step"] == "undone"]
    assert undone["version"] == applied["version"] + 1
    assert {change["parameter"]: change["new"] for change in undone["changes"]} == {
        "leverage": None,
        "max_retries": None,
    }
    assert leverage_of_the_long_side() == before == 10
    assert selectors.decision(undone["version"]).reverts_version == applied["version"]


def test_agent__its_source__holds_no_address_of_the_api() -> None:
    source = AGENT.read_text("utf-8").split('"""', 2)[2]
    assert "/api/" not in source
    assert "config" not in source
