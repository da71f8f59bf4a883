"""The task queue: one app, two queues, a schedule in code.

``bots`` is served by threads (they wait for brokers), ``backtests`` by processes (they compute).
Correctness rests on PostgreSQL; a task may run twice and must not mind.
"""

from celery import Celery
from django.conf import settings
from django_structlog.celery.steps import DjangoStructLogInitStep

QUEUES = ("bots", "backtests")
HEARTBEAT_SECONDS = 10

app = Celery("tradingsite")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.steps["worker"].add(DjangoStructLogInitStep)

# A canary per queue: only a worker that consumes can answer it, so /health does not believe a
# process merely for being there. It expires before the next one, so an idle queue cannot fill up.
app.conf.beat_schedule = {
    f"canary-{queue}": {
        "task": "tradingsite.canary",
        "schedule": HEARTBEAT_SECONDS,
        "kwargs": {"queue": queue},
        "options": {"queue": queue, "expires": HEARTBEAT_SECONDS},
    }
    for queue in QUEUES
    if queue != "bots" or settings.STARTUP_MODE == "live"  # nobody serves that queue in backtest mode
}
