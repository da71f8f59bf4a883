"""Leverage: try to set it, remember what came of it, let the trade go on; by hand, and everywhere at once.

A new account at the simulated broker has 1x everywhere; 10 is what configuration says by default.
"""

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, connections, transaction
from structlog.testing import capture_logs

from bots import brokers
from bots.brokers import simulated_faults
from bots.brokers.ports import BrokerUnsure, LeverageAnswer, LeverageCode
from bots.brokers.simulated_leverage import SimulatedLeverageDesk
from bots.errors import LeverageNotOffered, LeverageRefused
from bots.models import BrokerAccount, EngineRun, LeverageStatus, SimulatedAccount, SimulatedLeverage
from bots.selectors import leverage as selected
from bots.services import leverage
from bots.services.leverage import Ensured, Outcome
from bots.tests import rows
from bots.tests.builders import ACTOR, NOW, a_bot
from configuration import services as configuration
from configuration.actors import Actor, Grant
from configuration.services import SetValue, bot_scope, side_scope, symbol_scope
from engine.domain.errors import BrokerError, InputError, NotAllowed

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "broker"])

LATER = NOW + timedelta(hours=1)
COLUMNS = ("configured", "actual", "is_in_doubt", "last_sync_at", "last_sync_success", "last_sync_error")


class FakeDesk:
    """A broker that answers as it is told, and remembers what it was asked."""

    def __init__(self, *answers: LeverageAnswer | Exception, offers: bool = True) -> None:
        self.asked: list[tuple[str, int]] = []
        self._answers = list(answers)
        self._offers = offers

    def offers_leverage(self, symbol: str) -> bool:
        return self._offers

    def set_leverage(self, symbol: str, wanted: int) -> LeverageAnswer:
        self.asked.append((symbol, wanted))
        answer = self._answers.pop(0) if self._answers else LeverageAnswer(LeverageCode.SET)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], BrokerAccount]:
    """An account at a broker of which the desk is given."""

    def made(desk: Any) -> BrokerAccount:
        monkeypatch.setitem(brokers.LEVERAGE_DESKS, "fake", lambda account_id: desk)
        return BrokerAccount.objects.create(broker="fake")

    return made


def refusing(code: LeverageCode = LeverageCode.OPEN_POSITION, message: str = "Close it first.") -> LeverageAnswer:
    return LeverageAnswer(code, message)


def at_simulated(*symbols: str, account_id: UUID | None = None) -> UUID:
    account_id = account_id or uuid4()
    SimulatedAccount.objects.using("broker").create(id=account_id, symbols=list(symbols), params={}, state=b"")
    return account_id


def a_simulated_account(*symbols: str) -> BrokerAccount:
    account = BrokerAccount.objects.create(broker="simulated")
    at_simulated(*symbols, account_id=account.id)
    return account


def in_force(account: BrokerAccount, symbol: str = "AAPL") -> int:
    """What the simulated broker has, whatever we think."""
    held = SimulatedLeverage.objects.using("broker").filter(account=account.id, symbol=symbol).first()
    return held.leverage if held else 1


def recorded(symbol: str = "AAPL") -> tuple[Any, ...]:
    return LeverageStatus.objects.values_list(*COLUMNS).get(symbol=symbol)


def ensured(account: BrokerAccount, target: int, *, now: Any = NOW) -> Ensured:
    return leverage.ensure_leverage(account=account, symbol="AAPL", target=target, now=now)


def forced(account: BrokerAccount, wanted: Any, *, actor: Actor = ACTOR, reason: str = "calmer") -> LeverageStatus:
    return leverage.force_leverage(
        account=account, symbol="AAPL", leverage=wanted, actor=actor, reason=reason, now=LATER
    )


# The record


def test_status__second_of_an_account_and_symbol__is_refused_by_the_database() -> None:
    account, other = (BrokerAccount.objects.create(broker="fake") for _ in range(2))
    facts = {"symbol": "AAPL", "configured": 10, "updated_at": NOW}
    LeverageStatus.objects.create(account=account, **facts)
    LeverageStatus.objects.create(account=other, **facts)
    with pytest.raises(IntegrityError, match="leverage_one_per_symbol"):
        LeverageStatus.objects.create(account=account, **facts)


