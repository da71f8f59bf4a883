"""What a build runs and when it is red: the gates, the bars of coverage, the order of the steps."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tradingsite import deployment
from tradingsite.deployment import ROOT, SETTINGS


def check_module() -> Any:
    specification = importlib.util.spec_from_file_location("check", ROOT / "scripts" / "check.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.fixture
def check(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The gates, replaced by two of which one fails."""
    module = check_module()
    good = module.Gate("good", "always passes", lambda: module.Result(True))
    bad = module.Gate("bad", "never passes", lambda: module.Result(False, "", "line one\nline two"))
    monkeypatch.setattr(module, "GATES", (good, bad))
    return module


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        ([], 1, "1 of 2 gates passed; failed: bad"),
        (["good"], 0, "1 of 1 gates passed"),
        (["bad"], 1, "0 of 1 gates passed; failed: bad"),
        (["good", "bad"], 1, "1 of 2 gates passed; failed: bad"),
        (["beauty"], 2, "no such gate: beauty; --list shows them"),
        (["--list"], 0, "bad            never passes"),
    ],
)
def test_check__some_or_all_gates__exits_with_1_when_one_fails(
    arguments: list[str], code: int, told: str, check: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check.main(arguments) == code
    assert told in capsys.readouterr().out


def test_check__a_gate_that_fails__shows_what_it_said(check: Any, capsys: pytest.CaptureFixture[str]) -> None:
    check.main([])
    printed = capsys.readouterr().out
    assert printed.index("ok     good") < printed.index("FAILED bad")
    assert "       line one\n       line two" in printed


def test_check__a_program_that_exits_with_1__fails_its_gate() -> None:
    failing = check_module()._program("python", "-c", "print('seen'); raise SystemExit(1)")
    assert (failing.passed, failing.output) == (False, "seen\n")


def test_coverage__bars_of_engine_and_whole__are_90_and_80_and_both_decide() -> None:
    script = (ROOT / "scripts" / "test").read_text(encoding="utf-8")
    bars = re.findall(r"^report (?:--include='(\S+)' )?--fail-under=(\d+) \|\| failed=1$", script, re.MULTILINE)
    assert bars == [("engine/*", "90"), ("", "80")]
    assert script.rstrip().endswith("exit $failed")


def test_coverage__below_its_bar__exits_with_an_error(tmp_path: Path) -> None:
    # Given: a file of four statements, of which one never runs: 75 %
    (tmp_path / "half.py").write_text("import sys\nif len(sys.argv) > 99:\n    print(1)\nprint(2)\n")

    def coverage(*words: str) -> int:
        # Not under the coverage that measures this very test.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
        command = [sys.executable, "-m", "coverage", *words]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=False).returncode

    coverage("run", "half.py")
    # When / Then
    assert coverage("report", "--fail-under=75") == 0
    assert coverage("report", "--fail-under=76") == 2


def test_build__its_steps__are_check_and_then_test_and_stop_at_the_first_failure() -> None:
    lines = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    assert "set -euo pipefail" in lines
    assert [line for line in lines if line.startswith("./platform.sh")] == ["./platform.sh check", "./platform.sh test"]


# --- a start with nothing set


@pytest.fixture
def without_settings(tmp_path: Path) -> dict[str, str]:
    """The environment of a process in which no setting of ours is set anywhere but in .env.base."""
    names = {setting.name for setting in SETTINGS}
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in names and not name.startswith(("TRADINGSITE_", "DJANGO_SETTINGS_MODULE"))
    }
    return kept | {"TRADINGSITE_ENV_DIR": str(tmp_path)}


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [
        ["manage.py", "check"],
        ["-m", "tradingsite.worker", "bots"],
        ["-m", "tradingsite.web"],
        ["-m", "tradingsite.beat"],
        ["-m", "tradingsite.supervisor", "status"],
    ],
    ids=" ".join,
)
def test_start__every_required_setting_missing__lists_them_all_without_a_traceback(
    command: list[str], without_settings: dict[str, str], tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, *command], cwd=ROOT, env=without_settings, capture_output=True, text=True, check=False
    )
    given = set(re.findall(r"^([A-Z_]+)=", (ROOT / ".env.base").read_text(encoding="utf-8"), re.MULTILINE))
    missing = {one.name for one in SETTINGS if one.is_required and one.only_if is None} - given
    assert len(missing) > 8
    assert done.returncode == 1
    said = done.stdout + done.stderr
    assert f"CONFIG-001 The platform cannot start: {len(missing)} deployment settings are missing or wrong." in said
    assert set(re.findall(r"^  CONFIG-MGR-002  (\S+) is not set$", said, re.MULTILINE)) == missing
    assert "Traceback" not in said
    assert list(tmp_path.iterdir()) == []  # nothing was begun
    assert deployment.PAGE in said
