"""Advance a bot by one cycle: hear, step, write down, send, finish. The only loop there is.

Whatever dies, the next dispatch calls the same function again: an open cycle is decided again (nothing
was sent), a decided one goes on with the intents that were not sent or are in doubt. Start-up is
therefore nothing special.
"""

import hashlib
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

import structlog
from django.db import Error as DatabaseFailure
from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from bots import brokers
from bots.brokers.ports import Broker, BrokerUnsure
from bots.errors import CycleBlocked
from bots.mappers import moment_of
from bots.models import (
    IN_DOUBT,
    Bot,
    BotStatus,
    Cycle,
    CycleKind,
    CycleState,
    EngineRun,
    FactKind,
    IntentState,
    OrderFact,
    OrderIntent,
    Origin,
)
from bots.services import intending, leases, lifecycle, reconciliation, runs, stepping, submission
from bots.services.checkpoints import Checkpoint, nowhere
from bots.services.intending import Stepped
from bots.services.leases import Lease
from bots.services.stepping import Fact
from engine.domain.enums import Side
from engine.domain.errors import PlatformError
from engine.domain.values import NOBODY_ELSE, Bars
from marketdata import selectors as marketdata
from marketdata.selectors import Feed

logger = structlog.get_logger(__name__)

# Decided again because the configuration or an operator was faster: more often in a row is a defect.
_MOST_ATTEMPTS = 5
# An order in doubt is looked up and sent again this often within one cycle; then the next one goes on.
_MOST_SENDS = 3
_LOOK_AGAIN_AFTER = timedelta(seconds=1)
_LONGEST_PAUSE = timedelta(seconds=60)


class _LeaseLost(Exception):
    """Somebody else works on the bot: leave without a trace."""


def advance_bot(*, bot_id: UUID, token: int, worker: UUID, checkpoint: Checkpoint = nowhere) -> str | None:
    """Do what is due for one bot, under the lease that ``token`` names. What was done; None: not ours to do.

    A cycle that breaks is written down and counted; five in a row stop the bot. Other bots go on. One that is cut
    off from the database gives the bot back when it is there again; that is no failure of the bot.
    """
    try:
        return _advanced(bot_id, token, worker, checkpoint)
    except DatabaseFailure as failure:
        if not leases.is_cut_off(failure):
            raise
        logger.warning("cycle.cut_off", bot_id=str(bot_id), because=str(failure).partition("\n")[0])
        # Also where the answer to taking the lease was lost: it may be ours all the same.
        leases.give_back(Lease(bot_id, token, worker))
        return "cut off"


def _advanced(bot_id: UUID, token: int, worker: UUID, checkpoint: Checkpoint) -> str | None:
    lease = leases.take(bot_id, token, worker)
    if lease is None:
        return None
    checkpoint("taken")
    bot = Bot.objects.get(id=bot_id)
    with structlog.contextvars.bound_contextvars(bot_id=str(bot_id), lease=token):
        try:
            done, wake_after = _Advance(bot, lease, checkpoint).run()
        except Exception as broken:
            # The one place that catches everything: a bot that fails must say so and leave the others alone.
            _failed(lease, broken)
            return "failed"
    checkpoint("finished")
    leases.release(lease, wake_after=wake_after)
    checkpoint("released")
    return done


