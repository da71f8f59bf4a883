"""What reading configuration costs, beside django-constance and Django's LocMemCache in the same run.

    ./platform.sh bench config            # or: python -m bench.config [--changes 1000000]

Starts servers of its own and a database of its own, writes a ledger of a million changes of 31 parameters, for 335
symbols and their sides, into it, measures, and drops it. With --here the database is made on the server that
DATABASE_URL names. The others are asked what they can answer: one setting, or all 31 in the fastest way they have;
scopes, origins and history they do not know.
"""

import argparse
import gc
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import urlsplit

SYMBOLS = 335  # with their sides 1,005 scopes, and 31,186 values
_START = datetime(2023, 1, 2, tzinfo=UTC)
_SPAN = timedelta(days=3 * 365)
_DATABASE = f"bench_config_{os.getpid()}"


class Taken(NamedTuple):
    """Seconds of one call: the best, the median and the worst of many."""

    best: float
    median: float
    worst: float


class Row(NamedTuple):
    """One line, what it may take, and what the others take, by name."""

    name: str
    took: Taken
    limit: float | None = None
    others: dict[str, float] = {}


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench config", description=__doc__)
    parser.add_argument("--changes", type=int, default=1_000_000)
    parser.add_argument("--here", action="store_true", help="on the server of DATABASE_URL")
    parser.add_argument("--others", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.others:
        print(json.dumps(_others()))
    elif options.here:
        _measured_here(options.changes)
    else:
        words = [sys.executable, "-m", "bench.config", "--here", "--changes", str(options.changes)]
        sys.exit(subprocess.call([sys.executable, "-m", "tradingsite.supervisor", "run", "--", *words]))


def _measured_here(changes: int) -> None:
    from tradingsite import deployment

    url = urlsplit(os.environ.get("DATABASE_URL") or deployment.load().database_url)
    with _database(url.geturl()):
        os.environ["DATABASE_URL"] = url._replace(path=f"/{_DATABASE}").geturl()
        os.environ["TRADINGSITE_LOG_LEVEL"] = "WARNING"  # this process talks to a person
        # In a process of their own, with nothing of ours loaded.
        others = json.loads(subprocess.check_output([sys.executable, "-m", "bench.config", "--others"]))
        import django

        django.setup()
        from django.core.management import call_command
        from django.db import connection

        call_command("migrate", verbosity=0)
        began = time.perf_counter()
        _fill(changes)
        took = time.perf_counter() - began
        print(f"{changes:,} changes of up to {31 * (3 * SYMBOLS + 1):,} values written in {took:.0f} s")
        try:
            _print([*_in_memory(others), *_in_the_ledger()])
        finally:
            connection.close()


@contextmanager
def _database(url: str) -> Iterator[None]:
    """An empty database of our own for the length of the block."""
    import psycopg

    with psycopg.connect(urlsplit(url)._replace(path="/postgres").geturl(), autocommit=True) as server:
        server.execute(f"CREATE DATABASE {_DATABASE}")
        try:
            yield
        finally:
            server.execute(f"DROP DATABASE {_DATABASE} WITH (FORCE)")


# --- a ledger of a plausible shape

# At first every side of every symbol is given all 31 values. Then one decision after another changes two
# parameters somewhere: of a hundred, two everywhere, eighteen for a symbol, eighty for a side; two in a hundred clear.
_DRAW = """
    CREATE TEMPORARY TABLE drawn AS
    WITH asked AS (
        SELECT n, (n + 1) / 2 AS version, (n + 1) %% 2 AS ordinal, n > %(sides)s * %(names)s AS is_later,
               abs(hashint8((n + 1) / 2) %% 100) AS die, abs(hashint8((n + 1) / 2 + 7000000000) %% %(sides)s) AS place,
               abs(hashint8(n + 14000000000)) AS dice
        FROM generate_series(1, %(changes)s::bigint) AS n
    ), placed AS (
        SELECT n, version, ordinal,
               CASE WHEN is_later THEN place ELSE (n - 1) / %(names)s END AS side_number,
               CASE WHEN NOT is_later OR die >= 20 THEN 'symbol_side' WHEN die >= 2 THEN 'symbol' ELSE 'global' END
                   AS scope_kind,
               CASE WHEN is_later THEN (abs(hashint8(version + 21000000000)) + ordinal) %% %(names)s
                    ELSE (n - 1) %% %(names)s END AS name_number,
               dice, is_later AND dice %% 100 < 2 AS wants_clear
        FROM asked
    ), named AS (
        SELECT n, version, ordinal, scope_kind,
               CASE WHEN scope_kind = 'global' THEN '' ELSE 'S' || lpad((side_number / 2)::text, 3, '0') END AS symbol,
               CASE WHEN scope_kind <> 'symbol_side' THEN '' WHEN side_number %% 2 = 0 THEN 'LONG' ELSE 'SHORT' END
                   AS side,
               (%(parameters)s::text[])[name_number + 1] AS parameter,
               (%(choices)s::jsonb -> name_number::int) AS choices, dice, wants_clear
        FROM placed
    ), judged AS (
        SELECT *, wants_clear AND NOT lag(wants_clear, 1, true) OVER k AS is_clear
        FROM named WINDOW k AS (PARTITION BY scope_kind, symbol, side, parameter ORDER BY n)
    ), valued AS (
        SELECT n, version, ordinal, scope_kind, symbol, side, parameter, is_clear,
               CASE WHEN NOT is_clear THEN choices -> (dice / 100 %% jsonb_array_length(choices))::int END AS new
        FROM judged
    )
    SELECT *, lag(new) OVER k AS old, CASE WHEN lag(is_clear, 1, true) OVER k THEN 0 ELSE lag(version) OVER k END
              AS old_version
    FROM valued WINDOW k AS (PARTITION BY scope_kind, symbol, side, parameter ORDER BY n)
"""
_STATEMENTS = (
    """
    INSERT INTO configuration_changeset (version, created_at, kind, actor_kind, actor_id, actor_label, on_behalf_of,
        source, reason, request_id, idempotency_key, request_digest, base_version, reverts_version,
        catalogue_fingerprint, canonical, prev_hash, hash)
    SELECT version, %(start)s::timestamptz + version * (%(span)s::interval / %(versions)s), 'set', 'user',
           (version %% 12)::text, 'user-' || version %% 12, '', (ARRAY['admin', 'api', 'api', 'cli'])[version %% 4 + 1],
           'Adjust for the week, ticket ' || version, '', NULL, repeat('0', 64), NULL, NULL, %(fingerprint)s,
           repeat('x', 500), encode(sha256((version - 1)::text::bytea), 'hex'),
           encode(sha256(version::text::bytea), 'hex')
    FROM generate_series(1, %(versions)s::bigint) AS version
    """,
    """
    INSERT INTO configuration_change (version, ordinal, namespace, scope_kind, bot, symbol, side, parameter, op, old,
        old_version, new)
    SELECT version, ordinal, 'trading', scope_kind, '', symbol, side, parameter,
           CASE WHEN is_clear THEN 'clear' ELSE 'set' END, old, old_version, new
    FROM drawn ORDER BY n
    """,
    """
    INSERT INTO configuration_override (namespace, scope_kind, bot, symbol, side, parameter, value, version)
    SELECT 'trading', scope_kind, '', symbol, side, parameter, new, version
    FROM (
        SELECT DISTINCT ON (scope_kind, symbol, side, parameter) *
        FROM drawn ORDER BY scope_kind, symbol, side, parameter, n DESC
    ) AS newest
    WHERE NOT is_clear
    """,
    """
    INSERT INTO configuration_confighead (id, version, hash)
    VALUES (1, %(versions)s, encode(sha256(%(versions)s::text::bytea), 'hex'))
    """,
)


def _fill(changes: int) -> None:
    from django.db import connection

    from configuration.catalogue import CATALOGUE
    from configuration.services import changing

    parameters = CATALOGUE.about("trading").documented
    facts = {
        "changes": changes,
        "versions": (changes + 1) // 2,
        "sides": 2 * SYMBOLS,
        "names": len(parameters),
        "parameters": [parameter.name for parameter in parameters],
        "choices": json.dumps([_choices(parameter) for parameter in parameters]),
        "start": _START,
        "span": _SPAN,
        "fingerprint": CATALOGUE.fingerprint,
    }
    changing.keep_edition(_START)
    with connection.cursor() as cursor:
        cursor.execute(_DRAW, facts)
        for statement in _STATEMENTS:
            cursor.execute(statement, facts)
        cursor.execute("DROP TABLE drawn")
        cursor.execute("VACUUM ANALYZE")  # as the database does by itself, a minute later


def _choices(parameter: Any) -> list[Any]:
    """A few values it may have."""
    if parameter.kind == "bool":
        return [True, False]
    if parameter.choices:
        return list(parameter.choices)
    if parameter.kind in ("int", "float"):
        low = parameter.minimum or 0
        high = parameter.maximum if parameter.maximum is not None else low + 1000
        found = [low + (high - low) * part / 8 for part in (1, 2, 3, 5, 6)]
        return [int(number) for number in found] if parameter.kind == "int" else found
    return [parameter.default]


# --- measuring


def _per_call(work: Callable[[], Any], *, calls: int, rounds: int = 21) -> Taken:
    """Of many calls in a row, many times."""
    work()
    taken = []
    gc.disable()
    try:
        for _ in range(rounds):
            began = time.perf_counter()
            for _ in range(calls):
                work()
            taken.append((time.perf_counter() - began) / calls)
    finally:
        gc.enable()
    return Taken(min(taken), statistics.median(taken), max(taken))


def _each(works: list[Callable[[], Any]]) -> Taken:
    """Of different calls, each made once."""
    works[0]()
    taken = []
    for work in works:
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    return Taken(min(taken), statistics.median(taken), max(taken))


def _in_memory(others: dict[str, dict[str, float]]) -> Iterator[Row]:
    from configuration import loading, store
    from configuration.image import Path

    image = store.current()
    path = Path("", "S123", "LONG")
    # An image that nobody has asked yet, as after a change; a new one for each round.
    fresh = iter([image.replaced({}) for _ in range(40)])
    scopes = [Path("", f"S{number:03}", side) for number in range(SYMBOLS) for side in ("", "LONG", "SHORT")][:1000]

    def first_of_all() -> None:
        unasked = next(fresh)
        for one in scopes:
            unasked.values("trading", one)

    warm = _per_call(lambda: image.values("trading", path), calls=20_000)
    yield Row("all 31 values, warm", warm, 0.5e-6, others["all"])
    yield Row("first resolve of 1,000 scopes", _per_call(first_of_all, calls=1), 5e-3)
    one = _per_call(lambda: image.explain("trading", "leverage", path), calls=20_000)
    yield Row("explain one value", one, 2e-6, others["one"])
    count = sum(len(image.stored(*place)) for place in image.places())
    yield Row(f"load {count:,} overrides", _per_call(lambda: loading.everything(image.environment), calls=1), 50e-3)
    yield Row("ask the head, serve the image", _per_call(store.current, calls=50), None, others["asked"])


def _in_the_ledger() -> Iterator[Row]:
    from configuration import selectors
    from configuration.scopes import side_scope

    newest = selectors.head().version
    parts = [part / 200 for part in range(1, 200)]
    moments = [
        (side_scope(f"S{index * 37 % SYMBOLS:03}", "LONG"), int(newest * part), _START + _SPAN * part)
        for index, part in enumerate(parts)
    ]
    at_version = [
        lambda scope=scope, version=version: selectors.resolve(scope, ("trading",), at_version=version)
        for scope, version, _ in moments
    ]
    at_time = [
        lambda scope=scope, instant=instant: selectors.resolve(scope, ("trading",), at_time=instant)
        for scope, _, instant in moments
    ]
    lines = [lambda scope=scope: selectors.sparkline("trading", "leverage", scope) for scope, _, _ in moments]
    yield Row("31 values at a version", _each(at_version), 5e-3)
    yield Row("31 values at an instant", _each(at_time), 5e-3)
    yield Row("one value over time", _each(lines), None)
    yield from _history(newest)
    for part in (2, 50, 98):
        fold = _per_call(lambda part=part: selectors.image_at(version=newest * part // 100), calls=1, rounds=3)
        yield Row(f"everything, {part} % into it", fold, None)


def _history(newest: int) -> Iterator[Row]:
    from configuration import selectors
    from configuration.selectors import Sought

    deep = [lambda part=part: selectors.page(Sought(), before_version=newest * part // 50) for part in range(1, 50)]
    yield Row("history, newest 50", _each([lambda: selectors.page(Sought())] * 50), 10e-3)
    yield Row("history, any page", _each(deep), 10e-3)
    day = _START + timedelta(days=500)
    for words, sought in (
        ("global", Sought(scope="global")),
        ("a symbol", Sought(scope="symbol", symbol="S042")),
        ("a parameter", Sought(namespace="trading", parameter="leverage")),
        ("an actor", Sought(actor="user-7")),
        ("a source", Sought(source="cli")),
        ("until long ago", Sought(until=_START + timedelta(days=365))),
        ("of one day", Sought(since=day, until=day + timedelta(days=1))),
        ("a common word", Sought(reason="week")),
    ):
        yield Row(f"history, {words}", _each([lambda sought=sought: selectors.page(sought)] * 20), 10e-3)
    absent = _per_call(lambda: selectors.page(Sought(reason="nobody ever wrote this")), calls=1, rounds=3)
    yield Row("history, a word never used", absent, None)


# --- the others, in a process of their own: constance wants to be an installed app


def _others() -> dict[str, dict[str, float]]:
    """Seconds of what django-constance and LocMemCache do with 31 values of the same kinds."""
    names = [f"VALUE_{number}" for number in range(31)]
    import django
    from django.conf import settings

    url = urlsplit(os.environ["DATABASE_URL"])
    import environ

    settings.configure(
        INSTALLED_APPS=["constance"],
        DATABASES={"default": environ.Env.db_url_config(url.geturl())},
        CONSTANCE_BACKEND="constance.backends.memory.MemoryBackend",
        CONSTANCE_CONFIG={name: (float(index), "as ours") for index, name in enumerate(names)},
        CACHES={"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}},
        USE_TZ=True,
    )
    django.setup()
    from constance import utils
    from django.core.cache import cache
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    cache.set("all", {name: float(index) for index, name in enumerate(names)}, None)
    local = _per_call(lambda: cache.get("all"), calls=2_000).median
    found: dict[str, dict[str, float]] = {"all": {"LocMemCache": local}, "one": {"LocMemCache": local}, "asked": {}}
    for backend, calls in (("memory.MemoryBackend", 500), ("database.DatabaseBackend", 20)):
        config = _constance(f"constance.backends.{backend}")
        for index, name in enumerate(names):
            setattr(config, name, float(index) + 0.5)
        words = f"constance, {backend.split('.')[0]}"
        found["all"][words] = _per_call(utils.get_values, calls=calls).median
        found["one"][words] = _per_call(lambda config=config: config.VALUE_7, calls=calls).median
    # What it costs them to be sure that another process has not changed a value.
    found["asked"]["constance, database"] = found["all"]["constance, database"]
    return found


def _constance(backend: str) -> Any:
    """Its configuration object on a backend, also for its own get_values."""
    from constance import settings as chosen
    from constance import utils
    from constance.base import Config

    chosen.BACKEND = backend
    utils.config._wrapped = Config()
    return utils.config._wrapped


# --- telling


def _print(rows: list[Row]) -> None:
    names = sorted({name for row in rows for name in row.others})
    print(f"{os.cpu_count()} cores, Python {sys.version.split()[0]}; the others as a multiple of our median")
    print(f"{'':<31}{'best':>10}{'median':>10}{'worst':>10}{'allowed':>10}      " + "".join(f"{n:>27}" for n in names))
    for row in rows:
        allowed = "-" if row.limit is None else _told(row.limit)
        mark = "" if row.limit is None else "ok" if row.took.median <= row.limit else "OVER"
        figures = "".join(f"{_told(seconds):>10}" for seconds in row.took)
        print(f"{row.name:<31}{figures}{allowed:>10} {mark:<5}" + "".join(f"{_other(row, n):>27}" for n in names))


def _other(row: Row, name: str) -> str:
    if name not in row.others:
        return "-"
    return f"{_told(row.others[name])} ({row.others[name] / row.took.median:,.1f} x)"


def _told(seconds: float) -> str:
    for unit, factor in (("s", 1.0), ("ms", 1e3), ("µs", 1e6)):
        if seconds * factor >= 1:
            return f"{seconds * factor:.2f} {unit}"
    return f"{seconds * 1e9:.0f} ns"


if __name__ == "__main__":
    main()
