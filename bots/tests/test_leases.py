"""Leases: who works on which bot, with real connections, threads and the database's clock."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Now

from bots.models import Bot, Cycle, CycleState, Worker
from bots.services import definition, leases
from bots.services.leases import Lease
from bots.tests import builders, rows

pytestmark = pytest.mark.django_db(transaction=True)

SECOND = timedelta(seconds=1)


@pytest.fixture
def bots(owner, instruments) -> list[Bot]:
    return [builders.a_bot(owner, name=f"Bot {number}") for number in range(3)]


@pytest.fixture
def bot(bots) -> Bot:
    return bots[0]


@pytest.fixture
def worker() -> UUID:
    identity = uuid4()
    leases.beat(identity, name="here:1")
    return identity


@pytest.fixture
def cycle_of() -> Callable[[Bot, CycleState], Cycle]:
    """Makes a bot's first run with one cycle in a state."""
    return rows.a_cycle


def a_taken(bot: Bot, worker: UUID) -> Lease:
    leases.wake([bot.id])
    (offered,) = [token for bot_id, token in leases.dispatch() if bot_id == bot.id]
    lease = leases.take(bot.id, offered, worker)
    assert lease is not None
    return lease


def moved(bot: Bot, **columns: object) -> None:
    """As if time had passed: the database's clock cannot be turned, the columns it is compared with can."""
    Bot.objects.filter(id=bot.id).update(**columns)


def silent(worker: UUID, *, seconds: float) -> None:
    Worker.objects.filter(id=worker).update(heartbeat_at=Now() - timedelta(seconds=seconds))


def ids(found: list[tuple[UUID, int]]) -> list[UUID]:
    return [bot_id for bot_id, _token in found]


def at_once[Answer](*calls: Callable[[], Answer]) -> list[Answer]:
    """Run each call in a thread with a connection of its own, all let go at the same moment."""
    gate = threading.Barrier(len(calls))

    def one(call: Callable[[], Answer]) -> Answer:
        gate.wait(timeout=10)
        try:
            return call()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(calls)) as pool:
        return [running.result(timeout=30) for running in [pool.submit(one, call) for call in calls]]


@contextmanager
def elsewhere(work: Callable[[], object]) -> Iterator[threading.Thread]:
    """Start ``work`` on another connection; at the end of the block it must have come to an end."""

    def run() -> None:
        try:
            work()
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    yield thread
    thread.join(timeout=10)
    assert not thread.is_alive()


# --- dispatch


def test_dispatch__bots_asleep__gives_none(bots) -> None:
    moved(bots[1], wake_at=Now() + SECOND * 60)
    assert leases.dispatch() == []


def test_dispatch__bots_due__gives_those_due_longest_first_with_a_higher_token(bots) -> None:
    for bot, seconds in zip(bots, (5, 30, 10), strict=True):
        moved(bot, wake_at=Now() - SECOND * seconds, lease_token=7)
    assert leases.dispatch() == [(bots[1].id, 8), (bots[2].id, 8), (bots[0].id, 8)]


def test_dispatch__more_due_than_asked_for__leaves_the_rest_for_the_next(bots) -> None:
    leases.wake([bot.id for bot in bots])
    first, second = leases.dispatch(limit=2), leases.dispatch(limit=2)
    assert (len(first), len(second)) == (2, 1)
    assert sorted(ids(first + second)) == sorted(bot.id for bot in bots)


def test_dispatch__message_still_travels__does_not_give_the_bot_again(bot) -> None:
    leases.wake([bot.id])
    assert len(leases.dispatch()) == 1
    assert leases.dispatch() == []


def test_dispatch__message_was_lost__gives_the_bot_again_under_the_next_token(bot) -> None:
    leases.wake([bot.id])
    leases.dispatch()
    moved(bot, lease_until=Now() - SECOND)  # ten seconds later
    assert leases.dispatch() == [(bot.id, 2)]


