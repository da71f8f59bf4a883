"""Runs: a bot's books over one epoch of its feed, from all capital in cash to the end of the series."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import uuid4

import numpy as np
from django.db import transaction
from django.db.models import Max
from django.db.models.functions import Now
from numpy.typing import NDArray

from bots import payloads, selectors
from bots.brokers import simulated
from bots.models import (
    Bot,
    BrokerAccount,
    EngineRun,
    IntentState,
    JournalEntry,
    OrderIntent,
    Position,
    Posting,
)
from bots.services import events, stepping
from configuration import mappers as configuration_mappers
from configuration import selectors as configuration
from configuration import services as configuration_services
from configuration.mappers import VenueSettings
from configuration.selectors import BotScope, Frozen
from engine import run
from engine.domain.enums import Reason
from engine.domain.errors import DataError
from engine.domain.state import State
from engine.domain.values import Bars, Instrument, Series
from engine.run import Plan, StrategySetup
from marketdata import selectors as marketdata
from marketdata.selectors import Feed

WARM_UP_BARS = 500
"""Bars that a changed indicator is warmed with again, for each symbol."""


class Setting(NamedTuple):
    """What a cycle decides under: a snapshot, its version, and the plan made of it."""

    frozen: Frozen
    version: int
    plan: Plan


def opened(bot: Bot, feed: Feed) -> EngineRun:
    """A new run of the bot over the feed's epoch, with all its capital in cash at an account of its own.

    Bars that have been published already are history to it: it starts after them.
    Raises: DataError where a symbol has no bars.
    """
    datasets = _datasets(bot)
    known = marketdata.instruments(bot.symbols)
    instruments = [known[symbol] for symbol in bot.symbols]
    frozen = configuration.snapshot_for(selectors.scope_of(bot))
    plan = plan_of(frozen, instruments)
    state = run.start(plan).state
    capital = Decimal(repr(float(plan.params.limits["capital"][0])))
    account_id = uuid4()
    simulated.open_account(account_id, symbols=bot.symbols, instruments=instruments, capital=capital)
    with transaction.atomic():
        configuration_services.keep(frozen)
        number = (EngineRun.objects.filter(bot=bot).aggregate(last=Max("number"))["last"] or 0) + 1
        account = BrokerAccount.objects.create(id=account_id, broker="simulated", mode="paper")
        opened_run = EngineRun.objects.create(
            bot=bot,
            number=number,
            epoch=feed.epoch,
            account=account,
            strategy=bot.strategy,
            timeframe=bot.timeframe,
            symbols=list(bot.symbols),
            datasets=datasets,
            instruments=[one._asdict() for one in instruments],
            snapshot_id=frozen.hash,
            engine_fingerprint=run.fingerprint(),
            after_ms=feed.now_ms,
            recorded_ms=feed.now_ms,
            state=stepping.to_bytes(state, plan),
            capital=capital,
            cash=capital,
            equity=capital,
            day_open_equity=capital,
        )
        _open_journal(opened_run, capital)
    return opened_run


def ended(engine_run: EngineRun, *, reason: str, at: datetime) -> None:
    """Close a run's books. What it still holds leaves the lists; no money moves for it. at: event time."""
    with transaction.atomic():
        bot = Bot.objects.select_for_update(no_key=True).get(id=engine_run.bot_id)
        EngineRun.objects.filter(id=engine_run.id, ended_at__isnull=True).update(ended_at=Now(), end_reason=reason)
        told = [*_ended_orders(engine_run), *_ended_positions(engine_run, reason=reason, at=at)]
        events.emit(bot.id, bot.owner_id, told)


def _ended_orders(engine_run: EngineRun) -> list[tuple[str, payloads.Payload]]:
    alive = [IntentState.HELD, IntentState.WORKING, IntentState.PENDING]
    left = list(OrderIntent.objects.filter(run=engine_run, state__in=alive).select_related("broker_order"))
    for order in left:
        never_left_us = order.state == IntentState.PENDING
        order.state = IntentState.UNSENT if never_left_us else IntentState.CANCELED
        order.reason = Reason.REPLAY_ENDED
    OrderIntent.objects.bulk_update(left, ["state", "reason"])
    return [(payloads.EventName.ORDER_UPDATED, payloads.order_payload(order)) for order in left]


def _ended_positions(engine_run: EngineRun, *, reason: str, at: datetime) -> list[tuple[str, payloads.Payload]]:
    held = list(Position.objects.filter(run=engine_run, is_open=True))
    for position in held:
        position.is_open, position.closed_at, position.close_reason = False, at, reason
    Position.objects.bulk_update(held, ["is_open", "closed_at", "close_reason"])
    return [(payloads.EventName.POSITION_UPDATED, payloads.position_payload(position)) for position in held]


def setting_of(bot: Bot, engine_run: EngineRun) -> Setting:
    """What is in force for the bot right now."""
    frozen, version = configuration.versioned_snapshot_for(scope_of(bot, engine_run))
    return Setting(frozen, version, plan_of(frozen, instruments_of(engine_run)))


def scope_of(bot: Bot, engine_run: EngineRun) -> BotScope:
    """What a snapshot of the run is made for: the bot as it was when the run began, should it be redefined since."""
    return selectors.scope_of(bot)._replace(
        strategy=engine_run.strategy,
        symbols=tuple(engine_run.symbols),
        definition={"name": bot.name, "timeframe": engine_run.timeframe},
    )


