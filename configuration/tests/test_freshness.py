"""What is served while the database is slow, away or back: the last image, honestly dated, never as if it were new."""

import gc
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import psycopg
import pytest
from django.db import OperationalError, connection, transaction
from django.test.utils import CaptureQueriesContext

from configuration import loading, selectors, store
from configuration.image import Path
from configuration.models import Override
from configuration.scopes import GLOBAL, bot_scope, symbol_scope
from configuration.services import ClearScope, ClearValue
from configuration.tests.examples import decide, put, some_bot
from configuration.tests.test_store import elsewhere

committing = pytest.mark.django_db(transaction=True)


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[Clock]:
    settings.CONFIG_CACHE_TTL_SECONDS = 60
    settings.CONFIG_DATABASE_TIMEOUT_MS = 50
    clock = Clock()
    store.forget()
    monkeypatch.setattr(store._shared, "clock", clock)
    yield clock
    store.forget()


def another_connection() -> "psycopg.Connection[Any]":
    given = connection.get_connection_params()
    known = {key: given[key] for key in ("host", "port", "user", "password", "dbname") if given.get(key)}
    return psycopg.connect(**known)


@contextmanager
def locked(*tables: str) -> Iterator[None]:
    """The tables answer nobody, as during a migration; the rest of the database goes on."""
    with another_connection() as other:
        other.execute(f"LOCK TABLE {', '.join(tables)} IN ACCESS EXCLUSIVE MODE")
        yield
        other.rollback()


@contextmanager
def away() -> Iterator[None]:
    """No server where this thread looks for it."""
    host = connection.settings_dict["HOST"]
    connection.close()
    connection.settings_dict["HOST"] = "/nowhere"
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict["HOST"] = host


def head_is_locked() -> Any:
    return locked("configuration_confighead")


@committing
@pytest.mark.parametrize("outage", [head_is_locked, away])
def test_read__database_away__serves_the_last_image_and_is_degraded_past_its_limit(
    clock: Clock, outage: Callable[[], Any]
) -> None:
    # 001-10, 001-36, 002-36, 002-57. Given: read once, at 1000
    put(GLOBAL, leverage=11)
    before = store.read()
    assert (before.is_confirmed, before.is_degraded) == (True, False)
    with outage():
        clock.now += 60  # exactly the limit
        served = store.read()
        assert served.image is before.image
        assert (served.is_confirmed, served.is_degraded, served.is_cache_hit) == (False, False, True)
        assert served.confirmed_at == before.confirmed_at
        clock.now += 1  # a second past it
        assert store.read().is_degraded
        assert selectors.resolve(GLOBAL, ("trading",))["trading.leverage"].value == 11
        facts = selectors.freshness(is_asking=False)
        assert (facts.version, facts.age_s, facts.is_degraded, facts.ttl_s) == (1, 61.0, True, 60)
    clock.now += 10
    after = store.read()
    assert (after.is_confirmed, after.is_degraded) == (True, False)
    assert after.confirmed_at is not None
    assert before.confirmed_at is not None
    assert after.confirmed_at > before.confirmed_at
    assert selectors.freshness().age_s == 0.0


@committing
@pytest.mark.parametrize("outage", [head_is_locked, away])
def test_read__database_away_before_the_first_read__raises(clock: Clock, outage: Callable[[], Any]) -> None:
    with outage(), pytest.raises(OperationalError):
        store.read()


@committing
def test_read__inside_a_transaction_that_breaks__raises(clock: Clock) -> None:
    def read_in_a_transaction() -> None:
        with transaction.atomic():
            connection.cursor().execute("SET LOCAL statement_timeout = 50")
            store.read()

    # The error has ended the transaction: to go on as if it had not would lose what the caller writes next.
    put(GLOBAL, leverage=11)
    store.read()
    with locked("configuration_confighead"):
        with pytest.raises(OperationalError):
            read_in_a_transaction()
        assert not store.read().is_confirmed
        # and also while it pauses after a failure
        with pytest.raises(OperationalError):
            read_in_a_transaction()


