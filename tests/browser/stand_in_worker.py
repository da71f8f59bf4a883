"""Does what the workers do, without a queue: looks for waiting runs and studies, and computes them.

Started as a process of its own, like a worker, so that the web process stays as light as it is in service.
"""

import time

import django
from django.utils import timezone

django.setup()

from backtests import selectors as backtests  # noqa: E402  Django must be set up first
from backtests import services as backtest_services  # noqa: E402
from marketdata import selectors as marketdata  # noqa: E402
from marketdata import services as marketdata_services  # noqa: E402

EVERY_SECONDS = 0.1


def work() -> None:
    for run in backtests.backtests(status="queued"):
        backtest_services.run_chunked(backtest_id=run.id, worker="browser tests")
    for study in marketdata.study_rows().filter(status="queued"):
        marketdata_services.compute_study(study.id, now=timezone.now())


while True:
    work()
    time.sleep(EVERY_SECONDS)
