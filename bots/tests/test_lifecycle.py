"""A bot's life: every transition of document 003, and every wrong state to ask for it."""

from collections.abc import Callable
from uuid import uuid4

import pytest
from django.db import transaction

from bots.errors import BotAlreadyRunning, BotHoldsPositions, BotNotFound, BotNotPaused, BotNotRunning, BotRunning
from bots.models import Bot, BotStatus, Cycle, IntentState, Outbox
from bots.services import definition, leases, lifecycle
from bots.services.leases import Lease
from bots.tests import builders, rows
from bots.tests.builders import ACTOR, NOW
from engine.domain.errors import InputError, WrongState

pytestmark = pytest.mark.django_db

ACTIONS: dict[str, Callable[..., Bot]] = {
    "start": lifecycle.start,
    "stop": lifecycle.stop,
    "pause": lifecycle.pause,
    "resume": lifecycle.resume,
}
STATES = [BotStatus.STOPPED, BotStatus.RUNNING, BotStatus.PAUSED, BotStatus.ERROR]


@pytest.fixture
def bars(instruments, settings, tmp_path) -> None:
    settings.DATA_DIR = tmp_path
    for symbol in ("AAPL", "IBM"):
        rows.two_bars(symbol)


@pytest.fixture
def bot(owner, bars) -> Bot:
    return builders.a_bot(owner)


def in_state(bot: Bot, status: BotStatus) -> Bot:
    is_active = status in (BotStatus.RUNNING, BotStatus.PAUSED)
    Bot.objects.filter(id=bot.id).update(status=status, is_active=is_active)
    bot.refresh_from_db()
    return bot


def told(bot: Bot) -> list[tuple[str, bool]]:
    """(status, is_active) of every status event of the bot, in the order of their versions."""
    found = Outbox.objects.filter(bot=bot, event="bot_status_changed").order_by("version")
    return [(one.payload["status"], one.payload["is_active"]) for one in found]


def taken(bot: Bot) -> Lease:
    worker = uuid4()
    leases.beat(worker, name="here:1")
    leases.wake([bot.id])
    ((bot_id, token),) = leases.dispatch()
    lease = leases.take(bot_id, token, worker)
    assert lease is not None
    return lease


# --- the table of transitions


@pytest.mark.parametrize(
    ("before", "action", "after", "is_active"),
    [
        (BotStatus.STOPPED, "start", BotStatus.RUNNING, True),
        (BotStatus.ERROR, "start", BotStatus.RUNNING, True),
        (BotStatus.PAUSED, "start", BotStatus.RUNNING, True),
        (BotStatus.RUNNING, "stop", BotStatus.STOPPED, False),
        (BotStatus.PAUSED, "stop", BotStatus.STOPPED, False),
        (BotStatus.ERROR, "stop", BotStatus.STOPPED, False),
        (BotStatus.RUNNING, "pause", BotStatus.PAUSED, True),
        (BotStatus.PAUSED, "resume", BotStatus.RUNNING, True),
    ],
)
def test_transition__allowed__is_made_and_told_once(bot, before, action, after, is_active) -> None:
    in_state(bot, before)
    moved = ACTIONS[action](bot.id, actor=ACTOR, now=NOW)
    bot.refresh_from_db()
    assert (bot.status, bot.is_active, bot.updated_at) == (after, is_active, NOW)
    assert (moved.status, moved.is_active) == (after, is_active)
    assert told(bot) == [(after, is_active)]


@pytest.mark.parametrize(
    ("before", "action", "error"),
    [
        (BotStatus.RUNNING, "start", BotAlreadyRunning),
        (BotStatus.STOPPED, "stop", BotNotRunning),
        (BotStatus.STOPPED, "pause", BotNotRunning),
        (BotStatus.PAUSED, "pause", BotNotRunning),
        (BotStatus.ERROR, "pause", BotNotRunning),
        (BotStatus.STOPPED, "resume", BotNotPaused),
        (BotStatus.RUNNING, "resume", BotNotPaused),
        (BotStatus.ERROR, "resume", BotNotPaused),
    ],
)
def test_transition__from_a_wrong_state__is_refused_and_changes_nothing(bot, before, action, error) -> None:
    in_state(bot, before)
    with pytest.raises(error) as refused:
        ACTIONS[action](bot.id, actor=ACTOR, now=NOW)
    assert refused.value.status == 409
    bot.refresh_from_db()
    assert bot.status == before
    assert told(bot) == []


@pytest.mark.parametrize("action", sorted(ACTIONS))
def test_transition__of_another_owners_bot__finds_none(bot, stranger, action) -> None:
    for before in STATES:
        in_state(bot, before)
        with pytest.raises(BotNotFound):
            ACTIONS[action](bot.id, actor=ACTOR, now=NOW, owner_id=stranger.pk)
        bot.refresh_from_db()
        assert bot.status == before


@pytest.mark.parametrize("action", sorted(ACTIONS))
def test_transition__of_a_retired_bot__finds_none(bot, action) -> None:
    definition.retire(bot_id=bot.id, now=NOW)
    with pytest.raises(BotNotFound):
        ACTIONS[action](bot.id, actor=ACTOR, now=NOW)