class _Advance:
    """One call of ``advance_bot``: the bot, the lease it works under, and where its feed stands."""

    def __init__(self, bot: Bot, lease: Lease, checkpoint: Checkpoint) -> None:
        self.bot = bot
        self.lease = lease
        self.checkpoint = checkpoint
        self.feed: Feed = marketdata.feed(bot.timeframe)

    def run(self) -> tuple[str, timedelta | None]:
        """(what was done, when to wake the bot again)."""
        open_runs = EngineRun.objects.filter(bot=self.bot, ended_at__isnull=True)
        engine_run = open_runs.select_related("account").first()
        is_running = self.bot.status == BotStatus.RUNNING
        if engine_run is not None:
            # Of a bot that was redefined since: its orders live by the bars of the run's own feed.
            if engine_run.timeframe != self.bot.timeframe:
                self.feed = marketdata.feed(engine_run.timeframe)
            reconciliation.reconcile(engine_run.account_id, checkpoint=self.checkpoint)
            if not self._finish_open_cycle(engine_run):
                return "in doubt", _LOOK_AGAIN_AFTER
            if self._is_over(engine_run, is_running=is_running):
                if self._unheard(engine_run).filter(kind=FactKind.FILLED).exists():
                    # What happened before the end belongs in the books that are closed then.
                    done, wake_after = self._cycle(engine_run, is_running=False)
                    return done, wake_after or timedelta(0)
                self._end(engine_run)
                self.feed = marketdata.feed(self.bot.timeframe)
                engine_run = None
        if engine_run is None:
            if not is_running:
                return "idle", None
            engine_run = runs.opened(self.bot, self.feed)
            self.checkpoint("run_opened")
        return self._cycle(engine_run, is_running=is_running)

    def _cycle(self, engine_run: EngineRun, *, is_running: bool) -> tuple[str, timedelta | None]:
        kind = self._due(engine_run, is_running=is_running)
        if kind is None:
            self._looked()
            return "nothing new", self._frequency() if is_running else None
        cycle = self._opened(engine_run, kind)
        self.checkpoint("cycle_opened")
        for _ in range(_MOST_ATTEMPTS):
            stepped = self._stepped(cycle, engine_run)
            self.checkpoint("stepped")
            outcome = self._intend(stepped)
            if not outcome.again:
                break
        else:
            raise CycleBlocked(f"{self.bot.name} was told something new {_MOST_ATTEMPTS} times while it decided.")
        self.checkpoint("intended")
        if not outcome.committed:
            return "left", timedelta(0)
        if not self._send_all(engine_run) or not self._close(cycle):
            return "in doubt", _LOOK_AGAIN_AFTER
        return "done", self._frequency() if is_running else None

    def _looked(self) -> None:
        Bot.objects.filter(id=self.bot.id, lease_token=self.lease.token).update(last_run_at=Now())
        if self.bot.error_count:
            with transaction.atomic():
                if (bot := leases.locked(self.lease)) is not None:
                    lifecycle.forget_failures(bot)

    def _intend(self, stepped: Stepped) -> intending.Outcome:
        try:
            return intending.intend(stepped, self.lease)
        except IntegrityError as taken:
            # An operator's order took the leg while we decided: a constraint refused our decision.
            logger.info("cycle.decided_again", because=str(taken).partition("\n")[0])
            stepped.run.refresh_from_db()  # what was written is gone, and must not be stepped from
            return intending.Outcome(committed=False, again=True)

    # --- what is due

    def _is_over(self, engine_run: EngineRun, *, is_running: bool) -> bool:
        """Whether its epoch has ended, whatever the bot does; or the bot runs, and is defined otherwise by now."""
        bot = self.bot
        defined = (engine_run.strategy, engine_run.timeframe, list(engine_run.symbols))
        is_redefined = defined != (bot.strategy, bot.timeframe, list(bot.symbols))
        return engine_run.epoch != self.feed.epoch or (is_running and is_redefined)

    def _end(self, engine_run: EngineRun) -> None:
        reason = "replay ended" if engine_run.epoch != self.feed.epoch else "definition changed"
        last = engine_run.recorded_ms
        for cycle in Cycle.objects.filter(run=engine_run, state=CycleState.OPEN):
            _skipped(cycle)  # nobody would find it any more, and everybody would wait for it
        runs.ended(engine_run, reason=reason, at=moment_of(last) if last is not None else engine_run.started_at)
        logger.info("run.ended", run=engine_run.number, because=reason)
        self.checkpoint("run_ended")

    def _due(self, engine_run: EngineRun, *, is_running: bool) -> CycleKind | None:
        now_ms = self.feed.now_ms
        if is_running and now_ms is not None and engine_run.recorded_ms != now_ms:
            return CycleKind.BARS
        return CycleKind.FACTS if self._unheard(engine_run).exists() else None

    def _unheard(self, engine_run: EngineRun) -> "QuerySet[OrderFact]":
        facts = OrderFact.objects.filter(run=engine_run, cycle__isnull=True)
        if self.feed.now_ms is None or engine_run.epoch != self.feed.epoch:
            return facts
        # What the broker matched with a bar that is not published yet belongs to that bar's cycle.
        return facts.filter(at_ms__lte=self.feed.now_ms)

    def _opened(self, engine_run: EngineRun, kind: CycleKind) -> Cycle:
        due_at = moment_of(self.feed.due_ms or engine_run.recorded_ms or 0)
        with transaction.atomic():
            if leases.locked(self.lease) is None:
                raise _LeaseLost(f"Somebody else works on {self.bot.name} by now.")
            if kind == CycleKind.BARS:
                same = Cycle.objects.filter(bot=self.bot, epoch=engine_run.epoch, due_at=due_at, kind=kind).first()
                if same is not None:
                    # Begun again: what a failure left behind is no part of it any more. Numbers follow the order in
                    # which cycles are decided: facts may have been heard since.
                    Cycle.objects.filter(id=same.id).update(
                        number=self._numbered(engine_run) if same.number < engine_run.cycles else same.number,
                        state=CycleState.OPEN,
                        lease_token=self.lease.token,
                        worker=self.lease.worker,
                        finished_at=None,
                        error_code="",
                        error_message="",
                    )
                    same.refresh_from_db()
                    return same
            return Cycle.objects.create(
                bot=self.bot,
                run=engine_run,
                number=self._numbered(engine_run),
                kind=kind,
                epoch=engine_run.epoch,
                due_at=due_at,
                lease_token=self.lease.token,
                worker=self.lease.worker,
            )

    def _numbered(self, engine_run: EngineRun) -> int:
        engine_run.cycles += 1
        EngineRun.objects.filter(id=engine_run.id).update(cycles=engine_run.cycles)
        return engine_run.cycles

    def _finish_open_cycle(self, engine_run: EngineRun) -> bool:
        """Go on with a cycle that a worker left; False while an order of it is in doubt."""
        for cycle in Cycle.objects.filter(run=engine_run, state__in=[CycleState.OPEN, CycleState.DECIDED]):
            if cycle.state == CycleState.DECIDED:
                if not self._send_all(engine_run) or not self._close(cycle):
                    return False
            elif (
                cycle.kind == CycleKind.FACTS  # never taken up again: the next one hears the same facts
                or self.bot.status != BotStatus.RUNNING
                or cycle.due_at != moment_of(self.feed.due_ms or 0)
            ):
                _skipped(cycle)
        return self._send_all(engine_run)

    # --- stepping

    def _stepped(self, cycle: Cycle, engine_run: EngineRun) -> Stepped:
        setting = runs.setting_of(self.bot, engine_run)
        facts = facts_of(engine_run, list(self._unheard(engine_run).select_related("intent", "fill__broker_order")))
        newest_ms = self.feed.now_ms
        after_ms = engine_run.after_ms if engine_run.last_open_ms is None else engine_run.last_open_ms
        is_bars = cycle.kind == CycleKind.BARS
        bars = runs.bars_between(engine_run, after_ms=after_ms, to_ms=newest_ms if is_bars else after_ms)
        walk = stepping.walk(
            plan=setting.plan,
            state=runs.state_under(engine_run, setting),
            facts=facts,
            bars=bars,
            others=NOBODY_ELSE,
            newest_ms=newest_ms,
            tradable=runs.tradable(engine_run, setting, bars),
        )
        return Stepped(
            cycle=cycle,
            run=engine_run,
            setting=setting,
            facts=facts,
            bars=bars,
            bars_sha256=bars_sha256(bars),
            others=NOBODY_ELSE,
            recorded_ms=newest_ms if is_bars else engine_run.recorded_ms,
            walk=walk,
        )

    # --- sending

    def _send_all(self, engine_run: EngineRun) -> bool:
        """Send what waits; False while the broker may or may not have an order of ours."""
        broker = brokers.broker_of(engine_run.account)
        waiting = OrderIntent.objects.filter(run=engine_run, state__in=[IntentState.PENDING, *IN_DOUBT])
        for _ in range(_MOST_SENDS):
            left = list(waiting.order_by("id").values_list("id", "state"))
            if not left:
                return True
            for intent_id, state in left:
                self._send(intent_id, IntentState(state), broker)
        return not waiting.exists()

    def _send(self, intent_id: int, state: IntentState, broker: Broker) -> None:
        if state in IN_DOUBT:
            try:
                state = reconciliation.look_up(intent_id, broker, checkpoint=self.checkpoint)
            except BrokerUnsure:
                return
            if state not in IN_DOUBT:
                return
        submission.send(intent_id, lease=self.lease, broker=broker, checkpoint=self.checkpoint)
        self.checkpoint("sent")

    def _close(self, cycle: Cycle) -> bool:
        with transaction.atomic():
            bot = leases.locked(self.lease)
            if bot is None:
                return False
            Cycle.objects.filter(id=cycle.id).update(state=CycleState.DONE, finished_at=Now())
            Bot.objects.filter(id=bot.id).update(last_run_at=Now())
            lifecycle.forget_failures(bot)
        return True

    def _frequency(self) -> timedelta:
        return runs.frequency_of(self.bot)


