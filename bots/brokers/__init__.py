"""Brokers: what each must answer (``ports``), and who answers for an account."""

from collections.abc import Callable
from uuid import UUID

from bots.brokers.ports import Broker, LeverageDesk
from bots.brokers.simulated_leverage import SimulatedLeverageDesk
from bots.models import BrokerAccount
from engine.domain.errors import BrokerError

LEVERAGE_DESKS: dict[str, Callable[[UUID], LeverageDesk]] = {"simulated": SimulatedLeverageDesk}
"""By the broker's name. Light to make: the process that shows an operator the leverage makes them too."""


def leverage_desk_of(account: BrokerAccount) -> LeverageDesk | None:
    """Where the account sets leverage; None: no adapter answers for its broker."""
    made = LEVERAGE_DESKS.get(account.broker)
    return None if made is None else made(account.id)


def broker_of(account: BrokerAccount) -> Broker:
    """The broker that keeps this account.

    Raises: BrokerError (``UNKNOWN_BROKER``): no adapter has that name.
    """
    if account.broker == "simulated":
        # Late: it brings the engine's exchange along, which web processes have no use for.
        from bots.brokers.simulated import Simulated  # noqa: PLC0415

        return Simulated(account.id)
    raise BrokerError(f"There is no broker called {account.broker}.", code="UNKNOWN_BROKER")
