"""``python -m tests.simulation --seeds 1000 --from 0 --record FILE``: play many seeds; ``--seed 17 --verbose``: one.

A database of its own is made next to the one that DATABASE_URL names, and kept for the next time.
"""

import argparse
import json
import os
import sys
import time
from collections import Counter
from pathlib import Path


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=100, help="how many; default 100")
    parser.add_argument("--from", type=int, default=0, dest="first", help="the first; default 0")
    parser.add_argument("--seed", type=int, help="play this one only")
    parser.add_argument("--verbose", action="store_true", help="print the schedule")
    parser.add_argument("--mutant", help="break the protocol this way; --list-mutants")
    parser.add_argument("--list-mutants", action="store_true")
    parser.add_argument("--until-caught", action="store_true", help="stop at the first violation")
    parser.add_argument("--record", type=Path, help="append one line for each seed; seeds that are in it are skipped")
    parser.add_argument("--database", default="simulation", help="its name's ending; another one for each process")
    parser.add_argument("--profile", action="store_true", help="print where the time goes")
    options = parser.parse_args()

    os.environ["DJANGO_SETTINGS_MODULE"] = "tradingsite.settings.test"
    _make_database(options.database)
    from tests.simulation import mutants

    if options.list_mutants:
        for name, mutant in mutants.MUTANTS.items():
            print(f"{name:32} {mutant.words}")
        return 0
    with mutants.applied(options.mutant) if options.mutant else mutants.nothing():
        return _profiled(options) if options.profile else _play(options)


def _make_database(ending: str) -> None:
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import connections

    from tests import emptying

    connection = connections["default"]
    settings = connection.settings_dict
    settings["TEST"]["NAME"] = f"test_{settings['NAME'].removeprefix('test_')}_{ending}"
    connection.creation.create_test_db(verbosity=0, autoclobber=True, keepdb=True)
    connections["broker"].creation.set_as_test_mirror(settings)
    emptying.allow()
    call_command("flush", interactive=False, verbosity=0)


def _profiled(options: argparse.Namespace) -> int:
    import cProfile
    import pstats

    profile = cProfile.Profile()
    profile.enable()
    code = _play(options)
    profile.disable()
    pstats.Stats(profile).sort_stats("cumulative").print_stats(45)
    return code


def _play(options: argparse.Namespace) -> int:
    from tests.simulation import theatre

    seeds = [options.seed] if options.seed is not None else range(options.first, options.first + options.seeds)
    done = _recorded(options.record)
    faults: Counter[str] = Counter()
    orders: Counter[str] = Counter()
    bad = played_seeds = faithful = 0
    began = time.perf_counter()
    with theatre.opened() as stage:
        for seed in seeds:
            if seed in done:
                continue
            played = stage.play(seed, say=print if options.verbose else lambda line: None)
            played_seeds += 1
            faults += played.faults
            orders += played.orders
            faithful += played.is_faithful
            bad += bool(played.violations)
            line = {**played._asdict(), "faults": dict(played.faults), "seconds": round(played.seconds, 3)}
            if options.record is not None:
                with options.record.open("a", encoding="utf-8") as record:
                    record.write(json.dumps(line) + "\n")
            if options.verbose or options.record is None or played.violations:
                print(_told(line), flush=True)
            if options.until_caught and played.violations:
                break
    seconds = time.perf_counter() - began
    print(
        f"{played_seeds} seeds in {seconds:.0f} s, {bad} with a violation, {faithful} compared with a backtest, "
        f"{sum(faults.values())} faults: {dict(faults.most_common())}, orders came to be {dict(orders.most_common())}"
    )
    return 1 if bad else 0


def _recorded(record: Path | None) -> set[int]:
    if record is None or not record.exists():
        return set()
    return {json.loads(line)["seed"] for line in record.read_text(encoding="utf-8").splitlines()}


def _told(line: dict[str, object]) -> str:
    head = (
        f"seed {line['seed']}: {line['steps']} steps, {line['cycles']} cycles, {line['intents']} intents, "
        f"{line['fills']} fills, {'faithful, ' if line['is_faithful'] else ''}{line['seconds']} s, {line['faults']}"
    )
    return "\n".join([head, *(f"    {violation}" for violation in line["violations"])])  # type: ignore[attr-defined]


if __name__ == "__main__":
    sys.exit(main())
