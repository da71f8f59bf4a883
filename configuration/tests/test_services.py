"""The write path: all or nothing, with who and why, and never over somebody else's change."""

import hashlib
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from configuration import selectors, services
from configuration.errors import IdempotencyMismatch
from configuration.models import Change, ChangeSet, ConfigHead, Override
from configuration.scopes import GLOBAL, Scope, bot_scope, side_scope, symbol_scope
from configuration.services import ClearScope, ClearValue, SetValue
from configuration.tests.examples import BEN, NOON, decide, put, undone, value_at
from engine.domain.errors import InputError, StaleVersion

pytestmark = pytest.mark.django_db
AAPL = symbol_scope("AAPL")


def faults_of(*operations: services.Operation, reason: str = "because") -> list[tuple[str, str]]:
    with pytest.raises(InputError) as refused:
        decide(*operations, reason=reason)
    return [(fault.code, fault.pointer) for fault in refused.value.faults]


# --- versions and the ledger


def test_change__three_writes__are_versions_one_two_three() -> None:
    assert [put(GLOBAL, leverage=leverage).version for leverage in (11, 12, 13)] == [1, 2, 3]


def test_change__set_and_clear__record_before_after_actor_and_reason() -> None:
    put(AAPL, leverage=20)
    decide(ClearScope(AAPL, "trading"), SetValue(GLOBAL, "trading", "leverage", 5), actor=BEN, reason="too hot")

    newest = selectors.change_sets().first()
    assert newest is not None
    assert (newest.version, newest.actor_id, newest.actor_label, newest.reason) == (2, "8", "ben", "too hot")
    assert newest.created_at == NOON
    rows = [(c.scope, c.op, c.old, c.old_version, c.new) for c in newest.changes.all()]
    assert rows == [(GLOBAL, "set", None, 0, 5), (AAPL, "clear", 20, 1, None)]


def test_change__any_number__chains_hashes_that_recompute() -> None:
    put(GLOBAL, leverage=11, override_min_qty=None)
    put(AAPL, strategy_weights={"default": 0.5})

    first, second = ChangeSet.objects.order_by("version")
    assert first.prev_hash == ""
    assert second.prev_hash == first.hash
    for row in (first, second):
        assert row.hash == hashlib.sha256(f"{row.prev_hash}\n{row.canonical}".encode()).hexdigest()
    assert ConfigHead.objects.get().hash == second.hash


def test_change__the_stored_value_again__is_no_decision() -> None:
    put(GLOBAL, leverage=11)
    again = put(GLOBAL, leverage=11)
    cleared = decide(ClearValue(AAPL, "trading", "leverage"), ClearScope(AAPL, "trading"))

    assert (again.version, again.changes) == (1, ())
    assert (cleared.version, cleared.changes) == (1, ())
    assert ChangeSet.objects.count() == 1


def test_change__clear_then_set__replaces_the_scope_and_keeps_what_is_equal() -> None:
    put(AAPL, leverage=20, max_retries=5, stop_loss_pct=1.0)
    applied = decide(
        ClearScope(AAPL, "trading"),
        SetValue(AAPL, "trading", "leverage", 20),
        SetValue(AAPL, "trading", "max_retries", 6),
    )

    assert [(c.parameter, c.op, c.new) for c in applied.changes] == [
        ("max_retries", "set", 6),
        ("stop_loss_pct", "clear", None),
    ]
    assert {name: value.version for name, value in selectors.stored(AAPL).items()} == {"leverage": 1, "max_retries": 2}


def test_change__null_where_it_is_a_value__is_set_not_cleared() -> None:
    put(GLOBAL, override_min_qty=0.5)
    applied = put(AAPL, override_min_qty=None)

    assert applied.changes[0].op == "set"
    assert value_at(AAPL, "override_min_qty") is None
    assert Override.objects.filter(symbol="AAPL", value__isnull=False).count() == 1
    assert Change.objects.get(symbol="AAPL").new is None


