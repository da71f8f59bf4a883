"""Rows of bots as the API shows them. What events tell too comes from ``bots.payloads``, in the same words."""

from collections.abc import Iterable
from typing import Any

from django.core.exceptions import ObjectDoesNotExist

from bots import mappers, statistics
from bots.models import Cycle, Fill, LeverageStatus, OrderFact, OrderIntent, Position, Trade
from bots.payloads import decision_payload, moment, order_payload, plain, position_payload, trade_payload
from bots.selectors import Described, decisions, orders
from bots.selectors.leverage import NOT_OFFERED, Use
from bots.selectors.market import Quote
from bots.selectors.summary import Figures, Summary
from bots.selectors.trades import Group, Statistics
from bots.services.leverage import Synced
from bots.statistics import Tally
from configuration.selectors import Explained
from engine.domain import reasons
from marketdata.selectors import Feed
from marketdata.timeframes import DURATION_MS

Output = dict[str, Any]

REPLAY = (
    "Stored bars are replayed as if they were live: the market is open while a replay publishes bars to running bots. "
    "It opens and closes as people start and stop them, so no time for either is known."
)
NO_BOOK = "A replay has bars and no order book: the price is the newest close, and there is no bid or ask."


def bot_output(described: Described, figures: Figures) -> Output:
    """The form's fields resolved, the bot's state, how it does, and which fields the bot sets itself."""
    bot = described.bot
    return {
        "id": str(bot.id),
        **mappers.form_of(described.definition),
        "status": bot.status,
        "is_active": bot.is_active,
        "error_count": bot.error_count,
        "error_code": bot.error_code,
        "error_message": bot.error_message,
        "created_at": bot.created_at,
        "updated_at": bot.updated_at,
        "last_run_at": bot.last_run_at,
        **figures_output(figures),
        "own_parameters": sorted(mappers.pointer_of(bot.strategy, key) for key in described.own),
    }


def figures_output(figures: Figures) -> Output:
    """How a bot does. ``equity`` and ``run`` are null until it ran."""
    run, tally = figures.run, figures.tally
    shown = None
    if run is not None:
        # Event time, as everywhere else: the close of the last bar that is recorded.
        closed_ms = None if run.recorded_ms is None else run.recorded_ms + DURATION_MS[run.timeframe]
        recorded = None if closed_ms is None else moment(mappers.moment_of(closed_ms))
        shown = {"number": run.number, "epoch": run.epoch, "recorded_at": recorded, "rows": run.rows}
    return {
        "realized_gains": plain(figures.realized_gains),
        "trades_today": figures.trades_today,
        "win_rate": _win_rate(tally),
        "today_pnl": plain(figures.today_pnl),
        "total_pnl": plain(tally.pnl),
        "equity": plain(run.equity) if run is not None else None,
        "run": shown,
    }


def trade_output(trade: Trade) -> Output:
    """One executed order."""
    share = statistics.profit_loss_pct(
        profit_loss=trade.profit_loss, price=trade.price, quantity=trade.quantity, side=trade.side
    )
    return {
        **trade_payload(trade),
        "side": trade.side,
        "position_id": str(trade.position_id),
        "client_order_id": trade.intent.client_order_id,
        "profit_loss_pct": plain(share),
        "commission": plain(trade.commission),
        "slippage": plain(trade.slippage),
        "reason": trade.reason,
        "indicators_snapshot": trade.indicators_snapshot,
    }


def statistics_output(found: Statistics) -> Output:
    """How a set of trades did."""
    total = found.total
    return {
        "total_trades": total.trades,
        "closed_trades": total.closed,
        "winning_trades": total.winning,
        "losing_trades": total.losing,
        "win_rate": _win_rate(total),
        "total_pnl": plain(total.pnl),
        "avg_pnl": plain(statistics.mean(total.pnl, total.closed)),
        "best_trade": plain(total.best),
        "worst_trade": plain(total.worst),
        "avg_win": plain(statistics.mean(total.gains, total.winning)),
        "avg_loss": plain(abs(statistics.mean(total.losses, total.losing))),
        "profit_factor": plain(statistics.profit_factor(gains=total.gains, losses=total.losses)),
        "pnl_by_date": [
            {"date": day.date, "pnl": plain(day.pnl), "cumulative_pnl": plain(day.cumulative_pnl)}
            for day in found.by_date
        ],
        "pnl_by_symbol": [{"symbol": one.key, **_group(one)} for one in found.by_symbol],
        "pnl_by_bot": [{"bot_id": one.key, "bot_name": one.name, **_group(one)} for one in found.by_bot],
    }


def position_output(position: Position) -> Output:
    """What is held of one symbol and side, or was."""
    return {
        **position_payload(position),
        "cost": plain(position.cost),
        "fees": plain(position.fees),
        "close_reason": position.close_reason,
        "snapshot": position.snapshot_id,
    }


def order_output(order: OrderIntent) -> Output:
    """What was asked, what became of it, and the broker's order where there is one."""
    return {
        **order_payload(order),
        "client_order_id": order.client_order_id,
        "origin": order.origin,
        "actor": order.actor,
        "mode": order.mode,
        "is_entry": order.is_entry,
        "decision_id": order.decision_id,
        "parent_id": order.parent_id,
        "sentence": reasons.sentence(order.reason),
        "broker_code": order.broker_code,
        "broker_message": order.broker_message,
        "reference_price": plain(order.reference_price),
        "created_at": moment(order.created_at),
        "broker_order": _broker_order(order),
    }


def order_followed(found: orders.Followed) -> Output:
    """One order with its fills, and what the engine was told of it."""
    return {
        **order_output(found.order),
        "snapshot": found.order.snapshot_id,
        "fills": [fill_output(one) for one in found.fills],
        "facts": [_fact(one) for one in found.facts],
    }


