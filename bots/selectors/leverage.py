"""The leverage of the symbols that accounts trade: wanted now, asked for last, and in force at the broker."""

from typing import Any, Final, NamedTuple
from uuid import UUID

from bots import brokers
from bots.errors import LeverageNotFound
from bots.models import Bot, BrokerAccount, EngineRun, LeverageStatus
from configuration import selectors as configuration
from configuration.selectors import Scope
from engine.domain.errors import Fault, InputError

NOT_OFFERED: Final = "not offered by this broker"


class Use(NamedTuple):
    """A symbol that a bot's account trades. ``target``: its leverage as configured now, whatever the side.

    ``status``: None until leverage was set for the first time.
    """

    bot: Bot
    account: BrokerAccount
    symbol: str
    target: int
    status: LeverageStatus | None

    @property
    def is_offered(self) -> bool:
        """Whether leverage can be set here at all."""
        desk = brokers.leverage_desk_of(self.account)
        return desk is not None and desk.offers_leverage(self.symbol)


def in_use(*, owner_id: int | None = None) -> list[Use]:
    """Every symbol of every open run, by bot and symbol; ``owner_id`` None: everybody's.

    Three queries, however many there are.
    """
    runs = EngineRun.objects.filter(ended_at__isnull=True, bot__retired_at__isnull=True)
    if owner_id is not None:
        runs = runs.filter(bot__owner_id=owner_id)
    traded = [
        (run.bot, run.account, symbol)
        for run in runs.select_related("bot", "account").defer("state").order_by("bot__name", "id")
        for symbol in sorted(run.symbols)
    ]
    kept = LeverageStatus.objects.filter(account__in={account.id for _, account, _ in traded})
    statuses: dict[tuple[UUID, str], LeverageStatus] = {(one.account_id, one.symbol): one for one in kept}
    targets = configuration.resolve_many([(_scope(bot, symbol), ("trading",)) for bot, _, symbol in traded])
    return [
        Use(bot, account, symbol, _target(found), statuses.get((account.id, symbol)))
        for (bot, account, symbol), found in zip(traded, targets, strict=True)
    ]


def one_in_use(symbol: str, *, account_id: UUID | None = None, owner_id: int | None = None) -> Use:
    """The one place where a symbol is traded: in that account, or (None) in the only one that trades it.

    Raises: LEVERAGE_NOT_FOUND; VALIDATION_ERROR (account_needed) where several accounts trade it.
    """
    found = [use for use in in_use(owner_id=owner_id) if use.symbol == symbol]
    if account_id is not None:
        found = [use for use in found if use.account.id == account_id]
    if not found:
        where = "open account" if account_id is None else f"open account {account_id}"
        raise LeverageNotFound(f"No {where} of yours trades {symbol}.")
    if len(found) > 1:
        allowed = [str(use.account.id) for use in found]
        message = f"{len(found)} accounts trade {symbol}; say which one."
        raise InputError(message, faults=[Fault("account_needed", "/account", message, allowed)])
    return found[0]


def status(account: BrokerAccount, symbol: str) -> LeverageStatus | None:
    """What is known of one symbol's leverage in one account; None: it was never set."""
    return LeverageStatus.objects.filter(account=account, symbol=symbol).first()


def _scope(bot: Bot, symbol: str) -> Scope:
    return Scope("bot", bot=str(bot.id), symbol=symbol)


def _target(found: dict[str, Any]) -> int:
    return int(found["trading.leverage"].value)
