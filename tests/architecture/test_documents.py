"""What README and docs/ say can be followed: links, commands, names, addresses, and who each page is for."""

import ast
import json
import re
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest
from django.core.management import get_commands
from django.urls import Resolver404, resolve

from configuration.catalogue import CATALOGUE
from tests.architecture.test_structure import PACKAGES, ROOT, dotted
from tests.platform.test_addresses import DOORS, told

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
OUTSIDE = ("http://", "https://", "mailto:")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TO_COME = {"bots/brokers/"}  # where the README says a broker's file will go


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def prose_of(name: str) -> str:
    """A page without its blocks of code, in which a bracket is no link."""
    return FENCE.sub("", text_of(name))


def anchors(page: Path) -> set[str]:
    """The addresses of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", prose_of(str(page.relative_to(ROOT))), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(name: str) -> Iterator[str]:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose_of(name)):
        if target.startswith(OUTSIDE):
            continue
        path, _, anchor = target.partition("#")
        page = (ROOT / name).parent / path if path else ROOT / name
        if not page.exists() or (anchor and anchor not in anchors(page.resolve())):
            yield target


@pytest.mark.parametrize("name", NAMES)
def test_links__relative_ones__lead_to_a_file_and_a_heading_that_exist(name: str) -> None:
    assert list(broken_links(name)) == []


def test_links__to_nothing__are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.architecture.test_documents.ROOT", tmp_path)
    (tmp_path / "there.md").write_text("# A heading, here\n")
    (tmp_path / "page.md").write_text("[a](there.md#a-heading-here) [b](gone.md) [c](there.md#gone) [d](https://x.y/z)")
    assert list(broken_links("page.md")) == ["gone.md", "there.md#gone"]


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("docs/") and "/adr/" not in name])
def test_page__its_first_words__say_whom_it_serves(name: str) -> None:
    lines = [line for line in text_of(name).splitlines() if line]
    assert lines[0].startswith("# ")
    assert lines[1].startswith("For whoever ")


def commands_of(name: str, pattern: str) -> set[str]:
    return set(re.findall(pattern, text_of(name)))


@pytest.mark.parametrize("name", NAMES)
def test_commands__named_on_a_page__exist(name: str) -> None:
    usage = re.findall(r"^  ([a-z]+) ", (ROOT / "platform.sh").read_text(encoding="utf-8"), re.MULTILINE)
    assert commands_of(name, r"\./platform\.sh ([a-z]+)") <= set(usage)
    assert commands_of(name, r"manage\.py ([a-z_]+)") <= set(get_commands())
    modules = commands_of(name, r"-m (tradingsite\.[a-z_.]*[a-z_])")
    assert [module for module in modules if find_spec(module) is None] == []


@pytest.mark.parametrize("name", NAMES)
def test_paths__in_code_marks__exist(name: str) -> None:
    # Folders and files of ours; var/ is made at the first start, <name> and * stand for something.
    wanted = re.findall(r"`((?:[\w.]+/)+[\w.*<>]*)`", prose_of(name))
    ours = [path for path in wanted if path.split("/")[0] in {one.name for one in ROOT.iterdir()} - {"var"}]
    rooms = [path for path in ours if "<" not in path and "*" not in path and path not in TO_COME]
    assert [path for path in rooms if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("name", NAMES)
def test_functions__named_with_their_room__exist(name: str) -> None:
    gone = []
    for wanted in set(re.findall(rf"`((?:{'|'.join(PACKAGES)})(?:\.\w+)+)`", prose_of(name))):
        module, _, attribute = wanted.rpartition(".")
        try:
            is_there = find_spec(wanted) is not None or hasattr(import_module(module), attribute)
        except ModuleNotFoundError:
            is_there = hasattr(import_module(module), attribute) if find_spec(module) else False
        # A namespace of parameters has the engine's name, too.
        if not is_there and CATALOGUE.find(*wanted.split(".", 1)) is None:
            gone.append(wanted)
    assert gone == []


@pytest.mark.parametrize("name", NAMES)
def test_addresses__of_the_api_and_pages__resolve(name: str) -> None:
    gone = []
    for address in commands_of(name, r"(?:127\.0\.0\.1:8001|`)(/(?:api/v1/\w|healthz|ready|health)[\w/\-]*)"):
        try:
            resolve(address)
        except Resolver404:
            gone.append(address)
    assert gone == []


def test_examples__in_json__can_be_read() -> None:
    examples = [example for name in NAMES for language, example in FENCE.findall(text_of(name)) if language == "json"]
    # An unreadable one raises; none at all would mean that this test looks past them.
    assert [json.loads(example) for example in examples]


def test_warnings__of_the_quality_report__have_a_row_each_on_the_page_of_data() -> None:
    tree = ast.parse((ROOT / "marketdata" / "quality.py").read_text(encoding="utf-8"))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and dotted(node.func) == "_warning"]
    codes = {str(node.args[0].value) for node in calls if isinstance(node.args[0], ast.Constant)}
    assert len(codes) == len({node.lineno for node in calls}) > 5
    assert set(re.findall(r"^\| `([a-z_]+)` \|", text_of("docs/data.md"), re.MULTILINE)) == codes


# --- acceptance: the page that names the test of each row

ACCEPTANCE = ROOT / "docs" / "acceptance.md"


def rows() -> list[tuple[str, str, list[str]]]:
    """(row, what, tests) of each line of the page's tables."""
    found = []
    for line in ACCEPTANCE.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if line.startswith("| ") and len(cells) == 3 and cells[0] not in ("Row", "Address"):
            found.append((cells[0], cells[1], re.findall(r"`([\w/.]+::\w+)`", cells[2])))
    return found


@cache
def defined_in(path: str) -> frozenset[str]:
    """The tests a file defines, read and not run."""
    if not (ROOT / path).is_file():
        return frozenset()
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    defined = (node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)))
    return frozenset(node.name for node in defined if node.name.startswith("test_"))


def test_acceptance__each_test_it_names__exists() -> None:
    named = [test for _, _, tests in rows() for test in tests]
    assert len(named) > 150
    assert [test for test in named if test.partition("::")[2] not in defined_in(test.partition("::")[0])] == []


def test_acceptance__each_row__names_a_test_or_says_why_not() -> None:
    page = ACCEPTANCE.read_text(encoding="utf-8")
    excused = set(re.findall(r"^\| (\S+) \|.*\| not here: ", page, re.MULTILINE))
    assert [row for row, _, tests in rows() if not tests and row not in excused] == []


def test_acceptance__each_address_of_the_api__has_a_row_with_a_good_and_a_bad_answer() -> None:
    named = {row.strip("`"): tests for row, _, tests in rows() if row.startswith("`")}
    assert named.keys() == {told(*door) for door in DOORS}
    assert [row for row, tests in named.items() if len(tests) < 2] == []


def test_acceptance__rows_of_this_stage__are_all_there() -> None:
    def span(document: str, *parts: int | range) -> set[str]:
        numbers = [number for part in parts for number in (part if isinstance(part, range) else [part])]
        return {f"{document}-{number:02}" for number in numbers}

    wanted = span("000", 34) | span("003", 9, range(18, 45), 46, 49)
    wanted |= span("004", range(1, 7), 8, range(32, 38), 39, 40, 42, 43)
    assert wanted - {row for row, _, _ in rows()} == set()
