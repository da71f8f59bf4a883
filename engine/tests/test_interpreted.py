"""The same functions as plain Python: what a debugger sees and a coverage report counts is what runs."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from engine import _jit, run
from engine.tests import scenes

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("votes", "aggregation", "risk_targets", "risk_orders", "sizing", "rounding", "venue", "conservation", "run")

pytestmark = pytest.mark.skipif(_jit.is_interpreted(), reason="this process is the interpreted one already")


def digests() -> dict[str, str]:
    """What every scene leads to on a few hundred bars, each as one hash over all records and the state."""
    told = {}
    for name in scenes.EXTERNAL:
        plan, bars, signals = scenes.external(name, seed=17, count=100)
        told[name] = _digest(run.run(bars, plan=plan, state=run.start(plan), signals=signals))
    for name in scenes.VOTING:
        plan, bars = scenes.voting(name, seed=17, count=100)
        told[f"voting {name}"] = _digest(run.run(bars, plan=plan, state=run.start(plan)))
    return told


def _digest(told: run.Result) -> str:
    parts = (told.equity, told.orders, told.fills, told.trips, told.decisions)
    return hashlib.sha256(told.state.to_bytes() + b"".join(part.tobytes() for part in parts)).hexdigest()


def interpreted(*arguments: str) -> subprocess.CompletedProcess[str]:
    """A fresh interpreter in which nothing is compiled."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, "ENGINE_INTERPRETED": "1", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_interpreted__every_scene__gives_the_bits_of_the_compiled() -> None:
    code = "from engine.tests.test_interpreted import digests; print(sorted(digests().items()))"
    done = interpreted("-c", code)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(sorted(digests().items()))


def test_interpreted__the_rooms_own_tests__pass_uncompiled() -> None:
    # This is also how coverage sees the kernels' lines: compiled code leaves no trace.
    files = [f"engine/tests/test_{room}.py" for room in ROOMS]
    chosen = "not more_events and not compiled and not fingerprint and not any_seed and not any_scene"
    done = interpreted("-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", chosen, *files)
    assert done.returncode == 0, done.stdout[-3000:]


def test_interpreted__parity_of_the_scenes__holds_uncompiled() -> None:
    chosen = "given_signals or indicators_voting or other_bots"
    done = interpreted("-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", chosen, "engine/tests/test_parity.py")
    assert done.returncode == 0, done.stdout[-3000:]
