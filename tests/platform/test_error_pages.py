"""docs/errors.md and the code agree: every error, fault and reason has its row, and its code is its own."""

import ast
from collections import Counter
from collections.abc import Iterator
from importlib import import_module

import pytest

from engine.domain import reasons
from engine.domain.enums import Reason
from engine.domain.errors import PlatformError
from tests.architecture.test_structure import PACKAGES, dotted, sources
from tradingsite.deployment import ROOT

PAGE = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")


def row_of(code: str) -> str:
    return next((line for line in PAGE.splitlines() if line.startswith(f"| `{code}` |")), "")


def errors() -> list[type[PlatformError]]:
    """The whole tree: every module of ours that defines an error is imported first."""
    for path, tree in sources(*PACKAGES):
        names = [dotted(base) for node in ast.walk(tree) if isinstance(node, ast.ClassDef) for base in node.bases]
        if any(name.rpartition(".")[2] in _KNOWN for name in names):
            import_module(str(path.with_suffix("")).replace("/", "."))
    found: list[type[PlatformError]] = [PlatformError]
    for kind in found:
        found.extend(kind.__subclasses__())
    return [kind for kind in found if kind.__module__.split(".")[0] in PACKAGES]


_KNOWN = {"PlatformError", "InputError", "NotFound", "WrongState", "StaleVersion", "NotAllowed", "DataError",
          "BrokerError", "SetupError", "InvariantBroken"}  # fmt: skip


def test_errors__each_class__has_a_code_of_its_own() -> None:
    codes = Counter(kind.code for kind in errors())
    assert [code for code, count in codes.items() if count > 1] == []
    assert len(codes) > 25


@pytest.mark.parametrize("kind", errors(), ids=lambda kind: kind.code)
def test_errors__each_class__has_a_row_with_its_status(kind: type[PlatformError]) -> None:
    row = row_of(kind.code)
    assert row, f"{kind.code} ({kind.__module__}) has no row in docs/errors.md"
    is_of_a_start = kind.component == "setup"
    assert is_of_a_start or f"| {kind.status} |" in row


@pytest.mark.parametrize("kind", errors(), ids=lambda kind: kind.code)
def test_errors__each_class__says_what_it_means(kind: type[PlatformError]) -> None:
    assert kind.__doc__
    assert 400 <= kind.status < 600


@pytest.mark.parametrize("reason", list(Reason), ids=reasons.code)
def test_reasons__each__has_a_row_with_its_sentence(reason: Reason) -> None:
    assert row_of(reasons.code(reason)) == f"| `{reasons.code(reason)}` | {reasons.sentence(reason)} |"


def fault_codes() -> Iterator[tuple[str, str]]:
    for path, tree in sources(*PACKAGES):
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and dotted(node.func).rpartition(".")[2] == "Fault" and node.args:
                first = node.args[0]
                if isinstance(first, ast.Constant):
                    yield str(first.value), f"{path}:{node.lineno}"


def test_faults__each_code__has_a_row() -> None:
    missing = {code: place for code, place in fault_codes() if not row_of(code)}
    assert missing == {}
