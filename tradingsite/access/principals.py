"""``configuration.ports.Principals``: who a request comes from, and what they may change."""

from typing import Any

from configuration.actors import NOTHING, Actor
from tradingsite.access import selectors
from tradingsite.access.selectors import Token


class Principals:
    """Users in a session and tokens of users. A token may never do more than its owner."""

    def actor_of(self, user: Any, auth: Any) -> Actor:
        """The actor as the ledger names it. ``auth``: the request's token, None in a session."""
        grant = selectors.standing(user).grant
        if not isinstance(auth, Token):
            return Actor("user", str(user.pk), user.get_username(), grant)
        label = f"{user.get_username()} by token {auth.name}"[:200]
        return Actor("token", auth.id, label, grant if "configure" in auth.scopes else NOTHING)
