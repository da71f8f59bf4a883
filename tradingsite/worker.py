"""A Celery worker of one queue: ``python -m tradingsite.worker bots`` or ``... backtests``.

Everything that differs between the two stands in one table here, so that the Procfile, the
containers and a second machine start exactly the same worker.
"""

import os
import sys
import warnings
from typing import Any, NamedTuple

from tradingsite import deployment


class Kind(NamedTuple):
    """``visibility_seconds`` must exceed the longest task: a task that takes longer runs twice.

    ``gives_back``: SIGTERM means "give running tasks back", not "finish them".
    """

    pool: str
    concurrency: int
    visibility_seconds: int
    gives_back: bool
    options: tuple[str, ...] = ()


KINDS = {
    # Waiting for brokers, not computing; their HTTP time limits bound a task, threads have none.
    # Cycles are short, and end before the supervisor loses patience; a thread cannot be interrupted anyway.
    "bots": Kind("threads", 8, 120, gives_back=False),
    "backtests": Kind("prefork", 2, 4 * 3600, gives_back=True, options=("--max-tasks-per-child=50",)),
}


def main(arguments: list[str]) -> None:
    if not arguments or arguments[0] not in KINDS:
        sys.exit(f"Name the queue to serve, one of: {', '.join(KINDS)}")
    queue, *more = arguments
    if KINDS[queue].gives_back:
        os.environ.setdefault("REMAP_SIGTERM", "SIGQUIT")  # read by Celery while it is imported
    os.environ.setdefault("PLATFORM_PROCESS", f"worker-{queue}")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", deployment.load_or_exit().settings_module)
    serve(queue, more)


def serve(queue: str, more: list[str]) -> None:
    """Run until told to stop. ``more``: further options of ``celery worker``, which win."""
    import django  # noqa: PLC0415  the settings module is known only now

    django.setup()
    from celery import signals  # noqa: PLC0415

    from configuration import listening  # noqa: PLC0415
    from tradingsite.celery import app  # noqa: PLC0415
    from tradingsite.health import heartbeats  # noqa: PLC0415

    kind = KINDS[queue]
    app.conf.broker_transport_options = {**app.conf.broker_transport_options, **_own_ledger(queue, kind)}

    if queue == "bots":
        from tradingsite import bots_worker  # noqa: PLC0415  only these workers need the engine at their start

        bots_worker.prepare(app)

    @signals.heartbeat_sent.connect(weak=False)  # type: ignore[untyped-decorator]  # Celery has no types
    def tell(**_: Any) -> None:
        heartbeats.try_beat(f"worker-{queue}")

    if kind.pool == "prefork":  # each child reads configuration by itself
        signals.worker_process_init.connect(lambda **_: listening.start(f"worker-{queue}"), weak=False)
    else:
        listening.start(f"worker-{queue}")

    # Its reason is pickle, which this queue does not accept.
    warnings.filterwarnings("ignore", message="You're running the worker with superuser privileges")
    app.worker_main(
        [
            "--quiet",  # without the banner
            "worker",
            f"--queues={queue}",
            f"--pool={kind.pool}",
            f"--concurrency={kind.concurrency}",
            f"--hostname={queue}-{os.getpid()}@%h",
            f"--loglevel={os.environ.get('TRADINGSITE_LOG_LEVEL', 'INFO')}",
            # Workers learn nothing from each other, and asking costs a second at every start.
            "--without-gossip",
            "--without-mingle",
            *kind.options,
            *more,
        ]
    )


def _own_ledger(queue: str, kind: Kind) -> dict[str, Any]:
    # Each queue keeps its own list of unacknowledged tasks. In a shared one, the worker with the
    # shorter limit would give a long backtest to a second process while the first still computes.
    names = {f"unacked{part}_key": f"unacked{part}-{queue}" for part in ("", "_index", "_mutex")}
    return {"visibility_timeout": kind.visibility_seconds, **names}


if __name__ == "__main__":
    main(sys.argv[1:])
