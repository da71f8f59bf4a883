"""Many scopes as one decision, resetting to the defaults, and taking back by hand."""

import pytest

from configuration import selectors, services
from configuration.catalogue import CATALOGUE
from configuration.models import ChangeSet, Override
from configuration.planning import ClearScope, ClearValue, SetValue
from configuration.scopes import GLOBAL, bot_scope, symbol_scope
from configuration.tests.examples import ANN, NOON, decide, put, value_at
from engine.domain.errors import InputError

pytestmark = pytest.mark.django_db
AAPL = symbol_scope("AAPL")


def test_batch__of_several_scopes_and_namespaces__is_one_change_set() -> None:
    put(AAPL, leverage=20)
    applied = decide(
        SetValue(GLOBAL, "trading", "leverage", 11),
        ClearValue(AAPL, "trading", "leverage"),
        SetValue(bot_scope("bot-1"), "bot", "capital", "5000"),
        kind="batch",
    )
    row = ChangeSet.objects.get(version=2)
    assert (applied.version, row.kind, row.changes.count()) == (2, "batch", 3)
    assert (value_at(AAPL, "leverage"), ChangeSet.objects.count()) == (11, 2)


def test_batch__one_of_them_faulty__changes_nothing_and_names_each_fault() -> None:
    with pytest.raises(InputError) as refused:
        decide(
            SetValue(GLOBAL, "trading", "leverage", 11),
            SetValue(AAPL, "trading", "leverage", 200),
            SetValue(bot_scope("bot-1"), "bot", "nonsense", 1),
            kind="batch",
        )
    found = [(fault.code, fault.pointer) for fault in refused.value.faults]
    assert found == [("out_of_range", "/operations/1"), ("unknown_parameter", "/operations/2")]
    assert (Override.objects.count(), ChangeSet.objects.count()) == (0, 0)


def test_reset__every_parameter_of_a_scope__equals_the_defaults_and_can_be_taken_back() -> None:
    put(GLOBAL, leverage=11, stop_loss_pct=1.5, override_min_qty=0.5)
    decide(ClearScope(GLOBAL, "trading"), kind="delete")
    defaults = {f"trading.{parameter.name}": parameter.default for parameter in CATALOGUE.parameters("trading")}
    assert {name: entry.value for name, entry in selectors.resolve(GLOBAL, ("trading",)).items()} == defaults
    services.roll_back(undo=2, actor=ANN, reason="too early", now=NOON)
    assert (value_at(GLOBAL, "leverage"), value_at(GLOBAL, "stop_loss_pct")) == (11, 1.5)


def test_rollback__by_setting_the_old_values_again__restores_them_and_the_ledger_shows_both() -> None:
    put(AAPL, leverage=11, stop_loss_pct=1.5)
    put(AAPL, leverage=12, max_retries=5)
    old = selectors.stored_at(AAPL, "trading", 1)

    decide(ClearScope(AAPL, "trading"), *(SetValue(AAPL, "trading", name, value) for name, value in old.items()))

    assert {name: entry.value for name, entry in selectors.stored(AAPL).items()} == {
        "leverage": 11,
        "stop_loss_pct": 1.5,
    }
    before_and_after = [
        [(row.parameter, row.old, row.new) for row in change_set.changes.order_by("ordinal")]
        for change_set in ChangeSet.objects.order_by("version")[1:]
    ]
    assert before_and_after == [
        [("leverage", 11, 12), ("max_retries", None, 5)],
        [("leverage", 12, 11), ("max_retries", 5, None)],
    ]