def test_change__inside_a_transaction_that_fails__leaves_no_trace() -> None:
    with undone():
        put(GLOBAL, leverage=99)
    assert value_at(GLOBAL, "leverage") == 10
    assert ChangeSet.objects.count() == 0


def test_change__commit__tells_who_listens(django_capture_on_commit_callbacks: Any) -> None:
    with django_capture_on_commit_callbacks() as waiting:
        put(GLOBAL, leverage=11)
    assert len(waiting) == 1


# --- what is refused, all of it at once


def test_change__many_faults__reports_all_and_changes_nothing() -> None:
    found = faults_of(
        SetValue(GLOBAL, "trading", "leverage", 130, "/parameters/leverage"),
        SetValue(GLOBAL, "trading", "leverige", 5, "/parameters/leverige"),
        SetValue(GLOBAL, "trading", "stop_loss_pct", float("nan")),
        SetValue(GLOBAL, "trading", "enabled", 1),
        SetValue(GLOBAL, "trading", "margin_type", "both"),
        SetValue(GLOBAL, "trading", "timeframe_weights", {"7m": 1.0}),
        SetValue(GLOBAL, "astrology", "moon", 1),
        SetValue(GLOBAL, "bot", "capital", "5"),
        SetValue(side_scope("AAPL", "LONG"), "indicator_voting", "rsi_period", 9),
        SetValue(Scope("symbol", symbol="a b"), "trading", "leverage", 5),
        SetValue(Scope("symbol_side", symbol="AAPL", side="UP"), "trading", "leverage", 5),
        SetValue(Scope("planet"), "trading", "leverage", 5),
        SetValue(Scope("global", symbol="AAPL"), "trading", "leverage", 5),
        # valid by itself, but 5000 is above the largest position, 1000
        SetValue(GLOBAL, "trading", "min_position_size_usd", 5000),
        reason=" ",
    )

    assert found == [
        ("out_of_range", "/parameters/leverage"),
        ("unknown_parameter", "/parameters/leverige"),
        ("not_finite", "/operations/2"),
        ("invalid_type", "/operations/3"),
        ("not_a_choice", "/operations/4"),
        ("unknown_key", "/operations/5/7m"),
        ("unknown_namespace", "/operations/6"),
        ("scope_not_allowed", "/operations/7"),
        ("scope_not_allowed", "/operations/8"),
        ("invalid_symbol", "/operations/9"),
        ("not_a_choice", "/operations/10"),
        ("unknown_scope", "/operations/11"),
        ("scope_part", "/operations/12"),
        ("min_above_max", "/operations/13"),
        ("reason_required", "/reason"),
    ]
    assert (ChangeSet.objects.count(), Override.objects.count(), selectors.head().version) == (0, 0, 0)


def test_rules__global_change_contradicts_a_symbol__is_refused_and_names_it() -> None:
    put(AAPL, max_position_size_usd=100.0)

    with pytest.raises(InputError) as refused:
        put(GLOBAL, min_position_size_usd=200.0)

    (fault,) = refused.value.faults
    assert fault.code == "min_above_max"
    assert "AAPL" in fault.message
    assert "200" in fault.message
    assert value_at(GLOBAL, "min_position_size_usd") == 10.0


def test_rules__bot_and_symbol_only_together_contradict__is_refused() -> None:
    put(AAPL, max_position_size_usd=100.0)
    with pytest.raises(InputError, match="bot bot-1 on AAPL"):
        # above 1000 nowhere, above AAPL's 100 for this bot
        put(bot_scope("bot-1"), min_position_size_usd=200.0)


def test_rules__symbol_without_own_value__is_judged_with_what_it_inherits() -> None:
    put(GLOBAL, max_position_size_usd=100.0)
    with pytest.raises(InputError, match="in force for AAPL/LONG"):
        put(side_scope("AAPL", "LONG"), min_position_size_usd=200.0)


