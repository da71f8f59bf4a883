"""Play one seed: production services, interleaved and broken by a seeded scheduler, then healed.

    begin    two of the six bots start, and stand before the first bar that lets them trade
    storm    the scheduler chooses who goes on, who dies, who sleeps, what gets lost, and how time passes
    heal     no more faults: everybody goes on until nothing is left to do, and a few more bars are published

The same seed plays the same schedule: actors run one at a time, time is the simulation's, and so is
all chance of the process.
"""

import os
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from itertools import pairwise
from typing import Any, Final, NamedTuple
from uuid import UUID, uuid4

from django.db.models.functions import Now

from bots import brokers, publishing
from bots.brokers import simulated
from bots.brokers.ports import Broker, BrokerUnsure
from bots.models import (
    IN_DOUBT,
    Bot,
    BotStatus,
    BrokerAccount,
    Cycle,
    CycleState,
    IntentState,
    OrderFact,
    OrderIntent,
    Outbox,
    Position,
    SimulatedFault,
    Worker,
)
from bots.services import closing, feeding, leases, lifecycle, reconciliation, relaying, trading
from bots.services.feeding import Did, Turn
from engine.domain.errors import PlatformError
from marketdata import selectors as marketdata
from marketdata.services import replay
from tests.simulation import market as markets
from tests.simulation import stage
from tests.simulation.clock import START, Clock
from tests.simulation.market import DAY, FIRST, OPERATOR, TIMEFRAME, VOTERS_NEED, Market
from tests.simulation.stage import Actor, Killed

MOST_STEPS: Final = 1500
HEALED_BARS: Final = 1
_MOST_ROUNDS: Final = 100

_BROKER_FAULTS: Final = (
    *[("submit", simulated.TIME_OUT)] * 3,
    *[("submit", simulated.LOSE_ANSWER)] * 3,
    *[("find", simulated.TIME_OUT)] * 2,
    ("events", simulated.TIME_OUT),
    ("cancel", simulated.TIME_OUT),
    ("cancel", simulated.LOSE_ANSWER),
)
_BROKER_REFUSALS: Final = (
    *[("submit", simulated.REFUSE)] * 3,
    ("match", simulated.FILL_PARTLY),
    ("match", simulated.FILL_LATE),
    ("cancel", simulated.REFUSE),
)


class Weather(NamedTuple):
    """How bad it gets, per step of the scheduler; a seed has about half of the kinds."""

    kill: float
    pause: float
    jump: float
    lose: float
    double: float
    late: float
    unsure: float
    refuse: float
    operate: float
    configure: float
    sick_relay: float
    feeders: int

    @classmethod
    def drawn(cls, rng: random.Random) -> "Weather":
        def some(most: float) -> float:
            return rng.uniform(0.2, 1.0) * most if rng.random() < 0.5 else 0.0

        return cls(
            kill=some(0.06),
            pause=some(0.05),
            jump=some(0.02),
            lose=some(0.2),
            double=some(0.2),
            late=some(0.2),
            unsure=some(0.1),
            refuse=some(0.05) if rng.random() < 0.6 else 0.0,
            operate=some(0.05) if rng.random() < 0.6 else 0.0,
            configure=some(0.02) if rng.random() < 0.6 else 0.0,
            sick_relay=some(0.3),
            feeders=rng.choice((1, 2)),
        )


CALM: Final = Weather(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, feeders=1)
"""Nothing fails."""


class Message(NamedTuple):
    """A lease offered to a worker, on its way since before ``at``."""

    bot_id: UUID
    token: int
    at: float


class Told(NamedTuple):
    """An event that reached browsers."""

    bot_id: UUID
    version: int


