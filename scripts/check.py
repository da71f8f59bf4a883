"""Every quality gate, one line each: ``./platform.sh check``, ``check --list``, ``check GATE ...``.

Exit code 0 when all named gates pass, 1 when one fails, 2 for a gate that does not exist.
"""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
PROGRAMS = Path(sys.executable).parent
PACKAGES = ("engine", "configuration", "marketdata", "bots", "backtests", "tradingsite")
SHELL_SCRIPTS = (
    "platform.sh",
    ".ci/run",
    "scripts/test",
    "scripts/test-all",
    "scripts/bench",
    "scripts/faults",
    "scripts/lock",
)

# Strictly typed (the rest is typed where Django lets it be): the layers in which decisions are made.
STRICT_PACKAGES = ("engine", "tradingsite")
STRICT_MODULES = ("services", "selectors", "mappers", "store", "barstore", "catalogue", "errors", "ports", "tasks")


class Result(NamedTuple):
    """``note`` is one line; ``output`` is shown when the gate failed."""

    passed: bool
    note: str = ""
    output: str = ""


class Gate(NamedTuple):
    name: str
    about: str
    run: Callable[[], Result]


def main(arguments: list[str]) -> int:
    if arguments == ["--list"]:
        for gate in GATES:
            _tell(f"{gate.name:<14} {gate.about}")
        return 0
    unknown = set(arguments) - {gate.name for gate in GATES}
    if unknown:
        _tell(f"no such gate: {', '.join(sorted(unknown))}; --list shows them")
        return 2
    chosen = [gate for gate in GATES if not arguments or gate.name in arguments]
    failed = [gate.name for gate in chosen if not _report(gate)]
    _tell(
        f"\n{len(chosen) - len(failed)} of {len(chosen)} gates passed"
        + (f"; failed: {', '.join(failed)}" if failed else "")
    )
    return 1 if failed else 0


def _report(gate: Gate) -> bool:
    started = time.perf_counter()
    result = gate.run()
    took = time.perf_counter() - started
    word = "ok    " if result.passed else "FAILED"
    _tell(f"{word} {gate.name:<14} {took:5.1f} s  {result.note or gate.about}")
    if not result.passed and result.output:
        _tell("\n".join(f"       {line}" for line in result.output.rstrip().splitlines()[-60:]))
    return result.passed


# --- gates


def _program(*command: str, note: str = "", **environment: str) -> Result:
    done = _run(*command, **environment)
    return Result(done.returncode == 0, note, done.stdout)


