"""Random hierarchies, resolved by the store's image and by the oracle."""

import random
from collections import defaultdict

from configuration.catalogue import CATALOGUE, TRADING
from configuration.image import Image, Path, Place, Stored
from configuration.scopes import Scope
from tests.configuration_edits.editors import SCOPES, SYMBOLS, VALUES
from tests.configuration_edits.oracle import Key, in_force


def disagreements(count: int, *, seed: int) -> list[str]:
    """Of so many hierarchies, those that resolve differently: six parameters for one path of each."""
    found = []
    for number in range(count):
        dice = random.Random(f"{seed} {number}")
        stored = _hierarchy(dice)
        path = Path(dice.choice(["", "bot-1"]), dice.choice(["", *SYMBOLS]), dice.choice(["", "LONG", "SHORT"]))
        image = _image(stored)
        values, resolved = image.values(TRADING, path), image.resolve(TRADING, path)
        for name in VALUES:
            wanted = in_force(stored, TRADING, name, CATALOGUE.get(TRADING, name).default, *path)
            if [values[name], resolved[name].value] != [wanted, wanted]:
                found.append(f"hierarchy {number}, {path}, {name}: {values[name]}, not {wanted}")
    return found


def _hierarchy(dice: random.Random) -> dict[Key, object]:
    return {
        (TRADING, (scope.kind, scope.bot, scope.symbol, scope.side), name): VALUES[name](dice)
        for scope in SCOPES
        for name in VALUES
        if dice.random() < 0.4
    }


def _image(stored: dict[Key, object]) -> Image:
    places: defaultdict[Place, dict[str, Stored]] = defaultdict(dict)
    for (namespace, scope, name), value in stored.items():
        places[namespace, Scope(*scope)][name] = Stored(value, 1)
    return Image(catalogue=CATALOGUE, version=1, head_hash="", places=dict(places), environment={})
