"""The four roles, and which risks of configuration each may take.

A role is a Django group of the same name; of several, the strongest counts. Each role may do all that the ones
below it may. A superuser is an owner, so that a fresh installation has somebody who can give roles.
"""

from collections.abc import Iterable
from enum import IntEnum
from typing import Final

from configuration.actors import RISKS


class Role(IntEnum):
    """From the weakest: comparing roles asks whether one may do all that the other may."""

    NONE = 0
    VIEWER = 1
    OPERATOR = 2
    RISK_ADMIN = 3
    OWNER = 4

    @property
    def word(self) -> str:
        """The name of its group, and how people read it."""
        return self.name.lower()


ROLES: Final = (Role.VIEWER, Role.OPERATOR, Role.RISK_ADMIN, Role.OWNER)
GROUPS: Final = tuple(role.word for role in ROLES)

MAY: Final[dict[Role, str]] = {
    Role.NONE: "Nothing, until an owner gives a role.",
    Role.VIEWER: "Read everything that is theirs, preview changes, make tokens for themselves.",
    Role.OPERATOR: "Also define, start, stop and close; change parameters of low risk; backtests and data.",
    Role.RISK_ADMIN: "Also change parameters of guarded and critical risk, and force leverage.",
    Role.OWNER: "Also users, groups, scope patterns and everybody's tokens.",
}

_RISKS: Final[dict[Role, frozenset[str]]] = {
    Role.NONE: frozenset(),
    Role.VIEWER: frozenset(),
    Role.OPERATOR: frozenset({"low"}),
    Role.RISK_ADMIN: frozenset(RISKS),
    Role.OWNER: frozenset(RISKS),
}


def strongest(groups: Iterable[str]) -> Role:
    """The strongest role among names of groups; other groups give none."""
    return max((Role(GROUPS.index(name) + 1) for name in groups if name in GROUPS), default=Role.NONE)


def risks_of(role: Role) -> frozenset[str]:
    """The risk classes of parameters that a role may change."""
    return _RISKS[role]
