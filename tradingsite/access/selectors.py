"""What is known of principals: a user's role and patterns, tokens."""

from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.contrib.auth.models import Group

from configuration.actors import NOTHING, Grant
from engine.domain.errors import NotFound
from tradingsite.access.models import ApiToken, ApiTokenQuerySet
from tradingsite.access.roles import Role, risks_of, strongest

_KEPT: Final = "_standing"


class Standing(NamedTuple):
    """A user's role, and the patterns of scopes their groups are held to."""

    role: Role
    patterns: tuple[str, ...]

    @property
    def grant(self) -> Grant:
        """What may be changed; whose groups name no pattern may change everywhere."""
        risks = risks_of(self.role)
        return Grant(risks, self.patterns or ("*",)) if risks else NOTHING


NO_STANDING: Final = Standing(Role.NONE, ())
_SUPERUSER: Final = Standing(Role.OWNER, ("*",))


class Token(NamedTuple):
    """A token as a request carries it, after its value has been checked. DRF's ``request.auth``."""

    id: str
    name: str
    hint: str
    scopes: frozenset[str]
    expires_at: datetime


def standing(user: Any) -> Standing:
    """Role and patterns of a user; one query, asked once for each instance, none for superusers and strangers."""
    if not getattr(user, "is_authenticated", False) or not user.is_active:
        return NO_STANDING
    if getattr(user, "is_superuser", False):
        return _SUPERUSER
    found: Standing | None = getattr(user, _KEPT, None)
    if found is None:
        found = _standing(user.pk)
        setattr(user, _KEPT, found)
    return found


def role_of(user: Any) -> Role:
    """The strongest role of a user's groups."""
    return standing(user).role


def token_row(digest: str) -> ApiToken | None:
    """The token with that digest, its owner along with it; also one that holds no more."""
    return ApiToken.objects.select_related("owner").filter(digest=digest).first()


def reason_refused(row: ApiToken | None, *, now: datetime) -> str:
    """Why a token opens nothing: token_unknown, token_revoked, token_expired, owner_inactive; '' while it holds."""
    if row is None:
        return "token_unknown"
    if row.revoked_at is not None:
        return "token_revoked"
    if now >= row.expires_at:
        return "token_expired"
    return "" if row.owner.is_active else "owner_inactive"


def carried(row: ApiToken) -> Token:
    """The token as a request carries it."""
    return Token(str(row.pk), row.name, row.hint, frozenset(row.scopes), row.expires_at)


def whose_tokens(user: Any) -> int | None:
    """The ``owner_id`` of the tokens a user may see and end: its own, or (None) everybody's for an owner."""
    return None if role_of(user) >= Role.OWNER else int(user.pk or 0)


def tokens(*, owner_id: int | None) -> ApiTokenQuerySet:
    """Somebody's tokens, or (None) everybody's, newest first; also those that hold no more."""
    found = ApiToken.objects.select_related("owner")
    return (found if owner_id is None else found.of(owner_id)).newest_first()


def token(token_id: UUID, *, owner_id: int | None) -> ApiToken:
    """One token. Raises NotFound (TOKEN_NOT_FOUND), also for another one's."""
    found = tokens(owner_id=owner_id).filter(pk=token_id).first()
    if found is None:
        raise NotFound(f"There is no token {token_id}.", code="TOKEN_NOT_FOUND")
    return found


def _standing(user_id: int) -> Standing:
    rows = list(Group.objects.filter(user=user_id).values_list("name", "scope_patterns__pattern"))
    return Standing(
        strongest(name for name, _ in rows), tuple(sorted({pattern for _, pattern in rows if pattern is not None}))
    )
