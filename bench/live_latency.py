"""How long an event takes from its commit to a browser, as ratios to a bare commit of PostgreSQL in the same run.

    ./platform.sh bench live_latency      # or: python -m bench.live_latency [--events 300]

Starts a platform of its own whose replay rests. Events are committed about twenty times a second at moments that keep
no step with anything; sockets in another process note when they arrive. The time begins before the COMMIT is sent.
"""

import argparse
import asyncio
import json
import os
import random
import subprocess
import sys
import time
from typing import Any

import numpy as np

import bench

CLIENTS = (1, 20)


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench live_latency", description=__doc__)
    parser.add_argument("--events", type=int, default=300)
    parser.add_argument("--listen", nargs=2, metavar=("ADDRESS", "CLIENTS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.listen:
        asyncio.run(_listen(options.listen[0], int(options.listen[1])))
        return
    from tests.faults import throwaway

    with throwaway.running(bars_per_second=1) as platform:
        platform.enter()
        _measure(platform, options.events)


def _measure(platform: Any, count: int) -> None:
    from marketdata.services import replay
    from tests.faults.follower import Follower

    time.sleep(5)  # the first bars are over, so that there is a clock to pause
    replay.pause("1d")
    time.sleep(3)
    cookie = Follower(platform.address, user="admin", password=platform.password).cookie
    bare = bench.bare_commits()
    print(f"{count} events each; {os.cpu_count()} cores; a bare commit takes {bench.told(bare)}")
    print(f"{'browsers':>8} {'p50':>9} {'p99':>9} {'worst':>9} {'p50 in bare commits':>20} {'lost':>5}")
    for clients in CLIENTS:
        before, began = platform.cpu_seconds(), time.monotonic()
        latencies, lost = _through_sockets(platform.address, cookie, clients, count)
        elapsed, after = time.monotonic() - began, platform.cpu_seconds()
        p50, p99 = np.percentile(latencies, [50, 99])
        print(
            f"{clients:>8} {p50 * 1e3:>6.1f} ms {p99 * 1e3:>6.1f} ms {max(latencies) * 1e3:>6.1f} ms"
            f" {p50 / np.median(bare):>20.1f} {lost:>5}"
        )
        print(f"         of one core: {bench.shares(before, after, elapsed)}")


def _through_sockets(address: str, cookie: str, clients: int, count: int) -> tuple[list[float], int]:
    """(seconds of every event at every socket, how many did not arrive)."""
    command = [sys.executable, "-m", "bench.live_latency", "--listen", address, str(clients)]
    listener = subprocess.Popen(
        command, env={**os.environ, "COOKIE": cookie}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert listener.stdout is not None
    assert listener.stdout.readline() == "ready\n"
    time.sleep(1)
    committed = _commit_events(count)
    time.sleep(2)
    heard: list[dict[str, float]] = json.loads(listener.communicate()[0])
    arrived = [one[version] - at for one in heard for version, at in committed.items() if version in one]
    return arrived, clients * count - len(arrived)


def _commit_events(count: int) -> dict[str, float]:
    """Version -> when its COMMIT was about to be sent, by the machine's monotonic clock."""
    from datetime import UTC, datetime
    from decimal import Decimal

    from django.db import transaction

    from bots import payloads, selectors
    from bots.services import events

    bot = selectors.bots()[0]
    committed = {}
    dice = random.Random(7)
    for _ in range(count):
        time.sleep(dice.uniform(0.02, 0.08))
        with transaction.atomic():
            payload = payloads.price_payload(
                bot_id=bot.id, symbol="AAPL", price=Decimal("101.25"), at=datetime.now(UTC)
            )
            events.emit(bot.id, bot.owner_id, [("price_update", payload)])
            at = time.monotonic()
        bot.refresh_from_db(fields=["event_version"])
        committed[str(bot.event_version)] = at
    return committed


async def _listen(address: str, clients: int) -> None:
    """Open sockets, say so, note when each version arrives, and tell all of it when nobody speaks to us any more."""
    from websockets.asyncio.client import connect
    from websockets.typing import Origin

    heard: list[dict[str, float]] = [{} for _ in range(clients)]

    async def follow(own: dict[str, float], ready: asyncio.Event) -> None:
        headers = {"Cookie": os.environ["COOKIE"]}
        target = address.replace("http", "ws", 1) + "/ws/live"
        async with connect(target, additional_headers=headers, origin=Origin(address)) as socket:
            async for text in socket:
                now, message = time.monotonic(), json.loads(text)
                ready.set()  # the first beat
                for event in message.get("events", []):
                    own[str(event["version"])] = now

    signs = [asyncio.Event() for _ in heard]
    tasks = [asyncio.create_task(follow(own, sign)) for own, sign in zip(heard, signs, strict=True)]
    await asyncio.gather(*(sign.wait() for sign in signs))
    print("ready", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    for task in tasks:
        task.cancel()
    print(json.dumps(heard))


if __name__ == "__main__":
    main()
