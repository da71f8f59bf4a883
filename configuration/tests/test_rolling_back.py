"""Taking decisions back: to a version, to just before one, or one alone; never over what was decided since."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from configuration import planning, selectors, services
from configuration.errors import IdempotencyMismatch
from configuration.models import ChangeSet, Override
from configuration.planning import ClearScope, ClearValue, SetValue
from configuration.scopes import GLOBAL, Scope, bot_scope, side_scope, symbol_scope
from configuration.services import Applied, rolling_back
from configuration.tests.examples import BEN, NOON, decide, put, undone, value_at
from configuration.values import Judged
from engine.domain.errors import InputError, StaleVersion

pytestmark = pytest.mark.django_db
AAPL, MSFT = symbol_scope("AAPL"), symbol_scope("MSFT")


def back(*, reason: str = "it went wrong", **what: Any) -> Applied:
    return services.roll_back(**{"actor": BEN, "reason": reason, "now": NOON, **what})


def in_force() -> dict[tuple[str, Scope, str], Any]:
    return {(row.namespace, row.scope, row.parameter): row.value for row in Override.objects.all()}


def faults_of(error: InputError) -> list[tuple[str, str]]:
    return [(fault.code, fault.pointer) for fault in error.faults]


# --- to a version


def test_roll_back__to_a_version__restores_what_was_set_clears_what_was_not_and_is_a_new_version() -> None:
    put(GLOBAL, leverage=11, max_retries=4)  # 1
    put(GLOBAL, leverage=12)  # 2
    put(AAPL, stop_loss_pct=3.5)  # 3
    decide(ClearValue(GLOBAL, "trading", "max_retries"))  # 4

    applied = back(to=1)

    assert applied.version == 5
    assert in_force() == {("trading", GLOBAL, "leverage"): 11, ("trading", GLOBAL, "max_retries"): 4}
    row = ChangeSet.objects.get(version=5)
    assert (row.kind, row.source, row.actor_label, row.reason) == ("rollback", "rollback", "ben", "it went wrong")
    assert row.reverts_version == 2  # the earliest that was taken back; 3 and 4 were too
    assert ChangeSet.objects.count() == 5  # nothing was taken out of the ledger


def test_roll_back__to_just_before_a_version__is_to_the_version_before_it() -> None:
    put(GLOBAL, leverage=11)
    put(GLOBAL, leverage=12)
    put(GLOBAL, leverage=13)
    assert rolling_back.to_just_before(3) == rolling_back.to_version(2)

    back(before=2)

    assert value_at(GLOBAL, "leverage") == 11
    assert ChangeSet.objects.get(version=4).reverts_version == 2


def test_roll_back__to_version_0__clears_everything() -> None:
    put(GLOBAL, leverage=11)
    put(side_scope("AAPL", "LONG"), leverage=12)
    put(bot_scope("bot-1"), namespace="indicator_voting", indicators=["RSI"], voting="single")
    back(to=0)
    assert in_force() == {}


def test_roll_back__null_that_was_a_value__is_restored_as_null_and_not_cleared() -> None:
    put(AAPL, override_min_qty=0.5)
    put(side_scope("AAPL", "LONG"), override_min_qty=None)
    decide(ClearScope(side_scope("AAPL", "LONG"), "trading"))

    back(to=2)

    assert selectors.stored(side_scope("AAPL", "LONG"))["override_min_qty"].value is None
    assert value_at(side_scope("AAPL", "LONG"), "override_min_qty") is None


def test_roll_back__limited_to_a_scope_or_a_namespace__leaves_the_rest() -> None:
    put(GLOBAL, leverage=11)
    put(AAPL, leverage=12)
    put(bot_scope("bot-1"), namespace="bot", capital="5000")

    back(to=0, scope=AAPL)
    assert (value_at(GLOBAL, "leverage"), selectors.stored(AAPL)) == (11, {})

    back(to=0, namespace="trading")
    assert set(in_force()) == {("bot", bot_scope("bot-1"), "capital")}


def test_roll_back__twice__returns() -> None:
    put(GLOBAL, leverage=11)
    put(GLOBAL, leverage=12, max_retries=5)
    before = in_force()
    back(to=1)  # 3
    back(undo=3)  # 4
    assert in_force() == before


def test_roll_back__to_what_is_in_force__writes_nothing() -> None:
    put(GLOBAL, leverage=11)
    assert back(to=1) == Applied(1, ())
    assert ChangeSet.objects.count() == 1


# --- one change-set


def test_undo__parameters_nobody_touched_since__keeps_what_others_decided_since() -> None:
    put(GLOBAL, leverage=11)  # 1
    put(GLOBAL, leverage=12, max_retries=5)  # 2
    put(AAPL, leverage=50, actor=BEN)  # 3

    back(undo=2)

    assert in_force() == {("trading", GLOBAL, "leverage"): 11, ("trading", AAPL, "leverage"): 50}
    assert ChangeSet.objects.get(version=4).reverts_version == 2


def test_undo__parameter_changed_since__is_a_conflict_that_says_by_whom_and_changes_nothing() -> None:
    put(GLOBAL, leverage=11, max_retries=4)  # 1
    put(GLOBAL, leverage=12, max_retries=5)  # 2
    put(GLOBAL, leverage=13, actor=BEN)  # 3
    before = in_force()

    with pytest.raises(StaleVersion) as stale:
        back(undo=2)

    assert faults_of(stale.value) == [("changed_since", "/restored/trading/global/leverage")]
    assert stale.value.faults[0].message == (
        "trading.leverage at global was changed again in version 3 by ben: because"
    )
    assert in_force() == before


def test_undo__conflict_overridden__puts_the_old_value_back_over_the_newer() -> None:
    put(GLOBAL, leverage=11)
    put(GLOBAL, leverage=12)
    put(GLOBAL, leverage=13, actor=BEN)
    back(undo=2, override_newer=True)
    assert value_at(GLOBAL, "leverage") == 11


def test_undo__only_what_is_possible__leaves_the_conflict_and_names_it() -> None:
    put(GLOBAL, leverage=11, max_retries=4)
    put(GLOBAL, leverage=12, max_retries=5)
    put(GLOBAL, leverage=13, actor=BEN)

    course = services.course(undo=2, only_possible=True)
    back(undo=2, only_possible=True)

    assert [fault.code for fault in course.left_out] == ["changed_since"]
    assert (value_at(GLOBAL, "leverage"), value_at(GLOBAL, "max_retries")) == (13, 4)


def test_undo__changed_since_and_changed_back__is_no_conflict() -> None:
    # As with git revert: it is the values that are compared, not how often somebody wrote.
    put(GLOBAL, leverage=11)
    put(GLOBAL, leverage=12)
    put(GLOBAL, leverage=13)
    put(GLOBAL, leverage=12)
    back(undo=2)
    assert value_at(GLOBAL, "leverage") == 11


def test_undo__already_undone__changes_nothing() -> None:
    put(GLOBAL, leverage=11)
    put(GLOBAL, leverage=12)
    back(undo=2)
    assert back(undo=2) == Applied(3, ())


def test_undo__of_a_clearing__sets_the_value_again() -> None:
    put(GLOBAL, leverage=11)
    decide(ClearScope(GLOBAL, "trading"))
    back(undo=2)
    assert value_at(GLOBAL, "leverage") == 11


# --- what keeps it from being done


@pytest.mark.parametrize(
    ("what", "fault"),
    [
        ({"to": 3}, ("out_of_range", "/to_version")),
        ({"to": -1}, ("out_of_range", "/to_version")),
        ({"before": 0}, ("out_of_range", "/before_version")),
        ({"undo": 3}, ("out_of_range", "/undo_version")),
        ({}, ("one_of", "/to_version")),
        ({"to": 1, "undo": 2}, ("one_of", "/to_version")),
        ({"to": 1, "namespace": "no such"}, ("unknown_namespace", "/namespace")),
        ({"to": 1, "scope": Scope("planet")}, ("unknown_scope", "/scope")),
    ],
)
def test_roll_back__asked_wrongly__is_refused_and_named(what: dict[str, Any], fault: tuple[str, str]) -> None:
    put(GLOBAL, leverage=11)
    put(GLOBAL, leverage=12)
    with pytest.raises(InputError) as refused:
        back(**what)
    assert faults_of(refused.value) == [fault]


def test_roll_back__without_a_reason__is_refused_whatever_the_risk() -> None:
    put(GLOBAL, max_retries=5)
    with pytest.raises(InputError) as refused:
        back(to=0, reason="  ")
    assert faults_of(refused.value) == [("reason_required", "/reason")]


@pytest.fixture
def tightened(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two versions of a time when leverage could be 200 and there was a parameter old_name."""
    with monkeypatch.context() as then:
        then.setattr(planning, "_judged", lambda operation, image, *, at: Judged(operation.value))
        put(GLOBAL, leverage=200, old_name=5, stop_loss_pct=1.5)
        put(GLOBAL, leverage=20, old_name=6, stop_loss_pct=2.5)


