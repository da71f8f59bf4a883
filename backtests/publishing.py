"""Hints to the workers. The truth is the row; a hint that is lost is repeated by the beat."""

from uuid import UUID

from celery import current_app

TASK = "backtests.run"


def announce(backtest_id: UUID) -> None:
    """Tell a worker that a backtest waits."""
    current_app.send_task(TASK, kwargs={"backtest_id": str(backtest_id)}, queue="backtests")
