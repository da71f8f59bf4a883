"""Write a stepped cycle down: decisions, intents, books and the state after it, all or nothing.

What is committed here is what will be sent, under ids made of what was decided. Nothing is sent
before this commit, and nothing that was not committed is ever sent.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models.functions import Now

from bots import payloads
from bots.mappers import decimal_of
from bots.models import (
    Bot,
    BotStatus,
    Cycle,
    CycleKind,
    CycleState,
    Decision,
    EngineRun,
    FactKind,
    IntentState,
    OrderFact,
    OrderIntent,
    OrderStatus,
    Origin,
)
from bots.services import booking, events, leases, runs, stepping
from bots.services.booking import SIDES, Books
from bots.services.leases import Lease
from bots.services.runs import Setting
from bots.services.stepping import Fact, Walk
from configuration import selectors as configuration
from configuration import services as configuration_services
from engine import run
from engine.domain.enums import Leg, OrderType, Reason, Side
from engine.domain.state import State
from engine.domain.values import Bars, Others

MAIN, STOP, TARGET = int(Leg.MAIN), int(Leg.STOP), int(Leg.TARGET)
# A state is kept before every so manieth cycle, so that none is further than this from one.
CHECKPOINT_EVERY = 64

_BRACKETS = ((STOP, OrderType.STOP, "stop_fraction"), (TARGET, OrderType.LIMIT, "target_fraction"))

Place = tuple[int, int, int]  # symbol index, side, leg


class Stepped(NamedTuple):
    """Everything one cycle computed, on the way to its rows."""

    cycle: Cycle
    run: EngineRun
    setting: Setting
    facts: Sequence[Fact]
    bars: Bars
    bars_sha256: str
    others: Others
    recorded_ms: int | None
    walk: Walk


class Outcome(NamedTuple):
    """``committed`` False: something changed while it was computed; ``again``: compute it again."""

    committed: bool
    again: bool


def intend(stepped: Stepped, lease: Lease) -> Outcome:
    """Commit a stepped cycle, unless the lease, the bot's state or the configuration changed meanwhile."""
    with transaction.atomic():
        bot = leases.locked(lease)
        if bot is None:
            return Outcome(committed=False, again=False)
        if stepped.cycle.kind == CycleKind.BARS and bot.status != BotStatus.RUNNING:
            _skip(stepped.cycle, f"the bot is {bot.status}")
            return Outcome(committed=False, again=False)
        # Held until the commit: no change of configuration is answered between this look and the record.
        version = configuration_services.hold_head()
        if version != stepped.setting.version:
            frozen = configuration.snapshot_for(runs.scope_of(bot, stepped.run))
            if frozen.hash != stepped.setting.frozen.hash:
                return Outcome(committed=False, again=True)
        if _was_asked_meanwhile(stepped):
            return Outcome(committed=False, again=True)
        _Writer(stepped, bot, version).write()
    return Outcome(committed=True, again=False)


def _was_asked_meanwhile(stepped: Stepped) -> bool:
    asked = OrderFact.objects.filter(run=stepped.run, cycle__isnull=True, kind=FactKind.ASKED)
    return asked.exclude(id__in=[fact.id for fact in stepped.facts]).exists()


def _skip(cycle: Cycle, because: str) -> None:
    Cycle.objects.filter(id=cycle.id).update(
        state=CycleState.SKIPPED, finished_at=Now(), error_code="skipped", error_message=because
    )