def _run(*command: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    program = str(PROGRAMS / command[0]) if (PROGRAMS / command[0]).exists() else command[0]
    return subprocess.run(  # noqa: S603  fixed words
        [program, *command[1:]],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def _types() -> Result:
    files = _strict_files()
    result = _program("mypy", "--strict", *files)
    return result._replace(note=f"mypy --strict on {len(files)} files")


def _strict_files() -> list[str]:
    found = [
        path
        for package in PACKAGES
        for path in sorted((ROOT / package).rglob("*.py"))
        if "tests" not in path.parts and "migrations" not in path.parts
    ]
    return [str(path.relative_to(ROOT)) for path in found if _is_strict(path.relative_to(ROOT))]


def _is_strict(path: Path) -> bool:
    inside = path.parts[1:]
    return path.parts[0] in STRICT_PACKAGES or any(part.removesuffix(".py") in STRICT_MODULES for part in inside)


def _deploy() -> Result:
    """Django's own list of what production must not leave open, with every warning an error."""
    return _program(
        "python",
        "manage.py",
        "check",
        "--deploy",
        "--fail-level",
        "WARNING",
        DJANGO_SETTINGS_MODULE="tradingsite.settings.prod",
        TRADINGSITE_ENVIRONMENT="production",
        TRADINGSITE_DEBUG="false",
        ALLOWED_HOSTS="trading.example.com",
    )


_AWAY = ("ConnectionError", "refused", "Max retries", "NameResolution", "ServiceError", "Timeout", "ProxyError")


def _audit() -> Result:
    """Known vulnerabilities. Says how many packages the advisory service knew, never "none found" of none asked."""
    done = _run(
        "pip-audit",
        "--requirement=requirements.lock",
        "--require-hashes",
        "--disable-pip",
        "--progress-spinner=off",
        "--format=json",
    )
    packages = _audited(done.stdout)
    asked = [package for package in packages if "skip_reason" not in package]
    vulnerable = [
        f"{package['name']} {package['version']}: {package['vulns']}" for package in asked if package["vulns"]
    ]
    if vulnerable:
        return Result(False, f"pip-audit: {len(vulnerable)} packages have known vulnerabilities", "\n".join(vulnerable))
    if not packages and not any(word in done.stdout for word in _AWAY):
        return Result(False, "pip-audit did not run", done.stdout)
    if not asked:
        # Without the service nobody can know; a build that may not say so would lie, one that fails is useless.
        return Result(True, "ATTENTION: requirements.lock was NOT AUDITED, the advisory service does not answer")
    if len(asked) < len(packages):
        known = f"{len(asked)} of {len(packages)}"
        return Result(True, f"ATTENTION: only {known} packages could be audited; none of them is vulnerable")
    return Result(True, f"pip-audit: no known vulnerability in {len(asked)} packages of requirements.lock")


def _audited(printed: str) -> list[dict[str, Any]]:
    """What pip-audit tells of each package; empty where it could not ask at all."""
    start = printed.find("{")
    if start < 0:
        return []
    found, _ = json.JSONDecoder().raw_decode(printed[start:])
    packages: list[dict[str, Any]] = found["dependencies"]
    return packages


_SECRETS = {
    "a private key": re.compile(r"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----"),
    "an AWS key": re.compile(r"\bAKIA[0-9A-Z]{16}\b"),
    "an Alpaca key": re.compile(r"\b(?:PK|AK|CK)[A-Z0-9]{18}\b"),
    "a GitHub token": re.compile(r"\bgh[pousr]_[A-Za-z0-9]{36}\b"),
    "a secret with a value": re.compile(
        r"""^\s*(?:export\s+)?(?:SECRET_KEY|[A-Z_]*(?:PASSWORD|SECRET|TOKEN|API_KEY))\s*=\s*["']?[A-Za-z0-9+/_-]{24,}["']?\s*$"""
    ),
    "a password in an address": re.compile(
        r"\b(?:postgres|postgresql|redis|rediss|amqp)://[^:/\s'\"]+:[^@\s'\"*{]{4,}@"
    ),
}
# Marks a line of a test or a document that shows a secret's form on purpose.
_ALLOWED = "not-a-secret"


def _secrets() -> Result:
    names = _run("git", "ls-files", "-z").stdout.split("\0")
    found = []
    for name in names:
        path = ROOT / name
        if not name or not path.is_file() or name.endswith((".lock", ".png", ".woff2", ".ico")):
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
            kinds = [kind for kind, pattern in _SECRETS.items() if pattern.search(line) and _ALLOWED not in line]
            found += [f"{name}:{number} looks like {kind}" for kind in kinds]
    if any(name in (".env.local", ".env.docker", ".env.production") for name in names):
        found.append("a file of settings with secrets is committed")
    return Result(not found, f"no secret in {len(names) - 1} committed files", "\n".join(found))


def _shell() -> Result:
    bad = [done.stdout for script in SHELL_SCRIPTS if (done := _run("bash", "-n", script)).returncode]
    return Result(not bad, f"bash -n on {len(SHELL_SCRIPTS)} scripts", "\n".join(bad))


GATES = (
    Gate("format", "ruff format: one way to lay out code", lambda: _program("ruff", "format", "--check", ".")),
    Gate("lint", "ruff: likely mistakes", lambda: _program("ruff", "check", ".")),
    Gate("types", "mypy --strict", _types),
    Gate("imports", "import-linter: who may import whom", lambda: _program("lint-imports")),
    Gate(
        "migrations",
        "models and migrations agree",
        lambda: _program("python", "manage.py", "makemigrations", "--check", "--dry-run"),
    ),
    Gate("deploy", "Django's deployment checklist, warnings are errors", _deploy),
    Gate(
        "security", "bandit: insecure code", lambda: _program("bandit", "-q", "-r", *PACKAGES, "-c", "pyproject.toml")
    ),
    Gate("audit", "pip-audit: known vulnerabilities", _audit),
    Gate("secrets", "no secret is committed", _secrets),
    Gate("shell", "scripts parse", _shell),
)


def _tell(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
