"""What configuration ought to be, said once more in as few words as possible: dictionaries and nothing else."""

from collections.abc import Mapping, Sequence
from typing import Any

Key = tuple[str, tuple[str, str, str, str], str]
"""Namespace, scope (kind, bot, symbol, side), parameter."""
State = Mapping[Key, Any]


class Oracle:
    """What is in force after each version; ``states[0]`` is nothing."""

    def __init__(self) -> None:
        self.states: list[State] = [{}]

    def after(self, asked: Sequence[Any]) -> State | None:
        """What is in force once this has been done on top of the newest; None: it must be refused."""
        what, *words = asked
        now = dict(self.states[-1])
        if what == "set":
            for namespace, scope, values in words[0]:  # None: everything there is cleared
                touched = [key for key in now if key[:2] == (namespace, scope)] if values is None else []
                now = {key: value for key, value in now.items() if key not in touched}
                now |= {(namespace, scope, name): value for name, value in (values or {}).items()}
        elif what == "clear":
            now.pop(words[0], None)
        elif what == "to":
            now = dict(self.states[words[0]])
        elif what == "undo":
            before, left = self.states[words[0] - 1], self.states[words[0]]
            for key in before.keys() | left.keys():
                if _at(before, key) == _at(left, key) or _at(now, key) == _at(before, key):
                    continue
                if _at(now, key) != _at(left, key):
                    return None
                now = {other: value for other, value in now.items() if other != key}
                now |= {key: before[key]} if key in before else {}
        elif what == "replace":
            now = {key: value for key, value in now.items() if key[0] != words[0]} | dict(words[1])
        return now


def _at(state: State, key: Key) -> list[Any]:
    return [state[key]] if key in state else []


def in_force(stored: State, namespace: str, name: str, default: Any, bot: str, symbol: str, side: str) -> Any:
    """The value of one parameter for a bot, symbol and side: the last scope that sets it."""
    speaking = [
        ("global", "", "", ""),
        ("symbol", "", symbol, ""),
        ("symbol_side", "", symbol, side),
        ("bot", bot, "", ""),
    ]
    heard = [stored[namespace, scope, name] for scope in speaking if (namespace, scope, name) in stored]
    return heard[-1] if heard else default