@pytest.mark.parametrize("alive", [BotStatus.RUNNING, BotStatus.PAUSED])
def test_retire__while_it_trades__is_refused(bot, alive) -> None:
    in_state(bot, alive)
    with pytest.raises(BotRunning):
        definition.retire(bot_id=bot.id, now=NOW)


@pytest.mark.parametrize("resting", [BotStatus.STOPPED, BotStatus.ERROR])
def test_retire__at_rest_and_flat__is_done(bot, resting) -> None:
    in_state(bot, resting)
    assert definition.retire(bot_id=bot.id, now=NOW).retired_at == NOW


def test_retire__while_a_position_is_open__is_refused_and_names_it(bot) -> None:
    rows.a_position(rows.a_run(bot), "IBM")
    with pytest.raises(BotHoldsPositions, match="IBM; close them before deleting it"):
        definition.retire(bot_id=bot.id, now=NOW)
    bot.refresh_from_db()
    assert bot.retired_at is None


def test_retire__while_an_order_may_still_fill__is_refused(bot) -> None:
    rows.an_intent(rows.a_run(bot), IntentState.WORKING)
    with pytest.raises(BotHoldsPositions, match="AAPL"):
        definition.retire(bot_id=bot.id, now=NOW)


def test_retire__after_all_its_orders_ended__is_done(bot) -> None:
    run = rows.a_run(bot)
    for state in (IntentState.FILLED, IntentState.CANCELED, IntentState.UNSENT):
        rows.an_intent(run, state)
    assert definition.retire(bot_id=bot.id, now=NOW).retired_at == NOW


# --- start


def test_start__after_an_error__forgets_it(bot) -> None:
    in_state(bot, BotStatus.ERROR)
    Bot.objects.filter(id=bot.id).update(error_count=5, error_code="DATA_ERROR", error_message="no bars")
    lifecycle.start(bot.id, actor=ACTOR, now=NOW)
    bot.refresh_from_db()
    assert (bot.error_count, bot.error_code, bot.error_message) == (0, "", "")


@pytest.mark.parametrize(("before", "action"), [(BotStatus.STOPPED, "start"), (BotStatus.PAUSED, "resume")])
def test_start_and_resume__reach_the_workers__with_the_next_dispatch(bot, before, action) -> None:
    in_state(bot, before)
    assert leases.dispatch() == []
    ACTIONS[action](bot.id, actor=ACTOR, now=NOW)
    assert [bot_id for bot_id, _token in leases.dispatch()] == [bot.id]


def test_start__symbols_without_bars_and_a_strategy_without_signals__tells_all_faults_at_once(owner, bars) -> None:
    bot = builders.a_bot(
        owner, strategy="external", symbols=["AAPL", "GOOG", "MSFT"], indicators=None, voting=None
    )  # only AAPL has bars
    with pytest.raises(InputError) as refused:
        lifecycle.start(bot.id, actor=ACTOR, now=NOW)
    assert not isinstance(refused.value, WrongState)
    assert refused.value.status == 422
    assert [(fault.code, fault.pointer) for fault in refused.value.faults] == [
        ("signals_required", "/strategy"),
        ("no_dataset", "/symbols/1"),
        ("no_dataset", "/symbols/2"),
    ]
    bot.refresh_from_db()
    assert bot.status == BotStatus.STOPPED


def test_start__bars_of_another_timeframe_only__is_refused(owner, bars) -> None:
    bot = builders.a_bot(owner, timeframe="1h", symbols=["AAPL"])
    with pytest.raises(InputError, match="AAPL has no bars of 1h"):
        lifecycle.start(bot.id, actor=ACTOR, now=NOW)


@pytest.mark.parametrize(
    "run_was", [{"symbols": ["AAPL"]}, {"timeframe": "1h"}, {"strategy": "external"}], ids=lambda was: next(iter(was))
)
def test_start__redefined_while_it_holds_something__is_refused(bot, run_was) -> None:
    rows.a_position(rows.a_run(bot, **run_was))
    with pytest.raises(BotHoldsPositions, match="AAPL"):
        lifecycle.start(bot.id, actor=ACTOR, now=NOW)


def test_start__redefined_and_flat__is_done(bot) -> None:
    rows.a_run(bot, symbols=["AAPL"])
    assert lifecycle.start(bot.id, actor=ACTOR, now=NOW).status == BotStatus.RUNNING


def test_start__holding_what_it_is_still_defined_for__goes_on_with_it(bot) -> None:
    position = rows.a_position(rows.a_run(bot))
    lifecycle.start(bot.id, actor=ACTOR, now=NOW)
    position.refresh_from_db()
    assert position.is_open


@pytest.mark.parametrize("action", ["stop", "pause"])
def test_stop_and_pause__while_holding__leave_positions_and_their_orders_alone(bot, action) -> None:
    run = rows.a_run(bot)
    position, order = rows.a_position(run), rows.an_intent(run, IntentState.WORKING)
    in_state(bot, BotStatus.RUNNING)
    ACTIONS[action](bot.id, actor=ACTOR, now=NOW)
    position.refresh_from_db()
    order.refresh_from_db()
    assert (position.is_open, order.state) == (True, IntentState.WORKING)