@pytest.mark.parametrize("column", ["configured", "actual"])
def test_status__leverage_below_one__is_refused_by_the_database(column: str) -> None:
    account = BrokerAccount.objects.create(broker="fake")
    facts = {"configured": 10, "actual": 10, column: 0}
    with pytest.raises(IntegrityError, match="at_least_one"):
        LeverageStatus.objects.create(account=account, symbol="AAPL", updated_at=NOW, **facts)


@pytest.mark.parametrize(
    ("actual", "is_in_doubt", "is_synced"),
    [(10, False, True), (9, False, False), (None, False, False), (10, True, False)],
)
def test_status__is_synced__only_where_the_configured_one_is_known_to_be_in_force(
    actual: int | None, is_in_doubt: bool, is_synced: bool
) -> None:
    assert LeverageStatus(configured=10, actual=actual, is_in_doubt=is_in_doubt).is_synced is is_synced


# Ensuring


def test_ensure__in_force_already__asks_nobody(at: Any) -> None:
    desk = FakeDesk()
    account = at(desk)
    assert ensured(account, 20) == (Outcome.IN_FORCE, "")
    assert ensured(account, 20, now=LATER) == (Outcome.IN_FORCE, "")
    assert desk.asked == [("AAPL", 20)]
    assert recorded() == (20, 20, False, NOW, True, "")


@pytest.mark.parametrize("code", [LeverageCode.SET, LeverageCode.ALREADY_SET])
def test_ensure__taken__records_configured_and_actual(at: Any, code: LeverageCode) -> None:
    account = at(FakeDesk(LeverageAnswer(LeverageCode.SET), LeverageAnswer(code, "no need to change")))
    ensured(account, 5)
    assert ensured(account, 20, now=LATER) == (Outcome.IN_FORCE, "")
    assert recorded() == (20, 20, False, LATER, True, "")


def test_ensure__refused__records_the_mismatch_warns_and_lets_the_trade_go_on(at: Any) -> None:
    # Given: 10 in force
    account = at(FakeDesk(LeverageAnswer(LeverageCode.SET), refusing()))
    ensured(account, 10)
    # When
    with capture_logs() as logs:
        answer = ensured(account, 20, now=LATER)
    # Then: an answer, no exception; actual stays what it was
    assert answer == (Outcome.MISMATCH, "open_position: Close it first.")
    assert recorded() == (20, 10, False, LATER, False, "open_position: Close it first.")
    (log,) = [one for one in logs if one["event"] == "leverage.refused"]
    assert (log["log_level"], log["symbol"], log["configured"], log["actual"]) == ("warning", "AAPL", 20, 10)


def test_ensure__refused_the_first_time__leaves_actual_unknown(at: Any) -> None:
    assert ensured(at(FakeDesk(refusing(LeverageCode.INVALID, "No."))), 20).outcome is Outcome.MISMATCH
    assert recorded() == (20, None, False, NOW, False, "invalid_leverage: No.")


def test_ensure__back_to_what_is_in_force_after_a_refusal__is_synced_without_a_call(at: Any) -> None:
    desk = FakeDesk(LeverageAnswer(LeverageCode.SET), refusing())
    account = at(desk)
    ensured(account, 10)
    ensured(account, 20)
    assert ensured(account, 10, now=LATER).outcome is Outcome.IN_FORCE
    assert desk.asked == [("AAPL", 10), ("AAPL", 20)]
    assert recorded() == (10, 10, False, LATER, True, "")


def test_ensure__no_adapter_for_the_broker__is_a_mismatch() -> None:
    account = BrokerAccount.objects.create(broker="nobody")
    assert ensured(account, 20).outcome is Outcome.MISMATCH
    assert recorded() == (20, None, False, NOW, False, "refused: No adapter answers for the broker nobody.")


def test_ensure__broker_without_leverage__says_so_and_records_nothing(at: Any) -> None:
    desk = FakeDesk(offers=False)
    assert ensured(at(desk), 20) == (Outcome.NOT_OFFERED, "not offered by this broker")
    assert (desk.asked, LeverageStatus.objects.count()) == ([], 0)


