"""No process decides on a value that was replaced, or that was never committed."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from django.db import connection, transaction

from configuration import loading, selectors, store
from configuration.models import ConfigHead, Override
from configuration.scopes import GLOBAL, symbol_scope
from configuration.services import SetValue, changing
from configuration.tests.examples import decide, put, some_bot, undone, value_at
from engine.domain.errors import InputError

committing = pytest.mark.django_db(transaction=True)


def elsewhere[T](work: Callable[[], T]) -> T:
    """Run in another thread, which has a database connection of its own, as another process would."""

    def run() -> T:
        try:
            return work()
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(run).result(timeout=30)


def leverage() -> Any:
    return value_at(GLOBAL, "leverage")


@committing
def test_current__nothing_changed__is_one_query_and_the_same_image(django_assert_num_queries: Any) -> None:
    put(GLOBAL, leverage=11)
    first = store.current()
    with django_assert_num_queries(1):
        assert store.current() is first


@committing
def test_write__committed__has_its_image_ready_for_the_first_reader(django_assert_num_queries: Any) -> None:
    put(GLOBAL, leverage=11)
    with django_assert_num_queries(1):
        assert leverage() == 11


@committing
def test_read__after_an_own_uncommitted_write__publishes_nothing() -> None:
    put(GLOBAL, leverage=11)
    served = store.current()
    with transaction.atomic():
        put(GLOBAL, leverage=99)
        assert store.current() is not served
        assert elsewhere(store.current) is served  # not even replaced and loaded again


@committing
def test_write__in_another_process__is_seen_by_the_next_read() -> None:
    assert leverage() == 10
    elsewhere(lambda: put(GLOBAL, leverage=20))
    assert leverage() == 20


@committing
def test_write__not_yet_committed__is_seen_by_nobody_else() -> None:
    put(GLOBAL, leverage=11)
    with transaction.atomic():
        put(GLOBAL, leverage=99)
        assert leverage() == 99
        assert elsewhere(leverage) == 11
    assert elsewhere(leverage) == 99


@committing
def test_write__rolled_back__was_never_there() -> None:
    put(GLOBAL, leverage=11)
    seen = []
    with undone():
        put(GLOBAL, leverage=99)
        seen.append(leverage())  # reading must not publish what may yet be undone

    assert seen == [99]
    assert (leverage(), elsewhere(leverage), store.current().version) == (11, 11, 1)


@committing
def test_write__rolled_back_to_a_savepoint__was_never_there() -> None:
    put(GLOBAL, leverage=11)
    with transaction.atomic():
        with undone():
            put(GLOBAL, leverage=99)
            assert leverage() == 99
        assert leverage() == 11
        put(GLOBAL, max_retries=7)
    assert (leverage(), elsewhere(leverage), value_at(GLOBAL, "max_retries")) == (11, 11, 7)


@committing
def test_version__two_histories_of_one_number__are_told_apart() -> None:
    # Given: version 1 is served here; a restore brings another version 1
    put(GLOBAL, leverage=11)
    assert leverage() == 11
    served = store.current()
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE configuration_change, configuration_changeset, configuration_override")
    ConfigHead.objects.update(version=0, hash="")
    elsewhere(lambda: decide(SetValue(GLOBAL, "trading", "leverage", 22), reason="another history"))
    store._shared.image = served  # the other history was written by another process

    assert store.current().version == 1
    assert leverage() == 22


@committing
def test_writers__two_at_once_on_two_parameters__lose_nothing() -> None:
    # Given: one writer holds the head, another waits for it
    with ThreadPoolExecutor(1) as pool:
        started = threading.Event()

        def second() -> int:
            started.set()
            try:
                return put(GLOBAL, stop_loss_pct=1.0).version
            finally:
                connection.close()

        with transaction.atomic():
            put(GLOBAL, leverage=20)
            waiting = pool.submit(second)
            started.wait(10)
        assert waiting.result(timeout=30) == 2

    assert (leverage(), value_at(GLOBAL, "stop_loss_pct")) == (20, 1.0)


@committing
def test_writers__many_at_once__every_one_is_a_version() -> None:
    def write(number: int) -> int:
        try:
            return put(symbol_scope(f"S{number}"), max_retries=number % 10).version
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        versions = list(pool.map(write, range(24)))

    assert sorted(versions) == list(range(1, 25))
    assert len(selectors.overridden_scopes("symbol")) == 24


@committing
def test_rules__two_writers_each_right_alone__cannot_contradict_together() -> None:
    # Given: 900 and 1000 pass alone; together 900 would be above 500
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            put(GLOBAL, max_position_size_usd=500.0)
            other = pool.submit(elsewhere, lambda: put(GLOBAL, min_position_size_usd=900.0))
            # it has passed its first look, and now waits for the head
            _until_somebody_waits()
        with pytest.raises(InputError, match="900, above max_position_size_usd 500"):
            other.result(timeout=30)


def _until_somebody_waits() -> None:
    # pg_locks, because pg_stat_activity is frozen within a transaction
    for _ in range(200):
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            if cursor.fetchone()[0]:
                return
        threading.Event().wait(0.02)
    raise AssertionError("nobody waited for the head")


@committing
def test_load__many_readers_of_a_cold_image__load_once(monkeypatch: pytest.MonkeyPatch) -> None:
    put(GLOBAL, leverage=11)
    store.forget()
    loads = []
    load = loading.everything

    def slowly(environment: Any) -> Any:
        loads.append(1)
        threading.Event().wait(0.05)
        return load(environment)

    monkeypatch.setattr(loading, "everything", slowly)

    def read(_: int) -> Any:
        try:
            return leverage()
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(read, range(16))) == {11}
    assert len(loads) == 1


@committing
def test_notify__on_commit_only__carries_the_version() -> None:
    settings = connection.get_connection_params()
    known = {key: settings[key] for key in ("host", "port", "user", "password", "dbname") if settings.get(key)}
    with psycopg.connect(**known, autocommit=True) as listener:
        listener.execute(f"LISTEN {changing.CHANNEL}")
        with undone():
            put(GLOBAL, leverage=98)
        put(GLOBAL, leverage=11)
        heard = [note.payload for note in listener.notifies(timeout=5, stop_after=1)]
    assert heard == ["1"]


@committing
def test_reading__everything__works_where_nothing_may_be_written() -> None:
    put(GLOBAL, leverage=11)
    store.forget()
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION READ ONLY")
        selectors.resolve(GLOBAL, ("trading",))
        selectors.snapshot_for(some_bot())
        list(selectors.change_sets())
        selectors.stored_at(GLOBAL, "trading", 0)


@pytest.mark.django_db
def test_floats__written_as_whole_numbers_by_the_database__come_back_as_floats() -> None:
    put(GLOBAL, strategy_weights={"default": 1e16}, stop_loss_pct=2)
    assert repr(value_at(GLOBAL, "strategy_weights")) == "{'default': 1e+16}"
    assert repr(value_at(GLOBAL, "stop_loss_pct")) == "2.0"
    Override.objects.filter(parameter="stop_loss_pct").update(value=2)  # by hand
    assert repr(value_at(GLOBAL, "stop_loss_pct")) == "2.0"
