"""How the simulated broker fails: calls that were told to go wrong, and a connection that breaks.

Without the engine's exchange, so that a process that only sets leverage need not load it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from django.db import InterfaceError, OperationalError
from django.db.models import Q

from bots.brokers.ports import BrokerUnsure
from bots.models import SimulatedFault
from engine.domain.errors import InputError

ALIAS = "broker"
REFUSE, TIME_OUT, LOSE_ANSWER, FILL_PARTLY, FILL_LATE = "refuse", "time_out", "lose_answer", "fill_partly", "fill_late"

_FAULTS = {
    "submit": (REFUSE, TIME_OUT, LOSE_ANSWER),
    "cancel": (REFUSE, TIME_OUT, LOSE_ANSWER),
    "find": (TIME_OUT,),
    "events": (TIME_OUT,),
    "match": (FILL_PARTLY, FILL_LATE),
    "set_leverage": (REFUSE, TIME_OUT, LOSE_ANSWER),
}


def fail_next(call: str, kind: str, *, account_id: UUID | None = None, times: int = 1) -> None:
    """Tell the broker to fail the next ``times`` calls: of one account, or of any.

    Raises: InputError: no such failure of that call.
    """
    if kind not in _FAULTS.get(call, ()):
        known = "; ".join(f"{each}: {', '.join(kinds)}" for each, kinds in _FAULTS.items())
        raise InputError(f"The simulated broker cannot {kind} on {call}. It can: {known}.")
    with connected():
        SimulatedFault.objects.using(ALIAS).create(call=call, kind=kind, account_id=account_id, remaining=times)


def due(account_id: UUID, call: str) -> str | None:
    """The failure that was ordered for this call, if any: it counts as had."""
    fault = next_due(account_id, call)
    if fault is None:
        return None
    use_up(fault)
    return fault.kind


def next_due(account_id: UUID, call: str) -> SimulatedFault | None:
    """The same, its row locked, and not had yet."""
    faults = SimulatedFault.objects.using(ALIAS).select_for_update().filter(call=call, remaining__gt=0)
    return faults.filter(Q(account=account_id) | Q(account__isnull=True)).order_by("id").first()


def use_up(fault: SimulatedFault) -> None:
    """It was had once more."""
    SimulatedFault.objects.using(ALIAS).filter(id=fault.id).update(remaining=fault.remaining - 1)


def make_sure(fault: str | None) -> None:
    """Raise BrokerUnsure where the failure is that no answer comes."""
    if fault in (TIME_OUT, LOSE_ANSWER):
        raise BrokerUnsure("The simulated broker did not answer.")


@contextmanager
def connected() -> Iterator[None]:
    """A connection that broke leaves the caller unsure, as one to a broker elsewhere would."""
    try:
        yield
    except (OperationalError, InterfaceError) as error:
        raise BrokerUnsure("The connection to the simulated broker broke.") from error