def test_dispatch__taken_by_a_living_worker__does_not_give_the_bot_even_when_woken(bot, worker) -> None:
    a_taken(bot, worker)
    leases.wake([bot.id])
    assert leases.dispatch() == []


def test_dispatch__worker_silent_for_more_than_ten_seconds__gives_its_bot_to_another(bot, worker) -> None:
    a_taken(bot, worker)
    silent(worker, seconds=9)
    assert leases.dispatch() == []
    silent(worker, seconds=10.5)
    assert leases.dispatch() == [(bot.id, 2)]


def test_dispatch__worker_unknown__counts_as_dead(bot, worker) -> None:
    a_taken(bot, worker)
    Worker.objects.all().delete()
    assert leases.dispatch() == [(bot.id, 2)]


def test_dispatch__lease_of_a_living_worker_passed__gives_its_bot_to_another(bot, worker) -> None:
    a_taken(bot, worker)
    moved(bot, lease_until=Now() - SECOND)  # ninety seconds later
    assert leases.dispatch() == [(bot.id, 2)]


def test_dispatch__message_to_the_next_worker_was_lost_too__still_finds_the_bot(bot, worker) -> None:
    # Given a worker that died before it wrote anything, so that neither a wake-up nor a cycle tells of it
    a_taken(bot, worker)
    silent(worker, seconds=60)
    leases.dispatch()
    moved(bot, lease_until=Now() - SECOND)
    assert leases.dispatch() == [(bot.id, 3)]


@pytest.mark.parametrize("state", [CycleState.OPEN, CycleState.DECIDED])
def test_dispatch__unfinished_cycle_that_nobody_works_on__is_due(bot, state, cycle_of) -> None:
    cycle_of(bot, state)
    assert ids(leases.dispatch()) == [bot.id]


@pytest.mark.parametrize("state", [CycleState.DONE, CycleState.SKIPPED, CycleState.FAILED])
def test_dispatch__finished_cycle__is_not_due(bot, state, cycle_of) -> None:
    cycle_of(bot, state)
    assert leases.dispatch() == []


def test_dispatch__unfinished_cycle_to_be_tried_again_later__waits_until_then(bot, cycle_of) -> None:
    cycle_of(bot, CycleState.OPEN)
    moved(bot, wake_at=Now() + SECOND * 5)
    assert leases.dispatch() == []


def test_dispatch__retired_bot__never(bot, worker, cycle_of) -> None:
    cycle_of(bot, CycleState.OPEN)
    a_taken(bot, worker)
    definition.retire(bot_id=bot.id, now=builders.NOW)
    moved(bot, wake_at=Now() - SECOND, lease_until=Now() - SECOND)
    assert leases.dispatch() == []


def test_dispatch__four_dispatchers_at_once__give_each_bot_once(owner, instruments) -> None:
    wanted = [builders.a_bot(owner, name=f"Bot {number}") for number in range(40)]
    for _round in range(5):
        Bot.objects.update(wake_at=Now(), lease_until=None)
        found = at_once(*[leases.dispatch] * 4)
        assert sorted(bot_id for some in found for bot_id in ids(some)) == sorted(bot.id for bot in wanted)
    # Then five rounds raised each token five times
    assert set(Bot.objects.values_list("lease_token", flat=True)) == {5}


def test_dispatch__row_locked_by_another__goes_on_with_the_others(bots) -> None:
    leases.wake([bot.id for bot in bots])
    holds, may_end = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic():
            Bot.objects.select_for_update().get(id=bots[0].id)
            holds.set()
            may_end.wait(timeout=10)

    with elsewhere(hold):
        assert holds.wait(timeout=10)
        assert sorted(ids(leases.dispatch())) == sorted([bots[1].id, bots[2].id])
        may_end.set()


# --- take


def test_take__offered_lease__is_ours_and_the_bot_is_no_longer_due(bot, worker) -> None:
    lease = a_taken(bot, worker)
    bot.refresh_from_db()
    assert lease == Lease(bot.id, 1, worker)
    assert (bot.lease_owner, bot.wake_at) == (worker, None)


