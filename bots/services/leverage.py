"""Leverage at the broker: try to set it, remember what came of it, and let the trade go on.

A leverage that could not be set stops nobody: the trade goes on with the one in force. The row is locked while
the broker is asked, so that the record ends with what was asked last. It is marked as in doubt before, in a
transaction of its own: a process that dies in between leaves a row that is not trusted.
"""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

import structlog
from django.db import transaction

from bots import brokers
from bots.brokers.ports import BrokerUnsure, LeverageAnswer, LeverageCode
from bots.errors import LeverageNotOffered, LeverageRefused
from bots.models import BrokerAccount, LeverageStatus
from bots.selectors import leverage as selected
from bots.selectors.leverage import NOT_OFFERED, Use
from configuration import values
from configuration.catalogue import CATALOGUE, TRADING
from configuration.services import Actor, symbol_scope
from engine.domain.errors import BrokerError, Fault, InputError, NotAllowed

logger = structlog.get_logger(__name__)


class Outcome(StrEnum):
    """Whether the leverage wanted is in force. Whatever it is, a trade goes on."""

    IN_FORCE = "in_force"
    MISMATCH = "mismatch"
    NOT_OFFERED = "not_offered"


class Ensured(NamedTuple):
    """``error``: why it is not in force, in words; '' where it is."""

    outcome: Outcome
    error: str = ""


class Synced(NamedTuple):
    """What came of every symbol. ``total`` = synced + failed + not_offered."""

    total: int
    synced: int
    failed: int
    not_offered: int
    results: tuple[tuple[Use, Ensured], ...]


class _Asked(NamedTuple):
    """What the broker said; ``is_unsure``: nobody knows whether it did what was asked."""

    answer: LeverageAnswer
    is_unsure: bool = False


def ensure_leverage(*, account: BrokerAccount, symbol: str, target: int, now: datetime) -> Ensured:
    """Have ``target`` in force for the symbol, asking the broker only where that is not known already.

    Never raises for anything a broker does: a refusal is recorded, logged and told as MISMATCH, with
    ``actual`` as it was. Where the broker has no leverage for the symbol nothing is recorded.
    """
    known = selected.status(account, symbol)
    if known is not None and known.is_known_to_be(target):
        if known.configured != target:
            _note(known, configured=target, last_sync_at=now, last_sync_success=True, last_sync_error="", at=now)
        return Ensured(Outcome.IN_FORCE)
    if not _may_be_asked(account, symbol):
        return Ensured(Outcome.NOT_OFFERED, NOT_OFFERED)
    was_in_doubt = _marked(account, symbol, target, now).was_in_doubt
    with transaction.atomic():
        status, _ = _locked(account, symbol, target, now)
        asked = _asked(account, symbol, target)
        answer = asked.answer
        _note(
            status,
            configured=target,
            actual=target if answer.is_in_force else status.actual,
            is_in_doubt=not answer.is_in_force and (asked.is_unsure or was_in_doubt),
            last_sync_at=now,
            last_sync_success=answer.is_in_force,
            last_sync_error="" if answer.is_in_force else _said(answer),
            at=now,
        )
    if answer.is_in_force:
        return Ensured(Outcome.IN_FORCE)
    _warn(account, symbol, target, answer, actual=status.actual)
    return Ensured(Outcome.MISMATCH, _said(answer))


def force_leverage(
    *, account: BrokerAccount, symbol: str, leverage: Any, actor: Actor, reason: str, now: datetime
) -> LeverageStatus:
    """Set it because an operator says so; the record as it is then.

    What fails leaves the record as it was, but for the doubt after an answer that never came.
    Raises: VALIDATION_ERROR with every fault; NOT_ALLOWED; LEVERAGE_NOT_OFFERED; LEVERAGE_REFUSED; BROKER_UNSURE.
    """
    faults = force_faults(leverage, reason)
    if faults:
        raise InputError("The leverage was not set.", faults=faults)
    wanted = int(leverage)
    _refuse_ungranted(actor, symbol)
    if not _may_be_asked(account, symbol):
        raise LeverageNotOffered(f"Leverage of {symbol}: {NOT_OFFERED}.")
    mark = _marked(account, symbol, wanted, now)
    with transaction.atomic():
        status, _ = _locked(account, symbol, wanted, now)
        answer, is_unsure = _asked(account, symbol, wanted)
        if answer.is_in_force:
            _note(
                status,
                configured=wanted,
                actual=wanted,
                is_in_doubt=False,
                last_sync_at=now,
                last_sync_success=True,
                last_sync_error="",
                forced_at=now,
                forced_by=actor.label[:200],
                forced_reason=reason.strip(),
                at=now,
            )
        elif mark.is_new:
            status.delete()
        else:
            LeverageStatus.objects.filter(id=status.id).update(is_in_doubt=is_unsure or mark.was_in_doubt)
    if not answer.is_in_force:
        _warn(account, symbol, wanted, answer, actual=status.actual)
        raise (BrokerUnsure if is_unsure else LeverageRefused)(f"Leverage {wanted} for {symbol}: {_said(answer)}")
    logger.info("leverage.forced", account_id=str(account.id), symbol=symbol, leverage=wanted, actor=actor.label)
    return status