@pytest.mark.usefixtures("tightened")
def test_roll_back__retired_and_out_of_todays_range__names_each_and_changes_nothing() -> None:
    before = in_force()
    with pytest.raises(InputError) as refused:
        back(to=1)
    assert sorted(faults_of(refused.value)) == [
        ("out_of_range", "/restored/trading/global/leverage"),
        ("unknown_parameter", "/restored/trading/global/old_name"),
    ]
    assert "leverage is 200, allowed 1-125 x" in str(refused.value)
    assert "There is no parameter trading.old_name" in str(refused.value)
    assert in_force() == before


@pytest.mark.usefixtures("tightened")
def test_roll_back__only_what_is_possible__restores_the_rest_and_names_what_was_left() -> None:
    course = services.course(to=1, only_possible=True)
    back(to=1, only_possible=True)
    assert sorted(fault.code for fault in course.left_out) == ["out_of_range", "unknown_parameter"]
    assert in_force() == {
        ("trading", GLOBAL, "leverage"): 20,
        ("trading", GLOBAL, "old_name"): 6,
        ("trading", GLOBAL, "stop_loss_pct"): 1.5,
    }


@pytest.mark.usefixtures("tightened")
def test_roll_back__before_the_retired_one_was_set__clears_it() -> None:
    back(to=0)
    assert in_force() == {}


