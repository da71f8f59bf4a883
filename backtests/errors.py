"""What can go wrong with a backtest, beside what is wrong with a field of its request."""

from engine.domain.errors import NotFound, PlatformError, WrongState


class BacktestNotFound(NotFound):
    """There is no such backtest, or it belongs to somebody else."""

    code = "BACKTEST_NOT_FOUND"
    component = "backtests"


class DecisionNotFound(NotFound):
    """Nothing was decided, refused, ordered or filled on that row of the run."""

    code = "DECISION_NOT_FOUND"
    component = "backtests"


class BacktestNotCompleted(WrongState):
    """The run has no result (yet): it waits, runs, failed or was cancelled."""

    code = "BACKTEST_NOT_COMPLETED"
    component = "backtests"


class BacktestFinished(WrongState):
    """The run has ended; there is nothing left to cancel."""

    code = "BACKTEST_FINISHED"
    component = "backtests"


class RunBroke(PlatformError):
    """The run broke in a way nobody foresaw; the log has the traceback."""

    code = "BACKTEST_BROKE"
    component = "backtests"


class WorkerLost(PlatformError):
    """Every worker that took the run died before it stored another chunk."""

    code = "BACKTEST_WORKER_LOST"
    component = "backtests"
