"""Random histories of configuration, written through the services, and what a few lines make of the same wishes."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from hypothesis import strategies as st

from configuration.scopes import GLOBAL, Scope, bot_scope, side_scope, symbol_scope
from configuration.services import ClearScope, ClearValue, Operation, SetValue
from configuration.tests.examples import NOON, decide

DEFAULTS = {"leverage": 10, "max_retries": 3, "min_confidence_threshold": 0.5}
SCOPES = (
    GLOBAL,
    symbol_scope("A"),
    symbol_scope("B"),
    side_scope("A", "LONG"),
    side_scope("A", "SHORT"),
    bot_scope("x"),
)
PATHS = (*SCOPES, Scope("bot", "x", "A", "LONG"), Scope("bot", "y", "B", "SHORT"), side_scope("C", "LONG"))
"""Where one may stand: every layer alone, all of them, and places that set nothing themselves."""

_numbers = {
    "leverage": st.integers(1, 5),
    "max_retries": st.integers(0, 3),
    "min_confidence_threshold": st.sampled_from([0.25, 0.75, 1.0]),  # 1.0 comes back from the database as 1
}
_sets = st.one_of(
    *(
        st.builds(SetValue, st.sampled_from(SCOPES), st.just("trading"), st.just(name), number)
        for name, number in _numbers.items()
    )
)
_clears = st.builds(ClearValue, st.sampled_from(SCOPES), st.just("trading"), st.sampled_from(list(DEFAULTS)))
_sweeps = st.builds(ClearScope, st.sampled_from(SCOPES), st.just("trading"))
_wishes = st.lists(st.one_of(_sets, _sets, _sets, _clears, _sweeps), min_size=1, max_size=4)
# Minutes since the decision before: clocks are set back, but not by a day.
_minutes = st.integers(-120, 240)

plans = st.lists(st.tuples(_wishes, _minutes), min_size=1, max_size=6)
"""What is asked for, decision by decision, and how many minutes later by the clock."""

Told = dict[tuple[Scope, str], tuple[Any, int]]
"""By scope and parameter: the value it sets, and since which version."""


class Kept(NamedTuple):
    """The state after each version, from version 0 on, and when each of the versions was recorded."""

    states: list[Told]
    times: list[datetime]


def written(plan: Sequence[tuple[list[Operation], int]]) -> Kept:
    """Carry the plan out, and say what must have come of it, from nothing but the wishes."""
    states: list[Told] = [{}]
    times: list[datetime] = []
    now = NOON
    for wishes, minutes in plan:
        now += timedelta(minutes=minutes)
        decide(*wishes, now=now)
        after = _after(states[-1], wishes, version=len(states))
        if after != states[-1]:  # a decision that changes nothing is no version
            states.append(after)
            times.append(now)
    return Kept(states, times)


def _after(before: Told, wishes: Sequence[Operation], *, version: int) -> Told:
    values = {key: value for key, (value, _) in before.items()}
    for wish in wishes:
        if isinstance(wish, SetValue):
            values[wish.scope, wish.parameter] = wish.value
        elif isinstance(wish, ClearValue):
            values.pop((wish.scope, wish.parameter), None)
        else:
            values = {key: value for key, value in values.items() if key[0] != wish.scope}
    return {
        key: before[key] if key in before and before[key][0] == value else (value, version)
        for key, value in values.items()
    }


def in_force(state: Told, where: Scope, name: str) -> tuple[Any, int]:
    """Value and version of the strongest layer that speaks for a place; 0 with the default."""
    layers = [bot_scope(where.bot)] if where.bot else []
    if where.symbol and where.side:
        layers.append(side_scope(where.symbol, where.side))
    if where.symbol:
        layers.append(symbol_scope(where.symbol))
    for layer in (*layers, GLOBAL):
        if (layer, name) in state:
            return state[layer, name]
    return DEFAULTS[name], 0


def newest_by(times: Sequence[datetime], instant: datetime) -> int:
    """How many of the versions there were: the highest of those recorded by then, 0 for none."""
    return max((index + 1 for index, time in enumerate(times) if time <= instant), default=0)
