"""What is merged once is shared by everybody, changed by nobody, and never more than so much."""

import copy
import json
from typing import Any

import pytest

from configuration import canonical
from configuration.catalogue import CATALOGUE
from configuration.environment import Supplied
from configuration.image import Image, Path, Stored
from configuration.scopes import GLOBAL, Candidate, Origin, Scope, bot_scope, side_scope, symbol_scope
from configuration.unchanging import FixedList, FixedMap, fixed
from engine.domain.errors import NotFound

BTC, LONG = symbol_scope("BTC"), side_scope("BTC", "LONG")


def image_of(stored: dict[tuple[Scope, str], Any], *, namespace: str = "trading", **supplied: Any) -> Image:
    """An image of version 9 in which each value was set by version 1, 2, ... in the order given."""
    places: dict[tuple[str, Scope], dict[str, Stored]] = {}
    for number, ((scope, name), value) in enumerate(stored.items(), start=1):
        places.setdefault((namespace, scope), {})[name] = Stored(value, number)
    environment = {(namespace, name): Supplied(value, f"ENV_{name.upper()}") for name, value in supplied.items()}
    return Image(catalogue=CATALOGUE, version=9, head_hash="h", places=places, environment=environment)


def test_values__asked_again__are_the_same_mapping() -> None:
    image = image_of({(BTC, "leverage"): 20})
    assert image.values("trading", Path("", "BTC")) is image.values("trading", Path("", "BTC"))
    assert image.values("trading", Path("", "BTC"))["leverage"] == 20


def test_values__of_a_path_that_sets_nothing__are_its_wider_ones() -> None:
    # Given: global and BTC and a bot set something, BTC's sides and every other symbol nothing
    image = image_of({(GLOBAL, "leverage"): 5, (BTC, "leverage"): 20, (bot_scope("b"), "leverage"): 30})

    everywhere = image.values("trading", Path())
    assert image.values("trading", Path("", "ETH", "LONG")) is everywhere
    assert image.values("trading", Path("other", "ETH")) is everywhere
    assert image.values("trading", Path("", "BTC", "SHORT")) is image.values("trading", Path("", "BTC"))
    assert image.values("trading", Path("b", "ETH", "LONG")) is image.values("trading", Path("b"))
    assert [everywhere["leverage"], image.values("trading", Path("b", "BTC", "LONG"))["leverage"]] == [5, 30]


def test_values__a_side_set_where_its_symbol_is_not__hears_the_side_alone() -> None:
    image = image_of({(LONG, "leverage"): 7})
    heard = [image.values("trading", Path("", "BTC", side))["leverage"] for side in ("", "LONG", "SHORT")]
    assert heard == [10, 7, 10]  # 10: the default


def test_values__a_side_without_a_symbol__is_no_path_of_its_own() -> None:
    image = image_of({(BTC, "leverage"): 20})
    assert image.values("trading", Path("", "", "LONG")) is image.values("trading", Path())


def test_values__a_hundred_thousand_unknown_symbols__are_not_kept() -> None:
    # 001-11. Given: an image in which one symbol sets something
    image = image_of({(BTC, "leverage"): 20})
    # When
    for number in range(100_000):
        image.values("trading", Path("", f"S{number}", "LONG"))
        image.resolve("trading", Path("", f"S{number}", "LONG"))
    # Then: one mapping for all of them, and a bounded number of entries that lead to it
    assert {id(found) for found in image._asked.values()} == {id(image.values("trading", Path()))}
    assert (len(image._asked) <= 16_384, len(image._asked_why) <= 4_096) == (True, True)
    assert (len(image._values), len(image._resolved)) == (1, 1)