def test_rules__clearing_reveals_a_contradiction__is_refused() -> None:
    put(AAPL, max_position_size_usd=5000.0)
    put(AAPL, min_position_size_usd=2000.0)
    with pytest.raises(InputError, match="2000, above max_position_size_usd 1000"):
        decide(ClearValue(AAPL, "trading", "max_position_size_usd"))


def test_rules__both_values_at_once__are_judged_after_both() -> None:
    applied = put(GLOBAL, min_position_size_usd=2000.0, max_position_size_usd=3000.0)
    assert len(applied.changes) == 2


def test_rules__own_minimums_without_all_three__are_refused() -> None:
    with pytest.raises(InputError, match="override_min_qty, override_step_size must be set"):
        put(AAPL, use_exchange_minimums=False, override_min_notional=5.0)
    put(AAPL, use_exchange_minimums=False, override_min_notional=5.0, override_min_qty=0.1, override_step_size=0.1)
    assert value_at(AAPL, "use_exchange_minimums") is False


@pytest.mark.parametrize(
    "values",
    [
        {"indicators": ["RSI"]},
        {"indicators": ["RSI", "MACD"], "voting": "single"},
        {"rsi_oversold": 70.0},
        {"macd_fast": 26},
    ],
)
def test_rules__strategy_that_contradicts_itself__is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        put(bot_scope("bot-1"), namespace="indicator_voting", **values)


def test_rules__one_indicator_voting_single__is_allowed() -> None:
    put(bot_scope("bot-1"), namespace="indicator_voting", indicators=["RSI"], voting="single")
    assert value_at(bot_scope("bot-1"), "indicators", "indicator_voting") == ["RSI"]


def test_rules__bot_whose_day_ends_before_it_starts__is_refused() -> None:
    with pytest.raises(InputError, match="end at 09:30, not after it starts at 09:30"):
        put(bot_scope("bot-1"), namespace="bot", end_hour=9, end_minute=30)


def test_validate__faults_or_none__writes_nothing() -> None:
    planned = services.validate([SetValue(GLOBAL, "trading", "leverage", 20)])
    with pytest.raises(InputError):
        services.validate([SetValue(GLOBAL, "trading", "leverage", 200)])
    assert [(change.old, change.new) for change in planned] == [(None, 20)]
    assert (selectors.head().version, Override.objects.count()) == (0, 0)


# --- reasons


def test_reason__missing_for_a_low_risk__is_recorded_as_not_given() -> None:
    decide(SetValue(GLOBAL, "trading", "max_retries", 5), reason="")
    assert ChangeSet.objects.get().reason == "not given"


def test_reason__missing_for_a_critical_risk__is_required() -> None:
    put(AAPL, leverage=20)
    assert faults_of(SetValue(GLOBAL, "trading", "leverage", 5), reason="") == [("reason_required", "/reason")]
    assert faults_of(ClearScope(AAPL, "trading"), reason=" ") == [("reason_required", "/reason")]


def test_reason__site_asks_always__is_required_everywhere(settings: Any) -> None:
    settings.CONFIG_REQUIRE_REASON = "always"
    assert faults_of(SetValue(GLOBAL, "trading", "max_retries", 5), reason="") == [("reason_required", "/reason")]


# --- concurrent people


def test_base_version__same_parameter_changed_since__is_stale_and_says_by_whom() -> None:
    put(GLOBAL, leverage=11)
    put(GLOBAL, leverage=12, actor=BEN)

    with pytest.raises(StaleVersion) as stale:
        decide(SetValue(GLOBAL, "trading", "leverage", 13, "/parameters/leverage"), base_version=1)

    (fault,) = stale.value.faults
    assert (fault.code, fault.pointer, fault.got) == ("changed_since", "/parameters/leverage", 2)
    assert "by ben: because" in fault.message
    assert value_at(GLOBAL, "leverage") == 12


