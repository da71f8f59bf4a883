"""Does what the workers do, without a queue: looks for waiting runs and studies, and calls their tasks.

Started as a process of its own, like a worker, so that the web process stays as light as it is in service.
"""

import time

import django

django.setup()

from backtests import selectors as backtests  # noqa: E402  Django must be set up first
from backtests import tasks as backtest_tasks  # noqa: E402
from marketdata import selectors as marketdata  # noqa: E402
from marketdata import tasks as marketdata_tasks  # noqa: E402

EVERY_SECONDS = 0.1


def work() -> None:
    for run in backtests.backtests(status="queued"):
        backtest_tasks.run_backtest(backtest_id=str(run.id))
    for study in marketdata.study_rows().filter(status="queued"):
        marketdata_tasks.compute_study(study_id=str(study.id))


while True:
    work()
    time.sleep(EVERY_SECONDS)