class _Writer:
    """One cycle's rows, in the order in which they need each other."""

    def __init__(self, stepped: Stepped, bot: Bot, version: int) -> None:
        self.stepped = stepped
        self.bot = bot
        self.version = version
        self.run = stepped.run
        self.cycle = stepped.cycle
        self.walk = stepped.walk
        self.state: State = stepped.walk.state
        self.plan = stepped.setting.plan
        self.told: list[tuple[str, Mapping[str, Any]]] = []
        self.ordinals: Counter[Place] = Counter()

    def write(self) -> None:
        if self.stepped.setting.frozen.hash != self.run.snapshot_id:
            configuration_services.keep(self.stepped.setting.frozen)
        self._cycle()
        decisions = Decision.objects.bulk_create(booking.decisions(self.cycle, self.run, self.walk))
        self._heard()
        books = self._books()
        self._orders(decisions)
        self._run(len(decisions))
        self._tell(decisions, books)

    def _cycle(self) -> None:
        bars = self.stepped.bars
        facts: dict[str, Any] = {
            "state": CycleState.DECIDED,
            "snapshot_id": self.stepped.setting.frozen.hash,
            "config_version": self.version,
            "engine_fingerprint": run.fingerprint(),
            "first_open_ms": int(bars.open_ms[0]) if len(bars.open_ms) else None,
            "last_open_ms": int(bars.open_ms[-1]) if len(bars.open_ms) else None,
            "bars": len(bars.open_ms),
            "bars_sha256": self.stepped.bars_sha256,
            "facts": len(self.stepped.facts),
            "others": self.stepped.others._asdict(),
            "orders": booking.packed(self.walk.records("orders")),
            "fills": booking.packed(self.walk.records("fills")),
            "trips": booking.packed(self.walk.records("trips")),
            "decided": booking.packed(self.walk.records("decisions")),
            "equity": decimal_of(_equity(self.state)),
            "state_sha256": stepping.sha256(self.state, self.plan),
            "decided_at": Now(),
        }
        if self.cycle.number % CHECKPOINT_EVERY == 1:
            facts["checkpoint"] = bytes(self.run.state)
        Cycle.objects.filter(id=self.cycle.id).update(**facts)
        self.cycle.snapshot_id = facts["snapshot_id"]

    def _heard(self) -> None:
        rows = [OrderFact(id=fact.id, cycle=self.cycle, place=place) for place, fact in enumerate(self.stepped.facts)]
        OrderFact.objects.bulk_update(rows, ["cycle", "place"])

    def _books(self) -> Books:
        books = Books(self.run, self.cycle)
        filled = [said for said in self.walk.said if said.fact and said.fact.kind == FactKind.FILLED]
        wanted = [said.fact.id for said in filled if said.fact]
        rows = OrderFact.objects.select_related("fill", "intent__decision", "intent__broker_order").in_bulk(wanted)
        for said in filled:
            fact = rows[said.fact.id] if said.fact else None
            if fact and fact.fill:
                books.book(said, fact.fill, fact.intent)
        books.value(self.state)
        books.close()
        return books

    # --- what is asked of the broker

    def _orders(self, decisions: Sequence[Decision]) -> None:
        asked_by = {(one.row, one.symbol): one for one in decisions if one.orders}
        brackets: dict[Place, Any] = {}
        for said in self.walk.said:
            if said.fact and said.fact.kind == FactKind.ASKED:
                self._operator(said.fact, said.orders, said.decisions)
                continue
            for order in said.orders:
                place = int(order["symbol"]), int(order["side"]), int(order["leg"])
                # An exit at market that another exit's fill made smaller is no new one: it rests already.
                if place[2] == MAIN and not said.fact:
                    self._main(order, place, asked_by, is_stale=said.is_stale)
                else:
                    self._activate(order, place)
                    brackets[place] = order
        for place, order in brackets.items():
            if self.state.legs["working"][place]:
                self._protect(order, place)

    def _main(self, order: Any, place: Place, asked_by: Mapping[Any, Decision], *, is_stale: bool) -> None:
        decision = asked_by.get((int(order["row"]), self.run.symbols[place[0]]))
        intent = self._intent(
            place,
            order,
            decision=decision,
            reference_price=decision.price if decision else None,
            state=IntentState.UNSENT if is_stale else IntentState.PENDING,
            reason=int(Reason.STALE_BAR) if is_stale else 0,
        )
        if intent.is_entry and not is_stale:
            for leg, kind, fraction in self._fractions(place):
                self._child(intent, (place[0], place[1], leg), kind, fraction)

    def _fractions(self, place: Place) -> Iterator[tuple[int, OrderType, float]]:
        wanted = self.plan.params.sides[place[0], place[1]]
        if wanted["risk_enabled"]:
            for leg, kind, name in (
                (STOP, OrderType.STOP, "stop_fraction"),
                (TARGET, OrderType.LIMIT, "target_fraction"),
            ):
                if wanted[name] > 0.0:
                    yield leg, kind, float(wanted[name])

    def _child(self, parent: OrderIntent, place: Place, kind: OrderType, fraction: float) -> None:
        """A stop or target that is held until its parent fills; its price is known then."""
        child = self._new(
            place,
            parent=parent,
            decision=parent.decision,
            action="sell" if parent.action == "buy" else "buy",
            order_type=kind.name.lower(),
            is_entry=False,
            qty=parent.qty,
            bracket_fraction=fraction,
            state=IntentState.HELD,
        )
        self._stored(child)

    def _activate(self, order: Any, place: Place) -> None:
        """The engine asks for a bracket: the held child that stands for it learns row and price."""
        waiting = self._of(place).filter(row__isnull=True, parent__isnull=False).order_by("-id").first()
        if waiting is not None:
            waiting.row, waiting.open_ms = int(order["row"]), int(order["open_ms"])
            waiting.limit_price, waiting.stop_price = _price(order["limit_price"]), _price(order["stop_price"])
            waiting.save(update_fields=["row", "open_ms", "limit_price", "stop_price"])
            self.told.append((payloads.EventName.ORDER_UPDATED, payloads.order_payload(waiting)))

    def _protect(self, order: Any, place: Place) -> None:
        """What rests at the broker must be what the engine asks for; where it is not, it is replaced."""
        live = self._of(place).filter(state__in=[IntentState.HELD, IntentState.WORKING])
        resting = live.select_related("broker_order").order_by("-id").first()
        if resting is None:
            self._intent(place, order)
        elif not _is_as_asked(resting, order):
            self._intent(place, order, replaces=resting)

    def _operator(self, fact: Fact, orders: Any, decisions: Any) -> None:
        """An operator's close: the engine has taken it up, or says why not."""
        intent = OrderIntent.objects.select_related("bot").get(id=fact.intent_id)
        if len(orders):
            OrderIntent.objects.filter(id=intent.id).update(
                row=int(orders[0]["row"]), open_ms=int(orders[0]["open_ms"])
            )
        elif intent.state == IntentState.PENDING:
            intent.state, intent.reason = IntentState.UNSENT, int(decisions[0]["reason"])
            intent.save(update_fields=["state", "reason"])
            self.told.append((payloads.EventName.ORDER_UPDATED, payloads.order_payload(intent)))

    def _of(self, place: Place) -> Any:
        symbol, side, leg = place
        return OrderIntent.objects.filter(run=self.run, symbol=self.run.symbols[symbol], side=SIDES[side], leg=leg)

    def _intent(self, place: Place, order: Any, **facts: Any) -> OrderIntent:
        return self._stored(
            self._new(
                place,
                action="buy" if order["action"] == 1 else "sell",
                order_type=OrderType(int(order["order_type"])).name.lower(),
                is_entry=bool(order["is_entry"]),
                qty=decimal_of(order["qty"]),
                limit_price=_price(order["limit_price"]),
                stop_price=_price(order["stop_price"]),
                row=int(order["row"]),
                open_ms=int(order["open_ms"]),
                **facts,
            )
        )

    def _new(self, place: Place, **facts: Any) -> OrderIntent:
        symbol, side, leg = place
        ordinal = self.ordinals[place]
        self.ordinals[place] += 1
        return OrderIntent(
            bot=self.bot,
            run=self.run,
            account_id=self.run.account_id,
            cycle=self.cycle,
            snapshot_id=self.cycle.snapshot_id,
            origin=Origin.BOT,
            symbol=self.run.symbols[symbol],
            side=SIDES[side],
            leg=leg,
            ordinal=ordinal,
            asked_at=self.cycle.due_at,
            client_order_id=client_order_id(self.cycle, self.run, self.run.symbols[symbol], side, leg, ordinal),
            **facts,
        )

    def _stored(self, intent: OrderIntent) -> OrderIntent:
        intent.save(force_insert=True)
        self.told.append((payloads.EventName.ORDER_UPDATED, payloads.order_payload(intent)))
        return intent

    # --- the books as lists show them

    def _run(self, decisions: int) -> None:
        account = self.state.account[0]
        bars = self.stepped.bars
        values: dict[str, Any] = {
            "snapshot_id": self.cycle.snapshot_id,
            "engine_fingerprint": run.fingerprint(),
            "recorded_ms": self.stepped.recorded_ms,
            "last_open_ms": int(bars.open_ms[-1]) if len(bars.open_ms) else self.run.last_open_ms,
            "rows": int(account["rows"]),
            "decisions": self.run.decisions + decisions,
            "state": stepping.to_bytes(self.state, self.plan),
            "entries_today": int(account["entries_today"]),
            "open_positions": int(account["open_positions"]),
            "exposure": decimal_of(_exposure(self.state)),
            "equity": decimal_of(_equity(self.state)),
        }
        for name in ("cash", "realised", "fees", "day_open_equity", "day_realised"):
            values[name] = decimal_of(account[name])
        if account["day"] > _NO_DAY:
            values["day"] = int(account["day"])
        EngineRun.objects.filter(id=self.run.id).update(**values)
        for name, value in values.items():
            setattr(self.run, name, value)

    def _tell(self, decisions: Sequence[Decision], books: Books) -> None:
        name = payloads.EventName
        trades = {trade.id: trade for trade in books.traded}
        prices = self._prices()
        told: list[tuple[str, Mapping[str, Any]]] = [
            *self.told,
            *((name.TRADE_EXECUTED, payloads.trade_payload(trade)) for trade in trades.values()),
            *((name.POSITION_UPDATED, payloads.position_payload(one)) for one in books.changed.values()),
            *((name.DECISION, payloads.decision_payload(one)) for one in decisions),
            *prices,
            (name.CYCLE, payloads.cycle_payload(self.cycle, self.run)),
        ]
        events.emit(self.bot.id, self.bot.owner_id, told)

    def _prices(self) -> list[tuple[str, Mapping[str, Any]]]:
        bars = self.stepped.bars
        newest = {int(symbol): decimal_of(close) for symbol, close in zip(bars.symbol, bars.close, strict=True)}
        return [
            (
                payloads.EventName.PRICE_UPDATE,
                payloads.price_payload(
                    bot_id=self.bot.id, symbol=self.run.symbols[symbol], price=price, at=self.cycle.due_at
                ),
            )
            for symbol, price in newest.items()
        ]