def test_take__message_delivered_twice__only_the_first_gets_it(bot, worker) -> None:
    leases.wake([bot.id])
    ((_, token),) = leases.dispatch()
    assert leases.take(bot.id, token, worker) is not None
    assert leases.take(bot.id, token, uuid4()) is None
    assert leases.take(bot.id, token, worker) is None


def test_take__message_delivered_again_after_the_cycle__does_nothing(bot, worker) -> None:
    lease = a_taken(bot, worker)
    leases.release(lease, wake_after=None)
    assert leases.take(bot.id, lease.token, worker) is None


def test_take__old_message_after_a_new_dispatch__does_nothing(bot, worker) -> None:
    leases.wake([bot.id])
    leases.dispatch()
    moved(bot, lease_until=Now() - SECOND)
    leases.dispatch()
    assert leases.take(bot.id, 1, worker) is None
    assert leases.take(bot.id, 2, worker) is not None


def test_take__retired_meanwhile__does_nothing(bot, worker) -> None:
    leases.wake([bot.id])
    leases.dispatch()
    definition.retire(bot_id=bot.id, now=builders.NOW)
    assert leases.take(bot.id, 1, worker) is None


def test_take__eight_workers_at_once__one_gets_the_bot(bot) -> None:
    leases.wake([bot.id])
    ((_, token),) = leases.dispatch()
    got = at_once(*[lambda: leases.take(bot.id, token, uuid4())] * 8)
    assert len([lease for lease in got if lease]) == 1


# --- locked, release, wake


def test_locked__our_lease__gives_the_bot(bot, worker) -> None:
    lease = a_taken(bot, worker)
    with transaction.atomic():
        assert leases.locked(lease) == bot


def test_locked__worker_was_paused_past_its_lease__is_refused_and_the_next_one_is_not(bot, worker) -> None:
    # Given a worker that was frozen for eleven seconds while another one took over
    stale = a_taken(bot, worker)
    silent(worker, seconds=11)
    ((_, token),) = leases.dispatch()
    other = uuid4()
    leases.beat(other, name="there:2")
    fresh = leases.take(bot.id, token, other)
    assert fresh is not None
    with transaction.atomic():
        assert leases.locked(stale) is None
        assert leases.locked(fresh) == bot


def test_locked__taken_over_but_not_yet_begun__refuses_the_old_worker_already(bot, worker) -> None:
    stale = a_taken(bot, worker)
    silent(worker, seconds=11)
    leases.dispatch()
    with transaction.atomic():
        assert leases.locked(stale) is None


def test_locked__row__makes_the_next_one_wait_until_the_transaction_ends(bot, worker) -> None:
    lease = a_taken(bot, worker)
    moved(bot, lease_until=Now() - SECOND)
    with transaction.atomic():
        leases.locked(lease)
        assert at_once(leases.dispatch) == [[]]
    assert leases.dispatch() == [(bot.id, 2)]


def test_locked__row__lets_others_write_rows_that_refer_to_the_bot(bot, worker, cycle_of) -> None:
    lease = a_taken(bot, worker)
    with transaction.atomic():
        leases.locked(lease)
        at_once(lambda: cycle_of(bot, CycleState.DONE))  # would wait for ever under a plain FOR UPDATE
    assert Cycle.objects.count() == 1


def test_release__with_a_pause__is_due_after_it(bot, worker) -> None:
    leases.release(a_taken(bot, worker), wake_after=SECOND * 60)
    assert Bot.objects.filter(id=bot.id, wake_at__gt=Now() + SECOND * 55, wake_at__lte=Now() + SECOND * 60).exists()
    assert leases.dispatch() == []
    moved(bot, wake_at=F("wake_at") - SECOND * 60)
    assert ids(leases.dispatch()) == [bot.id]


def test_release__without_a_pause__sleeps_until_woken(bot, worker) -> None:
    leases.release(a_taken(bot, worker), wake_after=None)
    assert leases.dispatch() == []
    leases.wake([bot.id])
    assert ids(leases.dispatch()) == [bot.id]