def test_ensure__broker_that_breaks__is_a_mismatch(at: Any) -> None:
    account = at(FakeDesk(BrokerError("The account is closed.", code="UNKNOWN_ACCOUNT")))
    assert ensured(account, 20) == (Outcome.MISMATCH, "refused: The account is closed.")


def test_ensure__answer_never_came__is_in_doubt_and_asked_again(at: Any) -> None:
    desk = FakeDesk(LeverageAnswer(LeverageCode.SET), BrokerUnsure("Silence."), refusing())
    account = at(desk)
    ensured(account, 10)
    assert ensured(account, 20) == (Outcome.MISMATCH, "refused: Silence.")
    assert recorded() == (20, 10, True, NOW, False, "refused: Silence.")
    # The record says 10, and nobody may rely on it: the 20 may have arrived. A refusal does not settle that.
    assert ensured(account, 10).outcome is Outcome.MISMATCH
    assert LeverageStatus.objects.get().is_in_doubt
    assert ensured(account, 10).outcome is Outcome.IN_FORCE
    assert not LeverageStatus.objects.get().is_in_doubt
    assert [wanted for _, wanted in desk.asked] == [10, 20, 10, 10]


def test_ensure__answer_lost_and_configuration_taken_back__ends_with_the_configured_one_in_force() -> None:
    account = a_simulated_account("AAPL")
    ensured(account, 10)
    simulated_faults.fail_next("set_leverage", "lose_answer", account_id=account.id)
    ensured(account, 20)
    assert in_force(account) == 20
    assert ensured(account, 10).outcome is Outcome.IN_FORCE
    assert in_force(account) == 10


def test_ensure__process_dies_while_the_broker_is_asked__leaves_a_doubt(at: Any) -> None:
    account = at(FakeDesk(LeverageAnswer(LeverageCode.SET), RuntimeError("killed")))
    ensured(account, 10)
    with pytest.raises(RuntimeError):
        ensured(account, 20)
    assert LeverageStatus.objects.values_list("actual", "is_in_doubt").get() == (10, True)


def test_ensure__two_at_once__are_asked_one_after_the_other_and_the_record_is_of_the_last(at: Any) -> None:
    is_inside, may_answer = threading.Event(), threading.Event()

    class SlowDesk(FakeDesk):
        def set_leverage(self, symbol: str, wanted: int) -> LeverageAnswer:
            if wanted == 20:
                is_inside.set()
                assert may_answer.wait(20)
            return super().set_leverage(symbol, wanted)

    desk = SlowDesk()
    account = at(desk)

    def ask(wanted: int) -> None:
        try:
            ensured(account, wanted)
        finally:
            connections.close_all()

    first, second = (threading.Thread(target=ask, args=(wanted,)) for wanted in (20, 30))
    first.start()
    assert is_inside.wait(20)
    second.start()
    try:
        wait_until_somebody_waits()
    finally:
        may_answer.set()
        first.join(20)
        second.join(20)
    assert [wanted for _, wanted in desk.asked] == [20, 30]
    assert recorded()[:3] == (30, 30, False)


def wait_until_somebody_waits() -> None:
    blocked = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    for _ in range(1000):
        with connections["default"].cursor() as cursor:
            cursor.execute(blocked)
            if cursor.fetchone()[0]:
                return
        time.sleep(0.01)
    raise AssertionError("nobody waits for the row")


# By hand


def test_force__taken__records_who_and_why(at: Any) -> None:
    status = forced(at(FakeDesk()), 5)
    assert recorded() == (5, 5, False, LATER, True, "")
    assert (status.forced_at, status.forced_by, status.forced_reason) == (LATER, "olga", "calmer")


def test_force__in_force_already__asks_the_broker_all_the_same(at: Any) -> None:
    desk = FakeDesk()
    account = at(desk)
    ensured(account, 5)
    forced(account, 5)
    assert desk.asked == [("AAPL", 5), ("AAPL", 5)]


def test_force__refused__tells_the_operator_and_leaves_the_record_as_it_was(at: Any) -> None:
    account = at(FakeDesk(LeverageAnswer(LeverageCode.SET), refusing()))
    ensured(account, 10)
    before = LeverageStatus.objects.values().get()
    with pytest.raises(LeverageRefused, match=r"open_position: Close it first\."):
        forced(account, 5)
    assert LeverageStatus.objects.values().get() == before


