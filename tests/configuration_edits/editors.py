"""Editors who know nothing of each other: each asks at random, and writes down what it was answered.

They come through all three doors: services, API and admin forms. Every request carries a reason
of its own, by which the ledger is asked afterwards whether it was done, once, and as it was asked.
"""

import random
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple

from django.contrib.admin.utils import quote
from django.contrib.auth.models import User
from django.contrib.messages import get_messages
from django.db import connection
from django.test import Client
from rest_framework.test import APIClient

from configuration import selectors, services
from configuration.documents import FORMAT, scope_name
from configuration.scopes import GLOBAL, bot_scope, side_scope, symbol_scope
from configuration.tests.test_admin import shown
from engine.domain.errors import InputError

SYMBOLS = ("AAPL", "MSFT", "BTC-USD")
SCOPES = (
    GLOBAL,
    *map(symbol_scope, SYMBOLS),
    *(side_scope(symbol, side) for symbol in SYMBOLS[:2] for side in ("LONG", "SHORT")),
    bot_scope("bot-1"),
)
VALUES: dict[str, Callable[[random.Random], Any]] = {
    "leverage": lambda dice: dice.randint(1, 20),
    "max_retries": lambda dice: dice.randint(0, 5),
    "stop_loss_pct": lambda dice: dice.choice([1.0, 1.5, 2.5, 4.0]),
    "override_min_qty": lambda dice: dice.choice([None, 0.5, 0.25]),
    # The least may come to lie above the greatest: then the rules refuse, whoever came second.
    "min_position_size_usd": lambda dice: float(dice.choice([10, 50, 90])),
    "max_position_size_usd": lambda dice: float(dice.choice([60, 100, 1000])),
}
_NEVER_NULL_OVER_HTTP = "override_min_qty"  # there null clears


class Answer(NamedTuple):
    """What was asked in the oracle's words, through which door, and what came of it: done, nothing, or refused."""

    reason: str
    door: str
    asked: tuple[Any, ...]
    outcome: str
    code: str = ""