_NO_DAY = -(2**31)


def client_order_id(cycle: Cycle, engine_run: EngineRun, symbol: str, side: int, leg: int, ordinal: int) -> str:
    """The name an order has for ever: mode, bot, epoch, due time, run and cycle, place. No attempt, no chance."""
    due = cycle.due_at.strftime("%Y%m%dT%H%M%S")
    place = f"{symbol}-{Side(side).name[0]}{leg}{ordinal or ''}"
    return f"p1-{engine_run.bot_id.hex}-{cycle.epoch}-{due}-{engine_run.number}.{cycle.number}-{place}"


def _is_as_asked(intent: OrderIntent, order: Any) -> bool:
    resting = getattr(intent, "broker_order", None)
    if resting is None or resting.status == OrderStatus.HELD:
        return intent.state == IntentState.HELD
    resting_as = (resting.qty - resting.filled_qty, resting.stop_price, resting.limit_price)
    asked: tuple[Decimal, Decimal | None, Decimal | None] = (
        decimal_of(order["qty"]),
        _price(order["stop_price"]),
        _price(order["limit_price"]),
    )
    return bool(resting_as == asked)


def _price(value: float) -> Decimal | None:
    """0 stands for "has none" in the engine's orders."""
    return decimal_of(value) if value > 0 else None


def _equity(state: State) -> float:
    """Cash and what is held, at the last closes. The engine says it on bars only; a fill may come between two."""
    account, marks = state.account[0], state.slots["mark"]
    held = state.positions["qty"]
    total = float(account["cash"])
    for symbol in range(len(marks)):
        total += float(held[symbol, 0] * marks[symbol])
        total -= float(held[symbol, 1] * marks[symbol])
    return total


def _exposure(state: State) -> float:
    """Gross value of positions and working entries; the engine's own rule, read off its arrays."""
    held = (state.positions["qty"] * state.slots["mark"][:, None]).sum()
    return float(held + state.legs["notional"][:, :, MAIN].sum())
