"""May this principal pass? One judgement for API, pages, templates and sockets."""

from typing import Any, Final

from tradingsite.access import matrix, selectors
from tradingsite.access.errors import Gate, NotGranted
from tradingsite.access.roles import Role
from tradingsite.access.selectors import Token

SOCKET: Final = "api-live"  # a socket tells what this address answers


def may(user: Any, route: str, method: str = "GET") -> bool:
    """True where a signed-in user would pass; for buttons and links."""
    return not gates(user, None, route, method)


def refuse(user: Any, auth: Any, route: str, method: str) -> None:
    """Raises NotGranted with everything that is missing."""
    missing = gates(user, auth, route, method)
    if missing:
        raise NotGranted(" ".join(gate["how"] for gate in missing), gates=missing)


def gates(user: Any, auth: Any, route: str, method: str) -> list[Gate]:
    """Everything that keeps a principal from a route, each with what would open it; empty: nothing does."""
    need = matrix.need_of(route, method)
    if need is None:
        how = "This address is open to no role with this method."
        return [{"code": "route_closed", "needs": None, "how": how}]
    found: list[Gate] = []
    has = selectors.role_of(user)
    if has < need.role:
        found.append(_role_gate(need.role, has))
    if route.startswith("admin:") and need.role and not getattr(user, "is_staff", False):
        how = "The admin is for staff: ask an owner to mark this account as staff."
        found.append({"code": "staff_missing", "needs": "staff", "how": how})
    if isinstance(auth, Token) and need.scope not in auth.scopes:
        found.append(_scope_gate(need.scope, auth))
    return found


def _role_gate(needs: Role, has: Role) -> Gate:
    instead = f"has the role {has.word}" if has else "has no role"
    how = f"This needs the role {needs.word}; the account {instead}. Ask an owner to add it to the group {needs.word}."
    return {"code": "role_missing", "needs": needs.word, "has": has.word if has else None, "how": how}


def _scope_gate(needs: str, auth: Token) -> Gate:
    scopes = sorted(auth.scopes)
    how = (
        f"The token has the scopes {', '.join(scopes)}; this needs {needs}. Make a token with it: POST /api/v1/tokens."
    )
    return {"code": "token_scope_missing", "needs": needs, "has": scopes, "how": how}