def force_faults(leverage: Any, reason: str) -> tuple[Fault, ...]:
    """What keeps a leverage from being forced, before any broker is asked: its kind and range, and a missing reason."""
    faults = values.judge(CATALOGUE.get(TRADING, "leverage"), leverage, pointer="/leverage").faults
    if reason.strip():
        return faults
    return (
        *faults,
        Fault("reason_required", "/reason", "Forcing leverage needs a reason; it is kept.", "text", reason),
    )


def sync_all(uses: Sequence[Use], *, now: datetime) -> Synced:
    """Have the configured leverage in force everywhere, one symbol after the other; none stops the others."""
    results = tuple(
        (use, ensure_leverage(account=use.account, symbol=use.symbol, target=use.target, now=now)) for use in uses
    )
    outcomes = [ensured.outcome for _, ensured in results]
    return Synced(
        total=len(outcomes),
        synced=outcomes.count(Outcome.IN_FORCE),
        failed=outcomes.count(Outcome.MISMATCH),
        not_offered=outcomes.count(Outcome.NOT_OFFERED),
        results=results,
    )


def may_set(actor: Actor) -> bool:
    """True for whoever may change the parameter leverage: only they may have brokers asked for it."""
    return CATALOGUE.get(TRADING, "leverage").risk in actor.grant.risks


class _Mark(NamedTuple):
    """What the row was before it was marked."""

    is_new: bool
    was_in_doubt: bool


def _refuse_ungranted(actor: Actor, symbol: str) -> None:
    """Forcing is a change of the symbol's leverage by another way: it takes the same right."""
    faults = []
    if not may_set(actor):
        faults.append(Fault("risk_not_granted", "/leverage", "You may not change parameters of leverage's risk."))
    if not actor.grant.covers(symbol_scope(symbol)):
        faults.append(Fault("scope_not_granted", "/symbol", f"You may not change configuration at {symbol}."))
    if faults:
        raise NotAllowed("The leverage was not set.", faults=faults)


def _marked(account: BrokerAccount, symbol: str, target: int, now: datetime) -> _Mark:
    """Write down that the broker is about to be asked."""
    with transaction.atomic():
        status, is_new = _locked(account, symbol, target, now)
        was_in_doubt = status.is_in_doubt
        LeverageStatus.objects.filter(id=status.id).update(is_in_doubt=True)
    return _Mark(is_new, was_in_doubt)


def _locked(account: BrokerAccount, symbol: str, target: int, now: datetime) -> tuple[LeverageStatus, bool]:
    rows = LeverageStatus.objects.select_for_update()
    return rows.get_or_create(account=account, symbol=symbol, defaults={"configured": target, "updated_at": now})


def _note(status: LeverageStatus, *, at: datetime, **columns: Any) -> None:
    for name, value in columns.items():
        setattr(status, name, value)
    status.updated_at = at
    status.save(update_fields=[*columns, "updated_at"])


def _may_be_asked(account: BrokerAccount, symbol: str) -> bool:
    """False where the broker says that the symbol has no leverage. One that nobody answers for has to be recorded."""
    desk = brokers.leverage_desk_of(account)
    return desk is None or desk.offers_leverage(symbol)


def _asked(account: BrokerAccount, symbol: str, target: int) -> _Asked:
    desk = brokers.leverage_desk_of(account)
    if desk is None:
        return _Asked(LeverageAnswer(LeverageCode.REFUSED, f"No adapter answers for the broker {account.broker}."))
    try:
        return _Asked(desk.set_leverage(symbol, target))
    except BrokerUnsure as unsure:
        return _Asked(LeverageAnswer(LeverageCode.REFUSED, unsure.message), is_unsure=True)
    except BrokerError as broken:
        return _Asked(LeverageAnswer(LeverageCode.REFUSED, broken.message))


def _said(answer: LeverageAnswer) -> str:
    """The broker's words with their code, as long as the record can keep them."""
    return f"{answer.code}: {answer.message}"[:500]


def _warn(account: BrokerAccount, symbol: str, target: int, answer: LeverageAnswer, *, actual: int | None) -> None:
    logger.warning(
        "leverage.refused",
        account_id=str(account.id),
        symbol=symbol,
        configured=target,
        actual=actual,
        code=answer.code.value,
        because=answer.message,
    )
