"""What the preview of a change costs, as times of resolving every configuration once.

    ./platform.sh bench config_preview      # or: python -m bench.config_preview [--scopes 1000] [--bots 50]

Starts servers of its own and a database of its own with that many sides of symbols, each with six parameters of its
own (the sizes all different, which is the worst there is for the rules between them), and bots that trade twenty
symbols each, hold five positions and have ten orders resting. The preview is the whole of it: head, plan, rules,
effects, bots, warnings, hash. With --here the database is made on the server that DATABASE_URL names.
"""

import argparse
import gc
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import numpy as np

_NOW = datetime(2026, 1, 5, tzinfo=UTC)
_DATABASE = f"bench_config_preview_{os.getpid()}"
_BUDGET_MS = 100.0


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench config_preview", description=__doc__)
    parser.add_argument("--scopes", type=int, default=1000)
    parser.add_argument("--bots", type=int, default=50)
    parser.add_argument("--runs", type=int, default=40)
    parser.add_argument("--here", action="store_true", help="on the server of DATABASE_URL")
    options = parser.parse_args()
    if options.here:
        _measured_here(options.scopes, options.bots, options.runs)
    else:
        words = [sys.executable, "-m", "bench.config_preview", "--here", *sys.argv[1:]]
        sys.exit(subprocess.call([sys.executable, "-m", "tradingsite.supervisor", "run", "--", *words]))


def _measured_here(scopes: int, bots: int, runs: int) -> None:
    import psycopg

    from tradingsite import deployment

    url = urlsplit(os.environ.get("DATABASE_URL") or deployment.load().database_url)
    with psycopg.connect(url._replace(path="/postgres").geturl(), autocommit=True) as server:
        server.execute(f"CREATE DATABASE {_DATABASE}")
        try:
            os.environ["DATABASE_URL"] = url._replace(path=f"/{_DATABASE}").geturl()
            os.environ["TRADINGSITE_LOG_LEVEL"] = "WARNING"  # this process talks to a person
            _in_database(scopes, bots, runs)
        finally:
            server.execute(f"DROP DATABASE {_DATABASE} WITH (FORCE)")


