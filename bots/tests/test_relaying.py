"""The relay: at least once, in order, nothing lost while Redis is away, old rows removed."""

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.models.functions import Now

from bots import publishing
from bots.models import Bot, Outbox
from bots.services import events, relaying
from bots.tests import builders
from bots.tests.redis_of_our_own import OwnRedis, own_redis

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def away(settings: Any) -> Iterator[OwnRedis]:
    """The channel layer on a Redis that can be stopped."""
    with own_redis() as server:
        layer = settings.CHANNEL_LAYERS["default"]
        config = {**layer["CONFIG"], "hosts": [{"address": server.url, "socket_connect_timeout": 1}]}
        settings.CHANNEL_LAYERS = {"default": {**layer, "CONFIG": config}}
        yield server


@pytest.fixture
def bot(instruments: None, owner: User) -> Bot:
    return builders.a_bot(owner)


def tell(bot: Bot, count: int = 1, **payload: Any) -> None:
    events.emit(bot.id, bot.owner_id, [("cycle", payload) for _ in range(count)])


def relayed(*groups: str, seconds: float = 1.0) -> dict[str, list[dict[str, Any]]]:
    """What ``relaying.pump`` sends to each group."""

    async def listen() -> dict[str, list[dict[str, Any]]]:
        layer = get_channel_layer()
        channels = {group: await layer.new_channel(f"test{at}") for at, group in enumerate(groups)}
        for group, channel in channels.items():
            await layer.group_add(group, channel)
        await asyncio.to_thread(_pump_in_a_thread)
        found: dict[str, list[dict[str, Any]]] = {group: [] for group in groups}
        for group, channel in channels.items():
            try:
                while True:
                    async with asyncio.timeout(seconds):
                        found[group].append(await layer.receive(channel))
            except TimeoutError:
                pass
        await layer.close_pools()
        return found

    return async_to_sync(listen)()


def _pump_in_a_thread() -> None:
    try:
        while relaying.pump():
            pass
    finally:
        connection.close()


def unsent() -> int:
    return Outbox.objects.filter(sent_at__isnull=True).count()


def versions_of(messages: list[dict[str, Any]]) -> list[int]:
    return [event["version"] for message in messages for event in json.loads(message["text"])["events"]]


def test_pump__events_of_two_owners__reach_each_owners_group_and_superusers_in_order(bot: Bot, stranger: User) -> None:
    other = builders.a_bot(stranger)
    tell(bot, 2)
    tell(other, 1)
    tell(bot, 1)
    mine, theirs = publishing.group_of(bot.owner_id), publishing.group_of(stranger.pk)
    # When
    heard = relayed(mine, theirs, publishing.EVERYBODY)
    # Then
    assert versions_of(heard[mine]) == [1, 2, 3]
    assert versions_of(heard[theirs]) == [1]
    assert sorted(versions_of(heard[publishing.EVERYBODY])) == [1, 1, 2, 3]
    assert unsent() == 0


def test_pump__many_or_large_events__are_split_and_stay_in_order(bot: Bot) -> None:
    group = publishing.group_of(bot.owner_id)
    tell(bot, 201)
    assert [len(versions_of([one])) for one in relayed(group)[group]] == [200, 1]
    # Four of 90 000 bytes: two fit into 200 000.
    tell(bot, 4, text="x" * 90_000)
    heard = relayed(group)[group]
    assert [len(versions_of([one])) for one in heard] == [2, 2]
    assert versions_of(heard) == [202, 203, 204, 205]


def test_pump__more_than_a_batch__takes_the_oldest_500(bot: Bot) -> None:
    tell(bot, 501)
    assert relaying.pump() == 500
    assert list(Outbox.objects.filter(sent_at__isnull=True).values_list("version", flat=True)) == [501]
    assert (relaying.pump(), relaying.pump()) == (1, 0)


def test_pump__transaction_not_committed__is_not_sent(bot: Bot) -> None:
    held, go_on = threading.Event(), threading.Event()

    def write() -> None:
        with transaction.atomic():
            tell(bot)
            held.set()
            go_on.wait(10)
        connection.close()

    writer = threading.Thread(target=write)
    writer.start()
    held.wait(10)
    assert relaying.pump() == 0
    go_on.set()
    writer.join()
    assert relaying.pump() == 1


def test_pump__while_another_relay_is_at_it__sends_nothing(bot: Bot) -> None:
    tell(bot)
    held, go_on = threading.Event(), threading.Event()

    def other_relay() -> None:
        with transaction.atomic():
            assert relaying._is_the_only_relay()
            held.set()
            go_on.wait(10)
        connection.close()

    other = threading.Thread(target=other_relay)
    other.start()
    held.wait(10)
    try:
        assert relaying.pump() == 0
        assert unsent() == 1
    finally:
        go_on.set()
        other.join()
    assert relaying.pump() == 1


