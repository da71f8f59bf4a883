"""A snapshot is named by what it says: the same wishes, the same hash."""

import copy
from typing import Any

import pytest

from configuration import selectors, services
from configuration.models import Snapshot
from configuration.scopes import GLOBAL, Frozen, bot_scope, side_scope, symbol_scope
from configuration.services import ClearValue
from configuration.tests.examples import ANN, NOON, decide, put, some_bot
from configuration.tests.tampering import tampering
from engine.domain.errors import InvariantBroken, NotFound

pytestmark = pytest.mark.django_db


def entries(frozen: Frozen) -> dict[tuple[str, str], Any]:
    return {(node, name): entry for node, values in frozen.content["nodes"].items() for name, entry in values.items()}


def differing(before: Frozen, after: Frozen) -> set[tuple[str, str]]:
    old, new = entries(before), entries(after)
    return {key for key in old.keys() | new.keys() if old.get(key) != new.get(key)}


def test_snapshot__of_a_bot__has_its_nodes_and_namespaces() -> None:
    frozen = selectors.snapshot_for(some_bot("AAPL", "MSFT"))

    assert list(frozen.content["nodes"]) == ["", "AAPL", "AAPL/LONG", "AAPL/SHORT", "MSFT", "MSFT/LONG", "MSFT/SHORT"]
    assert frozen.content["bot"] == {
        "id": "bot-1",
        "name": "Example",
        "strategy": "indicator_voting",
        "symbols": ["AAPL", "MSFT"],
        "timeframe": "1d",
    }
    namespaces = {node: {name.split(".")[0] for name in values} for node, values in frozen.content["nodes"].items()}
    assert namespaces[""] == {"trading", "indicator_voting", "bot"}
    assert namespaces["AAPL"] == {"trading", "indicator_voting"}
    assert namespaces["AAPL/LONG"] == {"trading"}
    assert frozen.content["nodes"][""]["trading.leverage"] == {"value": 10, "origin": {"scope": "default"}}


def test_snapshot__unrelated_change__keeps_its_hash() -> None:
    before = selectors.snapshot_for(some_bot("AAPL"))
    put(symbol_scope("TSLA"), leverage=50)
    put(bot_scope("another"), leverage=50)

    assert selectors.snapshot_for(some_bot("AAPL")).hash == before.hash
    assert selectors.head().version == 2


def test_snapshot__extra_that_nothing_reads__is_left_out_and_setting_it_keeps_the_hash() -> None:
    before = selectors.snapshot_for(some_bot())

    put(GLOBAL, max_leverage_bound=5)

    after = selectors.snapshot_for(some_bot())
    assert after.hash == before.hash
    assert "trading.max_leverage_bound" not in after.content["nodes"][""]


def test_snapshot__one_parameter_of_one_side__changes_exactly_that_entry() -> None:
    before = selectors.snapshot_for(some_bot("AAPL", "MSFT"))
    put(side_scope("AAPL", "LONG"), leverage=20)
    after = selectors.snapshot_for(some_bot("AAPL", "MSFT"))

    assert after.hash != before.hash
    assert differing(before, after) == {("AAPL/LONG", "trading.leverage")}
    assert after.content["nodes"]["AAPL/LONG"]["trading.leverage"] == {
        "value": 20,
        "origin": {"scope": "symbol_side", "symbol": "AAPL", "side": "LONG", "version": 1},
    }
    assert {k: v for k, v in before.content.items() if k != "nodes"} == {
        k: v for k, v in after.content.items() if k != "nodes"
    }


def test_snapshot__one_global_parameter__changes_that_parameter_and_nothing_else() -> None:
    before = selectors.snapshot_for(some_bot("AAPL"))
    put(GLOBAL, stop_loss_pct=3.0)
    after = selectors.snapshot_for(some_bot("AAPL"))
    assert {name for _, name in differing(before, after)} == {"trading.stop_loss_pct"}


def test_snapshot__set_and_cleared_again__has_the_first_hash() -> None:
    before = selectors.snapshot_for(some_bot())
    put(GLOBAL, leverage=20)
    decide(ClearValue(GLOBAL, "trading", "leverage"))
    assert selectors.snapshot_for(some_bot()).hash == before.hash


