"""From what the engine said to rows: decisions, positions, trades, journal. One cycle, one transaction.

Nothing is computed twice: the engine's ledger is where money moves, and these rows repeat its
numbers exactly. The postings of each fill are read off the books before and after it.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from bots.mappers import decimal_of, moment_of
from bots.models import (
    Cycle,
    Decision,
    EngineRun,
    Fill,
    JournalEntry,
    OrderIntent,
    Origin,
    Position,
    Posting,
    Trade,
)
from bots.services.stepping import Records, Said, Walk
from engine import indicators
from engine.domain.enums import Leg, Side
from engine.domain.errors import InvariantBroken
from engine.domain.state import State

Place = tuple[int, int]  # symbol index, side
SIDES: Mapping[int, str] = {int(side): side.name.lower() for side in Side}

_STOP, _TARGET = int(Leg.STOP), int(Leg.TARGET)
_CAUSES: Mapping[int, str] = {int(Leg.MAIN): "signal", _STOP: "stop", _TARGET: "target"}
# Sums of floats on a grid of nine decimals are exact up to nine million; beyond, the last digits are not.
_TOLERANCE = Decimal("0.000001")


class Books:
    """The positions and trades that one cycle touches; written by ``close``."""

    def __init__(self, engine_run: EngineRun, cycle: Cycle) -> None:
        self.run = engine_run
        self.cycle = cycle
        self.symbols: Sequence[str] = engine_run.symbols
        self.open = self._loaded()
        self.changed: dict[Any, Position] = {}
        self.trades: dict[int, Trade] = {}
        self.traded: list[Trade] = []

    def book(self, said: Said, fill: Fill, intent: OrderIntent) -> None:
        """One fill, as the engine has booked it."""
        record = said.fills[0]
        place = int(record["symbol"]), int(record["side"])
        position = self.open.get(place) or self._opened(place, record)
        before, after = said.before.positions[place], said.state.positions[place]
        self._journal(said, fill, position)
        position.fees += fill.fee
        position.quantity = decimal_of(after["qty"])
        if record["is_entry"]:
            position.cost = decimal_of(after["cost"])
            position.entry_price = decimal_of(after["entered_notional"] / after["entered_qty"])
            self._traded(intent, fill, position, None)
        else:
            gained = self._gained(said, position, fill)
            position.realized_pnl += gained
            position.cost = decimal_of(after["cost"])
            self._traded(intent, fill, position, gained)
            if position.quantity == 0:
                self._closed(place, position, intent, fill, before)
        self.changed[position.id] = position

    def value(self, state: State) -> None:
        """Every open position at its symbol's last close, with the prices that protect it."""
        for place, position in self.open.items():
            mark = state.slots["mark"][place[0]]
            quantity, cost = float(position.quantity), float(position.cost)
            gain = quantity * mark - cost if place[1] == int(Side.LONG) else cost - quantity * mark
            position.current_price = decimal_of(mark) if mark else position.entry_price
            position.unrealized_pnl = decimal_of(gain) if mark else Decimal(0)
            position.stop_loss_price = _resting(state, place, _STOP)
            position.take_profit_price = _resting(state, place, _TARGET)
            self.changed[position.id] = position

    def close(self) -> None:
        """Write what changed."""
        fields = [field.name for field in Position._meta.concrete_fields if field.name != "id"]
        if self.changed:
            Position.objects.bulk_create(
                self.changed.values(), update_conflicts=True, unique_fields=["id"], update_fields=fields
            )
        if self.traded:
            names = ["quantity", "price", "timestamp", "profit_loss", "commission", "slippage", "status"]
            unique = {trade.id: trade for trade in self.traded}
            Trade.objects.bulk_create(unique.values(), update_conflicts=True, unique_fields=["id"], update_fields=names)

    def _loaded(self) -> dict[Place, Position]:
        index = {symbol: place for place, symbol in enumerate(self.symbols)}
        sides = {name: number for number, name in SIDES.items()}
        rows = Position.objects.filter(run=self.run, is_open=True)
        return {(index[row.symbol], sides[row.side]): row for row in rows}

    def _opened(self, place: Place, record: Any) -> Position:
        position = Position(
            bot_id=self.run.bot_id,
            run=self.run,
            snapshot_id=str(self.cycle.snapshot_id),
            symbol=self.symbols[place[0]],
            side=SIDES[place[1]],
            quantity=Decimal(0),
            entry_price=Decimal(0),
            cost=Decimal(0),
            current_price=decimal_of(record["price"]),
            opened_at=moment_of(record["open_ms"]),
            fees=Decimal(0),
            realized_pnl=Decimal(0),
            unrealized_pnl=Decimal(0),
        )
        self.open[place] = position
        return position

    def _closed(self, place: Place, position: Position, intent: OrderIntent, fill: Fill, before: Any) -> None:
        position.is_open = False
        position.closed_at = fill.executed_at
        position.close_reason = _cause(intent)
        position.current_price = fill.price
        position.unrealized_pnl = Decimal(0)
        position.stop_loss_price = position.take_profit_price = None
        # A closed position shows what was held, not the nothing that is left.
        position.quantity = decimal_of(before["entered_qty"])
        position.cost = decimal_of(before["entered_notional"])
        del self.open[place]

    def _gained(self, said: Said, position: Position, fill: Fill) -> Decimal:
        """What this exit earned after its fees; over a round trip these add up to the engine's ``pnl``."""
        if len(said.trips):
            return decimal_of(said.trips[0]["pnl"]) - position.realized_pnl
        return decimal_of(said.fills[0]["realised"]) - fill.fee

    def _traded(self, intent: OrderIntent, fill: Fill, position: Position, gained: Decimal | None) -> None:
        trade = self.trades.get(intent.id) or Trade.objects.filter(intent=intent).first()
        if trade is None:
            trade = Trade(
                bot_id=self.run.bot_id,
                run=self.run,
                position=position,
                intent=intent,
                symbol=position.symbol,
                type=intent.action,
                side=position.side,
                quantity=Decimal(0),
                price=Decimal(0),
                indicators_snapshot=_votes(intent),
                commission=Decimal(0),
                slippage=Decimal(0),
                reason=_cause(intent),
            )
        quantity = trade.quantity + fill.qty
        trade.price = decimal_of(float((trade.price * trade.quantity + fill.price * fill.qty) / quantity))
        trade.quantity = quantity
        trade.commission += fill.fee
        trade.timestamp = fill.executed_at
        trade.status = "filled" if fill.cum_qty >= intent.qty else "partially_filled"
        trade.slippage = _slippage(intent, trade.price)
        if gained is not None:
            trade.profit_loss = (trade.profit_loss or Decimal(0)) + gained
        self.trades[intent.id] = trade
        self.traded.append(trade)

    def _journal(self, said: Said, fill: Fill, position: Position) -> None:
        before, after = said.before, said.state
        place = int(said.fills[0]["symbol"]), int(said.fills[0]["side"])
        direction = 1 if place[1] == int(Side.LONG) else -1
        cash = _moved(before.account["cash"][0], after.account["cash"][0])
        fees = _moved(before.account["fees"][0], after.account["fees"][0])
        held = direction * _moved(before.positions["cost"][place], after.positions["cost"][place])
        realised = decimal_of(said.fills[0]["realised"])
        left = cash + fees + held - realised
        if abs(left) > _TOLERANCE:
            raise InvariantBroken(f"Fill {fill.id} moves {left} that comes from nowhere: {position}.")
        entry = JournalEntry(fill=fill, bot_id=self.run.bot_id, run=self.run, kind="fill", at=fill.executed_at)
        entry.save(force_insert=True)
        amounts = {"cash": cash, "position": held, "fees": fees, "realised": -(cash + held + fees)}
        Posting.objects.bulk_create(
            Posting(entry=entry, account=name, symbol=position.symbol, amount=amount)
            for name, amount in amounts.items()
            if amount
        )