def test_roll_back__against_a_rule_of_today__is_refused() -> None:
    put(GLOBAL, min_position_size_usd=200.0)  # 1
    put(GLOBAL, min_position_size_usd=50.0)  # 2
    put(AAPL, max_position_size_usd=100.0)  # 3
    with pytest.raises(InputError) as refused:
        back(undo=2)  # a minimum of 200 again, above AAPL's maximum of 100
    assert refused.value.faults[0].code == "min_above_max"


# --- together with others


def test_roll_back__same_idempotency_key_again__answers_the_same_and_writes_once() -> None:
    put(GLOBAL, leverage=11)
    put(GLOBAL, leverage=12)
    once = back(undo=2, idempotency_key="k")
    # Done, it could not be asked again: by now the value is another than version 2 left.
    put(GLOBAL, leverage=13)
    assert back(undo=2, idempotency_key="k", now=NOON + timedelta(hours=1)) == once
    with pytest.raises(IdempotencyMismatch):
        back(to=0, idempotency_key="k")
    assert value_at(GLOBAL, "leverage") == 13


def test_roll_back__value_changed_after_it_was_read__is_stale() -> None:
    put(GLOBAL, leverage=11)
    put(GLOBAL, leverage=12)
    with pytest.raises(StaleVersion):
        back(to=0, base_version=1)


def test_roll_back__many_scopes__takes_as_many_queries_as_one(django_assert_max_num_queries: Any) -> None:
    for number in range(20):
        put(symbol_scope(f"S{number}"), leverage=11)
    with django_assert_max_num_queries(16):
        back(to=0)
    assert in_force() == {}


# --- against an oracle: the ledger's own words, folded by hand

_SCOPES = (GLOBAL, AAPL, MSFT, side_scope("AAPL", "LONG"))
_VALUES = {"leverage": st.integers(1, 20), "stop_loss_pct": st.sampled_from([1.0, 2.5, 1e-5 + 1])}
_EDIT = st.one_of(
    *(
        st.builds(
            lambda scope, value, name=name: SetValue(scope, "trading", name, value), st.sampled_from(_SCOPES), values
        )
        for name, values in _VALUES.items()
    ),
    st.builds(
        lambda scope, name: ClearValue(scope, "trading", name), st.sampled_from(_SCOPES), st.sampled_from([*_VALUES])
    ),
    st.builds(lambda scope: ClearScope(scope, "trading"), st.sampled_from(_SCOPES)),
)


class _Oracle:
    """What is in force after each version, kept as plain dictionaries."""

    def __init__(self) -> None:
        self.after: list[dict[tuple[Scope, str], Any]] = [{}]

    def apply(self, operations: list[Any]) -> None:
        values = dict(self.after[-1])
        for operation in operations:
            if isinstance(operation, ClearScope):
                values = {key: value for key, value in values.items() if key[0] != operation.scope}
            elif isinstance(operation, ClearValue):
                values.pop((operation.scope, operation.parameter), None)
            else:
                values[operation.scope, operation.parameter] = operation.value
        if values != self.after[-1]:
            self.after.append(values)


def _values() -> dict[tuple[Scope, str], Any]:
    return {(scope, name): value for (_, scope, name), value in in_force().items()}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=st.lists(st.lists(_EDIT, min_size=1, max_size=4), min_size=1, max_size=6), chosen=st.integers(0, 6))
def test_roll_back__any_history_and_version__gives_the_values_of_then_and_undone_those_of_now(
    history: list[list[Any]], chosen: int
) -> None:
    with undone():
        oracle = _Oracle()
        for operations in history:
            decide(*operations)
            oracle.apply(operations)
        newest = len(oracle.after) - 1
        version = min(chosen, newest)
        assert selectors.head().version == newest

        rolled = back(to=version)
        assert _values() == oracle.after[version]

        if rolled.changes:
            assert sorted(map(str, rolling_back.undoing(rolled.version))) == sorted(
                map(str, rolling_back.to_just_before(rolled.version))
            )
            back(undo=rolled.version)
        assert _values() == oracle.after[newest]