def test_base_version__another_parameter_or_scope_changed_since__does_not_collide() -> None:
    put(GLOBAL, leverage=11)
    put(GLOBAL, max_retries=5, actor=BEN)
    put(AAPL, leverage=50, actor=BEN)

    decide(SetValue(GLOBAL, "trading", "leverage", 13), base_version=1)

    assert (value_at(GLOBAL, "leverage"), value_at(GLOBAL, "max_retries")) == (13, 5)


def test_base_version__parameter_cleared_since__is_stale() -> None:
    put(GLOBAL, leverage=11)
    decide(ClearValue(GLOBAL, "trading", "leverage"))
    with pytest.raises(StaleVersion):
        decide(SetValue(GLOBAL, "trading", "leverage", 13), base_version=1)


def test_base_version__of_the_future__is_a_fault() -> None:
    with pytest.raises(InputError, match="base_version is 9, the newest is 0"):
        decide(SetValue(GLOBAL, "trading", "leverage", 13), base_version=9)


def test_idempotency_key__same_request_again__answers_the_same_and_writes_once() -> None:
    once = decide(SetValue(GLOBAL, "trading", "leverage", 11), idempotency_key="k")
    put(GLOBAL, leverage=12)
    again = decide(SetValue(GLOBAL, "trading", "leverage", 11), idempotency_key="k", now=NOON + timedelta(hours=1))

    assert again == once
    assert (ChangeSet.objects.count(), value_at(GLOBAL, "leverage")) == (2, 12)


def test_idempotency_key__another_request__is_refused() -> None:
    decide(SetValue(GLOBAL, "trading", "leverage", 11), idempotency_key="k")
    with pytest.raises(IdempotencyMismatch):
        decide(SetValue(GLOBAL, "trading", "leverage", 12), idempotency_key="k")
    assert value_at(GLOBAL, "leverage") == 11


# --- what the database itself refuses


@pytest.mark.parametrize(
    "shape",
    [
        {"scope_kind": "global", "symbol": "AAPL"},
        {"scope_kind": "symbol", "symbol": ""},
        {"scope_kind": "symbol", "symbol": "aapl"},
        {"scope_kind": "symbol_side", "symbol": "AAPL", "side": "UP"},
        {"scope_kind": "bot", "bot": ""},
        {"scope_kind": "planet"},
    ],
)
def test_override__shape_that_is_no_scope__is_refused_by_the_database(shape: dict[str, str]) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Override.objects.create(namespace="trading", parameter="leverage", value=5, version=1, **shape)


def test_override__twice_for_one_scope__is_refused_by_the_database() -> None:
    put(GLOBAL, leverage=11)
    with pytest.raises(IntegrityError), transaction.atomic():
        Override.objects.create(namespace="trading", scope_kind="global", parameter="leverage", value=5, version=1)


def test_change_set__blank_reason_or_second_head__is_refused_by_the_database() -> None:
    put(GLOBAL, leverage=11)
    with pytest.raises(IntegrityError), transaction.atomic():
        ChangeSet.objects.update(reason="  \n")
    with pytest.raises(IntegrityError), transaction.atomic():
        ConfigHead.objects.create(id=2)


# --- cost


def test_change__31_parameters__takes_as_many_queries_as_one(django_assert_num_queries: Any) -> None:
    put(GLOBAL, leverage=11)
    values = {name: entry.value for name, entry in selectors.stored(GLOBAL).items()} | {
        "max_retries": 5, "leverage": 12, "stop_loss_pct": 1.0, "take_profit_pct": 9.0, "enabled": False,
    }  # fmt: skip

    # savepoint and its release; head under lock; image (nothing is shared while this test's own
    # transaction has written); change-set; is the catalogue kept; changes; overrides; head; notify; and the
    # first look before the lock
    with django_assert_num_queries(11):
        put(GLOBAL, **values)


def test_actor__who_leaves__stays_in_the_ledger(django_user_model: Any) -> None:
    user = django_user_model.objects.create_user("gone")
    put(GLOBAL, leverage=11, actor=services.Actor("user", str(user.pk), "gone"))
    user.delete()
    assert ChangeSet.objects.get().actor_label == "gone"