def test_force__refused_without_a_record__makes_none(at: Any) -> None:
    with pytest.raises(LeverageRefused):
        forced(at(FakeDesk(refusing())), 5)
    assert LeverageStatus.objects.count() == 0


def test_force__answer_never_came__changes_nothing_but_the_doubt(at: Any) -> None:
    account = at(FakeDesk(LeverageAnswer(LeverageCode.SET), BrokerUnsure("Silence.")))
    ensured(account, 10)
    before = LeverageStatus.objects.values().get()
    with pytest.raises(BrokerUnsure):
        forced(account, 5)
    assert LeverageStatus.objects.values().get() == {**before, "is_in_doubt": True}


def test_force__broker_without_leverage__says_so(at: Any) -> None:
    with pytest.raises(LeverageNotOffered, match="not offered by this broker"):
        forced(at(FakeDesk(offers=False)), 5)


@pytest.mark.parametrize(
    ("wanted", "code"), [(0, "out_of_range"), (126, "out_of_range"), (True, "invalid_type"), ("5", "invalid_type")]
)
def test_force__asked_wrongly__names_every_fault_and_asks_nobody(at: Any, wanted: Any, code: str) -> None:
    desk = FakeDesk()
    with pytest.raises(InputError) as refused:
        forced(at(desk), wanted, reason=" ")
    assert [(fault.code, fault.pointer) for fault in refused.value.faults] == [
        (code, "/leverage"),
        ("reason_required", "/reason"),
    ]
    assert desk.asked == []


def test_force__actor_held_to_low_risk_and_another_symbol__may_not(at: Any) -> None:
    desk = FakeDesk()
    held = ACTOR._replace(grant=Grant(frozenset({"low"}), ("symbol:BTC*",)))
    with pytest.raises(NotAllowed) as refused:
        forced(at(desk), 5, actor=held)
    assert [fault.code for fault in refused.value.faults] == ["risk_not_granted", "scope_not_granted"]
    assert desk.asked == []


# The symbols that are traded


def set_leverage(*values: tuple[Any, int]) -> None:
    operations = [SetValue(scope, "trading", "leverage", value) for scope, value in values]
    configuration.change(operations=operations, actor=ACTOR, source="test", reason="calmer", now=NOW)


@pytest.fixture
def run(owner: User, instruments: None) -> EngineRun:
    """A bot that trades AAPL and IBM in an account at the simulated broker."""
    found = rows.a_run(a_bot(owner))
    at_simulated("AAPL", "IBM", account_id=found.account_id)
    return found


def test_in_use__targets__are_what_resolves_for_the_bot_and_symbol(owner: User, run: EngineRun) -> None:
    # A side's own value is for its entries: an account holds one leverage per symbol.
    set_leverage((symbol_scope("IBM"), 20), (side_scope("AAPL", "LONG"), 30))
    assert [(use.symbol, use.target, use.status) for use in selected.in_use()] == [
        ("AAPL", 10, None),
        ("IBM", 20, None),
    ]
    set_leverage((bot_scope(str(run.bot_id)), 7))
    assert [use.target for use in selected.in_use()] == [7, 7]
    EngineRun.objects.update(ended_at=NOW)
    assert selected.in_use() == []


def test_in_use__of_several_bots__costs_the_same_queries(
    owner: User, stranger: User, run: EngineRun, django_assert_num_queries: Any
) -> None:
    for user in (owner, stranger, stranger):
        other = rows.a_run(a_bot(user, name=f"Other {EngineRun.objects.count()}"))
        LeverageStatus.objects.create(account=other.account, symbol="IBM", configured=10, updated_at=NOW)
    selected.in_use()
    # The runs with bots and accounts, the statuses, the head of configuration.
    with django_assert_num_queries(3):
        found = selected.in_use()
    assert len(found) == 8
    assert len(selected.in_use(owner_id=owner.pk)) == 4


