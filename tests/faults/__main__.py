"""Kill what trades, many times, and judge what is left: ``./platform.sh faults [ROUNDS]``.

Starts a platform of its own in a temporary directory, whose bots trade on the replay. Each of the bots' worker, the
stream, Valkey and PostgreSQL is killed with signal 9 at random moments, ROUNDS times; then one of two workers, of two
streams and of two beats. After each kill bots must trade again within 30 s, and a browser must show what the
database says within 5 s after that. In the end the books are judged: no order twice, no fill and no event
lost, and decisions, orders and fills are those of the backtest. Exit code 1 on any violation.
"""

import argparse
import os
import platform as machine
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path

from tests.faults import books, throwaway
from tests.faults.follower import Follower
from tests.faults.kills import (
    BROWSER_LIMIT_SECONDS,
    TRADING_LIMIT_SECONDS,
    Measured,
    NotRecovered,
    Scene,
)
from tests.faults.throwaway import ROOT, Throwaway

ALONE = ("worker-bots", "stream", "valkey", "postgres")
_SETTLE_SECONDS = 60.0
_LEAST_SECONDS = 900.0


def main() -> int:
    parser = argparse.ArgumentParser(prog="platform.sh faults", description=__doc__)
    parser.add_argument("rounds", nargs="?", type=int, default=20, help="kills of each process; default 20")
    parser.add_argument("--seed", type=int, help="of the moments and the order; default: any, and printed")
    parser.add_argument("--pace", type=float, default=8.0, help="bars a second; default 8")
    parser.add_argument("--least", type=int, default=1000, help="bars stepped before the backtest is compared")
    parser.add_argument("--alone", action="store_true", help="leave out the rounds with two of each")
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(10**6)
    print(f"{options.rounds} kills of each, seed {seed}, {options.pace:g} bars a second")
    print(f"{_machine()}, commit {_commit()}", flush=True)
    with throwaway.running(bars_per_second=options.pace) as platform:
        return _play(platform, random.Random(seed), options)