def facts_of(engine_run: EngineRun, rows: Sequence[OrderFact], *, before_cycle: int | None = None) -> list[Fact]:
    """Order facts in the engine's words, in the order they are heard.

    ``before_cycle``: what had been asked when that cycle ran, for computing it again.
    """
    index = {symbol: place for place, symbol in enumerate(engine_run.symbols)}
    asked = OrderIntent.objects.filter(run=engine_run, symbol__in={row.intent.symbol for row in rows})
    # An operator's order takes its leg when the engine takes it up; one that it hears of now has none yet.
    if before_cycle is None:
        asked = asked.filter(Q(origin=Origin.BOT) | Q(origin=Origin.OPERATOR, row__isnull=False))
    else:
        heard = Q(facts__kind=FactKind.ASKED, facts__cycle__number__lt=before_cycle)
        asked = asked.filter(Q(cycle__number__lt=before_cycle) | heard & Q(row__isnull=False))
    legs = ("symbol", "side", "leg")
    last = asked.order_by(*legs, "-id").distinct(*legs).values_list(*legs, "id") if rows else ()
    newest = {(symbol, side, leg): intent_id for symbol, side, leg, intent_id in last}
    ordered = sorted(rows, key=lambda row: (row.at_ms, row.broker_sequence, row.id))
    return [_fact(row, index[row.intent.symbol], newest) for row in ordered]


