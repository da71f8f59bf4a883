"""The figures of a result have words, and what the equity is compared with is computed right."""

import hashlib
import json

import numpy as np
import pytest
from django.contrib.auth.models import User

from backtests.tests import builders
from engine.metrics import Metrics
from tradingsite.dashboard import credits, curves, figures


def test_figures__every_metric_of_the_engine__has_a_name_and_a_definition() -> None:
    told = [*figures.headline({}), *figures.remaining(dict.fromkeys(Metrics._fields))]

    assert sorted(one.name for one in told) == sorted(Metrics._fields)
    assert all(one.definition for one in told)


def test_figures__a_metric_without_words__is_shown_by_its_name() -> None:
    assert figures.remaining({"ulcer_index": "0.1"})[-1].label == "Ulcer index"


def test_drawdown__after_a_rise_and_a_fall__is_measured_from_the_last_peak_or_the_start() -> None:
    equity = np.array([95.0, 120.0, 90.0, 150.0])

    # 95 / 100 - 1 = -5 %; 120 is a peak; 90 / 120 - 1 = -25 %; 150 is a peak
    assert curves.drawdown_percent(equity, 100.0).tolist() == [-5.0, 0.0, -25.0, 0.0]


@pytest.mark.django_db
def test_curve__of_a_run__holds_equity_and_what_buying_and_holding_would_have_made(ten_days, owner: User) -> None:
    # Given: ACME closes at 100 on the first day, at 105 on the fifth and at 102 on the last
    run = builders.ran(owner, builders.a_follower(owner), signals=[builders.a_signal(2, "buy")])

    curve = curves.curve(run)

    assert len(curve["open_ms"]) == 10
    assert curve["equity"][-1] == float(run.metrics["final_equity"])
    assert curve["benchmark"][0] == 10_000.0
    assert curve["benchmark"][4] == 10_500.0  # 10 000 x 105 / 100
    assert curve["benchmark"][-1] == 10_200.0


def test_vendored_files__are_the_ones_that_were_reviewed() -> None:
    listed = json.loads((credits.VENDOR / "versions.json").read_text("utf-8"))
    hashes = {
        file: hashlib.sha256((credits.VENDOR / file).read_bytes()).hexdigest()
        for one in listed.values()
        for file in one["files"]
    }

    assert hashes == {file: told for one in listed.values() for file, told in one["files"].items()}
    unlisted = {
        str(path.relative_to(credits.VENDOR))
        for path in credits.VENDOR.rglob("*")
        if path.suffix in (".js", ".mjs", ".css", ".woff2")
    } - set(hashes)
    assert unlisted == set()
