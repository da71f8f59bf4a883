"""What a preview predicts is what happens: the same values, from the same places, for the same bots.

The oracle resolves from the rows of the database with a loop over five layers, before and after the
real change; it shares nothing with the code that predicts.
"""

import random
from collections.abc import Iterator
from typing import Any

import pytest

from configuration import selectors, services
from configuration.catalogue import CATALOGUE
from configuration.models import Override
from configuration.ports import ReachedBot
from configuration.scopes import GLOBAL, Scope, bot_scope, side_scope, symbol_scope
from configuration.services import ClearScope, ClearValue, Operation, SetValue
from configuration.tests.examples import ANN, decide
from configuration.tests.reaching import a_reached_bot, held, reaching, resting

pytestmark = pytest.mark.django_db

SYMBOLS = ("AAPL", "IBM", "MSFT")
BOTS = (
    a_reached_bot("one", "AAPL", "IBM", positions=(held("AAPL", id="p1"),), orders=(resting("AAPL", id="o1"),)),
    a_reached_bot(
        "two",
        "IBM",
        positions=(held("IBM", id="p2"), held("IBM", "SHORT", id="p3")),
        orders=(resting("IBM", "SHORT", id="o2"),),
    ),
    # Was given other symbols while it still held MSFT.
    a_reached_bot("three", "AAPL", strategy="external", status="stopped", positions=(held("MSFT", id="p4"),)),
)
# Values that are legal whatever the others are, so that nearly every case can be applied.
CHOICES: dict[tuple[str, str], tuple[Any, ...]] = {
    ("trading", "leverage"): (10, 5, 20),  # 10 is the default: set, it pins
    ("trading", "stop_loss_pct"): (2.0, 1.0, 3.5),
    ("trading", "override_min_qty"): (None, 0.5),  # null is a value here
    ("trading", "strategy_weights"): ({"default": 1.0}, {"default": 0.5}, {"default": 1.0, "momentum": 2.0}),
    ("trading", "max_position_size_usd"): (1000.0, 2000.0),
    ("indicator_voting", "rsi_period"): (14, 9),
    ("indicator_voting", "indicators"): (["RSI", "MACD"], ["RSI", "SMA", "EMA"]),
    ("bot", "capital"): ("10000", "2500.5"),
    ("bot", "long_only"): (True, False),
}
WHERE = (
    GLOBAL,
    *map(symbol_scope, SYMBOLS),
    *(side_scope(symbol, side) for symbol in SYMBOLS for side in ("LONG", "SHORT")),
    *(bot_scope(bot) for bot in ("one", "two", "three", "unknown")),
)

Node = tuple[str, str, str, str, str]  # namespace, parameter, bot, symbol, side
InForce = tuple[str, tuple[str, str, str, str, int]]  # the value's repr, and scope and version it is from


def scopes_of(namespace: str) -> list[Scope]:
    kinds = {kind for parameter in CATALOGUE.parameters(namespace) for kind in parameter.scopes}
    return [scope for scope in WHERE if scope.kind in kinds]


def some_operation(dice: random.Random) -> Operation:
    namespace, name = dice.choice(list(CHOICES))
    scope = dice.choice(scopes_of(namespace))
    kind = dice.random()
    if kind < 0.1:
        return ClearScope(scope, namespace)
    if kind < 0.3:
        return ClearValue(scope, namespace, name)
    return SetValue(scope, namespace, name, dice.choice(CHOICES[namespace, name]))


# --- the oracle


def rows() -> dict[tuple[str, str, str, str, str], dict[str, tuple[str, int]]]:
    """Everything stored: (namespace, kind, bot, symbol, side) -> parameter -> value and version."""
    found: dict[tuple[str, str, str, str, str], dict[str, tuple[str, int]]] = {}
    for row in Override.objects.all():
        place = (row.namespace, row.scope_kind, row.bot, row.symbol, row.side)
        found.setdefault(place, {})[row.parameter] = (repr(row.value), row.version)
    return found


