"""Define, redefine and retire a bot: its row and its parameters in one transaction.

    define   -> a new, stopped bot
    redefine -> the definition replaced; a parameter left out is inherited again
    retire   -> out of service for good; its history stays

All faults are told at once: the shape of the form, the bot's own words, and what the catalogue says
of the parameters, each for itself and together (the trading window, the voters).
"""

import uuid
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import transaction

from bots import mappers, selectors
from bots.errors import BotHoldsPositions, BotRunning
from bots.mappers import Definition, Key
from bots.models import Bot, BotStatus, IntentState, OrderIntent, Position
from configuration import services as configuration
from configuration.catalogue import CATALOGUE
from configuration.services import Actor, ClearValue, Operation, SetValue, bot_scope
from engine.domain.errors import Fault, InputError
from marketdata import selectors as marketdata

MAX_NAME = 100
MAX_SYMBOLS = 200
_ALIVE = (BotStatus.RUNNING, BotStatus.PAUSED)
# An adopted order was given up by us and turned up at the broker after all.
_MAY_FILL = (
    IntentState.PENDING,
    IntentState.SUBMITTING,
    IntentState.UNKNOWN,
    IntentState.WORKING,
    IntentState.ADOPTED,
)


def define(*, owner_id: int, form: Mapping[str, Any], actor: Actor, source: str, reason: str, now: datetime) -> Bot:
    """Create a stopped bot from a form (``bots.mappers`` describes its fields).

    Raises: VALIDATION_ERROR with every fault, pointers into the form.
    """
    bot_id = uuid.uuid4()
    definition = _checked(form, reason=reason, operations_for=bot_id, replaced=())
    with transaction.atomic():
        bot = Bot(id=bot_id, owner_id=owner_id, created_at=now)
        _write(bot, definition, now=now)
        operations = _operations(bot.id, definition, ())
        configuration.change(actor=actor, source=source, reason=reason, operations=operations, now=now)
    return bot


def check(*, form: Mapping[str, Any], reason: str, bot_id: uuid.UUID | None = None) -> None:
    """Raise what ``define``, or ``redefine`` of ``bot_id``, would raise now. Writes nothing."""
    if bot_id is None:
        _checked(form, reason=reason, operations_for=uuid.uuid4(), replaced=())
        return
    bot = selectors.bot(bot_id)
    definition = _checked(form, reason=reason, operations_for=bot_id, replaced=selectors.own_parameters(bot))
    _refuse_another_bot(bot, definition)


def redefine(
    *,
    bot_id: uuid.UUID,
    form: Mapping[str, Any],
    actor: Actor,
    source: str,
    reason: str,
    now: datetime,
    owner_id: int | None = None,
    base_version: int | None = None,
) -> Bot:
    """Replace a bot's definition; what the form leaves out is inherited again.

    Parameters may change while the bot trades; its symbols, strategy and timeframe may not.
    ``owner_id``: only a bot of this owner; None for an operator who may touch every bot.
    ``base_version``: the configuration the caller had read; a parameter changed since is not overwritten.
    Raises: BOT_NOT_FOUND, BOT_RUNNING, STALE_VERSION, VALIDATION_ERROR with every fault.
    """
    with transaction.atomic():
        bot = selectors.bot(bot_id, owner_id=owner_id, lock=True)
        replaced = selectors.own_parameters(bot)
        definition = _checked(form, reason=reason, operations_for=bot.id, replaced=replaced)
        _refuse_another_bot(bot, definition)
        _write(bot, definition, now=now)
        operations = _operations(bot.id, definition, replaced)
        configuration.change(
            actor=actor, source=source, reason=reason, operations=operations, now=now, base_version=base_version
        )
    return bot


def retire(*, bot_id: uuid.UUID, now: datetime, owner_id: int | None = None) -> Bot:
    """Take a bot out of service. Its configuration, results and history stay.

    ``owner_id``: as for ``redefine``.

    Raises: BOT_NOT_FOUND, BOT_RUNNING while it is running or paused, BOT_HOLDS_POSITIONS.
    """
    with transaction.atomic():
        bot = selectors.bot(bot_id, owner_id=owner_id, lock=True)
        if bot.status in _ALIVE:
            raise BotRunning(f"{bot.name} is {bot.status}; stop it before deleting it.")
        refuse_while_holding(bot, before="deleting it")
        bot.retired_at = bot.updated_at = now
        bot.save(update_fields=["retired_at", "updated_at"])
    return bot


def refuse_while_holding(bot: Bot, *, before: str) -> None:
    """Raise BOT_HOLDS_POSITIONS where it holds something or an order of it may still fill.

    ``bot``: its row, locked by the caller. ``before``: what was asked, for the message.
    """
    held = Position.objects.filter(bot=bot, is_open=True).values_list("symbol", flat=True)
    asked = OrderIntent.objects.filter(bot=bot, state__in=_MAY_FILL).values_list("symbol", flat=True)
    if symbols := sorted({*held, *asked}):
        raise BotHoldsPositions(
            f"{bot.name} holds, or has orders working in, {', '.join(symbols)}; close them before {before}."
        )


