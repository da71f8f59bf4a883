"""What a principal lacks.

InputError
└── NotAllowed
    └── NotGranted    the role or the token does not open this address (403); gates say what would
"""

from collections.abc import Sequence
from typing import Any, ClassVar

from engine.domain.errors import NotAllowed

Gate = dict[str, Any]


class NotGranted(NotAllowed):
    """The role or the token's scopes do not open this address; ``gates`` lists everything that is missing."""

    code: ClassVar[str] = "NOT_GRANTED"
    component: ClassVar[str] = "access"

    def __init__(self, message: str, *, gates: Sequence[Gate]) -> None:
        super().__init__(message)
        self.gates = tuple(gates)
