"""How long the stand-alone verifier needs for an exported ledger, against reading the same lines and doing nothing.

    ./platform.sh bench config_verify      # or: python -m bench.config_verify [--versions 1000000] [--changes 1]

Makes an export in a temporary folder (about 1.6 kB for each version) with an anchor for each thousandth version, runs
the script on it as anybody would, three times, and once more with a bit flipped in the last version.
"""

import argparse
import hashlib
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from configuration import canonical, seal

_SCRIPT = Path(__file__).resolve().parent.parent / "scripts" / "verify_ledger.py"
_BEGAN = datetime(2026, 1, 5, tzinfo=UTC)
_NUMBERS = ("stop_loss_pct", "take_profit_pct", "leverage", "max_position_size_usd", "min_confidence_threshold")
_REASONS = (
    "calmer market",
    "tighter stop after the second loss",
    "too hot",
    "asked by the desk, see the notes of Monday",
)
_RUNS = 3


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench config_verify", description=__doc__)
    parser.add_argument("--versions", type=int, default=1_000_000)
    parser.add_argument("--changes", type=int, default=1, help="in each version")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        _measure(Path(folder), options.versions, options.changes)


def _measure(folder: Path, versions: int, changes: int) -> None:
    ledger, anchors = folder / "ledger.jsonl", folder / "anchors.jsonl"
    _make(ledger, anchors, versions, changes)
    size = ledger.stat().st_size
    print(f"{versions:,} versions, {changes} changes in each, {size / 1e6:,.0f} MB; {os.cpu_count()} cores")
    bare = _timed(lambda: _read(ledger))
    print(f"  lines read and hashed by one process {bare:6.2f} s")
    taken, before = [], _processors()
    for _ in range(_RUNS):
        began = time.perf_counter()
        said = _verified(ledger, anchors)
        taken.append(time.perf_counter() - began)
        assert said.startswith(f"ok  {versions} versions"), said
    worked = (_processors() - before) / _RUNS
    best, worst = min(taken), max(taken)
    rows = versions * (1 + changes)
    print(
        f"  verified with its anchors, best of {_RUNS}     {best:6.2f} s, {best / bare:.1f} times (worst {worst:.2f} s)"
    )
    print(f"  {versions / best:,.0f} versions/s, {rows / best:,.0f} rows/s (a version and each change are rows)")
    print(f"  {worked:.1f} s of processor time, {worked / versions * 1e6:.1f} us for a version")
    _flip(ledger)
    print(f"  a bit flipped in the last version:    {_verified(ledger, anchors).strip()}")


def _make(ledger: Path, anchors: Path, versions: int, changes: int) -> None:
    rng, before = random.Random(4), ""
    with ledger.open("w", encoding="utf-8") as lines, anchors.open("w", encoding="utf-8") as kept:
        for version in range(1, versions + 1):
            columns = _columns(version, rng)
            made = [_change(version, place, rng) for place in range(changes)]
            text = seal.text(columns, made)
            own = seal.chained(before, text)
            seals = {"canonical": text, "prev_hash": before, "hash": own}
            lines.write(canonical.text({"format": seal.FORMAT, **columns, "changes": made, **seals}) + "\n")
            if version % 1000 == 0:
                kept.write(canonical.text({"version": version, "hash": own, "at": columns["created_at"]}) + "\n")
            before = own
        lines.write(canonical.text({"head": {"version": versions, "hash": before}}) + "\n")


def _columns(version: int, rng: random.Random) -> dict[str, Any]:
    made_up = rng.randbytes(32).hex()
    return {
        "version": version,
        "created_at": seal.instant(_BEGAN + timedelta(seconds=version * 7, microseconds=version % 1_000_000)),
        "kind": "set",
        "actor_kind": "user",
        "actor_id": str(version % 7),
        "actor_label": f"operator{version % 7}",
        "on_behalf_of": "",
        "source": "api",
        "reason": rng.choice(_REASONS),
        "request_id": made_up[:32],
        "idempotency_key": made_up[:16] if version % 3 == 0 else None,
        "request_digest": made_up,
        "base_version": version - 1 if version % 2 else None,
        "reverts_version": None,
        "catalogue_fingerprint": "c" * 64,
    }


def _change(version: int, place: int, rng: random.Random) -> dict[str, Any]:
    old = {"old": rng.randrange(1, 500) / 4} if version > 5 else {}
    return {
        "ordinal": place,
        "namespace": "trading",
        "scope_kind": "symbol",
        "bot": "",
        "symbol": f"SYM{rng.randrange(500)}",
        "side": "",
        "parameter": rng.choice(_NUMBERS),
        "op": "set",
        "old_version": rng.randrange(1, version) if old else 0,
        **seal.plain(old),
        "new": seal.plain(rng.randrange(1, 500) / 4),
    }


def _read(ledger: Path) -> None:
    with ledger.open("rb") as lines:
        for line in lines:
            hashlib.sha256(line).hexdigest()


def _timed(work: Any) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _processors() -> float:
    """Seconds that all ended children have worked: what a busy machine does not change much."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _verified(ledger: Path, anchors: Path) -> str:
    command = [sys.executable, "-I", "-S", str(_SCRIPT), str(ledger), "--anchor", str(anchors)]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False).stdout


def _flip(ledger: Path) -> None:
    """Alter the reason's last bit in the line before the head's."""
    content = ledger.read_bytes()
    place = content.rindex(b'"reason":"') + len(b'"reason":"')
    with ledger.open("r+b") as file:
        file.seek(place)
        file.write(bytes([content[place] ^ 1]))


if __name__ == "__main__":
    main()