def nodes_of(bot: ReachedBot) -> Iterator[tuple[str, str, str, str]]:
    """(namespace, bot, symbol, side) of everything a bot asks for, as a snapshot has it."""
    for namespace in ("trading", "bot", bot.strategy):
        yield namespace, bot.id, "", ""
    for symbol in {*bot.symbols, *(position.symbol for position in bot.positions)}:
        yield "trading", bot.id, symbol, ""
        yield bot.strategy, bot.id, symbol, ""
        for side in ("LONG", "SHORT"):
            yield "trading", bot.id, symbol, side


def in_force(*asked: Any) -> list[dict[Node, InForce]]:
    """What holds at every node that any of the sets of rows gives a value of its own, and for every bot."""
    namespaces = {namespace for namespace, _ in CHOICES}
    nodes = {(namespace, "", "", "") for namespace in namespaces}
    nodes |= {(namespace, bot, symbol, side) for stored in asked for namespace, _, bot, symbol, side in stored}
    nodes |= {node for bot in BOTS for node in nodes_of(bot)}
    return [
        {(*node[:1], name, *node[1:]): resolved(stored, node, name) for node in nodes for name in names_of(node[0])}
        for stored in asked
    ]


def names_of(namespace: str) -> list[str]:
    return [name for owner, name in CHOICES if owner == namespace]


def resolved(stored: Any, node: tuple[str, str, str, str], name: str) -> InForce:
    namespace, bot, symbol, side = node
    found: InForce = (repr(CATALOGUE.get(namespace, name).default), ("default", "", "", "", 0))
    layers = [
        ("global", "", "", ""),
        ("symbol", "", symbol, ""),
        ("symbol_side", "", symbol, side),
        ("bot", bot, "", ""),
    ]
    for layer in layers:
        value, version = stored.get((namespace, *layer), {}).get(name, (None, 0))
        if value is not None:
            found = (value, (*layer, version))
    return found


def as_oracle(resolved: selectors.Resolved) -> InForce:
    origin = resolved.origin
    return repr(resolved.value), (origin.scope, origin.bot, origin.symbol, origin.side, origin.version)


def asks_on_its_own(node: Node) -> bool:
    """A node on which a bot trades: the narrowest one of the namespace."""
    namespace, _, bot, symbol, side = node
    return bool(bot) and (bool(side) if namespace == "trading" else bool(symbol) or namespace == "bot")


def observed_reach(changed: list[Node]) -> dict[str, Any]:
    """Symbols, sides, bots, positions and orders whose values changed."""
    trading = [node for node in changed if asks_on_its_own(node)]

    def touches(bot: ReachedBot, symbol: str, side: str) -> bool:
        return any(node[2] == bot.id and node[3] in ("", symbol) and node[4] in ("", side) for node in trading)

    return {
        "symbols": {node[3] for node in changed} - {""},
        "sides": {(node[3], node[4]) for node in changed if node[4]},
        "bots": {node[2] for node in changed} & {bot.id for bot in BOTS},
        "positions": {p.id for bot in BOTS for p in bot.positions if touches(bot, p.symbol, p.side)},
        "orders": {o.id for bot in BOTS for o in bot.orders if touches(bot, o.symbol, o.side)},
    }


# --- the comparison


@pytest.mark.parametrize("seed", range(10))
def test_preview__100_random_changes__predict_exactly_what_is_observed(seed: int) -> None:
    dice = random.Random(seed)
    compared = 0
    with reaching(*BOTS):
        while compared < 100:
            operations = [some_operation(dice) for _ in range(dice.choice((1, 1, 2, 5, 12)))]
            preview = services.preview(operations, actor=ANN)
            if preview.plan.faults:
                continue
            before = rows()
            decide(*operations, plan_hash=preview.plan_hash)
            was, now = in_force(before, rows())

            predicted = {
                (effect.namespace, effect.parameter, *effect.path): (as_oracle(effect.before), as_oracle(effect.after))
                for effect in preview.effects
            }
            observed = {node: (was[node], now[node]) for node in was if was[node] != now[node]}
            assert predicted == observed, operations

            changed = [node for node, (old, new) in observed.items() if old[0] != new[0]]
            touched = preview.touched
            assert {
                "symbols": set(touched.symbols),
                "sides": set(touched.sides),
                "bots": {bot.id for bot in touched.bots},
                "positions": {position.id for position in touched.positions},
                "orders": {order.id for order in touched.orders},
            } == observed_reach(changed), operations
            compared += 1