def decisions(cycle: Cycle, engine_run: EngineRun, walk: Walk) -> list[Decision]:
    """A row for each of the cycle's decision records, numbered on from the run's last; not yet stored."""
    records = walk.records("decisions")
    return [
        Decision(
            bot_id=engine_run.bot_id,
            run=engine_run,
            cycle=cycle,
            snapshot_id=str(cycle.snapshot_id),
            number=engine_run.decisions + place,
            row=int(one["row"]),
            open_ms=int(one["open_ms"]),
            at=moment_of(one["open_ms"]),
            symbol=engine_run.symbols[one["symbol"]],
            signal=int(one["signal"]),
            target=int(one["target"]),
            strategy=int(one["strategy"]),
            fills=int(one["fills"]),
            orders=int(one["orders"]),
            reason=int(one["reason"]),
            confidence=float(one["confidence"]),
            votes=int(one["votes"]),
            price=decimal_of(one["price"]),
            equity=decimal_of(one["equity"]),
            long_qty=decimal_of(one["long_qty"]),
            short_qty=decimal_of(one["short_qty"]),
        )
        for place, one in enumerate(records, start=1)
    ]


def packed(records: Records) -> bytes:
    """Records as they are, for the cycle's row."""
    return records.tobytes()


def _moved(before: float, after: float) -> Decimal:
    return decimal_of(after) - decimal_of(before)


def _resting(state: State, place: Place, leg: int) -> Decimal | None:
    order = state.legs[place[0], place[1], leg]
    return decimal_of(order["price"]) if order["working"] else None


def _cause(intent: OrderIntent) -> str:
    return "manual close" if intent.origin == Origin.OPERATOR else _CAUSES[intent.leg]


def _votes(intent: OrderIntent) -> dict[str, str]:
    return dict(indicators.unpack_votes(intent.decision.votes)) if intent.decision else {}


def _slippage(intent: OrderIntent, price: Decimal) -> Decimal:
    """How much worse than the close decided on; orders with a price of their own have none."""
    if intent.reference_price is None:
        return Decimal(0)
    worse = price - intent.reference_price
    return worse if intent.action == "buy" else -worse
