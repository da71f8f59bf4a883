"""A bot's life: who trades, who rests, and who was taken out because it kept failing.

    stopped, error          --start-->   running
    running, paused, error  --stop-->    stopped
    running                 --pause-->   paused
    paused                  --resume-->  running     start does the same
    running                 --five failed cycles in a row-->  error

Every transition is one transaction with the bot's row locked, and tells browsers in the same one.
None of them touches what the bot holds: positions stay, and so do the orders that protect them. A
cycle that runs meanwhile reads the status again before each order it sends.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models.functions import Now

from bots import payloads, selectors
from bots.errors import BotAlreadyRunning, BotNotPaused, BotNotRunning
from bots.models import Bot, BotStatus, EngineRun
from bots.payloads import EventName
from bots.services import definition, events, leases
from bots.services.leases import Lease
from configuration.services import Actor
from engine.domain.errors import Fault, InputError
from engine.strategies import DECLARED
from marketdata import selectors as marketdata

FAILURES_ALLOWED: Final = 4
"""Cycles that may fail in a row; one more takes the bot out."""
_MESSAGE_LENGTH: Final = 500

logger = structlog.get_logger(__name__)


def start(bot_id: UUID, *, actor: Actor, now: datetime, owner_id: int | None = None) -> Bot:
    """Let a bot trade; a paused one is resumed. It is due at once, and its failures are forgotten.

    What it still holds from before, it manages on. The capital is not compared with anybody's buying
    power: at the simulated broker each run opens an account of its own, with the bot's capital in it.

    ``owner_id``: only a bot of this owner; None for an operator who may touch every bot.
    Raises: BOT_NOT_FOUND, also for a retired one; BOT_ALREADY_RUNNING; VALIDATION_ERROR with every
        fault (``no_dataset`` for a symbol, ``signals_required``); BOT_HOLDS_POSITIONS where it was
        redefined so that it could not manage what it holds.
    """
    with transaction.atomic():
        bot = selectors.bot(bot_id, owner_id=owner_id, lock=True)
        if bot.status == BotStatus.PAUSED:
            return _resumed(bot, actor=actor, now=now)
        if bot.status == BotStatus.RUNNING:
            raise BotAlreadyRunning(f"{bot.name} is running already.")
        _refuse_what_cannot_trade(bot)
        _refuse_orphans(bot)
        bot.error_count, bot.error_code, bot.error_message = 0, "", ""
        _move(bot, BotStatus.RUNNING, actor=actor, at=now)
        leases.wake([bot.id])
    return bot


def stop(bot_id: UUID, *, actor: Actor, now: datetime, owner_id: int | None = None) -> Bot:
    """Let a bot decide nothing more. Its positions stay open, its stops and targets at the broker.

    ``owner_id``: as for ``start``. Raises: BOT_NOT_FOUND; BOT_NOT_RUNNING where it is stopped already.
    """
    with transaction.atomic():
        bot = selectors.bot(bot_id, owner_id=owner_id, lock=True)
        if bot.status == BotStatus.STOPPED:
            raise BotNotRunning(f"{bot.name} is stopped already.")
        return _move(bot, BotStatus.STOPPED, actor=actor, at=now)


def pause(bot_id: UUID, *, actor: Actor, now: datetime, owner_id: int | None = None) -> Bot:
    """Let a running bot rest: it books what happens to its orders, and decides nothing.

    ``owner_id``: as for ``start``. Raises: BOT_NOT_FOUND; BOT_NOT_RUNNING unless it is running.
    """
    with transaction.atomic():
        bot = selectors.bot(bot_id, owner_id=owner_id, lock=True)
        if bot.status != BotStatus.RUNNING:
            raise BotNotRunning(f"{bot.name} is {bot.status}; only a running bot can be paused.")
        return _move(bot, BotStatus.PAUSED, actor=actor, at=now)


def resume(bot_id: UUID, *, actor: Actor, now: datetime, owner_id: int | None = None) -> Bot:
    """Let a paused bot go on; it is due at once.

    ``owner_id``: as for ``start``. Raises: BOT_NOT_FOUND; BOT_NOT_PAUSED unless it is paused.
    """
    with transaction.atomic():
        bot = selectors.bot(bot_id, owner_id=owner_id, lock=True)
        if bot.status != BotStatus.PAUSED:
            raise BotNotPaused(f"{bot.name} is {bot.status}; only a paused bot can be resumed.")
        return _resumed(bot, actor=actor, now=now)


def count_failure(lease: Lease, *, code: str, message: str) -> bool:
    """One more cycle of the bot failed; True where that was one too many and took it out of trading.

    Only a running bot is taken out: another one just books, and goes on trying. Nothing is counted
    where the lease is no longer ours: the cycle is another worker's by now.
    """
    with transaction.atomic():
        bot = leases.locked(lease)
        if bot is None:
            return False
        bot.error_count += 1
        if bot.status == BotStatus.RUNNING and bot.error_count > FAILURES_ALLOWED:
            fail(bot, code=code, message=message)
            return True
        _note(bot, code=code, message=message)
        logger.warning("bot.cycle_failed", bot_id=str(bot.id), error_count=bot.error_count, error_code=code)
        return False


def forget_failures(bot: Bot) -> None:
    """A cycle succeeded: the next failure is the first again. ``bot``: its row, locked by the caller.

    One that was taken out keeps saying why, though it goes on booking what its orders do.
    """
    if bot.status != BotStatus.ERROR and (bot.error_count or bot.error_code):
        bot.error_count = 0
        _note(bot, code="", message="")


def fail(bot: Bot, *, code: str, message: str) -> None:
    """Take a bot out of trading until somebody starts it again. ``bot``: its row, locked by the caller."""
    before = bot.status
    bot.status, bot.is_active, bot.updated_at = BotStatus.ERROR, False, Now()
    _note(bot, code=code, message=message)
    logger.error(
        "bot.failed", bot_id=str(bot.id), was=str(before), error_code=code, error_count=bot.error_count, message=message
    )


def _resumed(bot: Bot, *, actor: Actor, now: datetime) -> Bot:
    _move(bot, BotStatus.RUNNING, actor=actor, at=now)
    leases.wake([bot.id])
    return bot


def _move(bot: Bot, status: BotStatus, *, actor: Actor, at: datetime) -> Bot:
    before = bot.status
    bot.status, bot.is_active = status, status in (BotStatus.RUNNING, BotStatus.PAUSED)
    bot.updated_at = at
    _save(bot)
    _tell(bot, actor=actor.label)
    logger.info("bot.moved", bot_id=str(bot.id), was=str(before), status=str(status), actor=actor.label)
    return bot


def _note(bot: Bot, *, code: str, message: str) -> None:
    bot.error_code, bot.error_message = code, message[:_MESSAGE_LENGTH]
    _save(bot)
    _tell(bot)


def _save(bot: Bot) -> None:
    # Only what a transition decides: the lease, the wake-up and the version of events are others'.
    bot.save(update_fields=["status", "is_active", "error_count", "error_code", "error_message", "updated_at"])


def _tell(bot: Bot, **more: Any) -> None:
    events.emit(bot.id, bot.owner_id, [(EventName.BOT_STATUS_CHANGED, {**payloads.status_payload(bot), **more})])


def _refuse_what_cannot_trade(bot: Bot) -> None:
    faults = [*_signal_faults(bot), *_dataset_faults(bot)]
    if faults:
        raise InputError(f"{bot.name} was not started.", faults=faults)


def _signal_faults(bot: Bot) -> Iterable[Fault]:
    if DECLARED[bot.strategy].needs_signals:
        message = (
            f"{bot.strategy} trades signals that it is given, and a bot gets none: choose a strategy that makes "
            "its own, or run this one as a backtest over imported signals."
        )
        yield Fault("signals_required", "/strategy", message, None, bot.strategy)


def _dataset_faults(bot: Bot) -> Iterable[Fault]:
    found = marketdata.default_datasets(bot.symbols, bot.timeframe)
    for index, symbol in enumerate(bot.symbols):
        if symbol not in found:
            message = f"{symbol} has no bars of {bot.timeframe}: import them first."
            yield Fault("no_dataset", f"/symbols/{index}", message, None, symbol)


def _refuse_orphans(bot: Bot) -> None:
    # A run of another definition is closed by this start, and nobody would manage what it holds.
    run = EngineRun.objects.filter(bot=bot, ended_at__isnull=True).first()
    if run and (run.strategy, run.timeframe, run.symbols) != (bot.strategy, bot.timeframe, list(bot.symbols)):
        definition.refuse_while_holding(bot, before="starting it with another strategy, timeframe or other symbols")