def fill_output(fill: Fill) -> Output:
    """What was got. ``cum_qty``: of its order, with this fill."""
    return {
        "id": fill.id,
        "order_id": str(fill.broker_order_id),
        "symbol": fill.symbol,
        "qty": plain(fill.qty),
        "cum_qty": plain(fill.cum_qty),
        "price": plain(fill.price),
        "fee": plain(fill.fee),
        "executed_at": moment(fill.executed_at),
        "received_at": moment(fill.received_at),
    }


def decision_followed(found: decisions.Followed, *, values: Iterable[Explained] | None) -> Output:
    """One decision with its cycle, what followed, and (``values``) every parameter in force with who set it."""
    decision = found.decision
    answer = {
        **decision_payload(decision),
        "equity": plain(decision.equity),
        "long_qty": plain(decision.long_qty),
        "short_qty": plain(decision.short_qty),
        "cycle": _cycle(decision.cycle),
        "asked": [order_output(one) for one in found.orders],
        "got": [fill_output(one) for one in found.fills],
    }
    return answer if values is None else {**answer, "values": [one._asdict() for one in values]}


def summary_output(summary: Summary) -> Output:
    """All bots together; counts as numbers, money and shares as text."""
    return {name: value if isinstance(value, int) else plain(value) for name, value in summary._asdict().items()}


def market_output(feeds: Iterable[Feed]) -> Output:
    """Whether bars flow, and how far each replay is."""
    clocks = [
        {
            "timeframe": feed.timeframe,
            "is_open": feed.is_open,
            "is_running": feed.is_running,
            "epoch": feed.epoch,
            "event_time": None if feed.due_ms is None else moment(mappers.moment_of(feed.due_ms)),
            "bars_per_second": plain(feed.bars_per_second),
            "advanced_at": moment(feed.advanced_at),
        }
        for feed in feeds
    ]
    return {
        "is_open": any(clock["is_open"] for clock in clocks),
        "next_open": None,
        "next_close": None,
        "time_until_close": None,
        "error": None,
        "note": REPLAY,
        "clocks": clocks,
    }


def quote_output(quote: Quote) -> Output:
    """The newest bar of a symbol as a quote. ``at``: its close in event time."""
    return {
        "symbol": quote.symbol,
        "timeframe": quote.timeframe,
        "at": moment(quote.at),
        "price": plain(quote.price),
        "bid": None,
        "ask": None,
        "change": plain(quote.change),
        "change_percent": plain(quote.change_percent),
        "volume": plain(quote.volume),
        "note": NO_BOOK,
    }


def _win_rate(tally: Tally) -> str | None:
    return plain(statistics.win_rate(winning=tally.winning, closed=tally.closed))


def _group(group: Group) -> Output:
    return {"pnl": plain(group.tally.pnl), "trades": group.tally.trades, "win_rate": _win_rate(group.tally)}


def _broker_order(order: OrderIntent) -> Output | None:
    try:
        found = order.broker_order
    except ObjectDoesNotExist:  # nothing arrived at the broker, or not yet
        return None
    return {
        "order_id": str(found.broker_order_id),
        "status": found.status,
        "qty": plain(found.qty),
        "filled_qty": plain(found.filled_qty),
        "limit_price": plain(found.limit_price),
        "stop_price": plain(found.stop_price),
        "submitted_at": moment(found.submitted_at),
        "updated_at": moment(found.updated_at),
    }


def _fact(fact: OrderFact) -> Output:
    return {
        "kind": fact.kind,
        "at": moment(mappers.moment_of(fact.at_ms)),
        "fill_id": fact.fill_id,
        "reason": reasons.code(fact.reason),
        "cycle_id": fact.cycle_id,
    }


def _cycle(cycle: Cycle) -> Output:
    return {
        "id": cycle.id,
        "number": cycle.number,
        "epoch": cycle.epoch,
        "due_at": moment(cycle.due_at),
        "state": cycle.state,
        "bars": cycle.bars,
        "facts": cycle.facts,
        "bars_sha256": cycle.bars_sha256,
        "state_sha256": cycle.state_sha256,
        "config_version": cycle.config_version,
        "engine_fingerprint": cycle.engine_fingerprint,
        "opened_at": moment(cycle.opened_at),
        "decided_at": moment(cycle.decided_at),
        "finished_at": moment(cycle.finished_at),
    }


def leverage_output(use: Use) -> Output:
    """The leverage of one symbol in one account; what was never asked for is null."""
    status = use.status or LeverageStatus()
    return {
        "account": str(use.account.id),
        "broker": use.account.broker,
        "mode": use.account.mode,
        "bot": str(use.bot.id),
        "bot_name": use.bot.name,
        "symbol": use.symbol,
        "target": use.target,
        "configured": status.configured,
        "actual": status.actual,
        "in_doubt": status.is_in_doubt,
        "synced": status.is_synced,
        "offered": use.is_offered,
        "note": "" if use.is_offered else NOT_OFFERED,
        "last_sync_at": status.last_sync_at,
        "last_sync_success": status.last_sync_success,
        "last_sync_error": status.last_sync_error,
        "forced_at": status.forced_at,
        "forced_by": status.forced_by,
        "forced_reason": status.forced_reason,
        "updated_at": status.updated_at,
    }


def leverage_synced(done: Synced) -> Output:
    """The sums, and what came of each symbol."""
    return {
        "total": done.total,
        "synced": done.synced,
        "failed": done.failed,
        "not_offered": done.not_offered,
        "results": [
            {
                "account": str(use.account.id),
                "symbol": use.symbol,
                "leverage": use.target,
                "outcome": ensured.outcome.value,
                "error": ensured.error,
            }
            for use, ensured in done.results
        ],
    }