def test_snapshot__same_value_from_another_origin__is_another_snapshot() -> None:
    before = selectors.snapshot_for(some_bot())
    put(GLOBAL, leverage=10)
    assert selectors.snapshot_for(some_bot()).hash != before.hash


def test_keep__twice__is_one_row_that_reads_back() -> None:
    frozen = selectors.snapshot_for(some_bot())
    assert services.keep(frozen) == services.keep(frozen) == frozen.hash
    assert Snapshot.objects.count() == 1
    assert selectors.snapshot(frozen.hash) == frozen.content


def test_keep__content_altered_since__is_refused() -> None:
    frozen = selectors.snapshot_for(some_bot())
    altered = copy.deepcopy(frozen.content)
    altered["nodes"][""]["trading.leverage"]["value"] = 125
    with pytest.raises(InvariantBroken):
        services.keep(Frozen(frozen.hash, altered))
    assert Snapshot.objects.count() == 0


def test_snapshot__stored_text_altered__is_noticed() -> None:
    hash = services.keep(selectors.snapshot_for(some_bot()))
    with tampering():
        Snapshot.objects.update(content='{"nodes":{}}')
    with pytest.raises(InvariantBroken):
        selectors.snapshot(hash)


def test_snapshot__nobody_kept__is_not_found() -> None:
    with pytest.raises(NotFound):
        selectors.snapshot("0" * 64)


def test_explain__every_value__has_origin_who_why_when(django_assert_num_queries: Any) -> None:
    put(GLOBAL, leverage=20)
    put(symbol_scope("AAPL"), stop_loss_pct=1.0)
    hash = services.keep(selectors.snapshot_for(some_bot("AAPL")))
    put(GLOBAL, leverage=30)  # later: explains nothing here

    with django_assert_num_queries(2):
        rows = selectors.explain_snapshot(hash)

    by = {(row.node, f"{row.namespace}.{row.parameter}"): row for row in rows}
    stop = by["AAPL/LONG", "trading.stop_loss_pct"]
    assert (stop.value, stop.unit, stop.origin) == (
        1.0,
        "percent",
        {"scope": "symbol", "symbol": "AAPL", "version": 2},
    )
    assert (stop.version, stop.actor_label, stop.reason, stop.created_at) == (2, ANN.label, "because", NOON)
    leverage = by["AAPL/SHORT", "trading.leverage"]
    assert (leverage.value, leverage.version) == (20, 1)
    untouched = by["", "trading.max_retries"]
    assert (untouched.value, untouched.version, untouched.actor_label, untouched.created_at) == (3, 0, "", None)
    # 31 + 14 + 12 without a symbol, 31 + 14 for AAPL, 31 for each side
    assert len(rows) == (31 + 14 + 12) + (31 + 14) + 2 * 31


@pytest.mark.django_db(transaction=True)
def test_snapshot_for__nothing_changed__costs_one_query(django_assert_num_queries: Any) -> None:
    put(GLOBAL, leverage=20)
    first = selectors.snapshot_for(some_bot("AAPL"))
    with django_assert_num_queries(1):
        assert selectors.snapshot_for(some_bot("AAPL")) is first


def test_history__of_a_scope__is_newest_first_and_its_own() -> None:
    put(GLOBAL, leverage=11)
    put(symbol_scope("AAPL"), leverage=12)
    put(GLOBAL, leverage=13)
    assert [(row.change_set_id, row.old, row.new) for row in selectors.history(GLOBAL)] == [(3, 11, 13), (1, None, 11)]


def test_stored_at__an_earlier_version__is_what_was_set_then() -> None:
    put(GLOBAL, leverage=11, override_min_qty=None)
    put(GLOBAL, leverage=12, max_retries=5)
    decide(ClearValue(GLOBAL, "trading", "leverage"))

    assert selectors.stored_at(GLOBAL, "trading", 0) == {}
    assert selectors.stored_at(GLOBAL, "trading", 1) == {"leverage": 11, "override_min_qty": None}
    assert selectors.stored_at(GLOBAL, "trading", 2) == {"leverage": 12, "override_min_qty": None, "max_retries": 5}
    assert selectors.stored_at(GLOBAL, "trading", 3) == {"override_min_qty": None, "max_retries": 5}
