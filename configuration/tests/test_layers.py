"""One layer after another: each beats the ones before it, and says that it did."""

from collections.abc import Iterator

import pytest

from configuration import selectors, store
from configuration.scopes import DEFAULT_ORIGIN, GLOBAL, Origin, Resolved, Scope, bot_scope, side_scope, symbol_scope
from configuration.tests.examples import put

pytestmark = pytest.mark.django_db

# 0.4 by default, from TRADE_MOMENTUM_PRICE_WEIGHT if it is given; 001-09
STRATEGY, NAME = "trade_momentum", "price_weight"
EVERYTHING = Scope("bot", "x", "BTC", "LONG")


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TRADE_MOMENTUM_PRICE_WEIGHT", "0.5")
    store.forget()
    yield
    monkeypatch.undo()
    store.forget()


def weight() -> Resolved:
    return selectors.resolve(EVERYTHING, (STRATEGY,))[f"{STRATEGY}.{NAME}"]


def test_layers__nothing_is_set__the_default_is_in_force() -> None:
    assert weight() == Resolved(0.4, DEFAULT_ORIGIN)


@pytest.mark.usefixtures("environment")
def test_layers__environment__beats_the_default() -> None:
    assert weight()[:2] == (0.5, Origin("environment", name="TRADE_MOMENTUM_PRICE_WEIGHT"))


@pytest.mark.usefixtures("environment")
def test_layers__global__beats_the_environment() -> None:
    put(GLOBAL, namespace=STRATEGY, price_weight=0.6)
    assert weight()[:2] == (0.6, Origin("global", version=1))
    assert [one.value for one in weight().shadowed] == [0.5, 0.4]


@pytest.mark.usefixtures("environment")
def test_layers__symbol__beats_global() -> None:
    put(GLOBAL, namespace=STRATEGY, price_weight=0.6)
    put(symbol_scope("BTC"), namespace=STRATEGY, price_weight=0.7)
    assert weight()[:2] == (0.7, Origin("symbol", symbol="BTC", version=2))


@pytest.mark.usefixtures("environment")
def test_layers__bot__beats_them_all() -> None:
    put(GLOBAL, namespace=STRATEGY, price_weight=0.6)
    put(symbol_scope("BTC"), namespace=STRATEGY, price_weight=0.7)
    put(bot_scope("x"), namespace=STRATEGY, price_weight=0.8)
    assert weight()[:2] == (0.8, Origin("bot", bot="x", version=3))
    assert [one.value for one in weight().shadowed] == [0.7, 0.6, 0.5, 0.4]


def test_layers__side_of_a_symbol__beats_the_symbol_and_yields_to_the_bot() -> None:
    put(symbol_scope("BTC"), leverage=12)
    put(side_scope("BTC", "LONG"), leverage=13)
    resolved = selectors.resolve(EVERYTHING, ("trading",))["trading.leverage"]
    assert (resolved.value, resolved.origin.scope) == (13, "symbol_side")
    put(bot_scope("x"), leverage=14)
    resolved = selectors.resolve(EVERYTHING, ("trading",))["trading.leverage"]
    assert (resolved.value, resolved.origin.scope) == (14, "bot")