class Editor:
    """One person with a seed of their own."""

    def __init__(self, number: int, *, seed: int, user: User) -> None:
        self.number = number
        self.dice = random.Random(f"{seed} {number}")
        self.actor = services.Actor("user", str(user.pk), user.get_username())
        self.api = APIClient(SERVER_NAME="localhost")
        self.api.force_authenticate(user)
        self.pages = Client(SERVER_NAME="localhost")
        self.pages.force_login(user)

    def work(self, edits: int) -> list[Answer]:
        """So many edits, one after the other. Anything but an acceptance or a refusal is raised."""
        answers = []
        for count in range(edits):
            door = self.dice.choices(("services", "api", "admin"), weights=(70, 24, 6))[0]
            reason = f"editor {self.number}, edit {count}"
            answers.append(getattr(self, f"_by_{door}")(reason))
        connection.close()
        return answers

    # --- services

    def _by_services(self, reason: str) -> Answer:
        how = self.dice.choices(
            (self._set, self._clear, self._clear_scope, self._batch, self._back, self._undo, self._import),
            weights=(8, 3, 1, 3, 1, 2, 1),
        )[0]
        asked, call = how()
        said = {"actor": self.actor, "reason": reason, "now": datetime.now(UTC)}
        try:
            done = call(said)
        except InputError as refused:
            return Answer(reason, "services", asked, "refused", refused.code)
        return Answer(reason, "services", asked, "done" if done.changes else "nothing")

    def _set(self) -> tuple[tuple[Any, ...], Callable[[Any], services.Applied]]:
        scope = self.dice.choice(SCOPES)
        values = self._values(self.dice.randint(1, 3))
        operations = [services.SetValue(scope, "trading", name, value) for name, value in values.items()]
        base = self._base()
        return ("set", [("trading", tuple(scope), values)]), lambda said: services.change(
            operations=operations, source="cli", base_version=base, **said
        )

    def _clear(self) -> tuple[tuple[Any, ...], Callable[[Any], services.Applied]]:
        scope, name, base = self.dice.choice(SCOPES), self.dice.choice([*VALUES]), self._base()
        return ("clear", ("trading", tuple(scope), name)), lambda said: services.change(
            operations=[services.ClearValue(scope, "trading", name)], source="cli", base_version=base, **said
        )

    def _clear_scope(self) -> tuple[tuple[Any, ...], Callable[[Any], services.Applied]]:
        scope = self.dice.choice(SCOPES)
        return ("set", [("trading", tuple(scope), None)]), lambda said: services.change(
            operations=[services.ClearScope(scope, "trading")], source="cli", kind="delete", **said
        )

    def _batch(self) -> tuple[tuple[Any, ...], Callable[[Any], services.Applied]]:
        places = [(scope, self._values(2)) for scope in self.dice.sample(SCOPES, 3)]
        operations = [
            services.SetValue(scope, "trading", name, value)
            for scope, values in places
            for name, value in values.items()
        ]
        return ("set", [("trading", tuple(scope), values) for scope, values in places]), lambda said: services.change(
            operations=operations, source="cli", kind="batch", **said
        )

    def _back(self) -> tuple[tuple[Any, ...], Callable[[Any], services.Applied]]:
        version = max(0, selectors.head().version - self.dice.randint(0, 6))
        return ("to", version), lambda said: services.roll_back(to=version, **said)

    def _undo(self) -> tuple[tuple[Any, ...], Callable[[Any], services.Applied]]:
        version = selectors.head().version - self.dice.randint(0, 6)
        return ("undo", version), lambda said: services.roll_back(undo=version, **said)

    def _import(self) -> tuple[tuple[Any, ...], Callable[[Any], services.Applied]]:
        places = {scope: self._values(2) for scope in self.dice.sample(SCOPES, 3)}
        document = {
            "format": FORMAT,
            "namespaces": {"trading": {scope_name(scope): values for scope, values in places.items()}},
        }
        if self.dice.random() < 0.5:
            asked = ("set", [("trading", tuple(scope), values) for scope, values in places.items()])
            return asked, lambda said: services.import_document(document, mode="merge", **said)
        stated = {
            ("trading", tuple(scope), name): value for scope, values in places.items() for name, value in values.items()
        }
        return ("replace", "trading", stated), lambda said: services.import_document(document, mode="replace", **said)

    # --- the other two doors

    def _by_api(self, reason: str) -> Answer:
        scope = self.dice.choice(SCOPES[:-1])
        address = "/".join(filter(None, ("/api/v1/config/trading", scope.symbol, scope.side)))
        headers = {"Idempotency-Key": reason}
        if self.dice.random() < 0.3:
            headers["If-Match"] = self.api.get(address)["ETag"]
        if self.dice.random() < 0.1:
            asked: tuple[Any, ...] = ("set", [("trading", tuple(scope), None)])
            response = self.api.delete(address, query_params={"reason": reason}, headers=headers)
        else:
            values = self._values(self.dice.randint(1, 3))
            values.pop(_NEVER_NULL_OVER_HTTP, None)
            values = values or {"leverage": self.dice.randint(1, 20)}
            asked = ("set", [("trading", tuple(scope), values)])
            body = {"parameters": values, "reason": reason}
            response = self.api.post(address, body, format="json", headers=headers)
        answer = response.json()
        if response.status_code == 200:
            return Answer(reason, "api", asked, "done" if answer["data"]["changes"] else "nothing")
        if response.status_code not in (404, 412, 422):
            raise AssertionError(f"{response.status_code}: {answer}")
        return Answer(reason, "api", asked, "refused", answer["error"]["code"])

    def _by_admin(self, reason: str) -> Answer:
        scope = self.dice.choice(SCOPES[:-1])
        model = f"{scope.kind.replace('_', '')}configuration"
        name = "global" if scope == GLOBAL else ":".join(filter(None, (scope.symbol, scope.side)))
        address = f"/admin/configuration/{model}/{quote(name)}/change/"
        values = {"leverage": self.dice.randint(1, 20), "max_retries": self.dice.randint(0, 5)}
        fields = shown(self.pages, address)
        texts = {f"trading.{key}": str(value) for key, value in values.items()}
        # A form says only what its person changed against what they were shown.
        changed = {key: value for key, value in values.items() if fields[f"trading.{key}"] != str(value)}
        asked = ("set", [("trading", tuple(scope), changed)])
        response = self.pages.post(address, {**fields, **texts, "reason": reason})
        if response.status_code == 302:
            # Somebody may have set the very same meanwhile: then nothing is left to do, and the page says so.
            told = [str(message) for message in get_messages(response.wsgi_request)]
            is_done = any("changed: version" in message for message in told)
            if not is_done and not any("Nothing was changed" in message for message in told):
                raise AssertionError(f"The form says neither: {told}")
            return Answer(reason, "admin", asked, "done" if is_done else "nothing")
        if response.status_code != 200:
            raise AssertionError(f"{response.status_code}: {response.content[:500]!r}")
        return Answer(reason, "admin", asked, "refused", "form")

    def _values(self, count: int) -> dict[str, Any]:
        return {name: VALUES[name](self.dice) for name in self.dice.sample([*VALUES], count)}

    def _base(self) -> int | None:
        """Half the time the editor has read before, and not always just now."""
        if self.dice.random() < 0.5:
            return None
        return max(0, selectors.head().version - self.dice.choice([0, 0, 1, 3]))
