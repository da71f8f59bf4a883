"""Benchmarks, each one command. What those of a running platform share."""

import time
from collections.abc import Mapping, Sequence

import numpy as np

_COMMITS = 200


def bare_commits() -> list[float]:
    """Seconds of a statement that commits one small row, over and over: what everything else is compared with."""
    from django.db import connection

    taken = []
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE bench_commit (n integer)")
        for number in range(_COMMITS):
            began = time.perf_counter()
            cursor.execute("INSERT INTO bench_commit VALUES (%s)", [number])
            taken.append(time.perf_counter() - began)
        cursor.execute("DROP TABLE bench_commit")
    return taken


def told(seconds: Sequence[float]) -> str:
    """Median and 99th percentile, in words."""
    p50, p99 = np.percentile(seconds, [50, 99])
    return f"{p50 * 1e3:.1f} ms (p99 {p99 * 1e3:.1f} ms)"


def shares(before: Mapping[str, float], after: Mapping[str, float], elapsed: float) -> str:
    """Processor seconds before and after as shares of one core, in words; less than half a percent is left out."""
    found = {name: (after[name] - before.get(name, 0.0)) / elapsed for name in after}
    return ", ".join(f"{name} {share:.0%}" for name, share in found.items() if share >= 0.005)
