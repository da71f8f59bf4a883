"""Nothing in an ``async def`` may block: one slow call there holds up every socket and page of the process.

Each rule reads the source. Functions of the same file are followed, those of other files are judged by
where they live: services and selectors read the database, so they run in a thread, through
``database_sync_to_async`` or ``sync_to_async``, which take the function and do not call it here.
"""

import ast
from collections.abc import Iterator

import pytest

from tests.architecture.test_structure import PACKAGES, dotted, sources

Function = ast.FunctionDef | ast.AsyncFunctionDef

BLOCKS = {
    "open", "input", "time.sleep", "urlopen", "urllib.request.urlopen", "socket.create_connection",
    "transaction.atomic", "connection.cursor", "connection.close", "close_old_connections", "async_to_sync",
}  # fmt: skip
BLOCKING_LIBRARIES = {"requests", "redis", "psycopg", "subprocess", "httpx", "celery", "shutil"}
ROOMS = {"services", "selectors", "models", "tasks", "store", "barstore"}
ROWS = {"save", "delete", "refresh_from_db", "full_clean", "read_text", "write_text", "read_bytes", "write_bytes"}
MANAGERS = {"objects", "_default_manager"}


def origins(tree: ast.Module) -> dict[str, str]:
    """Each imported name with the dotted path it comes from."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for name in node.names:
                first = name.name.split(".")[0]
                found[name.asname or first] = name.name if name.asname else first
        elif isinstance(node, ast.ImportFrom):
            found |= {name.asname or name.name: f"{node.module}.{name.name}" for name in node.names}
    return found


def own_nodes(function: Function) -> Iterator[ast.AST]:
    """What runs when the function runs: not the bodies of functions and lambdas defined in it."""
    waiting: list[ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        yield node
        waiting += ast.iter_child_nodes(node)


def blocks(node: ast.AST, known: dict[str, str]) -> bool:
    """A line that waits for a disk, a network, a database or a clock."""
    if isinstance(node, ast.Attribute) and node.attr in MANAGERS:
        return True
    if not isinstance(node, ast.Call):
        return False
    name = dotted(node.func)
    first, _, rest = name.partition(".")
    path = f"{known.get(first, first)}.{rest}".rstrip(".")
    parts = path.split(".")
    return (
        any(wanted in (name, path) or path.endswith(f".{wanted}") for wanted in BLOCKS)
        or (parts[0] in BLOCKING_LIBRARIES and first in known and "asyncio" not in parts and "exceptions" not in parts)
        or (isinstance(node.func, ast.Attribute) and node.func.attr in ROWS)
        or (parts[0] in PACKAGES and bool(ROOMS & set(parts[1:])))
    )


def violations(tree: ast.Module) -> list[int]:
    """Lines in ``async def`` that block, themselves or through a function of the same file."""
    known = origins(tree)
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    slow: set[str] = set()
    while True:
        more = {
            function.name
            for function in functions
            if isinstance(function, ast.FunctionDef)
            and not runs_in_a_thread(function)
            and any(blocks(node, known) or calls(node, slow) for node in own_nodes(function))
        }
        if more == slow:
            break
        slow = more
    return sorted(
        node.lineno  # type: ignore[attr-defined]  # only expressions are found
        for function in functions
        if isinstance(function, ast.AsyncFunctionDef)
        for node in own_nodes(function)
        if blocks(node, known) or calls(node, slow)
    )


def runs_in_a_thread(function: ast.FunctionDef) -> bool:
    return any(dotted(one).endswith(("database_sync_to_async", "sync_to_async")) for one in function.decorator_list)


def calls(node: ast.AST, names: set[str]) -> bool:
    return isinstance(node, ast.Call) and dotted(node.func).removeprefix("self.") in names


def test_async_functions__of_ours__never_block() -> None:
    counted, found = 0, []
    for path, tree in sources(*PACKAGES):
        counted += sum(isinstance(node, ast.AsyncFunctionDef) for node in ast.walk(tree))
        found += [f"{path}:{line}" for line in violations(tree)]
    assert counted > 10
    assert found == []


IMPORTS = """
import time, redis, requests
from channels.db import database_sync_to_async
from django.db import connection, transaction
from bots import selectors, services, payloads
from bots.selectors.live import overview
from bots.models import Bot
from bots.services import relaying
from redis import asyncio as aioredis
"""


@pytest.mark.parametrize(
    "line",
    [
        "Bot.objects.get(id=1)",
        "return [bot async for bot in Bot.objects.all()]",
        "user._default_manager.first()",
        "time.sleep(1)",
        "open('x')",
        "requests.get('http://x')",
        "redis.Redis.from_url('x')",
        "selectors.bot(1)",
        "overview(1)",
        "relaying.pump()",
        "bot.save()",
        "bot.refresh_from_db()",
        "Path('x').read_text()",
        "with transaction.atomic(): pass",
        "with connection.cursor() as cursor: pass",
        "await database_sync_to_async(selectors.bot)(overview(1))",
        "slow()",
        "through()",
        "self.slow()",
    ],
)
def test_rule__a_line_that_blocks__is_found(line: str) -> None:
    others = "def slow():\n    return Bot.objects.first()\ndef through():\n    return slow()\n"
    assert violations(ast.parse(f"{IMPORTS}\n{others}\nasync def listen():\n    {line}\n")) != []


@pytest.mark.parametrize(
    "line",
    [
        "await asyncio.sleep(1)",
        "await database_sync_to_async(selectors.bot)(1)",
        "await sync_to_async(relaying.pump)()",
        "await asyncio.to_thread(lambda: selectors.bot(1))",
        "await in_thread()",
        "payloads.plain(None)",
        "client = aioredis.Redis()",
        "try: await self.go()\n    except redis.RedisError: pass",
        "await self.channel_layer.group_add('a', 'b')",
        "values.update(other)",
    ],
)
def test_rule__a_harmless_line__is_not_found(line: str) -> None:
    others = "@database_sync_to_async\ndef in_thread():\n    return Bot.objects.first()\n"
    assert violations(ast.parse(f"{IMPORTS}\n{others}\nasync def listen():\n    {line}\n")) == []