class World:
    """One seed's world. Public fields are what ``verdict`` reads."""

    def __init__(
        self,
        seed: int,
        market: Market,
        clock: Clock,
        cast: Sequence[Actor],
        *,
        weather: Weather | None,
        say: Callable[[str], None],
    ) -> None:
        self.rng = random.Random(seed)
        self.market, self.clock, self._say = market, clock, say
        drawn = Weather.drawn(self.rng)
        self.weather = weather or drawn
        self.faults: Counter[str] = Counter()
        self.violations: list[str] = []
        self.told: list[Told] = []
        self.schedule: list[str] = []
        self.is_faithful = True
        self.steps = self.published = 0
        self.workers, self.feeders, self.reconcilers = cast[:3], cast[3 : 3 + self.weather.feeders], cast[5:6]
        self.identities: dict[str, UUID] = {}
        self.bots: list[UUID] = []
        self.watch: Callable[[], list[str]] = list
        self._messages: list[Message] = []
        self._hears: set[str] = set()
        self._is_due = self._may_turn = True
        self._healing = False
        self._broken = -100
        self._statuses: list[tuple[datetime, UUID, bool]] = []

    def rests(self) -> Iterator[tuple[UUID, datetime, datetime]]:
        """(bot, from, until) of each time at which an operator had told a bot to rest."""
        for bot_id in self.bots:
            seen = [(at, is_running) for at, bot, is_running in self._statuses if bot == bot_id]
            for (since, is_running), (until, _) in pairwise([*seen, (self.clock.at, False)]):
                if not is_running:
                    yield bot_id, since, until

    # --- the three acts

    def begin(self) -> None:
        """Two bots run, each with an open run, before bars that make them trade."""
        self.market.begin()
        self.bots = [trader.id for trader in self.rng.sample(self.market.traders, 2)]
        for worker in self.workers:
            self._hire(worker)
        for bot_id in self.bots:
            lifecycle.start(bot_id, actor=OPERATOR, now=START)
        self.settle()
        # Mostly just before anybody votes; now and then close to the end of the series.
        first = VOTERS_NEED - 1 if self.rng.random() < 0.85 else markets.BARS - self.rng.randrange(3, 6)
        self.is_faithful = first == VOTERS_NEED - 1
        epoch = marketdata.feed(TIMEFRAME).epoch
        assert replay.advance(TIMEFRAME, epoch=epoch, from_ms=None, to_ms=FIRST + (first - 1) * DAY)
        leases.wake(self.bots)

    def storm(self) -> None:
        """Faults, until enough bars were published or everybody had enough."""
        bars = self.rng.randrange(3, 7)
        idle = 0
        while self.published < bars and self.steps < MOST_STEPS and idle < 100:
            self._step()
            # Everybody may have been taken out, or sleep: then there is nothing left to disturb.
            idle = 0 if any(not actor.is_idle for actor in self._everybody()) else idle + 1

    def heal(self) -> None:
        """Nothing fails any more: bots that were taken out start again, and everything comes to rest."""
        self._healing = True
        SimulatedFault.objects.using(simulated.ALIAS).update(remaining=0)
        for actor in self._everybody():
            actor.paused_until = 0.0
            self._finish(actor)
        self._beat_hearts()
        # One that was taken out slept through bars that a backtest trades.
        if Bot.objects.filter(id__in=self.bots, status=BotStatus.ERROR).exists():
            self.is_faithful = False
            self.faults["bot taken out"] += 1
        if self.rng.random() < 0.7:
            for bot_id in self.bots:
                self._operate("start", partial(lifecycle.start, bot_id, actor=OPERATOR, now=START))
        until = self.published + HEALED_BARS
        for rounds in range(_MOST_ROUNDS):
            # Slowly at first; later past every horizon there is.
            self._pass(1.0 if rounds < 30 else 10.0)
            self.settle()
            if rounds % 5 == 0:
                self._reconcile(self.reconcilers[0])
                self._finish(self.reconcilers[0])
            if self.published < until:
                self._turn(self.feeders[0])
                self._finish(self.feeders[0])
            if self._is_at_rest() and (self.published >= until or not self._anybody_runs()):
                break
        else:
            self.violations.append(f"STUCK {self._unrest()}")
        while relaying.pump():
            pass

    def rest(self) -> None:
        """Long enough for whatever is still open to count as left open."""
        self._pass(400.0)
        relaying.pump()

    # --- one step of the storm

    def _step(self) -> None:
        self.steps += 1
        if self.rng.random() < 0.3:
            self._pass(self.rng.uniform(0.005, 0.2))
        if self.rng.random() < 0.004:
            self._alarm()
        moves = list(self._moves())
        weights = [weight for weight, _, _ in moves]
        _, name, move = self.rng.choices(moves, weights)[0]
        self._note(name)
        move()

    def _moves(self) -> Iterator[tuple[float, str, Callable[[], None]]]:
        weather, now = self.weather, self.clock.monotonic()
        busy = [actor for actor in self._everybody() if not actor.is_idle]
        for actor in busy:
            if actor.paused_until <= now:
                at = f"{actor.name} at {actor.where}"
                yield 1.0, f"{at} goes on", partial(self._go_on, actor)
                yield weather.kill, f"{at} dies", partial(self._kill, actor)
                # The one place where a sleeper can do harm: between the last look at the clock and the wire.
                drowsy = 8 if actor.where == "submit leaves" else 1
                yield weather.pause * drowsy, f"{at} sleeps", partial(self._pause, actor)
        ready = [message for message in self._messages if message.at <= now]
        free = [worker for worker in self.workers if worker.is_idle and worker.paused_until <= now]
        if ready and free:
            yield 1.0, "a message arrives", lambda: self._deliver(self.rng.choice(free), self.rng.choice(ready))
        yield 1.0 if self._is_due else 0.02, "dispatch", self._dispatch
        for feeder in self.feeders:
            if feeder.is_idle:
                yield 0.5 if self._may_turn else 0.02, f"{feeder.name} turns", partial(self._turn, feeder)
        for reconciler in self.reconcilers:
            if reconciler.is_idle:
                yield 0.02, "reconcile", partial(self._reconcile, reconciler)
        yield 0.05, "relay", self._relay
        yield weather.jump, "time passes", self._jump
        if not ready and not any(actor.paused_until <= now for actor in busy):
            yield 0.5, "a second passes", lambda: self._pass(self.rng.uniform(0.3, 3.0))
        if busy and self._broken < self.steps - 10:
            yield weather.unsure, "the wire breaks", lambda: self._break(_BROKER_FAULTS)
            yield weather.refuse, "the broker has a bad day", lambda: self._break(_BROKER_REFUSALS)
        yield weather.operate, "the operator", self._meddle
        yield weather.configure, "the configuration", self._configure

    def _everybody(self) -> list[Actor]:
        return [*self.workers, *self.feeders, *self.reconcilers]

    # --- actors

    def _begin(self, actor: Actor, play: Callable[[], object]) -> None:
        actor.begin(play)
        self._ended(actor)

    def _go_on(self, actor: Actor) -> None:
        actor.go_on()
        self._ended(actor)

    def _finish(self, actor: Actor) -> None:
        while not actor.is_idle:
            self._note(f"{actor.name} at {actor.where} goes on")
            self._go_on(actor)

    def _ended(self, actor: Actor) -> None:
        for place in actor.open_at:
            self.violations.append(f"TRANSACTION_OPEN at {place}")
        actor.open_at.clear()
        if not actor.is_idle:
            return
        self._is_due = self._may_turn = True
        # A broker that does not answer stops a turn; the loop around it tries again.
        if actor.ended is not None and not isinstance(actor.ended, Killed | BrokerUnsure):
            self.violations.append(f"BROKE {actor.name}: {type(actor.ended).__name__}: {actor.ended}")
        if isinstance(actor.answer, Turn):
            self._turned(actor.answer)
        elif actor.answer == "failed":
            self.faults["failed cycle"] += 1
        actor.answer = None

    def _kill(self, actor: Actor) -> None:
        self.faults["kill"] += 1
        actor.kill()
        self._ended(actor)
        if actor in self.workers:
            self._hire(actor)

    def _pause(self, actor: Actor) -> None:
        """A process that is frozen (its heart stands still, too) or a thread that is starved (it does not)."""
        self.faults["pause"] += 1
        actor.paused_until = self.clock.monotonic() + self.rng.choice((2.0, 6.0, 12.0, 30.0, 100.0, 150.0))
        if self.rng.random() < 0.7:
            self._hears.discard(actor.name)

    def _hire(self, worker: Actor) -> None:
        """A new process takes the place: another identity, alive from now on."""
        self.identities[worker.name] = uuid4()
        self._hears.add(worker.name)
        leases.beat(self.identities[worker.name], name=worker.name)

    def _beat_hearts(self) -> None:
        now = self.clock.monotonic()
        self._hears |= {worker.name for worker in self.workers if worker.paused_until <= now}
        alive = [self.identities[name] for name in sorted(self._hears) if name in self.identities]
        Worker.objects.filter(id__in=alive).update(heartbeat_at=Now())

    # --- messages

    def _dispatch(self) -> None:
        weather, calm = self.weather, self._healing
        due = leases.dispatch()
        self._is_due = False
        for bot_id, token in due:
            if not calm and self.rng.random() < weather.lose:
                self.faults["message lost"] += 1
                continue
            is_late = not calm and self.rng.random() < weather.late
            late = self.rng.choice((0.5, 3.0, 11.0, 30.0)) if is_late else 0.0
            self.faults["message late"] += is_late
            self._messages.append(Message(bot_id, token, self.clock.monotonic() + late))
            if not calm and self.rng.random() < weather.double:
                self.faults["message doubled"] += 1
                self._messages.append(Message(bot_id, token, self.clock.monotonic() + self.rng.uniform(0, 5)))

    def _deliver(self, worker: Actor, message: Message) -> None:
        self._messages.remove(message)
        identity = self.identities[worker.name]
        self._begin(
            worker,
            lambda: trading.advance_bot(
                bot_id=message.bot_id, token=message.token, worker=identity, checkpoint=worker.checkpoint
            ),
        )

    # --- the feed, the reconciler, the relay

    def _turn(self, feeder: Actor) -> None:
        def play() -> Turn:
            feeding.rouse(timeframe=TIMEFRAME)
            return feeding.turn(timeframe=TIMEFRAME, checkpoint=feeder.checkpoint)

        self._begin(feeder, play)

    def _turned(self, turn: Turn) -> None:
        self._note(f"the feed: {turn.did}")
        if turn.did in (Did.PUBLISHED, Did.ENDED):
            self.published += 1
        else:
            self._may_turn = False
        if turn.did == Did.ENDED:
            self.faults["series ended"] += 1

    def _reconcile(self, reconciler: Actor) -> None:
        self._begin(reconciler, lambda: reconciliation.reconcile_due(checkpoint=reconciler.checkpoint))

    def _relay(self) -> None:
        try:
            relaying.pump()
        except ConnectionError:
            self.faults["relay died"] += 1

    def publish(self, messages: Any) -> None:
        """Stands for the channel layer: remembers what it was given, and may fail after it."""
        rows = Outbox.objects.filter(sent_at__isnull=True).order_by("id")[: relaying.BATCH]
        self.told += [Told(*row) for row in rows.values_list("bot_id", "version")]
        list(messages)
        if not self._healing and self.rng.random() < self.weather.sick_relay:
            raise ConnectionError("The simulated channel layer does not answer.")

    # --- time, brokers, people

    def _pass(self, seconds: float) -> None:
        self.clock.advance(seconds)
        if seconds >= 0.3:
            self._is_due = True
            self._beat_hearts()

    def _jump(self) -> None:
        self.faults["time jump"] += 1
        self._pass(self.rng.choice((2.0, 6.0, 11.0, 11.0, 40.0, 95.0, 130.0)))

    def _break(self, kinds: Sequence[tuple[str, str]]) -> None:
        call, kind = self.rng.choice(kinds)
        if kinds is _BROKER_REFUSALS:
            self.is_faithful = False
        self.faults[f"{call} {kind}"] += 1
        self._broken = self.steps
        simulated.fail_next(call, kind, times=self.rng.choice((1, 1, 1, 2)))

    def _configure(self) -> None:
        self.is_faithful = False
        self.faults["configuration"] += 1
        self.market.set_stop(self.rng.choice(self.bots), self.rng.choice(markets.STOPS))

    def _meddle(self) -> None:
        self.is_faithful = False
        bot_id = self.rng.choice(self.bots)
        deeds = {"start": lifecycle.start, "stop": lifecycle.stop, "pause": lifecycle.pause, "resume": lifecycle.resume}
        name = self.rng.choice(("close", "close", "pause", "resume", "start", "start", "stop"))
        if name == "close":
            self._operate(name, lambda: self._close(bot_id))
        else:
            self._operate(name, lambda: deeds[name](bot_id, actor=OPERATOR, now=START))

    def _close(self, bot_id: UUID) -> None:
        held = list(Position.objects.filter(bot=bot_id, is_open=True).order_by("symbol", "side"))
        if held:
            pauses = self.rng.random() < 0.5
            closing.close_position(self.rng.choice(held).id, actor=OPERATOR, now=START, pause_bot=pauses)

    def _operate(self, name: str, deed: Callable[[], object]) -> None:
        self._is_due = self._may_turn = True
        try:
            deed()
        except PlatformError as refused:
            self._note(f"{name} is refused: {refused.specific_code}")
        else:
            self.faults[f"operator {name}"] += 1
        for bot in Bot.objects.filter(id__in=self.bots):
            self._statuses.append((self.clock.at, bot.id, bot.status == BotStatus.RUNNING))

    def _alarm(self) -> None:
        self.violations += [f"FALSE_ALARM {row}" for row in self.watch()]

    # --- coming to rest

    def bar(self) -> None:
        """Publish a bar, and let everybody finish with it."""
        self.turn()
        self.settle()

    def turn(self) -> None:
        """One turn of the feed, a second later."""
        self._pass(1.0)
        self._turn(self.feeders[0])
        self._finish(self.feeders[0])

    def settle(self) -> None:
        """Dispatch and deliver until nobody has anything to do at this moment."""
        for _ in range(20):
            self._dispatch()
            messages = self._messages[:]
            for message in messages:
                self._deliver(self.workers[0], message)
                self._finish(self.workers[0])
            if not messages:
                break

    def _anybody_runs(self) -> bool:
        return Bot.objects.filter(id__in=self.bots, status=BotStatus.RUNNING).exists()

    def _is_at_rest(self) -> bool:
        return not any(self._unrest().values())

    def _unrest(self) -> dict[str, list[Any]]:
        open_intents = OrderIntent.objects.filter(
            state__in=[IntentState.PENDING, *IN_DOUBT], run__ended_at__isnull=True
        )
        unfinished = Cycle.objects.filter(state__in=[CycleState.OPEN, CycleState.DECIDED])
        unheard = OrderFact.objects.filter(cycle__isnull=True, run__ended_at__isnull=True)
        unread = [
            account.id
            for account in BrokerAccount.objects.filter(runs__ended_at__isnull=True)
            if brokers.broker_of(account).events(after=account.cursor, limit=1)
        ]
        behind = []
        if self._anybody_runs():
            feed = marketdata.feed(TIMEFRAME)
            behind = [bot.id for bot in feeding._attached(feed) if bot.is_behind]
        return {
            "intents": list(open_intents.values_list("client_order_id", "state")),
            "cycles": list(unfinished.values_list("id", "kind", "state")),
            "facts": list(unheard.values_list("id", "kind")),
            "unread": unread,
            "behind": behind,
            "due": list(Bot.objects.filter(wake_at__lte=Now()).values_list("id", flat=True)),
        }

    def _note(self, what: str) -> None:
        self.schedule.append(what)
        self._say(f"{self.clock.monotonic():10.3f}  {what}")


class Wire:
    """A broker with a way to it and a way back, on each of which the caller may be stopped."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._broker, name)

        def over_the_wire(*args: Any, **named: Any) -> Any:
            stage.checkpoint(f"{name} leaves")
            try:
                return call(*args, **named)
            finally:
                stage.checkpoint(f"{name} answers")

        return over_the_wire


@contextmanager
def wired() -> Iterator[None]:
    """Brokers are reached over a wire."""
    before = brokers.broker_of
    brokers.broker_of = lambda account: Wire(before(account))  # type: ignore[assignment,return-value]
    try:
        yield
    finally:
        brokers.broker_of = before


@contextmanager
def published(world: World) -> Iterator[None]:
    """Browsers are told through the world."""
    before = publishing.publish
    publishing.publish = world.publish  # type: ignore[assignment]
    try:
        yield
    finally:
        publishing.publish = before


@contextmanager
def chance_of(seed: int) -> Iterator[None]:
    """All chance of the process comes from the seed: every id is the same in every replay."""
    before, rng = os.urandom, random.Random(f"ids of {seed}")
    os.urandom = rng.randbytes  # type: ignore[assignment]
    try:
        yield
    finally:
        os.urandom = before
