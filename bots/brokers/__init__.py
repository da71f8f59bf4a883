"""Brokers: what each must answer (``ports``), and who answers for an account."""

from bots.brokers.ports import Broker
from bots.models import BrokerAccount
from engine.domain.errors import BrokerError


def broker_of(account: BrokerAccount) -> Broker:
    """The broker that keeps this account.

    Raises: BrokerError (``UNKNOWN_BROKER``): no adapter has that name.
    """
    if account.broker == "simulated":
        # Late: it brings the engine's exchange along, which web processes have no use for.
        from bots.brokers.simulated import Simulated  # noqa: PLC0415

        return Simulated(account.id)
    raise BrokerError(f"There is no broker called {account.broker}.", code="UNKNOWN_BROKER")