@committing
def test_write__database_away__fails_and_changes_nothing(clock: Clock) -> None:
    # 001-36: reads degrade, writes fail
    put(GLOBAL, leverage=11)
    with away():
        assert store.read().image.values("trading", Path())["leverage"] == 11
        with pytest.raises(OperationalError):
            put(GLOBAL, leverage=12)
    clock.now += 10
    assert store.current().values("trading", Path())["leverage"] == 11


@committing
def test_read__database_stays_away__is_asked_less_and_less_often(clock: Clock) -> None:
    # 001-37. Pauses by hand: 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, then never more than 5 seconds
    put(GLOBAL, leverage=11)
    store.read()
    asked = []
    with locked("configuration_confighead"):
        for step in range(200):
            clock.now = 1001 + step / 10
            with CaptureQueriesContext(connection) as queries:
                assert not store.read().is_confirmed
            if len(queries):
                asked.append(step)
    # in tenths: a failure at 0, then after at least 1, 2, 4, 8, 16, 32 and 50 tenths more
    assert [later - earlier for earlier, later in pairwise(asked)] == pytest.approx([1, 2, 4, 8, 16, 32, 50, 50], abs=1)
    clock.now += 10
    assert store.read().is_confirmed
    # and then the first pause is a short one again
    with locked("configuration_confighead"):
        assert not store.read().is_confirmed
    clock.now += 0.11
    assert store.read().is_confirmed


@committing
def test_read__at_once__asks_whatever_failed_before(clock: Clock) -> None:
    put(GLOBAL, leverage=11)
    with locked("configuration_confighead"):
        store.read()
        store.read()
    assert not store.read().is_confirmed
    assert store.read(at_once=True).is_confirmed


@committing
def test_read__its_connection_was_cut__is_confirmed_on_a_new_one(clock: Clock) -> None:
    # Given: the server lives, one connection died
    put(GLOBAL, leverage=11)
    store.read()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (pid,) = cursor.fetchone()
    with another_connection() as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
    assert store.read().is_confirmed


@committing
def test_read__known_to_be_superseded_and_not_to_be_loaded__is_degraded_at_once(clock: Clock) -> None:
    put(GLOBAL, leverage=11)
    served = store.current()
    elsewhere(lambda: put(GLOBAL, leverage=12))
    store._shared.image = served  # the change was made by another process
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 50")
    with locked("configuration_override", "configuration_change"):
        read = store.read()
        assert (read.image.version, read.is_degraded) == (1, True)
        assert store.read().is_degraded
    assert store.read(at_once=True).image.version == 2
    assert not store.read().is_degraded
    connection.close()


@committing
def test_read__says_whether_it_was_a_hit_and_how_long_it_took(clock: Clock) -> None:
    # 001-10, 002-36
    put(GLOBAL, leverage=11)
    store.forget()
    before = store.state()
    cold, warm = store.read(), store.read()
    after = store.state()
    assert (cold.is_cache_hit, warm.is_cache_hit) == (False, True)
    assert (after.loads - before.loads, after.hits - before.hits) == (1, 1)
    assert cold.load_ms == 0.0  # by a clock that stands still
    facts = selectors.freshness()
    assert facts.hit_share == pytest.approx(facts.hits / (facts.hits + facts.loads))


@committing
def test_refresh__head_has_not_moved__reads_everything_anew(clock: Clock) -> None:
    # 001-17. Given: somebody repaired a row by hand, which moves no head
    put(GLOBAL, leverage=11)
    Override.objects.update(value=12)
    assert store.current().values("trading", Path())["leverage"] == 11
    read = store.refresh()
    assert (read.is_cache_hit, read.image.values("trading", Path())["leverage"]) == (False, 12)
    assert store.current() is read.image
    with away(), pytest.raises(OperationalError):
        store.refresh()


# --- following the ledger


def _stored(image: Any) -> dict[Any, Any]:
    return {place: dict(image.stored(*place)) for place in image.places()}


