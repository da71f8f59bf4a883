"""Before a change: what it would do, to whom, what stands in the way, and a hash that holds it to that."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction

from configuration import selectors, services
from configuration.actors import Grant
from configuration.catalogue import CATALOGUE
from configuration.errors import StalePlan
from configuration.models import ChangeSet, ConfigHead, Override
from configuration.scopes import GLOBAL, Scope, bot_scope, side_scope, symbol_scope
from configuration.services import Actor, ClearScope, ClearValue, Preview, SetValue, preview
from configuration.tests.examples import ANN, BEN, NOON, decide, put, value_at
from configuration.tests.reaching import a_reached_bot, held, reaching, resting
from engine.domain.errors import InputError, NotAllowed, StaleVersion

pytestmark = pytest.mark.django_db
AAPL, IBM = symbol_scope("AAPL"), symbol_scope("IBM")
OPERATOR = Actor("user", "9", "olga", Grant(frozenset({"low"}), ("global", "symbol:AAPL*")))


def seen(*operations: services.Operation, actor: Actor = ANN, **more: Any) -> Preview:
    return preview(operations, actor=actor, **more)


def setting(scope: Scope, namespace: str = "trading", **values: Any) -> list[SetValue]:
    return [SetValue(scope, namespace, name, value, f"/parameters/{name}") for name, value in values.items()]


def codes(found: Preview) -> list[tuple[str, str]]:
    return [(caution.code, str(caution.scope)) for caution in found.warnings]


# --- what it would do


def test_preview__of_a_change__tells_plan_effects_and_version_and_writes_nothing() -> None:
    put(GLOBAL, leverage=20)
    put(AAPL, leverage=5)

    found = seen(*setting(GLOBAL, leverage=30))

    assert [(change.old, change.new) for change in found.plan.changes] == [(20, 30)]
    # AAPL has its own word, so only the place of the change resolves differently.
    (effect,) = found.effects
    assert (str(effect.path), effect.before.value, effect.after.value, effect.reload) == (
        "global",
        20,
        30,
        "next_cycle",
    )
    assert (effect.before.origin.version, effect.after.origin.version) == (1, 3)
    assert (found.version, found.plan.faults, found.gates, found.refusal) == (2, (), (), None)
    assert (ChangeSet.objects.count(), Override.objects.count(), ConfigHead.objects.get().version) == (2, 2, 2)
    assert value_at(GLOBAL, "leverage") == 20


def test_preview__of_faults__tells_them_all_and_raises_nothing() -> None:
    found = seen(*setting(GLOBAL, leverage=130, stop_loss_pct="two", max_retries=5))

    assert [(fault.code, fault.pointer) for fault in found.plan.faults] == [
        ("out_of_range", "/parameters/leverage"),
        ("invalid_type", "/parameters/stop_loss_pct"),
    ]
    assert isinstance(found.refusal, InputError)
    assert [effect.parameter for effect in found.effects] == ["max_retries"]
    assert ChangeSet.objects.count() == 0


def test_preview__of_a_value_bots_trade_on__names_symbols_sides_bots_positions_and_orders() -> None:
    put(side_scope("IBM", "SHORT"), leverage=3)
    one = a_reached_bot("one", "AAPL", "IBM", positions=(held("IBM"), held("IBM", "SHORT")), orders=(resting("AAPL"),))
    two = a_reached_bot("two", "AAPL", positions=(held("AAPL"),))
    put(bot_scope("two"), leverage=4)

    with reaching(one, two):
        found = seen(*setting(GLOBAL, leverage=30))

    touched = found.touched
    assert touched.symbols == ("AAPL", "IBM")
    assert touched.sides == (("AAPL", "LONG"), ("AAPL", "SHORT"), ("IBM", "LONG"))  # IBM/SHORT has its own word
    assert [bot.id for bot in touched.bots] == ["one"]  # two has its own word
    assert [position.id for position in touched.positions] == ["IBM-LONG"]
    assert [order.id for order in touched.orders] == ["AAPL-LONG-stop"]


def test_preview__of_a_bots_own_words__touches_all_it_holds() -> None:
    with reaching(a_reached_bot("one", "AAPL", positions=(held("AAPL", "SHORT"),))):
        found = seen(*setting(bot_scope("one"), "bot", capital="500"))

    assert [str(effect.path) for effect in found.effects] == ["bot one"]
    assert [position.id for position in found.touched.positions] == ["AAPL-SHORT"]


def test_preview__of_a_strategys_parameter__touches_only_bots_of_that_strategy() -> None:
    with reaching(a_reached_bot("one", "AAPL"), a_reached_bot("two", "AAPL", strategy="external")):
        found = seen(*setting(AAPL, "indicator_voting", rsi_period=9))

    assert [str(effect.path) for effect in found.effects] == ["AAPL", "bot one on AAPL"]
    assert [bot.id for bot in found.touched.bots] == ["one"]


def test_preview__of_a_pin__has_effects_and_touches_nobody() -> None:
    with reaching(a_reached_bot("one", "AAPL", positions=(held("AAPL"),))):
        found = seen(*setting(AAPL, leverage=10))  # the default is 10

    assert {effect.changes_value for effect in found.effects} == {False}
    assert found.touched == ((), (), (), (), ())
    decide(*setting(AAPL, leverage=10))
    put(GLOBAL, leverage=40)
    assert value_at(AAPL, "leverage") == 10


def test_preview__however_much_is_set__reads_one_head(django_assert_num_queries: Any) -> None:
    for symbol in ("AAPL", "IBM", "MSFT", "GOOG"):
        put(symbol_scope(symbol), leverage=20, stop_loss_pct=1.0)
    # Whoever writes in a transaction reads past the shared image: head and rows together, once.
    with reaching(a_reached_bot("one", "AAPL", "IBM")), django_assert_num_queries(1):
        seen(*setting(GLOBAL, leverage=30, stop_loss_pct=3.0), ClearScope(IBM, "trading"))


# --- restarts


RESTARTING = {
    ("weather", "active_stations"): ["EGLC"],
    ("engine", "interval_seconds"): 300,
    ("engine", "lookahead_days"): 3,
    ("engine", "execution_mode"): "live",
}


@pytest.mark.parametrize(("key", "value"), RESTARTING.items(), ids=str)
def test_requires_restart__each_of_the_four_keys_alone__is_named(key: tuple[str, str], value: Any) -> None:
    assert seen(SetValue(GLOBAL, *key, value)).requires_restart == (f"{key[0]}.{key[1]}",)


def test_requires_restart__every_other_parameter__is_not() -> None:
    declared = {
        (namespace, parameter.name)
        for namespace in CATALOGUE.namespaces()
        for parameter in CATALOGUE.parameters(namespace)
        if parameter.reload == "restart"
    }
    assert declared == RESTARTING.keys()
    others = [
        SetValue(GLOBAL, namespace, parameter.name, parameter.example)
        for namespace in CATALOGUE.namespaces()
        for parameter in CATALOGUE.parameters(namespace)
        if "global" in parameter.scopes and (namespace, parameter.name) not in RESTARTING
    ]
    assert len(others) > 60
    assert seen(*others).requires_restart == ()


def test_requires_restart__the_value_in_force_already__is_not() -> None:
    assert seen(SetValue(GLOBAL, "engine", "lookahead_days", 2)).requires_restart == ()  # pins the default


# --- what to know


def test_warnings__every_bots_side_has_its_own_word__says_that_nothing_in_force_changes() -> None:
    for side in ("LONG", "SHORT"):
        put(side_scope("AAPL", side), leverage=5)
    with reaching(a_reached_bot("one", "AAPL")):
        found = seen(*setting(GLOBAL, leverage=30))

    (caution,) = found.warnings
    assert caution.code == "shadowed"
    assert (
        caution.message
        == "leverage at global reaches nothing below it: all 2 configurations there set leverage themselves."
    )


def test_warnings__one_side_still_listens__says_nothing() -> None:
    put(side_scope("AAPL", "LONG"), leverage=5)
    with reaching(a_reached_bot("one", "AAPL")):
        assert seen(*setting(GLOBAL, leverage=30)).warnings == ()


def test_warnings__limit_of_the_account__is_never_called_shadowed() -> None:
    for side in ("LONG", "SHORT"):
        put(side_scope("AAPL", side), max_daily_trades=5)
    with reaching(a_reached_bot("one", "AAPL")):
        assert seen(*setting(GLOBAL, max_daily_trades=50)).warnings == ()


def test_warnings__nobody_trades_the_symbol__says_so() -> None:
    with reaching(a_reached_bot("one", "AAPL")):
        assert codes(seen(*setting(IBM, leverage=30))) == [("reaches_no_bot", "IBM")]
        assert codes(seen(*setting(AAPL, leverage=30))) == []


def test_warnings__value_that_would_be_inherited__says_that_it_pins() -> None:
    put(GLOBAL, leverage=20)
    with reaching(a_reached_bot("one", "AAPL")):
        found = seen(*setting(AAPL, leverage=20))
    (caution,) = found.warnings
    assert caution.code == "pins_inherited"
    assert caution.message.startswith("leverage at AAPL is 20 already, from global: setting it pins it")


def test_warnings__open_positions__keep_their_stop_and_target() -> None:
    bots = [a_reached_bot("one", "AAPL", positions=(held("AAPL"), held("AAPL", "SHORT")))]
    with reaching(*bots):
        (caution,) = seen(*setting(AAPL, stop_loss_pct=3.0)).warnings
        assert seen(*setting(AAPL, leverage=30)).warnings == ()
    assert caution.code == "brackets_stay"
    assert caution.message.startswith("2 open positions keep their stop and target")


def test_warnings__strategy_not_installed__says_that_nothing_acts_on_it() -> None:
    ahead = next(one for one in CATALOGUE.strategies() if not one.is_installed)
    parameter = next(one for one in ahead.parameters if "global" in one.scopes)
    found = seen(SetValue(GLOBAL, ahead.name, parameter.name, parameter.example))
    assert "not_installed" in [caution.code for caution in found.warnings]


# --- what stands in the way


def test_grant__risk_not_covered__is_a_gate_in_the_preview_and_refused_in_the_change() -> None:
    operations = setting(AAPL, leverage=20, max_retries=5, stop_loss_pct=3.0)  # critical, low, guarded

    found = seen(*operations, actor=OPERATOR)

    assert [(gate["code"], gate["parameter"], gate["needs"]) for gate in found.gates] == [
        ("risk_not_granted", "leverage", "risk:critical"),
        ("risk_not_granted", "stop_loss_pct", "risk:guarded"),
    ]
    assert found.gates[0]["scope"] == {"kind": "symbol", "symbol": "AAPL"}
    assert found.plan.faults == ()
    with pytest.raises(NotAllowed) as refused:
        decide(*operations, actor=OPERATOR)
    assert [(fault.code, fault.pointer) for fault in refused.value.faults] == [
        ("risk_not_granted", "/parameters/leverage"),
        ("risk_not_granted", "/parameters/stop_loss_pct"),
    ]
    assert vars(refused.value)["gates"] == list(found.gates)
    assert ChangeSet.objects.count() == 0


@pytest.mark.parametrize(
    ("scope", "is_covered"),
    [
        (GLOBAL, True),
        (AAPL, True),
        (side_scope("AAPL", "LONG"), True),
        (IBM, False),
        (side_scope("IBM", "LONG"), False),
        (bot_scope("one"), False),
    ],
)
def test_grant__scope_patterns__decide_where_one_may_change(scope: Scope, is_covered: bool) -> None:
    found = seen(*setting(scope, max_retries=5), actor=OPERATOR)
    assert [gate["code"] for gate in found.gates] == ([] if is_covered else ["scope_not_granted"])
    assert isinstance(found.refusal, NotAllowed) is not is_covered


def test_grant__risk_scope_and_value_all_wrong__are_told_in_one_answer() -> None:
    with pytest.raises(NotAllowed) as refused:
        decide(*setting(IBM, leverage=20), *setting(GLOBAL, max_retries=-1), actor=OPERATOR)
    assert [fault.code for fault in refused.value.faults] == ["risk_not_granted", "scope_not_granted", "out_of_range"]


def test_grant__clearing__asks_for_the_rights_of_what_is_cleared() -> None:
    put(AAPL, leverage=20, max_retries=5)
    with pytest.raises(NotAllowed):
        decide(ClearScope(AAPL, "trading"), actor=OPERATOR)
    with pytest.raises(NotAllowed):
        decide(ClearValue(AAPL, "trading", "leverage"), actor=OPERATOR)
    decide(ClearValue(AAPL, "trading", "max_retries"), actor=OPERATOR)
    assert selectors.stored(AAPL).keys() == {"leverage"}


def test_grant__nothing_would_change__is_not_asked_for() -> None:
    put(AAPL, leverage=20)
    assert decide(*setting(AAPL, leverage=20), actor=OPERATOR).changes == ()


def test_reason__not_given_for_a_risky_parameter__is_a_gate_once_it_is_asked_for() -> None:
    operations = setting(GLOBAL, leverage=20)
    assert seen(*operations).gates == ()
    assert seen(*operations).needs_reason == ("trading.leverage",)
    assert [gate["code"] for gate in seen(*operations, reason=" ").gates] == ["reason_required"]
    assert seen(*operations, reason="calmer").gates == ()
    assert seen(*setting(GLOBAL, max_retries=5), reason="").gates == ()


def test_collision__somebody_changed_it_since__has_three_columns_and_a_payload_to_send_again() -> None:
    put(GLOBAL, leverage=11)
    put(GLOBAL, leverage=12, actor=BEN)
    decide(ClearValue(GLOBAL, "trading", "leverage"), actor=BEN, reason="back to the default")
    operations = setting(GLOBAL, leverage=13, max_retries=5)

    found = seen(*operations, base_version=1)
    with pytest.raises(StaleVersion) as stale:
        decide(*operations, base_version=1)

    assert vars(stale.value)["gates"] == list(found.gates)
    collision, rebase = found.gates
    assert collision == {
        "code": "changed_since",
        "namespace": "trading",
        "parameter": "leverage",
        "scope": {"kind": "global"},
        "yours": 13,
        "theirs": None,
        "base": 11,
        "is_set": {"yours": True, "theirs": False, "base": True},
        "base_version": 1,
        "version": 3,
        "by": "ben",
        "at": NOON.isoformat(),
        "reason": "back to the default",
    }
    assert rebase["base_version"] == 3
    sent_again = [
        SetValue(Scope(**one["scope"]), one["namespace"], one["parameter"], one["value"])
        for one in rebase["operations"]
    ]
    assert len(decide(*sent_again, base_version=rebase["base_version"]).changes) == 2
    assert value_at(GLOBAL, "leverage") == 13


def test_preview__base_version_of_the_future__is_a_fault() -> None:
    (fault,) = seen(*setting(GLOBAL, leverage=13), base_version=9).plan.faults
    assert (fault.code, fault.pointer, fault.allowed) == ("out_of_range", "/base_version", 0)


# --- what was previewed is what is done


def test_plan_hash__nothing_happened_since__applies() -> None:
    found = seen(*setting(GLOBAL, leverage=20))
    assert len(decide(*setting(GLOBAL, leverage=20), plan_hash=found.plan_hash).changes) == 1


def test_plan_hash__changes_elsewhere__leave_it_as_it_is() -> None:
    before = seen(*setting(GLOBAL, leverage=20)).plan_hash
    put(AAPL, leverage=3, actor=BEN)
    put(GLOBAL, max_retries=5, actor=BEN)
    assert seen(*setting(GLOBAL, leverage=20)).plan_hash == before
    decide(*setting(GLOBAL, leverage=20), plan_hash=before)


def test_plan_hash__same_parameter_changed_since__is_refused_and_says_what_would_be_done_now() -> None:
    put(GLOBAL, leverage=11)
    found = seen(*setting(GLOBAL, leverage=20, max_retries=5))
    put(GLOBAL, leverage=12, actor=BEN)

    with pytest.raises(StalePlan) as stale:
        decide(*setting(GLOBAL, leverage=20, max_retries=5), plan_hash=found.plan_hash)

    assert stale.value.status == 412
    first, second = stale.value.faults
    assert (first.code, first.pointer) == ("plan_changed", "/parameters/leverage")
    assert first.message == "leverage at global is 12 since version 2 by ben (because), and would be set to 20."
    assert second.message == "max_retries at global is not set there, and would be set to 5."
    newest = vars(stale.value)["gates"][-1]["plan_hash"]
    decide(*setting(GLOBAL, leverage=20, max_retries=5), plan_hash=newest)
    assert value_at(GLOBAL, "leverage") == 20


def test_plan_hash__set_back_to_the_same_value_since__is_refused_all_the_same() -> None:
    # Somebody decided twice since: who previewed has not seen either.
    put(GLOBAL, leverage=11)
    found = seen(*setting(GLOBAL, leverage=20))
    put(GLOBAL, leverage=12, actor=BEN)
    put(GLOBAL, leverage=11, actor=BEN)
    with pytest.raises(StalePlan):
        decide(*setting(GLOBAL, leverage=20), plan_hash=found.plan_hash)


def test_plan_hash__everything_done_by_somebody_else__is_refused_and_says_so() -> None:
    found = seen(*setting(GLOBAL, leverage=20))
    put(GLOBAL, leverage=20, actor=BEN)
    with pytest.raises(StalePlan, match="Nothing would change any more"):
        decide(*setting(GLOBAL, leverage=20), plan_hash=found.plan_hash)


def test_plan_hash__other_values_than_previewed__are_refused() -> None:
    found = seen(*setting(GLOBAL, leverage=20))
    with pytest.raises(StalePlan):
        decide(*setting(GLOBAL, leverage=21), plan_hash=found.plan_hash)
    assert ChangeSet.objects.count() == 0


def test_plan_hash__repeated_under_its_idempotency_key__answers_what_was_done() -> None:
    found = seen(*setting(GLOBAL, leverage=20))
    once = decide(*setting(GLOBAL, leverage=20), plan_hash=found.plan_hash, idempotency_key="k")
    later = NOON + timedelta(minutes=1)
    again = decide(*setting(GLOBAL, leverage=20), plan_hash=found.plan_hash, idempotency_key="k", now=later)
    assert again == once


def test_plan_hash__orders_of_operations_that_come_to_the_same__are_one_plan() -> None:
    there, back = setting(GLOBAL, leverage=20), setting(GLOBAL, leverage=30)
    assert seen(*back, *there).plan_hash == seen(*there).plan_hash
    assert seen(*there, *back).plan_hash != seen(*there).plan_hash


def waits_for_a_lock() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")  # a transaction sees one picture of the others else
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return bool(cursor.fetchone()[0])


@pytest.mark.django_db(transaction=True)
def test_plan_hash__another_writer_holds_the_head__is_judged_by_what_they_wrote() -> None:
    put(GLOBAL, leverage=11)
    found = seen(*setting(GLOBAL, leverage=20))

    def apply() -> str:
        try:
            decide(*setting(GLOBAL, leverage=20), plan_hash=found.plan_hash)
        except StalePlan as stale:
            return stale.code
        finally:
            connection.close()
        return "applied"

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            put(GLOBAL, leverage=12, actor=BEN)
            # Past its first look, which still sees 11 and finds the plan as it was, it waits for the head.
            later = pool.submit(apply)
            deadline = time.monotonic() + 30
            while not waits_for_a_lock():
                assert time.monotonic() < deadline
                time.sleep(0.01)
        assert later.result(timeout=30) == "STALE_PLAN"
    assert value_at(GLOBAL, "leverage") == 12


# --- strategies


def test_strategy__previewed_and_set_twice__is_versions_one_and_two_with_who_and_why() -> None:
    seen(*setting(GLOBAL, "indicator_voting", rsi_period=9))
    assert (selectors.head().version, ChangeSet.objects.count()) == (0, 0)

    faulty = seen(*setting(GLOBAL, "indicator_voting", rsi_period=0, rsi_oversold=80.0))
    assert {fault.code for fault in faulty.plan.faults} == {"out_of_range", "not_rising"}

    put(GLOBAL, namespace="indicator_voting", rsi_period=9)
    put(AAPL, namespace="indicator_voting", rsi_period=21, actor=BEN)
    told = [(row.version, row.actor_label, row.reason) for row in selectors.change_sets(namespace="indicator_voting")]
    assert told == [(2, "ben", "because"), (1, "ann", "because")]
    assert (value_at(AAPL, "rsi_period", "indicator_voting"), value_at(IBM, "rsi_period", "indicator_voting")) == (
        21,
        9,
    )


@pytest.mark.parametrize("namespace", ["trading", "indicator_voting", "weather", "engine"])
def test_clear_scope__of_any_namespace__clears_that_one_and_no_other(namespace: str) -> None:
    for name, values in {
        "trading": {"leverage": 20, "override_min_qty": None},
        "indicator_voting": {"rsi_period": 9},
        "weather": {"edge_min": 0.2},
        "engine": {"lookahead_days": 3},
    }.items():
        decide(*setting(GLOBAL, name, **values))
    decide(ClearScope(GLOBAL, namespace))
    left = {one: bool(selectors.stored(GLOBAL, one)) for one in ("trading", "indicator_voting", "weather", "engine")}
    assert left == {one: one != namespace for one in left}
