"""platform.sh: finds Python where it may be, refuses what it cannot use, and explains itself."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tradingsite.deployment import ROOT

# The interpreter behind .venv: the venv's own python is not one to build another from.
REAL = Path(sys.base_prefix) / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"
TOOLS = "/usr/bin:/bin"


def sh(code: str, *, path: str = TOOLS, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run a line of bash with platform.sh's functions at hand."""
    return subprocess.run(
        ["/bin/bash", "-c", f"source {ROOT}/platform.sh; {code}"],
        env={"PATH": path, "HOME": "/nonexistent", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def program(path: Path, *lines: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n" + "\n".join(lines) + "\n")
    path.chmod(0o755)
    return path


def real_python(path: Path) -> Path:
    return program(path, f'exec "{REAL}" "$@"')


@pytest.fixture
def nowhere(tmp_path: Path) -> dict[str, str]:
    """Folders of version managers, all empty."""
    names = ("PYENV_ROOT", "ASDF_DATA_DIR", "UV_PYTHON_INSTALL_DIR", "CONDA_PREFIX")
    return {name: str(tmp_path / name.lower()) for name in names} | {"HOME": str(tmp_path)}


def test_find_python__on_path__is_its_real_executable(tmp_path: Path, nowhere: dict[str, str]) -> None:
    real_python(tmp_path / "bin" / "python3.12")
    found = sh("find_python", path=f"{tmp_path}/bin:{TOOLS}", **nowhere)
    assert Path(found.stdout.strip()).resolve() == REAL.resolve()


def test_find_python__shim_that_fails__is_passed_over(tmp_path: Path, nowhere: dict[str, str]) -> None:
    shim = program(tmp_path / "shims" / "python3.12", "echo 'version 3.12 is not activated' >&2", "exit 127")
    real_python(tmp_path / "pyenv_root" / "versions" / "3.12.9" / "bin" / "python3.12")
    found = sh("find_python", path=f"{shim.parent}:{TOOLS}", **nowhere)
    assert Path(found.stdout.strip()).resolve() == REAL.resolve()


@pytest.mark.parametrize(
    "place",
    [
        "pyenv_root/versions/3.12.1/bin/python3.12",
        "asdf_data_dir/installs/python/3.13.0/bin/python3.13",
        "uv_python_install_dir/cpython-3.12-linux/bin/python3.12",
        "conda_prefix/bin/python3.12",
        "miniconda3/envs/trading/bin/python3.13",
    ],
)
def test_find_python__in_the_folder_of_a_version_manager__is_found(
    place: str, tmp_path: Path, nowhere: dict[str, str]
) -> None:
    real_python(tmp_path / place)
    found = sh("candidates", **nowhere).stdout.splitlines()
    assert str(tmp_path / place) in found


def test_find_python__named_one__wins_over_all(tmp_path: Path, nowhere: dict[str, str]) -> None:
    named = real_python(tmp_path / "mine" / "interpreter")
    found = sh("find_python", PLATFORM_PYTHON=str(named), **nowhere)
    assert Path(found.stdout.strip()).resolve() == REAL.resolve()


@pytest.mark.parametrize(("version", "code"), [("3, 11", 1), ("3, 12", 0), ("3, 13", 0), ("3, 14", 1)])
def test_find_python__version__decides_whether_it_is_usable(version: str, code: int, tmp_path: Path) -> None:
    # An interpreter that says it is another version: the check itself is run by the real one.
    replaced = f"sys.version_info = ({version}, 0)"
    fake = program(tmp_path / "python3", f'exec "{REAL}" -c "import sys; {replaced}; exec(sys.argv[1])" "$2"')
    assert sh(f"usable {fake}").returncode == code


def test_find_python__named_one_unusable__says_so_and_looks_no_further(tmp_path: Path, nowhere: dict[str, str]) -> None:
    named = program(tmp_path / "broken", "exit 1")
    found = sh("find_python", PLATFORM_PYTHON=str(named), **nowhere)
    assert found.returncode == 1
    assert f"PLATFORM_PYTHON is {named}, which is no CPython 3.12 or 3.13" in found.stderr


def test_no_python__anywhere__lists_what_was_tried_and_how_to_install(tmp_path: Path, nowhere: dict[str, str]) -> None:
    old = program(tmp_path / "bin" / "python3", "echo Python 3.8.1")
    found = sh("no_python", path=f"{old.parent}:{TOOLS}", **nowhere)
    assert found.returncode == 1
    assert f"{old} (Python 3.8.1)" in found.stderr
    for line in ("apt install", "dnf install", "brew install", "pyenv install", "uv python install"):
        assert line in found.stderr


def test_usage__without_a_command__lists_every_command() -> None:
    shown = subprocess.run([ROOT / "platform.sh"], capture_output=True, text=True, check=True).stdout
    commands = "start stop restart status logs worker test check bench faults shell lock"
    for command in commands.split():
        assert f"\n  {command}" in shown


def test_command__unknown__is_refused_with_2() -> None:
    done = subprocess.run([ROOT / "platform.sh", "fly"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "There is no command fly." in done.stderr


@pytest.mark.parametrize(
    "script",
    ["platform.sh", ".ci/run", "scripts/test", "scripts/test-all", "scripts/bench", "scripts/faults", "scripts/lock"],
)
def test_script__each__parses_and_may_be_run(script: str) -> None:
    assert subprocess.run(["/bin/bash", "-n", ROOT / script], check=False).returncode == 0
    assert os.access(ROOT / script, os.X_OK)


def gate(*names: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, str(ROOT / "scripts" / "check.py"), *names]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_check__list__names_every_gate() -> None:
    names = [line.split()[0] for line in gate("--list").stdout.splitlines()]
    assert names == [
        "format",
        "lint",
        "types",
        "imports",
        "migrations",
        "deploy",
        "security",
        "audit",
        "secrets",
        "shell",
    ]


def test_check__a_gate_that_passes__is_one_line_and_0() -> None:
    done = gate("shell")
    assert done.returncode == 0
    assert done.stdout.splitlines()[0].startswith("ok     shell")
    assert "1 of 1 gates passed" in done.stdout


def test_check__a_gate_that_does_not_exist__is_2() -> None:
    assert gate("beauty").returncode == 2


def check_module():  # type: ignore[no-untyped-def]
    import importlib.util

    specification = importlib.util.spec_from_file_location("check", ROOT / "scripts" / "check.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    "line",
    [
        "-----BEGIN RSA PRIVATE KEY-----",  # not-a-secret
        "key = AKIAIOSFODNN7EXAMPLE",  # not-a-secret
        "SECRET_KEY=abcdefghijklmnopqrstuvwxyz0123456789",  # not-a-secret
        "url = postgres://admin:hunter22@db/x",  # not-a-secret
        "token ghp_" + "a" * 36,
    ],
)
def test_check_secrets__a_line_with_one__is_found(line: str) -> None:
    assert any(pattern.search(line) for pattern in check_module()._SECRETS.values())


@pytest.mark.parametrize("line", ["SECRET_KEY=", "API_KEY = os.environ['X']", "postgres://user:...@host/name"])
def test_check_secrets__a_line_without__is_not_found(line: str) -> None:
    assert not any(pattern.search(line) for pattern in check_module()._SECRETS.values())


def audited(monkeypatch: pytest.MonkeyPatch, printed: str) -> Any:
    """What the gate makes of what pip-audit printed."""
    check = check_module()
    monkeypatch.setattr(check, "_run", lambda *_: subprocess.CompletedProcess([], 1, printed))
    return check._audit()


def packages(*each: dict[str, Any]) -> str:
    return json.dumps({"dependencies": list(each), "fixes": []})


SOUND = {"name": "sound", "version": "1", "vulns": []}
UNKNOWN = {"name": "unknown", "skip_reason": "Dependency not found on PyPI"}
VULNERABLE = {"name": "holey", "version": "2", "vulns": [{"id": "PYSEC-1"}]}


def test_check_audit__service_away__says_loudly_that_nothing_was_audited(monkeypatch: pytest.MonkeyPatch) -> None:
    result = audited(monkeypatch, "requests.exceptions.ConnectionError: Max retries exceeded")

    assert result.passed
    assert "NOT AUDITED" in result.note


def test_check_audit__service_knows_no_package__does_not_call_them_sound(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "NOT AUDITED" in audited(monkeypatch, packages(UNKNOWN, UNKNOWN)).note


def test_check_audit__service_knows_some__says_how_many(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "1 of 2" in audited(monkeypatch, packages(SOUND, UNKNOWN)).note


def test_check_audit__vulnerable_package__fails_and_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    result = audited(monkeypatch, "Found 1 known vulnerability in 1 package\n" + packages(SOUND, VULNERABLE))

    assert not result.passed
    assert "holey 2" in result.output


def test_check_audit__tool_breaks__fails(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not audited(monkeypatch, "usage: pip-audit: error: unrecognized arguments").passed