@committing
def test_read__after_changes_elsewhere__follows_the_ledger_to_what_a_full_read_finds() -> None:
    # Given: an image of version 2; then sets, a map, a key cleared, a scope cleared, and a float the database shortens
    put(GLOBAL, leverage=11, max_retries=4)
    put(symbol_scope("AAPL"), leverage=12)
    served = store.current()

    def change() -> None:
        put(symbol_scope("MSFT"), leverage=13, stop_loss_pct=3.0, strategy_weights={"default": 1e16})
        decide(ClearValue(GLOBAL, "trading", "leverage"))
        put(GLOBAL, max_retries=5)
        decide(ClearScope(symbol_scope("AAPL"), "trading"))

    elsewhere(change)
    store._shared.image = served

    with CaptureQueriesContext(connection) as queries:
        image = store.current()

    assert len(queries) == 2  # the head, and what changed since
    assert "configuration_override" not in queries[1]["sql"]
    assert image.version == 6
    whole = loading.everything({})
    assert _stored(image) == _stored(whole)
    assert repr(_stored(image)) == repr(_stored(whole))  # 3.0 and 1e+16, not 3 and 10000000000000000
    assert served.values("trading", Path("", "AAPL"))["leverage"] == 12  # whoever holds the old image keeps it


@committing
def test_read__too_far_behind__reads_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    put(GLOBAL, leverage=11)
    served = store.current()
    elsewhere(lambda: [put(GLOBAL, leverage=20 + n) for n in range(3)])
    store._shared.image = served
    monkeypatch.setattr(loading, "_MOST_CHANGE_SETS", 2)
    assert loading.changed_since(served) is None
    assert store.current().values("trading", Path())["leverage"] == 22


@committing
def test_read__a_fill_that_is_overtaken__is_not_served_afterwards() -> None:
    # The stale fill: a reader has loaded the old image, a writer commits, then the reader publishes.
    put(GLOBAL, leverage=11)
    old = store.current()
    elsewhere(lambda: put(GLOBAL, leverage=12))
    for _ in range(50):
        store._shared.image = old
        assert store.current().values("trading", Path())["leverage"] == 12


@committing
def test_image__superseded__is_dropped() -> None:
    # 001-11
    put(GLOBAL, leverage=11)
    first = weakref.ref(store.current())
    put(GLOBAL, leverage=12)
    store.current()
    gc.collect()
    assert first() is None


@committing
def test_loading__thirty_one_thousand_values__is_one_statement(django_assert_num_queries: Any) -> None:
    # That it takes no longer than 50 ms is for bench/config to say.
    put(GLOBAL, leverage=11)
    Override.objects.bulk_create(
        Override(namespace="trading", scope_kind="symbol", symbol=f"S{n}", parameter=f"p{m}", value=n, version=1)
        for n in range(1000)
        for m in range(31)
    )
    with django_assert_num_queries(1):
        image = loading.everything({})
    assert sum(len(image.stored(*place)) for place in image.places()) == 31_001


# --- bots


@committing
def test_snapshot__of_a_degraded_store__lets_a_bot_open_nothing_unless_it_goes_on(clock: Clock) -> None:
    put(GLOBAL, leverage=11)
    plain, _ = selectors.versioned_snapshot_for(some_bot())
    assert selectors.snapshot_for(some_bot()) == plain
    with locked("configuration_confighead"):
        clock.now += 61
        held, version = selectors.versioned_snapshot_for(some_bot())
        assert selectors.snapshot_for(some_bot()) == plain  # a backtest decides under what is configured
    assert (version, held.hash == plain.hash) == (1, False)
    for node, entries in held.content["nodes"].items():
        for name, entry in entries.items():
            if name in ("trading.enable_longs", "trading.enable_shorts"):
                assert entry == {"value": False, "origin": {"scope": "stale"}}
            else:
                assert entry == plain.content["nodes"][node][name]
    clock.now += 10
    assert selectors.versioned_snapshot_for(some_bot())[0] == plain

    put(bot_scope("bot-1"), namespace="bot", on_config_stale="continue")
    plain, _ = selectors.versioned_snapshot_for(some_bot())
    with locked("configuration_confighead"):
        clock.now += 61
        assert selectors.versioned_snapshot_for(some_bot()) == (plain, 2)


def test_after_fork__a_lock_that_was_held__is_a_new_one() -> None:
    held = store._shared.loading
    with held:
        store._after_fork()
        assert store._shared.loading is not held
        assert store._shared.loading.acquire(timeout=1)
        store._shared.loading.release()
    assert isinstance(store._shared.loading, type(threading.Lock()))
