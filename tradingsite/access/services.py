"""Making, using and retiring tokens. A token's value exists in the answer that made it, and nowhere else."""

import hashlib
import secrets
from collections.abc import Collection, Iterator
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.db import transaction

from engine.domain.errors import Fault, InputError
from tradingsite.access import selectors
from tradingsite.access.models import LONGEST_DAYS, SCOPES, ApiToken

# So that a scanner for secrets finds one that was published by mistake.
PREFIX: Final = "ts_"
_RANDOM_BYTES: Final = 32
_LONGEST_NAME: Final = 60
_HINT: Final = 4
_NOTED_EVERY: Final = timedelta(minutes=1)


class Made(NamedTuple):
    """A new token, and its value: to be shown once."""

    row: ApiToken
    value: str


def digest_of(value: str) -> str:
    """What is stored of a token's value."""
    return hashlib.sha256(value.encode()).hexdigest()


def make_token(
    *,
    owner: Any,
    name: Any,
    scopes: Any,
    days: Any,
    now: datetime,
    within: Collection[str] = SCOPES,
) -> Made:
    """A token for ``owner``. ``within``: the scopes the maker holds; a token makes none wider than itself.

    Raises: InputError with every fault (required, too_long, empty, not_a_choice, scope_not_held, out_of_range).
    """
    faults = [*_name_faults(name), *_scopes_faults(scopes, within), *_days_faults(days)]
    if faults:
        raise InputError("The token was not made.", faults=faults)
    value = PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)
    row = ApiToken(
        owner=owner,
        name=name.strip(),
        scopes=[scope for scope in SCOPES if scope in scopes],
        hint=value[-_HINT:],
        digest=digest_of(value),
        created_at=now,
        expires_at=now + timedelta(days=days),
    )
    row.full_clean()
    row.save()
    return Made(row, value)


@transaction.atomic
def revoke(token_id: UUID, *, owner_id: int | None, now: datetime) -> ApiToken:
    """End a token for ever; the first end of several is kept. ``owner_id`` None: whoever owns it.

    Raises: NotFound (TOKEN_NOT_FOUND).
    """
    row = selectors.token(token_id, owner_id=owner_id)
    if row.revoked_at is None:
        row.revoked_at = now
        row.save(update_fields=["revoked_at"])
    return row


def note_use(row: ApiToken, *, now: datetime) -> None:
    """Remember when a token was last used, at most once a minute: reading must not write at every request."""
    if row.last_used_at is None or now - row.last_used_at >= _NOTED_EVERY:
        ApiToken.objects.filter(pk=row.pk).update(last_used_at=now)


def _name_faults(name: Any) -> Iterator[Fault]:
    if not isinstance(name, str) or not name.strip():
        yield Fault("required", "/name", "name is missing: who or what will use the token?", None, name)
    elif len(name.strip()) > _LONGEST_NAME:
        message = f"name has {len(name.strip())} characters, allowed {_LONGEST_NAME}."
        yield Fault("too_long", "/name", message, _LONGEST_NAME, name)


def _scopes_faults(scopes: Any, within: Collection[str]) -> Iterator[Fault]:
    allowed = list(SCOPES)
    if not isinstance(scopes, (list, tuple)) or not scopes:
        yield Fault("empty", "/scopes", f"scopes names none of {', '.join(allowed)}.", allowed, scopes)
        return
    for index, scope in enumerate(scopes):
        if scope not in allowed:
            message = f"There is no scope {str(scope)[:40]!r}, allowed {', '.join(allowed)}."
            yield Fault("not_a_choice", f"/scopes/{index}", message, allowed, scope)
        elif scope not in within:
            message = f"The token that asks has not the scope {scope}, so it cannot give it."
            yield Fault("scope_not_held", f"/scopes/{index}", message, sorted(within), scope)


def _days_faults(days: Any) -> Iterator[Fault]:
    if isinstance(days, bool) or not isinstance(days, int) or not 1 <= days <= LONGEST_DAYS:
        message = f"days is {str(days)[:40]!r}, allowed 1 to {LONGEST_DAYS}."
        yield Fault("out_of_range", "/days", message, [1, LONGEST_DAYS], days)