def test_values__more_bots_and_symbols_that_set_something_than_are_kept__stay_right(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("configuration.image._MOST", 8)
    monkeypatch.setattr("configuration.image._MOST_RESOLVED", 8)
    bots, symbols = [f"b{n}" for n in range(6)], [f"S{n}" for n in range(6)]
    stored: dict[tuple[Scope, str], Any] = {(bot_scope(bot), "max_retries"): n for n, bot in enumerate(bots)}
    stored |= {(symbol_scope(symbol), "leverage"): 50 + n for n, symbol in enumerate(symbols)}
    image = image_of(stored)
    for _ in range(2):
        for n, bot in enumerate(bots):
            for m, symbol in enumerate(symbols):
                values = image.values("trading", Path(bot, symbol))
                assert (values["max_retries"], values["leverage"]) == (n, 50 + m)
                assert image.explain("trading", "leverage", Path(bot, symbol)).value == 50 + m
    assert max(len(image._asked), len(image._values), len(image._resolved)) <= 8


def test_explain__each_layer__names_its_origin_and_all_it_shadows() -> None:
    # Given: the default is 10, the environment says 4, then versions 1 to 4
    image = image_of(
        {(GLOBAL, "leverage"): 11, (BTC, "leverage"): 12, (LONG, "leverage"): 13, (bot_scope("b"), "leverage"): 14},
        leverage=4,
    )
    resolved = image.explain("trading", "leverage", Path("b", "BTC", "LONG"))
    assert (resolved.value, resolved.origin) == (14, Origin("bot", bot="b", version=4))
    assert resolved.shadowed == (
        Candidate(13, Origin("symbol_side", symbol="BTC", side="LONG", version=3)),
        Candidate(12, Origin("symbol", symbol="BTC", version=2)),
        Candidate(11, Origin("global", version=1)),
        Candidate(4, Origin("environment", name="ENV_LEVERAGE")),
        Candidate(10, Origin("default")),
    )


def test_explain__unknown__is_not_found() -> None:
    image = image_of({})
    with pytest.raises(NotFound, match=r"trading\.nonsense"):
        image.explain("trading", "nonsense", Path())
    with pytest.raises(NotFound, match="nonsense"):
        image.values("nonsense", Path())


def test_resolve__parameters_that_are_retired__are_left_out() -> None:
    image = image_of({(GLOBAL, "gone"): 1, (BTC, "gone"): 2})
    assert "gone" not in image.values("trading", Path("", "BTC"))
    assert "gone" not in image.resolve("trading", Path("", "BTC"))


def test_replaced__one_place__leaves_the_image_it_came_from_alone() -> None:
    image = image_of({(BTC, "leverage"): 20})
    image.values("trading", Path("", "BTC"))
    after = image.replaced({("trading", BTC): {}})
    found = [one.values("trading", Path("", "BTC"))["leverage"] for one in (image, after)]
    assert found == [20, 10]
    assert list(after.places()) == []


# --- nobody changes what all share


def test_values__written_to__refuse() -> None:
    image = image_of({(BTC, "leverage"): 20})
    for mapping in (
        image.values("trading", Path()),
        image.resolve("trading", Path()),
        image.stored("trading", BTC),
    ):
        with pytest.raises(TypeError):
            mapping["leverage"] = 1  # type: ignore[index]  # what is tested
    assert image.values("trading", Path("", "BTC"))["leverage"] == 20


@pytest.mark.parametrize("scope", [None, GLOBAL, BTC])
def test_values__their_maps__refuse_every_change(scope: Scope | None) -> None:
    image = image_of({} if scope is None else {(scope, "strategy_weights"): {"default": 2.0}})
    for weights in (
        image.values("trading", Path("", "BTC"))["strategy_weights"],
        image.explain("trading", "strategy_weights", Path("", "BTC")).value,
    ):
        with pytest.raises(TypeError, match="shared by everybody"):
            weights["default"] = 99.0
        assert weights == ({"default": 2.0} if scope else CATALOGUE.get("trading", "strategy_weights").default)


def test_defaults__asked_through_an_image__are_not_the_declared_objects() -> None:
    image = image_of({}, namespace="indicator_voting")
    declared = [one for one in CATALOGUE.parameters("indicator_voting") if one.kind == "list"]
    assert declared
    for parameter in declared:
        given = image.values("indicator_voting", Path())[parameter.name]
        assert given == list(parameter.default)
        with pytest.raises((TypeError, AttributeError)):
            given.append("x")


MAP_CHANGES = [
    lambda m: m.update(a=2),
    lambda m: m.pop("a"),
    lambda m: m.popitem(),
    lambda m: m.clear(),
    lambda m: m.setdefault("b", 1),
    lambda m: m.__setitem__("a", 2),
    lambda m: m.__delitem__("a"),
    lambda m: m.__ior__({"b": 1}),
]
LIST_CHANGES = [
    lambda m: m.append(2),
    lambda m: m.extend([2]),
    lambda m: m.insert(0, 2),
    lambda m: m.pop(),
    lambda m: m.remove(1),
    lambda m: m.clear(),
    lambda m: m.sort(),
    lambda m: m.reverse(),
    lambda m: m.__setitem__(0, 2),
    lambda m: m.__delitem__(0),
    lambda m: m.__iadd__([2]),
    lambda m: m.__imul__(2),
]


@pytest.mark.parametrize("change", MAP_CHANGES)
def test_fixed_map__any_change__is_refused(change: Any) -> None:
    value = fixed({"a": 1})
    with pytest.raises(TypeError):
        change(value)
    assert value == {"a": 1}


@pytest.mark.parametrize("change", LIST_CHANGES)
def test_fixed_list__any_change__is_refused(change: Any) -> None:
    value = fixed([1])
    with pytest.raises(TypeError):
        change(value)
    assert value == [1]


def test_fixed__read_copied_and_written__is_as_its_kind() -> None:
    value = fixed({"a": [1, {"b": 2}]})
    plain = {"a": [1, {"b": 2}]}
    assert (type(value), type(value["a"]), type(value["a"][1])) == (FixedMap, FixedList, FixedMap)
    assert json.dumps(value) == json.dumps(plain)
    assert canonical.text(value) == canonical.text(plain)
    for made in (copy.deepcopy(value), copy.copy(value), value.copy(), value | {}):
        assert (made, type(made)) == (plain, dict)
    deep = copy.deepcopy(value)
    deep["a"][1]["b"] = 3
    assert value == plain
    assert (type(copy.copy(value["a"])), type(value["a"].copy())) == (list, list)