def test_sync__some_in_force_some_refused_some_without__adds_up(
    owner: User, run: EngineRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given: the simulated broker refuses the first of two; a second bot trades two symbols at one without leverage
    simulated_faults.fail_next("set_leverage", "refuse")
    monkeypatch.setitem(brokers.LEVERAGE_DESKS, "fake", lambda account_id: FakeDesk(offers=False))
    rows.a_run(a_bot(owner, name="Zero"), account=BrokerAccount.objects.create(broker="fake"))
    # When
    done = leverage.sync_all(selected.in_use(), now=NOW)
    # Then
    assert done[:4] == (4, 1, 1, 2)
    assert [(use.symbol, ensured.outcome.value) for use, ensured in done.results] == [
        ("AAPL", "mismatch"),
        ("IBM", "in_force"),
        ("AAPL", "not_offered"),
        ("IBM", "not_offered"),
    ]
    assert [(use.is_offered, use.status and use.status.actual) for use in selected.in_use()] == [
        (True, None),
        (True, 10),
        (False, None),
        (False, None),
    ]
    # Again: only what failed is asked for
    assert leverage.sync_all(selected.in_use(), now=LATER)[:4] == (4, 2, 0, 2)
    assert (in_force(run.account), recorded("IBM")[3]) == (10, NOW)


# The simulated broker


def test_simulated__leverage__is_one_until_set_kept_and_of_one_account_and_symbol() -> None:
    first, second = (SimulatedLeverageDesk(at_simulated("AAPL", "IBM")) for _ in range(2))
    assert first.set_leverage("AAPL", 1).code is LeverageCode.ALREADY_SET
    assert first.set_leverage("AAPL", 20).code is LeverageCode.SET
    assert first.set_leverage("AAPL", 20).code is LeverageCode.ALREADY_SET
    assert first.set_leverage("IBM", 1).code is LeverageCode.ALREADY_SET
    assert second.set_leverage("AAPL", 1).code is LeverageCode.ALREADY_SET


def test_simulated__what_it_took__stays_when_the_caller_fails() -> None:
    account = a_simulated_account("AAPL")

    @transaction.atomic
    def set_and_fail() -> None:
        BrokerAccount.objects.create(broker="fake")
        SimulatedLeverageDesk(account.id).set_leverage("AAPL", 20)
        raise RuntimeError

    def elsewhere() -> None:
        # A thread has connections of its own, as a process has: the test's two are one.
        try:
            with pytest.raises(RuntimeError):
                set_and_fail()
        finally:
            connections.close_all()

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert in_force(account) == 20
    assert BrokerAccount.objects.filter(broker="fake").count() == 0


@pytest.mark.parametrize(
    ("symbol", "wanted", "code"),
    [("AAPL", 0, LeverageCode.INVALID), ("AAPL", 126, LeverageCode.INVALID), ("GOOG", 5, LeverageCode.REFUSED)],
)
def test_simulated__asked_wrongly__refuses(symbol: str, wanted: int, code: LeverageCode) -> None:
    desk = SimulatedLeverageDesk(at_simulated("AAPL"))
    assert desk.set_leverage(symbol, wanted).code is code
    assert SimulatedLeverage.objects.using("broker").count() == 0


def test_simulated__highest_leverage__is_taken() -> None:
    assert SimulatedLeverageDesk(at_simulated("AAPL")).set_leverage("AAPL", 125).code is LeverageCode.SET


@pytest.mark.parametrize(("kind", "then"), [("refuse", 1), ("time_out", 1), ("lose_answer", 20)])
def test_simulated__told_to_fail__does_so_once(kind: str, then: int) -> None:
    account = a_simulated_account("AAPL")
    desk = SimulatedLeverageDesk(account.id)
    simulated_faults.fail_next("set_leverage", kind)
    if kind == "refuse":
        assert desk.set_leverage("AAPL", 20).code is LeverageCode.REFUSED
    else:
        with pytest.raises(BrokerUnsure):
            desk.set_leverage("AAPL", 20)
    assert in_force(account) == then
    assert desk.set_leverage("AAPL", 30).code is LeverageCode.SET


def test_simulated__unknown_account__is_an_error_of_the_broker() -> None:
    with pytest.raises(BrokerError) as unknown:
        SimulatedLeverageDesk(uuid4()).set_leverage("AAPL", 5)
    assert unknown.value.specific_code == "UNKNOWN_ACCOUNT"
