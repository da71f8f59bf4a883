"""What may be done to backtests: ask for one, run it chunk by chunk, cancel it, find the lost ones."""

from backtests.services.leases import requeue_lost
from backtests.services.queueing import cancel, queue
from backtests.services.running import run_chunked

__all__ = ["cancel", "queue", "requeue_lost", "run_chunked"]
