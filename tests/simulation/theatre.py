"""Everything that many seeds share, and the door of the simulation: ``Theatre.play``."""

import hashlib
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from bots.models import Cycle, Fill, OrderIntent, Outbox
from tests.simulation import verdict, world
from tests.simulation.clock import Clock, simulated
from tests.simulation.market import Market
from tests.simulation.stage import Actor, Blocked
from tests.simulation.world import Weather, World

_CAST = ("worker 1", "worker 2", "worker 3", "feeder 1", "feeder 2", "reconciler")


class Played(NamedTuple):
    """What became of a seed.

    ``orders``: how often one came to a state. ``schedule``: SHA-256 of all that the scheduler did, in order.
    """

    seed: int
    violations: tuple[str, ...]
    steps: int
    cycles: int
    intents: int
    fills: int
    faults: Counter[str]
    orders: Counter[str]
    is_faithful: bool
    schedule: str
    seconds: float


class Theatre:
    """A market, a clock and actors, for as many seeds as wanted, one after the other."""

    def __init__(self, market: Market, clock: Clock) -> None:
        self._market, self.clock = market, clock
        self._cast = [Actor(name) for name in _CAST]

    def play(
        self, seed: int, *, weather: Weather | None = None, say: Callable[[str], None] = lambda line: None
    ) -> Played:
        """Play and judge one seed. ``weather``: instead of the seed's. ``say``: hears every line of the schedule."""
        began = time.perf_counter()
        with self.scene(seed, weather=weather, say=say) as played:
            try:
                played.begin()
                played.storm()
                played.heal()
                played.rest()
                played.violations += verdict.of(played)
            except Blocked as blocked:
                played.violations.append(f"BLOCKED {blocked}")
                self._cast = [Actor(name) for name in _CAST]
        return Played(
            seed=seed,
            violations=tuple(dict.fromkeys(played.violations)),
            steps=played.steps,
            cycles=Cycle.objects.count(),
            intents=OrderIntent.objects.count(),
            fills=Fill.objects.count(),
            faults=+played.faults,
            orders=Counter(Outbox.objects.filter(event="order_updated").values_list("payload__state", flat=True)),
            is_faithful=played.is_faithful,
            schedule=hashlib.sha256("\n".join(played.schedule).encode()).hexdigest(),
            seconds=time.perf_counter() - began,
        )

    @contextmanager
    def scene(
        self, seed: int, *, weather: Weather | None = None, say: Callable[[str], None] = lambda line: None
    ) -> Iterator[World]:
        """The world of one seed, to be played by hand. ``weather``: another one than the seed's."""
        self.clock.reset()
        with world.chance_of(seed):
            played = World(seed, self._market, self.clock, self._cast, weather=weather, say=say)
            played.watch = verdict.alarms
            with world.wired(), world.published(played):
                try:
                    yield played
                finally:
                    for actor in self._cast:
                        if not actor.is_idle:
                            actor.kill()

    def close(self) -> None:
        """Let the actors go."""
        for actor in self._cast:
            actor.leave()


@contextmanager
def opened() -> Iterator[Theatre]:
    """A theatre in the database that Django is connected to: an empty one, made for tests."""
    logging.disable(logging.CRITICAL)
    with simulated() as clock:
        with world.chance_of(0):
            theatre = Theatre(Market(), clock)
        try:
            yield theatre
        finally:
            theatre.close()
            logging.disable(logging.NOTSET)