def test_transition__event__says_who_did_it_and_follows_the_bots_version(bot) -> None:
    lifecycle.start(bot.id, actor=ACTOR, now=NOW)
    lifecycle.pause(bot.id, actor=ACTOR, now=NOW)
    events = list(Outbox.objects.filter(bot=bot).order_by("version"))
    assert [event.version for event in events] == [1, 2]
    assert events[0].owner_id == bot.owner_id
    assert events[0].payload == {
        "id": str(bot.id),
        "status": "running",
        "is_active": True,
        "error_count": 0,
        "error_code": "",
        "error_message": "",
        "actor": "olga",
    }


def test_transition__rolled_back__is_told_to_nobody(bot) -> None:
    with transaction.atomic():
        lifecycle.start(bot.id, actor=ACTOR, now=NOW)
        transaction.set_rollback(True)
    bot.refresh_from_db()
    assert (bot.status, bot.wake_at, told(bot)) == (BotStatus.STOPPED, None, [])


def test_transition__while_a_worker_holds_the_bot__leaves_the_lease_alone(bot) -> None:
    in_state(bot, BotStatus.RUNNING)
    lease = taken(bot)
    lifecycle.pause(bot.id, actor=ACTOR, now=NOW)
    with transaction.atomic():
        held = leases.locked(lease)
    assert held is not None
    assert held.status == BotStatus.PAUSED


# --- failures


def test_failures__five_in_a_row__end_in_error_with_the_last_reason_and_an_event(bot) -> None:
    lifecycle.start(bot.id, actor=ACTOR, now=NOW)
    lease = taken(bot)
    ends = [lifecycle.count_failure(lease, code="DATA_ERROR", message=f"try {number}") for number in range(1, 6)]
    bot.refresh_from_db()
    assert ends == [False, False, False, False, True]
    assert (bot.status, bot.is_active, bot.error_count) == (BotStatus.ERROR, False, 5)
    assert (bot.error_code, bot.error_message) == ("DATA_ERROR", "try 5")
    assert bot.updated_at > NOW
    assert told(bot) == [("running", True)] * 5 + [("error", False)]
    last = Outbox.objects.filter(bot=bot).latest("version").payload
    assert (last["error_count"], last["error_code"], last["error_message"]) == (5, "DATA_ERROR", "try 5")


def test_failures__with_a_success_between__start_again_at_one(bot) -> None:
    lifecycle.start(bot.id, actor=ACTOR, now=NOW)
    lease = taken(bot)
    for _ in range(4):
        lifecycle.count_failure(lease, code="DATA_ERROR", message="no bars")
    with transaction.atomic():
        held = leases.locked(lease)
        assert held is not None
        lifecycle.forget_failures(held)
    assert lifecycle.count_failure(lease, code="DATA_ERROR", message="no bars") is False
    bot.refresh_from_db()
    assert (bot.status, bot.error_count) == (BotStatus.RUNNING, 1)


def test_forget_failures__nothing_to_forget__tells_nobody(bot) -> None:
    lifecycle.start(bot.id, actor=ACTOR, now=NOW)
    bot.refresh_from_db()
    lifecycle.forget_failures(bot)
    assert told(bot) == [("running", True)]


def test_failures__of_a_worker_that_lost_its_lease__do_not_count(bot) -> None:
    in_state(bot, BotStatus.RUNNING)
    lease = taken(bot)
    for _ in range(9):
        assert lifecycle.count_failure(lease._replace(token=lease.token - 1), code="X", message="x") is False
    bot.refresh_from_db()
    assert (bot.status, bot.error_count) == (BotStatus.RUNNING, 0)


@pytest.mark.parametrize("resting", [BotStatus.STOPPED, BotStatus.PAUSED, BotStatus.ERROR])
def test_failures__of_a_bot_that_does_not_trade__are_counted_and_change_no_state(bot, resting) -> None:
    in_state(bot, resting)
    lease = taken(bot)
    assert [lifecycle.count_failure(lease, code="X", message="x") for _ in range(7)] == [False] * 7
    bot.refresh_from_db()
    assert (bot.status, bot.error_count) == (resting, 7)


def test_failures__with_a_long_message__keep_as_much_as_the_table_holds(bot) -> None:
    in_state(bot, BotStatus.RUNNING)
    lifecycle.count_failure(taken(bot), code="X", message="m" * 2000)
    bot.refresh_from_db()
    assert bot.error_message == "m" * 500


def test_fail__any_bot__stops_it_with_a_reason(bot) -> None:
    in_state(bot, BotStatus.PAUSED)
    with transaction.atomic():
        lifecycle.fail(bot, code="INVARIANT_BROKEN", message="books disagree")
    bot.refresh_from_db()
    assert (bot.status, bot.is_active, bot.error_code) == (BotStatus.ERROR, False, "INVARIANT_BROKEN")
    assert told(bot) == [("error", False)]
    assert Cycle.objects.count() == 0
