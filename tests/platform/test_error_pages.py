"""docs/errors.md and the code agree: every error, fault and reason has its row, and its code is its own."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from importlib import import_module
from operator import attrgetter
from pathlib import Path

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
            import_module(_module(path))
    found: list[type[PlatformError]] = [PlatformError]
    for kind in found:
        found.extend(kind.__subclasses__())
    return [kind for kind in found if kind.__module__.split(".")[0] in PACKAGES]


def _module(path: Path) -> str:
    return str(path.with_suffix("")).replace("/", ".").removesuffix(".__init__")


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


# Codes put together at run time; a new place of this kind must say here which codes it can make.
COMPUTED = {
    ("bots/services/definition.py", "f'unknown_{field}'"): {"unknown_strategy", "unknown_timeframe"},
    ("marketdata/services/instruments.py", "f'unknown_{field}'"): {"unknown_asset_class", "unknown_calendar"},
    ("marketdata/quality.py", "f'{name}_outside_range'"): {"open_outside_range", "close_outside_range"},
}


def fault_codes() -> Iterator[tuple[str, str]]:
    """Every code a fault can have, with the place that makes it: faults, lines of a file, rules between parameters."""
    for path, tree in sources(*PACKAGES):
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            name = dotted(node.func)
            if name.rpartition(".")[2] not in ("Fault", "Rule") and name not in ("log.add", "log.add_rows"):
                continue
            first, place = node.args[0], f"{path}:{node.lineno}"
            if isinstance(first, ast.Constant):
                yield str(first.value), place
            elif isinstance(first, ast.JoinedStr):
                for code in COMPUTED.get((str(path), ast.unparse(first)), {f"not in COMPUTED: {place}"}):
                    yield code, place
            elif dotted(first).rpartition(".")[2].isupper():
                yield str(attrgetter(dotted(first))(import_module(_module(path)))), place


def test_fault_codes__of_every_kind_of_place__are_collected() -> None:
    # A fault's own, a line's of a file, a rule's, one put together, one by a constant's name.
    expected = {"unknown_bot", "high_below_low", "voters", "unknown_strategy", "CONFIG-MGR-002"}
    assert expected <= {code for code, _ in fault_codes()}


def test_faults__each_code__has_a_row() -> None:
    missing = {code: place for code, place in fault_codes() if not row_of(code)}
    assert missing == {}


def test_faults__each_row__is_of_a_code_that_exists() -> None:
    section = PAGE.partition("\n## Faults\n")[2].partition("\n## ")[0]
    rows = set(re.findall(r"^\| `([a-z_]+)` \|", section, re.MULTILINE))
    assert len(rows) > 80
    assert rows - {code for code, _ in fault_codes()} == set()