def instruments_of(engine_run: EngineRun) -> list[Instrument]:
    """The instruments as they were when the run started."""
    return [Instrument(**fields) for fields in engine_run.instruments]


_plans: dict[tuple[str, str], Plan] = {}
_MOST_PLANS = 256


def plan_of(frozen: Frozen, instruments: Sequence[Instrument]) -> Plan:
    """The engine's plan under a snapshot; the same object while neither changes."""
    key = (frozen.hash, repr(instruments))
    found = _plans.get(key)
    if found is None:
        if len(_plans) >= _MOST_PLANS:
            _plans.clear()
        found = _plans[key] = _plan(frozen.content, instruments)
    return found


def _plan(content: Mapping[str, Any], instruments: Sequence[Instrument]) -> Plan:
    bot = content["bot"]
    params = configuration_mappers.engine_params(content, instruments=instruments, venue=VenueSettings())
    setup = StrategySetup(bot["strategy"], configuration_mappers.strategy_values(content))
    return run.setup(symbols=tuple(bot["symbols"]), params=params, strategies=[setup])


def state_under(engine_run: EngineRun, setting: Setting) -> State:
    """The run's state, made fit for the setting."""
    state = stepping.from_bytes(bytes(engine_run.state))
    return adapted(
        state,
        engine_run=engine_run,
        snapshot_hash=engine_run.snapshot_id,
        setting=setting,
        last_open_ms=engine_run.last_open_ms,
    )


def adapted(
    state: State, *, engine_run: EngineRun, snapshot_hash: str, setting: Setting, last_open_ms: int | None
) -> State:
    """A state that was made under ``snapshot_hash``, fit to go on under the setting.

    Where the strategy's own parameters changed, its indicators are warmed again from the last bars
    that were stepped (``last_open_ms`` the newest of them); the books stay as they are.
    """
    if setting.frozen.hash == snapshot_hash:
        return state
    before = configuration_mappers.strategy_values(configuration.snapshot(snapshot_hash))
    if before == configuration_mappers.strategy_values(setting.frozen.content):
        return state
    state = state._replace(scratch=run.start(setting.plan).state.scratch)
    past = _last_bars(engine_run, last_open_ms)
    if len(past.open_ms):
        run.strategy_signals(setting.plan, state, past)
    return state


def bars_between(engine_run: EngineRun, *, after_ms: int | None, to_ms: int | None) -> Bars:
    """The run's bars with ``after_ms < open_ms <= to_ms``, merged as the engine steps them."""
    start = None if after_ms is None else after_ms + 1
    end = 0 if to_ms is None else to_ms + 1
    series = marketdata.several_closed_bars([one["id"] for one in engine_run.datasets], start_ms=start, end_ms=end)
    days = [
        marketdata.trading_days(found.open_ms, one["calendar"], timeframe=engine_run.timeframe)
        for one, found in zip(engine_run.datasets, series, strict=True)
    ]
    return run.merge(series, days)


def tradable(engine_run: EngineRun, setting: Setting, bars: Bars) -> NDArray[np.bool_]:
    """Which rows close inside the bot's trading window; every one where bars are a day or longer."""
    return marketdata.inside_window(
        bars.open_ms, configuration_mappers.trading_window(setting.frozen.content), timeframe=engine_run.timeframe
    )


def frequency_of(bot: Bot) -> timedelta:
    """How long after a cycle the bot looks again by itself."""
    frozen = configuration.snapshot_for(selectors.scope_of(bot))
    return timedelta(seconds=frozen.content["nodes"][""]["bot.trading_frequency"]["value"])


def _last_bars(engine_run: EngineRun, last_open_ms: int | None) -> Bars:
    if last_open_ms is None:
        return bars_between(engine_run, after_ms=None, to_ms=None)
    series, days = [], []
    for one in engine_run.datasets:
        # Only what this run has stepped: a backtest that starts with it knows no more.
        start = None if engine_run.after_ms is None else engine_run.after_ms + 1
        found = marketdata.closed_bars(one["id"], start_ms=start, end_ms=last_open_ms + 1)
        tail = Series._make(column[-WARM_UP_BARS:] for column in found)
        series.append(tail)
        days.append(marketdata.trading_days(tail.open_ms, one["calendar"], timeframe=engine_run.timeframe))
    return run.merge(series, days)


def _datasets(bot: Bot) -> list[dict[str, str]]:
    usual = marketdata.default_datasets(bot.symbols, bot.timeframe)
    missing = [symbol for symbol in bot.symbols if symbol not in usual]
    if missing:
        raise DataError(
            f"There are no {bot.timeframe} bars of {', '.join(missing)}: import some, or stop the bot.",
            code="NO_BARS",
        )
    return [
        {"symbol": symbol, "id": str(usual[symbol].id), "calendar": usual[symbol].calendar} for symbol in bot.symbols
    ]


def _open_journal(engine_run: EngineRun, capital: Decimal) -> None:
    entry = JournalEntry.objects.create(
        bot_id=engine_run.bot_id, run=engine_run, kind="opening", at=engine_run.started_at
    )
    Posting.objects.bulk_create(
        [
            Posting(entry=entry, account="cash", amount=capital),
            Posting(entry=entry, account="capital", amount=-capital),
        ]
    )
