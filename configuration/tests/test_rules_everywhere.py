"""No configuration that contradicts itself passes: whoever asks, for whichever bot on whichever market.

The oracle asks each rule for every bot, symbol and side there could be, strangers included, and
knows nothing of which of them are alike.
"""

import itertools
import random
from typing import Any

import pytest

from configuration import rules
from configuration.catalogue import CATALOGUE
from configuration.image import Image, Path, Stored
from configuration.planning import ClearScope, ClearValue, Operation, SetValue, plan
from configuration.scopes import GLOBAL, Scope, bot_scope, side_scope, symbol_scope

SYMBOLS = ("AAPL", "IBM")
BOTS = ("one", "two")
EVERYBODY = [
    Path(bot, symbol, side)
    for bot, symbol in itertools.product(("", *BOTS, "stranger"), ("", *SYMBOLS, "TSLA"))
    for side in (("", "LONG", "SHORT") if symbol else ("",))
]
WHERE = (
    GLOBAL,
    *map(symbol_scope, SYMBOLS),
    *(side_scope(symbol, side) for symbol in SYMBOLS for side in ("LONG", "SHORT")),
    *map(bot_scope, BOTS),
)
CHOICES: dict[tuple[str, str], tuple[Any, ...]] = {
    ("trading", "min_position_size_usd"): (10.0, 400.0, 1500.0),
    ("trading", "max_position_size_usd"): (300.0, 1000.0, 2000.0),
    ("trading", "use_exchange_minimums"): (True, False),
    ("trading", "override_min_notional"): (None, 5.0),
    ("trading", "override_min_qty"): (None, 0.5),
    ("trading", "override_step_size"): (None, 0.1),
    ("trading", "leverage"): (5, 20),  # no rule reads it
    ("indicator_voting", "rsi_oversold"): (20.0, 45.0, 60.0),
    ("indicator_voting", "rsi_overbought"): (40.0, 55.0, 80.0),
    ("indicator_voting", "indicators"): (["RSI"], ["RSI", "MACD"]),
    ("indicator_voting", "voting"): ("majority", "single"),
}


def an_image(dice: random.Random) -> Image:
    """Any configuration, legal or not."""
    places: dict[tuple[str, Scope], dict[str, Stored]] = {}
    for _ in range(dice.randrange(12)):
        (namespace, name), scope = dice.choice(list(CHOICES)), dice.choice(WHERE)
        if scope.kind in CATALOGUE.get(namespace, name).scopes:
            places.setdefault((namespace, scope), {})[name] = Stored(dice.choice(CHOICES[namespace, name]), 1)
    return Image(catalogue=CATALOGUE, version=1, head_hash="", places=places, environment={})


def some_operations(dice: random.Random) -> list[Operation]:
    operations: list[Operation] = []
    while len(operations) < dice.choice((1, 1, 2, 4)):
        (namespace, name), scope = dice.choice(list(CHOICES)), dice.choice(WHERE)
        if scope.kind not in CATALOGUE.get(namespace, name).scopes:
            continue
        kind = dice.random()
        if kind < 0.1:
            operations.append(ClearScope(scope, namespace))
        elif kind < 0.3:
            operations.append(ClearValue(scope, namespace, name))
        else:
            operations.append(SetValue(scope, namespace, name, dice.choice(CHOICES[namespace, name])))
    return operations


def merged(places: Any, namespace: str, path: Path) -> dict[str, Any]:
    """What holds for one path, layer over layer."""
    values = {parameter.name: parameter.default for parameter in CATALOGUE.parameters(namespace)}
    for scope in path.scopes():
        values |= places.get((namespace, scope), {})
    return values


def contradictions(image: Image, operations: list[Operation]) -> dict[tuple[str, Path], str]:
    """Rule and path -> complaint, wherever a changed value is read under the scope it was changed at."""
    before = {
        (namespace, scope): {name: stored.value for name, stored in image.stored(namespace, scope).items()}
        for namespace, scope in image.places()
    }
    places = {place: dict(values) for place, values in before.items()}
    for operation in operations:
        here = places.setdefault((operation.namespace, operation.scope), {})
        if isinstance(operation, ClearScope):
            here.clear()
        elif isinstance(operation, ClearValue):
            here.pop(operation.parameter, None)
        else:
            here[operation.parameter] = operation.value
    found = {}
    for namespace in ("trading", "indicator_voting"):
        for index, rule in enumerate(rules.rules(namespace)):
            edited = {
                scope
                for owner, scope in places
                if owner == namespace
                for name in rule.parameters
                if places[owner, scope].get(name, ...) != before.get((owner, scope), {}).get(name, ...)
            }
            for path in EVERYBODY:
                if edited.isdisjoint(path.scopes()):
                    continue
                complaint = rule.complaint(merged(places, namespace, path))
                if complaint:
                    found[f"{namespace} {index} {rule.code}", path] = complaint
    return found


@pytest.mark.parametrize("seed", range(20))
def test_rules__100_random_configurations_and_edits__fault_exactly_where_somebody_would_be_contradicted(
    seed: int,
) -> None:
    dice = random.Random(seed)
    refused = 0
    for _ in range(100):
        image, operations = an_image(dice), some_operations(dice)
        expected = contradictions(image, operations)
        faults = plan(operations, image).faults

        # Each complaint is told once, with some of those it is about; all of these are contradicted.
        assert {fault.message.split(" (in force for ")[0] for fault in faults} == set(expected.values()), operations
        told = {path for fault in faults for path in fault.got}
        assert told <= {str(path) for _, path in expected}, operations
        # Whoever is contradicted is told of, or is like somebody who is: sets nothing of its own.
        refused += bool(faults)
    assert 10 < refused < 100
