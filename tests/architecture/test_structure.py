"""What import contracts cannot show: foreign keys, writes, the clock, signals, logic in save, weight of the web.

Each rule reads the source. A rule that is broken names the file and the line.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.apps import apps
from django.db import models

ROOT = Path(__file__).resolve().parents[2]
APPS = ("configuration", "marketdata", "bots", "backtests")
PACKAGES = (*APPS, "engine", "tradingsite")
# Lower number, lower floor; a foreign key may point down or stay, never up or sideways.
FLOOR = {"auth": 0, "contenttypes": 0, "configuration": 1, "marketdata": 1, "bots": 2, "backtests": 2, "tradingsite": 3}
EDGES = {"admin", "api", "consumers", "management", "tasks", "checks", "apps"}


def sources(*packages: str) -> Iterator[tuple[Path, ast.Module]]:
    for package in packages:
        for path in sorted((ROOT / package).rglob("*.py")):
            inside = path.relative_to(ROOT)
            if "tests" not in inside.parts and "migrations" not in inside.parts:
                yield inside, ast.parse(path.read_text(encoding="utf-8"))


def places(*packages: str, found: Callable[[ast.AST], bool], outside: set[str] = frozenset()) -> list[str]:  # type: ignore[assignment]
    """Every file:line where ``found`` holds, except below a room named in ``outside``."""
    return [
        f"{path}:{node.lineno}"  # type: ignore[attr-defined]  # only statements and expressions are chosen
        for path, tree in sources(*packages)
        if not outside & {part.removesuffix(".py") for part in path.parts[1:]}
        for node in ast.walk(tree)
        if found(node)
    ]


def dotted(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def is_call_of(*names: str) -> Callable[[ast.AST], bool]:
    """Calls whose dotted name ends with one of ``names``."""

    def found(node: ast.AST) -> bool:
        name = dotted(node.func) if isinstance(node, ast.Call) else ""
        return any(name == wanted or name.endswith(f".{wanted}") for wanted in names)

    return found


READS_CLOCK = is_call_of(
    "timezone.now", "datetime.now", "datetime.utcnow", "date.today", "datetime.today", "time.time", "time.time_ns",
    "timezone.localdate", "timezone.localtime",
)  # fmt: skip


def test_clock__below_the_edges__is_never_read() -> None:
    assert places(*APPS, found=READS_CLOCK, outside=EDGES) == []
    assert places("engine", found=READS_CLOCK) == []


def test_chance__in_the_engine__comes_in_from_outside() -> None:
    dice = is_call_of("random.random", "random.randint", "random.seed", "default_rng", "uuid4", "token_hex")
    assert places("engine", found=dice) == []


WRITES = {
    "save", "create", "update", "delete", "bulk_create", "bulk_update", "get_or_create", "update_or_create",
    "acreate", "aupdate", "adelete", "asave",
}  # fmt: skip


def _writes(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or node.func.attr not in WRITES:
        return False
    # Only what is reached through a manager or a queryset, or a model's own save and delete: dict.update and
    # hashlib's update have the same names.
    receiver = ast.unparse(node.func.value)
    is_queryset = any(word in receiver for word in (".objects", "_default_manager", ".filter(", ".exclude(", ".all("))
    return is_queryset or (node.func.attr in ("save", "asave") and not receiver.startswith("super()"))


def test_database__outside_services__is_not_written() -> None:
    adapters_that_write = {"barstore", "records", "publishing", "services", "store"}
    adapters_that_write |= {"simulated", "simulated_faults", "simulated_leverage"}
    assert places(*APPS, found=_writes, outside=adapters_that_write) == []
    # The project composes; of its own it writes tokens, through a service, and the first administrator.
    assert places("tradingsite", found=_writes, outside={"management", "services"}) == []


def test_signals__of_models__do_not_exist() -> None:
    hooks = ("pre_save", "post_save", "pre_delete", "post_delete", "m2m_changed", "pre_init", "post_init")

    def found(node: ast.AST) -> bool:
        return isinstance(node, ast.ImportFrom) and any(name.name in hooks for name in node.names)

    assert places(*APPS, "tradingsite", found=found) == []


def test_models__save_and_delete__hold_no_logic() -> None:
    def found(node: ast.AST) -> bool:
        if not isinstance(node, ast.ClassDef) or not any(dotted(base).endswith("Model") for base in node.bases):
            return False
        return any(isinstance(item, ast.FunctionDef) and item.name in ("save", "delete") for item in node.body)

    assert places(*APPS, found=found) == []


def test_models__default_ordering__is_not_set() -> None:
    ours = [model for model in apps.get_models() if model._meta.app_label in APPS]
    assert [model._meta.label for model in ours if model._meta.ordering and not model._meta.proxy] == []


def test_foreign_keys__across_apps__point_downwards() -> None:
    upwards = []
    for model in apps.get_models():
        own = model._meta.app_label
        for field in model._meta.get_fields():
            if own in APPS and isinstance(field, models.ForeignKey):
                other = field.related_model._meta.app_label
                if other != own and FLOOR[other] >= FLOOR[own]:
                    upwards.append(f"{model._meta.label}.{field.name} -> {other}")
    assert upwards == []


def test_compiler__outside_jit__is_never_imported() -> None:
    def found(node: ast.AST) -> bool:
        names = [name.name for name in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        return any(name.split(".")[0] in ("numba", "llvmlite") for name in names)

    assert [place for place in places(*PACKAGES, found=found) if not place.startswith("engine/_jit.py:")] == []


def test_rooms__catch_all_names__do_not_exist() -> None:
    forbidden = {"utils", "helpers", "common", "core", "misc", "managers", "signals_handlers"}
    found = [str(path) for path, _ in sources(*PACKAGES) if path.stem in forbidden or forbidden & set(path.parts[:-1])]
    assert found == []


def test_broad_exceptions__swallowed__do_not_exist() -> None:
    def found(node: ast.AST) -> bool:
        if not isinstance(node, ast.ExceptHandler):
            return False
        is_broad = node.type is None or dotted(node.type) in ("Exception", "BaseException")
        return is_broad and all(isinstance(item, (ast.Pass, ast.Continue)) for item in node.body)

    assert places(*PACKAGES, found=found) == []


def _bodies() -> Iterator[tuple[str, str]]:
    """(body, place) of each function that says more than one thing; its docstring and its name do not count."""
    for path, tree in sources(*PACKAGES):
        for node in ast.walk(tree):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                body = node.body[1:] if ast.get_docstring(node, clean=False) is not None else node.body
                if sum(1 for statement in body for _ in ast.walk(statement)) >= 20:
                    yield "\n".join(ast.unparse(statement) for statement in body), f"{path}:{node.lineno}"


def test_functions__with_the_same_body__do_not_exist() -> None:
    places: dict[str, list[str]] = {}
    for body, place in _bodies():
        places.setdefault(body, []).append(place)
    assert len(places) > 500
    assert [found for found in places.values() if len(found) > 1] == []


def test_sources__kept_for_an_older_version__do_not_exist() -> None:
    # What nobody uses any more is removed, not kept; a plan has an issue, not a comment.
    words = re.compile(r"\b(deprecated|legacy|backwards?[ -]compatib\w+|fixme|xxx|todo)\b", re.IGNORECASE)
    found = [
        f"{path}:{number}"
        for path, _ in sources(*PACKAGES)
        for number, line in enumerate((ROOT / path).read_text(encoding="utf-8").splitlines(), start=1)
        if words.search(line)
    ]
    assert found == []


HEAVY = ("numba", "llvmlite", "pandas", "pandas_ta", "alpaca")
LOAD_THE_WEB = """
import sys, django
django.setup()
import tradingsite.asgi, tradingsite.urls
from django.urls import get_resolver
get_resolver().url_patterns
from django.contrib import admin
admin.autodiscover()
import tradingsite.celery
print([name for name in sys.argv[1:] if name in sys.modules])
"""


@pytest.mark.slow
def test_web__everything_loaded__carries_no_heavy_library() -> None:
    # A process of its own: this one has imported everything already.
    done = subprocess.run(
        [sys.executable, "-c", LOAD_THE_WEB, *HEAVY], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stdout.strip().splitlines()[-1:] == ["[]"], done.stderr


@pytest.mark.parametrize(
    ("rule", "line"),
    [
        (READS_CLOCK, "now = timezone.now()"),
        (READS_CLOCK, "now = datetime.datetime.now(UTC)"),
        (_writes, "Bot.objects.filter(id=1).update(name='x')"),
        (_writes, "Bot._default_manager.create(name='x')"),
        (_writes, "bot.save(update_fields=['name'])"),
    ],
)
def test_rule__a_line_that_breaks_it__is_found(rule: Callable[[ast.AST], bool], line: str) -> None:
    assert any(rule(node) for node in ast.walk(ast.parse(line)))


@pytest.mark.parametrize("line", ["values.update(other)", "digest.update(b'')", "now_ms = bar.open_ms", "a.create()"])
def test_rule__a_harmless_line__is_not_found(line: str) -> None:
    assert not any(_writes(node) or READS_CLOCK(node) for node in ast.walk(ast.parse(line)))