@pytest.mark.parametrize("pause", [None, SECOND * 60])
def test_release__woken_during_the_cycle__is_due_at_once(bot, worker, pause) -> None:
    lease = a_taken(bot, worker)
    leases.wake([bot.id])
    leases.release(lease, wake_after=pause)
    assert ids(leases.dispatch()) == [bot.id]


def test_release__lease_is_another_ones_by_now__changes_nothing(bot, worker) -> None:
    stale = a_taken(bot, worker)
    silent(worker, seconds=11)
    leases.dispatch()
    before = Bot.objects.filter(id=bot.id).values().get()
    leases.release(stale, wake_after=SECOND)
    assert Bot.objects.filter(id=bot.id).values().get() == before


def test_wake__due_already__keeps_its_place_in_the_queue(bot) -> None:
    moved(bot, wake_at=builders.NOW)
    leases.wake([bot.id])
    bot.refresh_from_db()
    assert bot.wake_at == builders.NOW


def test_wake__in_a_transaction__lets_no_cycle_begin_before_it_is_committed(bot, worker) -> None:
    # Given a bot that is due already, and its message is on the way
    leases.wake([bot.id])
    ((_, token),) = leases.dispatch()
    taken = threading.Event()

    def take() -> None:
        assert leases.take(bot.id, token, worker) is not None
        taken.set()

    # When somebody wakes it together with facts of his own, a worker that begins must wait for those facts
    with elsewhere_after_commit(lambda: leases.wake([bot.id]), take) as began_too_early:
        assert not began_too_early(taken)
    assert taken.is_set()


def test_wake__while_the_lease_is_being_taken__is_not_lost(bot, worker) -> None:
    leases.wake([bot.id])
    ((_, token),) = leases.dispatch()
    with elsewhere_after_commit(
        lambda: leases.take(bot.id, token, worker), lambda: leases.wake([bot.id])
    ) as began_too_early:
        assert not began_too_early(threading.Event())
    leases.release(Lease(bot.id, token, worker), wake_after=None)
    assert ids(leases.dispatch()) == [bot.id]


def test_wake__two_at_once_in_opposite_order__do_not_deadlock(owner, instruments) -> None:
    wanted = [builders.a_bot(owner, name=f"Bot {number}").id for number in range(40)]
    for _round in range(10):
        at_once(lambda: leases.wake(wanted), lambda: leases.wake(reversed(wanted)))
    assert len(leases.dispatch()) == 40


@contextmanager
def elsewhere_after_commit(
    first: Callable[[], object], second: Callable[[], object]
) -> Iterator[Callable[[threading.Event], bool]]:
    """Within a transaction that did ``first``, start ``second`` elsewhere; it comes to an end after the commit."""
    with transaction.atomic():
        first()
        other = elsewhere(second)
        other.__enter__()
        yield lambda happened: happened.wait(timeout=0.3)
    other.__exit__(None, None, None)


# --- workers


def test_beat__again__moves_the_heartbeat_and_keeps_the_start(worker) -> None:
    silent(worker, seconds=30)
    began = Worker.objects.get().started_at
    leases.beat(worker, name="here:1")
    entered = Worker.objects.get()
    assert entered.started_at == began
    assert Worker.objects.filter(heartbeat_at__gte=Now() - SECOND * 5).exists()
    assert leases.is_anybody_alive()


def test_is_anybody_alive__every_worker_silent__is_false(worker) -> None:
    silent(worker, seconds=11)
    assert not leases.is_anybody_alive()


def test_forget_silent_workers__silent_for_an_hour__are_dropped_and_may_come_back(worker) -> None:
    other = uuid4()
    leases.beat(other, name="there:2")
    silent(worker, seconds=3601)
    assert leases.forget_silent_workers() == 1
    assert list(Worker.objects.values_list("id", flat=True)) == [other]
    leases.beat(worker, name="here:1")
    assert Worker.objects.count() == 2