def _fact(row: OrderFact, symbol: int, newest: dict[tuple[str, str, int], int]) -> Fact:
    intent, fill = row.intent, row.fill
    fact = Fact(
        id=row.id,
        intent_id=intent.id,
        kind=row.kind,
        at_ms=row.at_ms,
        symbol=symbol,
        side=int(Side[intent.side.upper()]),
        leg=intent.leg,
        is_entry=intent.is_entry,
        is_current=newest.get((intent.symbol, intent.side, intent.leg), intent.id) == intent.id,
        reason=row.reason,
    )
    if fill is None:
        return fact
    remaining = float(max(fill.broker_order.qty - fill.cum_qty, Decimal(0)))
    return fact._replace(qty=float(fill.qty), price=float(fill.price), fee=float(fill.fee), remaining=remaining)


def bars_sha256(bars: Bars) -> str:
    """Which bars these are."""
    digest = hashlib.sha256()
    for column in bars:
        digest.update(column.tobytes())
    return digest.hexdigest()


def _skipped(cycle: Cycle) -> None:
    Cycle.objects.filter(id=cycle.id).update(state=CycleState.SKIPPED, finished_at=Now(), error_code="skipped")


def _failed(lease: Lease, broken: Exception) -> None:
    if isinstance(broken, _LeaseLost):
        logger.info("cycle.left", because=str(broken))
        return
    if isinstance(broken, DatabaseFailure) and leases.is_cut_off(broken):
        raise broken
    code = broken.specific_code if isinstance(broken, PlatformError) else "CYCLE_BROKE"
    message = str(broken) if isinstance(broken, PlatformError) else f"{type(broken).__name__}; the log tells more"
    logger.exception("cycle.failed", error_code=code)
    with transaction.atomic():
        if leases.locked(lease) is None:
            return
        Cycle.objects.filter(bot=lease.bot_id, state=CycleState.OPEN).update(
            state=CycleState.FAILED, finished_at=Now(), error_code=code[:64], error_message=message[:500]
        )
    lifecycle.count_failure(lease, code=code, message=message)
    leases.release(
        lease, wake_after=_after_failures(Bot.objects.values_list("error_count", flat=True).get(id=lease.bot_id))
    )


def _after_failures(count: int) -> timedelta:
    """When to try again: after 1, 2, 4, 8 s, so that a broker may be away for a moment; never later than a minute."""
    doubled = min(max(count - 1, 0), 6)
    return min(_LOOK_AGAIN_AFTER * (1 << doubled), _LONGEST_PAUSE)
