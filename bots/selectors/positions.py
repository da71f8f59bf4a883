"""What bots hold, and what they held."""

from uuid import UUID

from django.db.models import QuerySet

from bots.errors import PositionNotFound
from bots.models import Position

SORTS = ("symbol", "unrealized_pnl", "entry_price", "current_price", "opened_at")
STATES = ("open", "closed", "all")


def matching(
    *, owner_id: int | None = None, bot_id: UUID | None = None, symbol: str | None = None, state: str = "open"
) -> QuerySet[Position]:
    """Positions in no order; ``state`` is one of STATES. ``owner_id`` None: everybody's."""
    found = Position.objects.all()
    if owner_id is not None:
        found = found.filter(bot__owner_id=owner_id)
    if bot_id is not None:
        found = found.filter(bot_id=bot_id)
    if symbol is not None:
        found = found.filter(symbol=symbol)
    return found if state == "all" else found.filter(is_open=state == "open")


def one(position_id: UUID, *, owner_id: int | None = None) -> Position:
    """One position, open or not. Raises: POSITION_NOT_FOUND, also for another owner's."""
    found = matching(owner_id=owner_id, state="all").filter(id=position_id).first()
    if found is None:
        raise PositionNotFound(f"There is no position {position_id}.")
    return found