def _checked(form: Mapping[str, Any], *, reason: str, operations_for: uuid.UUID, replaced: Iterable[Key]) -> Definition:
    definition, faults = mappers.definition_of(form)
    operations = _operations(operations_for, definition, replaced)
    found = [
        *faults,
        *_word_faults(form, definition),
        *_catalogue_faults(definition, operations),
        *_reason_faults(reason),
    ]
    if found:
        raise InputError("The bot was not saved.", faults=found)
    return definition


def _word_faults(form: Mapping[str, Any], definition: Definition) -> list[Fault]:
    return [
        *(Fault("required", f"/{name}", f"{name} is missing.") for name in _required(definition) if name not in form),
        *_name_faults(form, definition.name),
        *_choice_faults("strategy", definition.strategy, mappers.known_strategies()),
        *_choice_faults("timeframe", definition.timeframe, mappers.known_timeframes()),
        *_symbol_faults(form, definition.symbols),
    ]


def _required(definition: Definition) -> tuple[str, ...]:
    by_all = ("name", "symbols", "capital")
    return (*by_all, "indicators") if mappers.known_indicators(definition.strategy) else by_all


def _name_faults(form: Mapping[str, Any], name: str) -> Iterable[Fault]:
    if not name and isinstance(form.get("name"), str):
        yield Fault("blank", "/name", "name must not be blank.")
    if len(name) > MAX_NAME:
        yield Fault("too_long", "/name", f"name has {len(name)} characters, allowed {MAX_NAME}.", MAX_NAME, len(name))


def _choice_faults(field: str, value: str, choices: Sequence[str]) -> Iterable[Fault]:
    if value not in choices:
        message = f"{field} is {value!r}, allowed {', '.join(choices)}."
        yield Fault(f"unknown_{field}", f"/{field}", message, list(choices), value)


def _symbol_faults(form: Mapping[str, Any], symbols: tuple[str, ...]) -> Iterable[Fault]:
    if not symbols and form.get("symbols") in ([], ()):
        yield Fault("no_symbol", "/symbols", "A bot needs at least one symbol.", 1, 0)
    if len(symbols) > MAX_SYMBOLS:
        message = f"symbols has {len(symbols)} entries, allowed {MAX_SYMBOLS}."
        yield Fault("too_many", "/symbols", message, MAX_SYMBOLS, len(symbols))
        return
    known = frozenset(marketdata.known_symbols())
    counts = Counter(symbols)
    for index, symbol in enumerate(symbols):
        if symbol not in known:
            message = f"{symbol or 'a blank symbol'} is not known: import its bars or define its instrument first."
            yield Fault("unknown_symbol", f"/symbols/{index}", message, None, symbol)
        elif symbols.index(symbol) != index:
            message = f"{symbol} stands {counts[symbol]} times; once is enough."
            yield Fault("duplicate_symbol", f"/symbols/{index}", message, None, symbol)


def _reason_faults(reason: str) -> Iterable[Fault]:
    # Capital is among the values, and money is never moved without a word.
    if not reason.strip():
        yield Fault("reason_required", "/reason", "Say why: a bot's money and limits are decided here.")


def _catalogue_faults(definition: Definition, operations: Sequence[Operation]) -> list[Fault]:
    try:
        configuration.validate(operations)
    except InputError as refused:
        return [mappers.in_form(fault, definition) for fault in refused.faults]
    return []


def _operations(bot_id: uuid.UUID, definition: Definition, replaced: Iterable[Key]) -> list[Operation]:
    scope = bot_scope(str(bot_id))
    kept = {key: value for key, value in definition.parameters.items() if not _is_inherited(key, value)}
    return [
        *(ClearValue(scope, namespace, name) for namespace, name in replaced if (namespace, name) not in kept),
        *(
            SetValue(scope, *key, value, pointer=mappers.pointer_of(definition.strategy, key))
            for key, value in kept.items()
        ),
    ]


def _is_inherited(key: Key, value: Any) -> bool:
    return value is None and not CATALOGUE.get(*key).nullable


def _refuse_another_bot(bot: Bot, definition: Definition) -> None:
    fixed = ("strategy", "timeframe", "symbols")
    changed = [name for name in fixed if _comparable(getattr(bot, name)) != _comparable(getattr(definition, name))]
    if bot.status in _ALIVE and changed:
        raise BotRunning(f"{bot.name} is {bot.status}; stop it before changing its {' and '.join(changed)}.")


def _comparable(value: Any) -> Any:
    return value if isinstance(value, str) else tuple(value)


def _write(bot: Bot, definition: Definition, *, now: datetime) -> None:
    bot.name = definition.name
    bot.strategy = definition.strategy
    bot.timeframe = definition.timeframe
    bot.symbols = list(definition.symbols)
    bot.updated_at = now
    bot.full_clean(exclude=["owner"])
    bot.save()