def _play(platform: Throwaway, dice: random.Random, options: argparse.Namespace) -> int:
    follower = Follower(platform.address, user="admin", password=platform.password)
    follower.start()
    scene = Scene(platform, follower, dice)
    measured: list[Measured] = []
    wrong: list[str] = []
    try:
        scene.wait(lambda c: books.do_all_trade(c, after=0, since=0.0), "trading after the start")
        _rounds(scene, _plan_alone(scene, options.rounds), measured)
        if not options.alone:
            _bring_in_a_crowd(scene)
            _rounds(scene, _plan_crowd(scene, max(1, options.rounds // 2)), measured)
            platform.end_by_hand()
        wrong += _judged(scene, least=options.least)
    except NotRecovered as failed:
        wrong.append(str(failed))
        _show_log(platform.log)
    finally:
        follower.stop()
        scene.disconnect()
    wrong += [f"too late after {one.killed}: {one}" for one in measured if not one.is_in_time]
    _table(measured)
    print(f"Follower: {follower.connections} connections, {follower.snapshots} snapshots.")
    for words in wrong:
        print(f"VIOLATED  {words}")
    print("Everything held." if not wrong else f"{len(wrong)} violations.", flush=True)
    return 1 if wrong else 0


# --- what is killed, and when

Pull = tuple[str, Callable[[], None]]


def _plan_alone(scene: Scene, rounds: int) -> list[Pull]:
    """Each round kills each of them once, in an order of its own."""
    names = chain.from_iterable(scene.dice.sample(ALONE, len(ALONE)) for _ in range(rounds))
    return [(name, lambda name=name: scene.kill(name)) for name in names]  # type: ignore[misc]


def _plan_crowd(scene: Scene, rounds: int) -> list[Pull]:
    """Of two workers, two streams and two beats one is killed, any one; the others go on."""

    def one_worker() -> None:
        scene.kill(scene.dice.choice(["worker-bots", "worker-bots.2"]))

    def one_of(name: str) -> Callable[[], None]:
        def pull() -> None:
            if scene.dice.random() < 0.5:
                scene.kill(name)
            else:
                scene.platform.kill_by_hand(name)
                _start_by_hand(scene, name)

        return pull

    pulls: list[Pull] = [
        ("one of two workers", one_worker),
        ("one of two streams", one_of("stream")),
        ("one of two beats", one_of("beat")),
    ]
    return [pull for _ in range(rounds) for pull in scene.dice.sample(pulls, len(pulls))]


def _bring_in_a_crowd(scene: Scene) -> None:
    scene.platform.add_worker("bots")
    for name in ("beat", "stream"):
        _start_by_hand(scene, name)
    scene.wait(lambda c: _workers(c) >= 2, "second worker")


def _start_by_hand(scene: Scene, name: str) -> None:
    scene.platform.run_by_hand(name, module=f"tradingsite.{name}")


def _workers(connection: books.Connection) -> int:
    query = "SELECT count(*) FROM bots_worker WHERE heartbeat_at > clock_timestamp() - interval '4 s'"
    (found,) = connection.execute(query).fetchall()
    return int(found[0])


def _rounds(scene: Scene, plan: Sequence[Pull], measured: list[Measured]) -> None:
    for number, (name, pull) in enumerate(plan, 1):
        one = scene.round(name, pull)
        measured.append(one)
        print(
            f"{number:>3}/{len(plan)} {name:<20} trading after {one.trading:5.1f} s, browser {one.browser:4.1f} s later"
            + (" (new socket)" if one.socket_came_back else ""),
            flush=True,
        )


# --- what is left


def _judged(scene: Scene, *, least: int) -> list[str]:
    """What is wrong with the books, after everything has settled."""
    scene.wait(lambda c: books.least_rows(c) >= least, f"{least} bars in every open run", seconds=_LEAST_SECONDS)
    with scene.paused():
        # The stream may be in the middle of publishing one: wait until it is certainly over.
        time.sleep(2)
        began = time.monotonic()
        scene.wait(books.is_settled, "end of what was under way", seconds=_SETTLE_SECONDS)
        print(f"Judging {scene.asked(books.counts)}; settled after {time.monotonic() - began:.1f} s.", flush=True)
        wrong = scene.asked(books.violations)
        for command in (
            ["check_ledger"],
            ["replay", "--check", "--all-runs"],
            ["parity", "--all-runs", "--least", str(least)],
        ):
            done = scene.platform.manage(*command)
            print(f"$ manage.py {' '.join(command)}\n{done.stdout}{done.stderr[-2000:]}", end="", flush=True)
            if done.returncode:
                wrong.append(f"manage.py {' '.join(command)} ends with {done.returncode}")
    return wrong


# --- telling


def _table(measured: Sequence[Measured]) -> None:
    print(f"\n{'killed':<20} {'times':>5}   {'trading again after':>21}   {'browser right after':>21}")
    print(f"{'':<20} {'':>5}   {'median':>10} {'worst':>10}   {'median':>10} {'worst':>10}")
    for name in dict.fromkeys(one.killed for one in measured):
        rows = [one for one in measured if one.killed == name]
        cells = [
            f"{value:8.1f} s"
            for column in ([one.trading for one in rows], [one.browser for one in rows])
            for value in (statistics.median(column), max(column))
        ]
        print(f"{name:<20} {len(rows):>5}   {cells[0]} {cells[1]}   {cells[2]} {cells[3]}")
    print(f"{'allowed':<26}   {'':>10} {TRADING_LIMIT_SECONDS:8.1f} s   {'':>10} {BROWSER_LIMIT_SECONDS:8.1f} s\n")


def _show_log(log: Path) -> None:
    lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
    print("The platform's last words:", *lines[-60:], sep="\n  ", file=sys.stderr)


def _machine() -> str:
    return f"{machine.system()} {machine.machine()}, {os.cpu_count()} processors"


def _commit() -> str:
    found = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return found.stdout.strip() or "unknown"


if __name__ == "__main__":
    began = time.monotonic()
    code = main()
    print(f"{time.monotonic() - began:.0f} s")
    sys.exit(code)
