"""What can be asked wrongly of configuration alone.

InputError
└── WrongState
    └── IdempotencyMismatch    one key, two different requests (409)
"""

from typing import ClassVar

from engine.domain.errors import WrongState


class IdempotencyMismatch(WrongState):
    """The idempotency key was used before, for another request."""

    code: ClassVar[str] = "IDEMPOTENCY_MISMATCH"
    component: ClassVar[str] = "configuration"
