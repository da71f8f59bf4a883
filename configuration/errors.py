"""What can be asked wrongly of configuration alone.

InputError
├── WrongState
│   └── IdempotencyMismatch    one key, two different requests (409)
└── StaleVersion
    └── StalePlan              what was previewed is not what would be done now (412)
"""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from engine.domain.errors import InputError, StaleVersion, WrongState


class IdempotencyMismatch(WrongState):
    """The idempotency key was used before, for another request."""

    code: ClassVar[str] = "IDEMPOTENCY_MISMATCH"
    component: ClassVar[str] = "configuration"


class StalePlan(StaleVersion):
    """The change would now do something else than what was previewed under the plan's hash."""

    code: ClassVar[str] = "STALE_PLAN"
    component: ClassVar[str] = "configuration"


def gated[E: InputError](error: E, gates: Iterable[Mapping[str, Any]]) -> E:
    """The error, carrying what stands in the way and what clears it: the API answers it as ``gates``."""
    vars(error)["gates"] = [dict(gate) for gate in gates]
    return error
