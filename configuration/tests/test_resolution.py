"""Which value is in force where, and what it came from."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from configuration import selectors
from configuration.catalogue import CATALOGUE
from configuration.image import Image, Path, Stored
from configuration.scopes import GLOBAL, Candidate, Origin, Scope, bot_scope, side_scope, symbol_scope
from configuration.tests.examples import put, value_at

LONG = side_scope("BTCUSDT", "LONG")


@pytest.mark.django_db
def test_resolve__example_of_the_document__is_exactly_as_printed_there() -> None:
    # 002-35. Given:
    put(GLOBAL, leverage=10, position_size_pct=0.1, stop_loss_pct=2.0)
    put(symbol_scope("btcusdt"), leverage=15, position_size_pct=0.15)
    put(LONG, leverage=20, take_profit_pct=6.0)

    # When / Then: 20 of the side, 0.15 of the symbol, 2.0 of global, 6.0 of the side, the rest default
    expected = {parameter.name: parameter.default for parameter in CATALOGUE.parameters("trading")}
    expected |= {"leverage": 20, "position_size_pct": 0.15, "stop_loss_pct": 2.0, "take_profit_pct": 6.0}
    resolved = selectors.resolve(LONG, ("trading",))
    assert {name.removeprefix("trading."): entry.value for name, entry in resolved.items()} == expected
    assert value_at(side_scope("BTCUSDT", "SHORT"), "leverage") == 15
    assert value_at(symbol_scope("ETHUSDT"), "leverage") == 10


@pytest.mark.django_db
def test_resolve__set_in_several_places__names_the_origin_and_what_it_shadows() -> None:
    put(GLOBAL, leverage=11)  # version 1
    put(symbol_scope("AAPL"), leverage=12)  # 2
    put(bot_scope("bot-1"), leverage=13)  # 3

    resolved = selectors.resolve(Scope("bot", "bot-1", "AAPL", "LONG"), ("trading",))["trading.leverage"]

    assert (resolved.value, resolved.origin) == (13, Origin("bot", bot="bot-1", version=3))
    assert resolved.shadowed == (
        Candidate(12, Origin("symbol", symbol="AAPL", version=2)),
        Candidate(11, Origin("global", version=1)),
        Candidate(10, Origin("default")),
    )


@pytest.mark.django_db
def test_resolve__symbol_set_to_the_global_value__is_pinned_when_global_moves() -> None:
    put(GLOBAL, leverage=20)
    applied = put(symbol_scope("AAPL"), leverage=20)
    put(GLOBAL, leverage=30)

    assert len(applied.changes) == 1
    assert value_at(symbol_scope("AAPL"), "leverage") == 20
    assert value_at(symbol_scope("MSFT"), "leverage") == 30


# --- any hierarchy at all, against a few lines written another way

SYMBOLS, SIDES, BOTS = ("", "A", "B"), ("", "LONG", "SHORT"), ("", "x", "y")
NAMES = ("leverage", "max_retries", "override_min_qty")
scopes = st.sampled_from(
    [GLOBAL, symbol_scope("A"), symbol_scope("B"), bot_scope("x"), bot_scope("y")]
    + [side_scope(symbol, side) for symbol in "AB" for side in ("LONG", "SHORT")]
)
overrides = st.dictionaries(
    st.tuples(scopes, st.sampled_from(NAMES)), st.tuples(st.none() | st.integers(1, 9), st.integers(1, 99)), max_size=20
)


def _oracle(stored: dict[Any, Any], name: str, bot: str, symbol: str, side: str) -> tuple[Any, str]:
    """The last word, looked for from the strongest scope down."""
    if bot and (bot_scope(bot), name) in stored:
        return stored[bot_scope(bot), name][0], "bot"
    if symbol and side and (side_scope(symbol, side), name) in stored:
        return stored[side_scope(symbol, side), name][0], "symbol_side"
    if symbol and (symbol_scope(symbol), name) in stored:
        return stored[symbol_scope(symbol), name][0], "symbol"
    if (GLOBAL, name) in stored:
        return stored[GLOBAL, name][0], "global"
    return {"leverage": 10, "max_retries": 3, "override_min_qty": None}[name], "default"


@given(stored=overrides, bot=st.sampled_from(BOTS), symbol=st.sampled_from(SYMBOLS), side=st.sampled_from(SIDES))
def test_resolve__any_hierarchy__agrees_with_the_oracle(stored: Any, bot: str, symbol: str, side: str) -> None:
    places: dict[Any, dict[str, Stored]] = {}
    for (scope, name), (value, version) in stored.items():
        places.setdefault(("trading", scope), {})[name] = Stored(value, version)
    image = Image(catalogue=CATALOGUE, version=1, head_hash="h", places=places, environment={})

    resolved, plain = (
        image.resolve("trading", Path(bot, symbol, side)),
        image.values("trading", Path(bot, symbol, side)),
    )

    for name in NAMES:
        value, origin = _oracle(stored, name, bot, symbol, side)
        assert (resolved[name].value, resolved[name].origin.scope) == (value, origin)
        assert plain[name] == value
        if resolved[name].origin.version:
            o = resolved[name].origin
            assert stored[Scope(o.scope, o.bot, o.symbol, o.side), name] == (value, o.version)
    assert len(plain) == 31 + 6  # the documented ones and the extras
