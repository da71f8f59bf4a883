"""Processes that write and read configuration at once, while their listeners' lines are cut.

    python -m tests.configuration_store.play --processes 8 --changes 1000

Every reader writes down (start, version seen, end), every writer (version, answered), all by the one
monotonic clock of this machine. The verdict: no read that started after a write's answer saw an older
version, and no process saw time run backwards. Pushes are timed from the writer's answer to the moment
another process has the image in memory without having asked for it.
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]


class Record(NamedTuple):
    """What one process wrote down. ``pushed``: (version, when it was in memory)."""

    reads: list[tuple[float, int, float]]
    writes: list[tuple[int, float]]
    pushed: list[tuple[int, float]]
    cuts: int


class Verdict(NamedTuple):
    """``stale``: reads of a version older than one answered before they started."""

    reads: int
    writes: int
    cuts: int
    stale: list[str]
    push_ms: list[float]

    def __str__(self) -> str:
        lines = [f"{self.writes} changes, {self.reads} reads, {self.cuts} lines cut: {len(self.stale)} stale reads"]
        lines += self.stale[:10]
        if len(self.push_ms) > 1:
            cuts = statistics.quantiles(self.push_ms, n=100)
            lines.append(f"push over {len(self.push_ms)}: p50 {cuts[49]:.1f} ms, p99 {cuts[98]:.1f} ms")
        return "\n".join(lines)


def judge(records: list[Record]) -> Verdict:
    """Compare every read with every write that was answered before the read started."""
    answered = sorted((at, version) for record in records for version, at in record.writes)
    newest = []
    highest = 0
    for at, version in answered:
        highest = max(highest, version)
        newest.append((at, highest))
    stale = []
    for number, record in enumerate(records):
        owed, place, seen_before = 0, 0, 0
        for start, seen, end in sorted(record.reads):
            while place < len(newest) and newest[place][0] < start:
                owed = newest[place][1]
                place += 1
            if seen < owed:
                stale.append(f"process {number} read version {seen} from {start:.6f} to {end:.6f}, {owed} was answered")
            if seen < seen_before:
                stale.append(f"process {number} read version {seen} at {start:.6f} after {seen_before}")
            seen_before = seen
    return Verdict(
        reads=sum(len(record.reads) for record in records),
        writes=len(answered),
        cuts=sum(record.cuts for record in records),
        stale=stale,
        push_ms=_pushes(records),
    )


def _pushes(records: list[Record]) -> list[float]:
    """From a write's answer to each other process's memory; 0 where it was there even before."""
    answers = {version: (at, number) for number, record in enumerate(records) for version, at in record.writes}
    return [
        max(at - answers[version][0], 0.0) * 1000
        for number, record in enumerate(records)
        for version, at in record.pushed
        if version in answers and answers[version][1] != number
    ]


def play(
    *, processes: int, changes: int, seed: int, is_listening: bool = True, environment: dict[str, str] | None = None
) -> Verdict:
    """Let that many processes play, each with its share of the changes, and judge what they wrote down."""
    command = [sys.executable, "-m", "tests.configuration_store.play", "--take-part"]
    begin = time.monotonic() + 4.0 + processes * 0.8
    parts = [
        subprocess.Popen(
            [
                *command,
                *("--seed", str(seed * 1000 + number)),
                *("--changes", str(changes // processes + (number < changes % processes))),
                *("--begin", str(begin)),
            ],
            cwd=ROOT,
            env={**os.environ, **(environment or {}), "CONFIG_LISTEN": "on" if is_listening else "off"},
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(processes)
    ]
    records = []
    for part in parts:
        said, _ = part.communicate(timeout=600)
        if part.returncode:
            raise RuntimeError(f"A process ended with {part.returncode}.")
        found = json.loads(said.splitlines()[-1])
        records.append(
            Record(
                [tuple(one) for one in found["reads"]],
                [tuple(one) for one in found["writes"]],
                [tuple(one) for one in found["pushed"]],
                found["cuts"],
            )
        )
    return judge(records)


def take_part(*, seed: int, changes: int, begin: float) -> Record:
    """One process: listen, and by turns change something, read, look at memory, or cut lines."""
    import django

    django.setup()
    from configuration import listening, store

    dice = random.Random(seed)
    listener = listening.start(f"player-{seed}"[:32])
    store.read()
    while time.monotonic() < begin:
        time.sleep(0.01)
    record = Record([], [], [], 0)
    cuts = 0
    for _ in range(changes):
        record.writes.append(_changed(dice))
        for _ in range(dice.randrange(4)):
            _read(record)
        if dice.random() < 0.02:
            cuts += _cut_somebody(dice)
        _watch(record, until=time.monotonic() + dice.uniform(0.0, 0.1))
    for _ in range(20):
        _read(record)
    listening.stop()
    listener.stopped.set()
    return record._replace(cuts=cuts)


def _read(record: Record) -> None:
    from configuration import store

    start = time.monotonic()
    version = store.read().image.version
    record.reads.append((start, version, time.monotonic()))


def _changed(dice: random.Random) -> tuple[int, float]:
    from configuration.services import GLOBAL, Actor, SetValue, change, side_scope, symbol_scope

    symbol = f"S{dice.randrange(20)}"
    scope = dice.choice([GLOBAL, symbol_scope(symbol), side_scope(symbol, dice.choice(["LONG", "SHORT"]))])
    values = [
        SetValue(scope, "trading", "max_retries", dice.randrange(10)),
        SetValue(scope, "trading", "leverage", dice.randrange(1, 100)),
    ]
    applied = change(
        actor=Actor("system", "play", "play"),
        source="cli",
        reason="played",
        operations=values,
        now=datetime.now(UTC),
    )
    return applied.version, time.monotonic()


def _watch(record: Record, *, until: float) -> None:
    """Ask nothing; write down when a version appears in memory, put there by the listener."""
    from configuration import store

    known = store.read().image.version
    while time.monotonic() < until:
        image = store.state().image
        if image is not None and image.version > known:
            known = image.version
            record.pushed.append((known, time.monotonic()))
        time.sleep(0.0005)


def _cut_somebody(dice: random.Random) -> int:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pid FROM pg_stat_activity"
            " WHERE application_name = 'config-listener' AND datname = current_database() ORDER BY pid"
        )
        pids = [pid for (pid,) in cursor.fetchall()]
        if pids:
            cursor.execute("SELECT pg_terminate_backend(%s)", [dice.choice(pids)])
    return min(len(pids), 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--changes", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--listen", choices=["on", "off", "both"], default="both")
    parser.add_argument("--take-part", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--begin", type=float, default=0.0, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.take_part:
        record = take_part(seed=given.seed, changes=given.changes, begin=given.begin)
        sys.stdout.write(json.dumps(record._asdict()) + "\n")
        return
    failed = False
    for listen in ["on", "off"] if given.listen == "both" else [given.listen]:
        verdict = play(processes=given.processes, changes=given.changes, seed=given.seed, is_listening=listen == "on")
        sys.stdout.write(f"listening {listen}: {verdict}\n")
        sys.stdout.flush()
        failed = failed or bool(verdict.stale)
    sys.exit(int(failed))


if __name__ == "__main__":
    main()