def _in_database(scopes: int, bots: int, runs: int) -> None:
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import connection

    call_command("migrate", verbosity=0)
    dice = random.Random(7)
    symbols = [f"SYM{number:03}" for number in range((scopes + 1) // 2)]
    _configure(symbols, scopes, dice)
    _define_bots(symbols, bots, dice)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")  # as the database does by itself, a minute later
    _measure(symbols, scopes, bots, runs)
    connection.close()


# --- what there is


def _sides(symbols: Sequence[str], count: int) -> list[Any]:
    from configuration.scopes import side_scope

    return [side_scope(symbol, side) for symbol in symbols for side in ("LONG", "SHORT")][:count]


def _configure(symbols: Sequence[str], scopes: int, dice: random.Random) -> None:
    from configuration.services import SetValue, change

    operations = [
        SetValue(scope, "trading", name, value)
        for number, scope in enumerate(_sides(symbols, scopes))
        for name, value in {
            "leverage": dice.randrange(1, 50),
            "stop_loss_pct": dice.randrange(1, 40) / 10,
            "take_profit_pct": dice.randrange(1, 90) / 10,
            "min_position_size_usd": 20.0 + number / 10,
            "max_position_size_usd": 3000.0 + number,
            "max_retries": dice.randrange(1, 9),
        }.items()
    ]
    change(actor=_somebody(), source="cli", reason="a benchmark", operations=operations, now=_NOW)


def _define_bots(symbols: Sequence[str], bots: int, dice: random.Random) -> None:
    from django.contrib.auth.models import User

    from bots.models import IntentState
    from bots.tests import builders, rows
    from configuration.services import SetValue, bot_scope, change

    for symbol in symbols:
        builders.an_equity(symbol)
    owner = User.objects.create_user("owner")
    for number in range(bots):
        traded = dice.sample(symbols, min(20, len(symbols)))
        bot = builders.a_bot(owner, name=f"Bot {number}", symbols=traded)
        run = rows.a_run(bot)
        for symbol in traded[:5]:
            rows.a_position(run, symbol)
        for symbol in traded[:10]:
            rows.an_intent(run, IntentState.WORKING, symbol)
        own = SetValue(bot_scope(str(bot.id)), "trading", "max_position_size_usd", 5000.0 + number)
        change(actor=_somebody(), source="cli", reason="a benchmark", operations=[own], now=_NOW)


def _somebody() -> Any:
    from configuration.services import Actor

    return Actor("user", "1", "bench")


# --- what is asked


def _asked(symbols: Sequence[str], scopes: int) -> Iterator[tuple[str, list[Any]]]:
    from configuration.catalogue import CATALOGUE
    from configuration.services import GLOBAL, ClearScope, SetValue, side_scope, symbol_scope

    yield "one parameter everywhere", [SetValue(GLOBAL, "trading", "time_in_force", "IOC")]
    yield "a size everywhere (a rule reads it)", [SetValue(GLOBAL, "trading", "min_position_size_usd", 12.5)]
    yield "one symbol", [SetValue(symbol_scope(symbols[0]), "trading", "time_in_force", "IOC")]
    yield "20 symbols at once", [SetValue(symbol_scope(one), "trading", "time_in_force", "IOC") for one in symbols[:20]]
    yield "a side's own word cleared", [ClearScope(side_scope(symbols[0], "LONG"), "trading")]
    yield (
        "all 31 everywhere",
        [
            SetValue(GLOBAL, "trading", parameter.name, _another(parameter))
            for parameter in CATALOGUE.about("trading").documented
        ],
    )
    yield (
        f"a size on each of {scopes} sides",
        [SetValue(scope, "trading", "max_position_size_usd", 9000.0) for scope in _sides(symbols, scopes)],
    )


def _another(parameter: Any) -> Any:
    """A legal value that is not the default."""
    if parameter.kind == "bool":
        return parameter.default if parameter.name == "use_exchange_minimums" else not parameter.default
    if parameter.choices:
        return next(choice for choice in parameter.choices if choice != parameter.default)
    if parameter.kind in ("int", "float"):
        if parameter.default is None:
            return parameter.example
        higher = parameter.default + (1 if parameter.kind == "int" else parameter.step or parameter.default / 10)
        return higher if parameter.maximum is None or higher <= parameter.maximum else parameter.minimum
    return {**parameter.default, "default": 0.5} if parameter.keys is None else {"1h": 0.5}


def _measure(symbols: Sequence[str], scopes: int, bots: int, runs: int) -> None:
    from configuration import ports, services, store
    from configuration.image import Path

    image = store.current()
    paths = [Path(scope.bot, scope.symbol, scope.side) for owner, scope in image.places() if owner == "trading"]

    def resolve_all() -> None:
        fresh = image.replaced({})  # an image that remembers nothing yet
        for path in paths:
            fresh.resolve("trading", path)

    plain = _milliseconds(resolve_all, runs)
    reached = _milliseconds(lambda: ports.reach().bots(), runs)
    print(f"{scopes:,} scopes, {bots} bots; {os.cpu_count()} cores; {runs} runs each")
    print(f"{'':44} {'median (p99)':>25} {'computing':>11}")
    print(f"{'every configuration resolved once, cold':44} {_told(plain)}")
    print(f"{'the bots with what they hold, four queries':44} {_told(reached)}")
    print(f"{'preview of':44} {'':>37} {'effects':>8} {'times resolving':>16}")
    for name, operations in _asked(symbols, scopes):
        preview = services.preview(operations, actor=_somebody())
        assert not preview.plan.faults, preview.plan.faults[:3]
        taken = _milliseconds(lambda wanted=operations: services.preview(wanted, actor=_somebody()), runs)
        times = np.median(taken.computed) / np.median(plain.computed)
        print(f"  {name:42} {_told(taken)} {len(preview.effects):>8,} {times:>16.1f}{_verdict(taken)}")


class Taken(NamedTuple):
    """Milliseconds by the clock on the wall, and those this process computed; the rest waits for others."""

    wall: list[float]
    computed: list[float]


def _milliseconds(work: Any, runs: int) -> Taken:
    work()
    taken = Taken([], [])
    for _ in range(runs):
        gc.collect()
        wall, computed = time.perf_counter(), time.process_time()
        work()
        taken.wall.append((time.perf_counter() - wall) * 1e3)
        taken.computed.append((time.process_time() - computed) * 1e3)
    return taken


def _told(taken: Taken) -> str:
    p50, p99 = np.percentile(taken.wall, [50, 99])
    return f"{p50:>8.1f} ms ({p99:>7.1f} ms) {np.median(taken.computed):>8.1f} ms"


def _verdict(taken: Taken) -> str:
    return "" if np.median(taken.wall) <= _BUDGET_MS else f"  above {_BUDGET_MS:.0f} ms"


if __name__ == "__main__":
    main()
