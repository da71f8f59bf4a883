"""Leverage at the simulated broker: set at once and kept, or refused as it was told to."""

from uuid import UUID

from django.db import transaction

from bots.brokers import simulated_faults
from bots.brokers.ports import LeverageAnswer, LeverageCode
from bots.brokers.simulated_faults import ALIAS, REFUSE, TIME_OUT, connected
from bots.models import SimulatedAccount, SimulatedLeverage
from engine.domain.errors import BrokerError

HIGHEST = 125
UNSET = 1
"""The leverage of a symbol for which none was ever set."""


class SimulatedLeverageDesk:
    """One account at the simulated broker; see ``ports.LeverageDesk`` for what each call promises."""

    def __init__(self, account_id: UUID) -> None:
        self._account_id = account_id

    def offers_leverage(self, symbol: str) -> bool:
        """For every symbol, so that it can be tested and shown."""
        return True

    def set_leverage(self, symbol: str, leverage: int) -> LeverageAnswer:
        """Set it, in one transaction of its own that commits at once.

        Raises: BrokerUnsure; BrokerError (``UNKNOWN_ACCOUNT``).
        """
        with connected(), transaction.atomic(using=ALIAS):
            account = self._locked_account()
            fault = simulated_faults.due(self._account_id, "set_leverage")
            answer = (
                LeverageAnswer(LeverageCode.REFUSED, "The simulated broker was told to refuse.")
                if fault in (REFUSE, TIME_OUT)
                else _set(account, symbol, leverage)
            )
        simulated_faults.make_sure(fault)
        return answer

    def _locked_account(self) -> SimulatedAccount:
        accounts = SimulatedAccount.objects.using(ALIAS).select_for_update().defer("state")
        account = accounts.filter(id=self._account_id).first()
        if account is None:
            raise BrokerError(f"The simulated broker has no account {self._account_id}.", code="UNKNOWN_ACCOUNT")
        return account


def _set(account: SimulatedAccount, symbol: str, leverage: int) -> LeverageAnswer:
    if symbol not in account.symbols:
        return LeverageAnswer(LeverageCode.REFUSED, f"{symbol} is not traded in this account.")
    if not 1 <= leverage <= HIGHEST:
        return LeverageAnswer(LeverageCode.INVALID, f"The leverage is {leverage}, allowed 1 to {HIGHEST}.")
    held = SimulatedLeverage.objects.using(ALIAS).filter(account=account, symbol=symbol).first()
    if leverage == (held.leverage if held else UNSET):
        return LeverageAnswer(LeverageCode.ALREADY_SET, f"The leverage is {leverage} already.")
    SimulatedLeverage.objects.using(ALIAS).update_or_create(
        account=account, symbol=symbol, defaults={"leverage": leverage}
    )
    return LeverageAnswer(LeverageCode.SET)
