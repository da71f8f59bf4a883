"""What tests of configuration share: an actor, a moment, and short ways to set and read."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any

from django.db import transaction

from configuration import selectors, services
from configuration.scopes import Scope
from configuration.services import Actor, Applied, SetValue

ANN = Actor("user", "7", "ann")
BEN = Actor("user", "8", "ben")
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def put(scope: Scope, *, actor: Actor = ANN, namespace: str = "trading", **values: Any) -> Applied:
    """Set trading values at a scope, as Ann, at noon, because of a test."""
    return decide(*(SetValue(scope, namespace, name, value) for name, value in values.items()), actor=actor)


def decide(*operations: services.Operation, actor: Actor = ANN, reason: str = "because", **more: Any) -> Applied:
    return services.change(actor=actor, source="cli", reason=reason, operations=operations, **{"now": NOON, **more})


def value_at(scope: Scope, name: str, namespace: str = "trading") -> Any:
    return selectors.resolve(scope, (namespace,))[f"{namespace}.{name}"].value


def some_bot(*symbols: str, bot: str = "bot-1", **definition: Any) -> selectors.BotScope:
    definition = {"name": "Example", "timeframe": "1d", **definition}
    return selectors.BotScope(bot, "indicator_voting", symbols or ("AAPL",), definition)


class _Undo(Exception):
    pass


@contextmanager
def undone() -> Iterator[None]:
    """A transaction, or inside one a savepoint, that is rolled back at its end."""
    with suppress(_Undo), transaction.atomic():
        yield
        raise _Undo
