"""What can be broken or asked wrongly. A refusal by risk is none of these: it is a Reason.

    PlatformError               code, message, faults
    ├── InputError              asked wrongly; 4xx; nothing was changed
    │   ├── NotFound            the thing named does not exist (404)
    │   ├── WrongState          the thing exists but cannot do that now (409)
    │   ├── StaleVersion        somebody changed it since it was read (412)
    │   └── NotAllowed          the principal may not do that (403)
    ├── DataError               market data is missing, late or contradictory; wait (503)
    ├── BrokerError             the broker failed; retry or halt (502)
    ├── SetupError              a deployment setting is wrong; refuse to start
    └── InvariantBroken         our own books disagree; halt and alarm (500)

Every class here has a row in docs/errors.md; a test walks the tree.
"""

from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple


class Fault(NamedTuple):
    """One thing wrong with what was asked.

    code: stable, lower_snake. pointer: JSON pointer into the request ("/parameters/leverage").
    message: names the thing, the value and the limit. allowed, got: for machines; None if not apt.
    """

    code: str
    pointer: str
    message: str
    allowed: Any = None
    got: Any = None


class PlatformError(Exception):
    """Root of all our errors: a stable code, one sentence, and every fault found."""

    code: ClassVar[str] = "PLATFORM_ERROR"
    status: ClassVar[int] = 500
    component: ClassVar[str] = "platform"

    def __init__(self, message: str, *, faults: Sequence[Fault] = (), code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.faults = tuple(faults)
        self.specific_code = code or type(self).code

    def __str__(self) -> str:
        if not self.faults:
            return self.message
        return self.message + " " + "; ".join(fault.message for fault in self.faults)


class InputError(PlatformError):
    """Asked wrongly. Lists every fault; nothing was changed."""

    code = "VALIDATION_ERROR"
    status = 422
    component = "input"


class NotFound(InputError):
    """The thing named does not exist, or is not visible to the principal."""

    code = "NOT_FOUND"
    status = 404


class WrongState(InputError):
    """The thing exists but cannot do that in its present state."""

    code = "WRONG_STATE"
    status = 409


class StaleVersion(InputError):
    """Somebody changed a touched value since the caller read it."""

    code = "STALE_VERSION"
    status = 412


class NotAllowed(InputError):
    """The principal may not do that."""

    code = "NOT_ALLOWED"
    status = 403


class DataError(PlatformError):
    """Market data is missing, late or contradictory. Waiting may help."""

    code = "DATA_ERROR"
    status = 503
    component = "marketdata"


class BrokerError(PlatformError):
    """The broker failed or cannot be reached."""

    code = "BROKER_ERROR"
    status = 502
    component = "broker"


class SetupError(PlatformError):
    """A deployment setting is missing or wrong; the process must not start."""

    code = "SETUP_ERROR"
    status = 500
    component = "setup"


class InvariantBroken(PlatformError):
    """Our own books disagree with each other. Halt and alarm."""

    code = "INVARIANT_BROKEN"
    status = 500
    component = "ledger"