@pytest.mark.parametrize("way", ["stop", "hang"])
def test_pump__redis_away__keeps_events_and_sends_all_of_them_later(
    bot: Bot, away: OwnRedis, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publishing, "_LIMIT_SECONDS", 1)
    tell(bot, 3)
    getattr(away, way)()
    # When
    with pytest.raises(ConnectionError):
        relaying.pump()
    # Then
    assert unsent() == 3
    away.stop()
    away.start()
    group = publishing.group_of(bot.owner_id)
    assert versions_of(relayed(group)[group]) == [1, 2, 3]
    assert unsent() == 0


def test_run__redis_away_for_a_while__goes_on_by_itself(bot: Bot, away: OwnRedis) -> None:
    away.stop()
    stopped = threading.Event()
    relay = threading.Thread(target=relaying.run, args=[stopped])
    relay.start()
    try:
        tell(bot, 3)
        time.sleep(1.0)
        assert unsent() == 3
        away.start()
        assert _until(lambda: unsent() == 0, seconds=15)
        # And then at once, by the note of the commit
        tell(bot)
        assert _until(lambda: unsent() == 0, seconds=1)
    finally:
        stopped.set()
        relay.join(15)
    assert not relay.is_alive()


def test_run__database_connection_lost__goes_on_by_itself(bot: Bot) -> None:
    stopped = threading.Event()
    relay = threading.Thread(target=relaying.run, args=[stopped])
    relay.start()
    try:
        tell(bot)
        assert _until(lambda: unsent() == 0, seconds=5)
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid() AND query LIKE 'LISTEN%%'"
            )
            assert cursor.fetchone()[0] == 1
        tell(bot)
        assert _until(lambda: unsent() == 0, seconds=10)
    finally:
        stopped.set()
        relay.join(15)


def test_bell__commit_of_an_event__ends_the_wait_at_once(bot: Bot) -> None:
    rung = threading.Event()
    listening = threading.Event()

    def listen() -> None:
        with relaying.Bell() as bell:
            listening.set()
            bell.wait(20)
            rung.set()

    listener = threading.Thread(target=listen)
    listener.start()
    listening.wait(10)
    with transaction.atomic():
        tell(bot)
        assert not rung.wait(0.3)  # not before the commit
    assert rung.wait(2)
    listener.join()


def test_beat__bots_in_service__are_told_with_their_versions(bot: Bot, stranger: User) -> None:
    other, retired = builders.a_bot(stranger), builders.a_bot(stranger, name="Gone")
    Bot.objects.filter(id=retired.id).update(retired_at=builders.NOW)
    tell(bot, 2)

    async def listen() -> dict[str, Any]:
        layer = get_channel_layer()
        channel = await layer.new_channel()
        await layer.group_add(publishing.BEATS, channel)
        await asyncio.to_thread(_beat_in_a_thread)
        async with asyncio.timeout(5):
            heard: dict[str, Any] = await layer.receive(channel)
        await layer.close_pools()
        return heard

    heard = async_to_sync(listen)()
    assert heard["versions"] == {str(bot.owner_id): {str(bot.id): 2}, str(stranger.pk): {str(other.id): 0}}


def _beat_in_a_thread() -> None:
    try:
        relaying.beat()
    finally:
        connection.close()


def test_prune__rows_sent_long_ago__are_deleted_but_for_each_bots_newest(bot: Bot, stranger: User) -> None:
    other = builders.a_bot(stranger)
    tell(bot, 4)
    tell(other, 2)
    long_ago, lately = Now() - timedelta(minutes=61), Now() - timedelta(minutes=59)
    Outbox.objects.filter(bot=bot, version__lte=2).update(sent_at=long_ago)
    Outbox.objects.filter(bot=bot, version=3).update(sent_at=lately)  # and 4 unsent
    Outbox.objects.filter(bot=other).update(sent_at=long_ago)
    # When
    assert relaying.prune() == 3
    # Then
    assert list(Outbox.objects.filter(bot=bot).order_by("version").values_list("version", flat=True)) == [3, 4]
    assert list(Outbox.objects.filter(bot=other).values_list("version", flat=True)) == [2]


def test_prune__more_than_a_batch__is_deleted_whole(bot: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relaying, "_PRUNE_BATCH", 3)
    tell(bot, 8)
    Outbox.objects.update(sent_at=Now() - timedelta(hours=2))
    assert relaying.prune() == 7


def _until(holds: Any, *, seconds: float) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if holds():
            return True
        time.sleep(0.02)
    return False
