"""A value that is read only at a start waits for one, and says so."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db.models.functions import Now

from configuration import selectors
from configuration.catalogue import CATALOGUE, TRADING, Catalogue
from configuration.image import Image, Path, Stored
from configuration.models import ConfigReader
from configuration.scopes import GLOBAL, symbol_scope
from configuration.selectors.pending import PendingRestart, pending_restarts, waiting_for
from configuration.services import ClearValue, SetValue, keep
from configuration.tests.examples import NOON, decide, put, some_bot
from configuration.tests.reaching import a_reached_bot, reaching

pytestmark = pytest.mark.django_db


def a_process(**changes: Any) -> ConfigReader:
    """A process that lives, and started an hour before noon."""
    facts: dict[str, Any] = {
        "id": uuid4(),
        "process": "web",
        "host": "here",
        "pid": 1,
        "version": 0,
        "is_listening": True,
        "started_at": NOON - timedelta(hours=1),
        "seen_at": Now(),
    }
    return ConfigReader.objects.create(**{**facts, **changes})


def earlier(namespace: str, name: str, value: Any) -> None:
    """Set two hours before noon."""
    decide(SetValue(GLOBAL, namespace, name, value), now=NOON - timedelta(hours=2))


def waiting() -> list[tuple[str, Any, Any, int]]:
    return [(one.parameter, one.running_value, one.new_value, one.version) for one in pending_restarts()]


def test_pending__engine_parameter_changed_after_the_start__waits_with_both_values() -> None:
    a_process()
    put(GLOBAL, namespace="engine", interval_seconds=300)
    put(GLOBAL, namespace="engine", interval_seconds=600)

    assert pending_restarts() == (
        PendingRestart("", "platform", "engine", "interval_seconds", Path(), 900, 600, 2),  # 900 is the default
    )


def test_pending__changed_before_the_start__waits_for_nothing() -> None:
    put(GLOBAL, namespace="engine", interval_seconds=300)
    a_process(started_at=NOON + timedelta(seconds=1))
    assert waiting() == []


def test_pending__one_process_of_several_is_older_than_the_change__still_waits() -> None:
    a_process(started_at=NOON + timedelta(seconds=1))
    a_process(process="worker")
    put(GLOBAL, namespace="engine", interval_seconds=300)
    assert waiting() == [("interval_seconds", 900, 300, 1)]


def test_pending__changed_and_set_back__waits_for_nothing() -> None:
    earlier("weather", "active_stations", ["EGLC"])
    a_process()
    put(GLOBAL, namespace="weather", active_stations=["KLGA"])
    assert waiting() == [("active_stations", ["EGLC"], ["KLGA"], 2)]
    put(GLOBAL, namespace="weather", active_stations=["EGLC"])
    assert waiting() == []


def test_pending__cleared__waits_for_what_is_inherited() -> None:
    earlier("engine", "interval_seconds", 300)
    a_process()
    decide(ClearValue(GLOBAL, "engine", "interval_seconds"))
    assert waiting() == [("interval_seconds", 300, 900, 0)]


def test_pending__parameters_that_need_no_restart__never_wait() -> None:
    a_process()
    put(GLOBAL, leverage=20)
    put(GLOBAL, namespace="weather", edge_min=0.2)
    assert waiting() == []


def test_pending__nobody_runs__nothing_waits() -> None:
    a_process(seen_at=NOON)
    put(GLOBAL, namespace="engine", interval_seconds=300)
    assert waiting() == []


def test_pending__bots_whose_parameters_need_no_restart__are_not_even_read(django_assert_num_queries: Any) -> None:
    frozen = selectors.snapshot_for(some_bot("AAPL", bot="one"))
    keep(frozen)
    put(GLOBAL, leverage=20)
    # Head and rows for whoever has written, twice; live processes. No bot, no snapshot.
    with reaching(a_reached_bot("one", pinned=frozen.hash)), django_assert_num_queries(3):
        assert pending_restarts() == ()


# --- bots: no parameter of theirs needs a restart today, so the catalogue of these tests says that one does


def restarting(name: str) -> Catalogue:
    declared = {
        namespace: [
            parameter._replace(reload="restart") if (namespace, parameter.name) == (TRADING, name) else parameter
            for parameter in CATALOGUE.parameters(namespace)
        ]
        for namespace in CATALOGUE.namespaces()
    }
    return Catalogue(declared)


def test_waiting_for__bot_runs_on_its_snapshot__tells_each_node_that_differs() -> None:
    pinned = selectors.snapshot_for(some_bot("AAPL", bot="one")).content
    places = {(TRADING, symbol_scope("AAPL")): {"leverage": Stored(20, 7), "max_retries": Stored(9, 7)}}
    image = Image(catalogue=restarting("leverage"), version=7, head_hash="", places=places, environment={})

    found = waiting_for(a_reached_bot("one", "AAPL"), pinned, image)

    assert found == [
        PendingRestart("one", "One", TRADING, "leverage", Path("one", symbol, side), 10, 20, 7)
        for symbol, side in (("AAPL", ""), ("AAPL", "LONG"), ("AAPL", "SHORT"))
    ]


def test_waiting_for__nothing_changed_since__is_nothing() -> None:
    pinned = selectors.snapshot_for(some_bot("AAPL", bot="one")).content
    image = Image(catalogue=restarting("leverage"), version=0, head_hash="", places={}, environment={})
    assert waiting_for(a_reached_bot("one", "AAPL"), pinned, image) == []


def test_pending__running_bots__are_compared_and_stopped_ones_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    frozen = selectors.snapshot_for(some_bot("AAPL", bot="one"))
    keep(frozen)
    put(symbol_scope("AAPL"), leverage=20)
    monkeypatch.setattr("configuration.loading.CATALOGUE", restarting("leverage"))
    running = a_reached_bot("one", pinned=frozen.hash)
    stopped = a_reached_bot("two", pinned=frozen.hash, status="stopped")
    with reaching(running, stopped, a_reached_bot("three")):
        assert {one.bot for one in pending_restarts()} == {"one"}
