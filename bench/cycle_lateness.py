"""How late twenty bots on five symbols decide, as ratios to a bare commit of PostgreSQL in the same run.

    ./platform.sh bench cycle_lateness    # or: python -m bench.cycle_lateness [--bots 20] [--seconds 40]

Starts a platform of its own, makes the bots, and lets the replay go as fast as all of them keep up: that pace is told.
Then it goes at half of it, a pace that this machine keeps, and how late a decision is committed after its bar was
published is measured. Last, PostgreSQL logs every statement for a moment, and they are counted for each cycle.

The bars are the sample's from 2005 on, under names of their own; the fifth series is the third one again.
"""

import argparse
import io
import os
import time
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import numpy as np

import bench

SYMBOLS = ("BENCHA", "BENCHB", "BENCHC", "BENCHD", "BENCHE")
_SAMPLES = ("AAPL", "GOOG", "IBM", "MSFT", "IBM")
_FIRST_MS = 1_104_537_600_000  # 2005-01-01, when all of them are listed
_DAY_MS = 86_400_000
_ROWS_OF_CYCLES = """
    SELECT (extract(epoch FROM due_at) * 1000)::bigint, extract(epoch FROM decided_at), extract(epoch FROM opened_at)
    FROM bots_cycle WHERE id > %s AND kind = 'bars' AND decided_at IS NOT NULL
"""


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench cycle_lateness", description=__doc__)
    parser.add_argument("--bots", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=40.0, help="of each of the two measurements")
    options = parser.parse_args()
    from tests.faults import throwaway

    with throwaway.running(bars_per_second=2) as platform:
        platform.enter()
        _prepare(options.bots)
        _measure(platform, options)


def _measure(platform: Any, options: argparse.Namespace) -> None:
    from marketdata.services import replay

    bare = bench.bare_commits()
    print(
        f"{options.bots} bots x {len(SYMBOLS)} symbols; {os.cpu_count()} cores; a bare commit takes {bench.told(bare)}"
    )
    print(f"{'pace':>12} {'reached':>9} {'late p50':>9} {'late p99':>9} {'p50 in bare commits':>20} {'cycles':>7}")
    pace = Decimal(1000)
    for words in ("all they can", "half of it"):
        replay.set_pace("1d", pace)
        time.sleep(5)
        reached = _row(platform, words, options.seconds, float(np.median(bare)))
        pace = Decimal(f"{max(reached / 2, 0.1):.3f}")
    print(f"statements of all processes for each cycle: {_statements(platform):.0f}")


def _row(platform: Any, words: str, seconds: float, bare: float) -> float:
    """Measure for so long and print a line; bars a second that were reached."""
    before, began = platform.cpu_seconds(), time.monotonic()
    with platform.database() as connection:
        newest = connection.execute("SELECT max(id) FROM bots_cycle").fetchone()[0]
        published = _watched(connection, seconds)
        elapsed, after = time.monotonic() - began, platform.cpu_seconds()
        rows = connection.execute(_ROWS_OF_CYCLES, [newest]).fetchall()
    late = [float(decided) - published[due] for due, decided, _ in rows if due in published]
    reached = len(published) / elapsed
    p50, p99 = np.percentile(late, [50, 99])
    print(f"{words:>12} {reached:>5.1f}/s {p50 * 1e3:>8.0f} ms {p99 * 1e3:>6.0f} ms {p50 / bare:>18.0f} {len(late):>9}")
    print(f"             of one core: {bench.shares(before, after, elapsed)}")
    return reached


def _watched(connection: Any, seconds: float) -> dict[int, float]:
    """Due time of each bar that was published meanwhile (ms) -> when it was, by the database's clock."""
    published, until = {}, time.monotonic() + seconds
    query = "SELECT now_ms, extract(epoch FROM advanced_at) FROM marketdata_replayclock WHERE timeframe = '1d'"
    while time.monotonic() < until:
        now_ms, advanced_at = connection.execute(query).fetchone()
        if now_ms is not None:
            published[now_ms + _DAY_MS] = float(advanced_at)
        time.sleep(0.01)
    return published


def _statements(platform: Any, seconds: float = 5.0) -> float:
    """Statements that reached PostgreSQL, divided by the cycles that were decided meanwhile."""
    with platform.database() as connection:
        query = "SELECT count(*) FROM bots_cycle WHERE decided_at IS NOT NULL"
        _log_statements(connection, "all")
        time.sleep(0.5)
        before, offset = connection.execute(query).fetchone()[0], platform.log.stat().st_size
        time.sleep(seconds)
        after = connection.execute(query).fetchone()[0]
        with platform.log.open("rb") as log:
            log.seek(offset)
            words = log.read()
        _log_statements(connection, "none")
    return float((words.count(b"LOG:  execute") + words.count(b"LOG:  statement")) / max(after - before, 1))


def _log_statements(connection: Any, which: str) -> None:
    connection.execute(f"ALTER SYSTEM SET log_statement = '{which}'")
    connection.execute("SELECT pg_reload_conf()")


# --- the bots


def _prepare(count: int) -> None:
    """Stop the demo bots; store five series; make and start ``count`` bots on them."""
    from bots import selectors
    from bots.services import definition, lifecycle
    from configuration.services import Actor

    actor, now = Actor(kind="system", id="bench", label="Benchmark"), datetime.now(UTC)
    owner_id = 0
    for bot in selectors.bots():
        owner_id = bot.owner_id
        lifecycle.stop(bot.id, actor=actor, now=now)
    _store_bars(now)
    for number in range(count):
        form = {**_FORM, "name": f"Bench {number + 1}"}
        bot = definition.define(
            owner_id=owner_id, form=form, actor=actor, source="system", reason="A benchmark measures it", now=now
        )
        lifecycle.start(bot.id, actor=actor, now=now)


def _store_bars(now: datetime) -> None:
    from marketdata import services
    from marketdata.providers import bokeh

    series = bokeh.adjusted_series()
    for symbol, sample in zip(SYMBOLS, _SAMPLES, strict=True):
        services.define_instrument(
            services.InstrumentDefinition(
                symbol=symbol, asset_class="equity", calendar="XNYS", price_tick=Decimal("0.0001")
            ),
            now=now,
        )
        request = services.ImportRequest(symbol=symbol, timeframe="1d", source="bench", adjustment="adjusted")
        services.import_csv(io.BytesIO(_csv(series[sample])), request, now=now)


def _csv(series: Any) -> bytes:
    rows = (row for row in zip(*series, strict=True) if row[0] >= _FIRST_MS)
    lines = [",".join(f"{value:.4f}" if place else str(value) for place, value in enumerate(row)) for row in rows]
    return "\n".join(["timestamp,open,high,low,close,volume", *lines]).encode()


_FORM = {
    "strategy": "indicator_voting",
    "timeframe": "1d",
    "symbols": list(SYMBOLS),
    "capital": 10000,
    "start_hour": 9,
    "start_minute": 30,
    "end_hour": 16,
    "end_minute": 0,
    "indicators": {"MACD": {}, "SMA": {"period": 50}, "EMA": {"period": 20}, "OBV": {}},
    "voting": "majority",
    "risk_management": {
        "stop_loss": 8,
        "take_profit": 20,
        "max_position_size": 20,
        "max_daily_loss": 10,
        "max_concurrent_positions": 5,
    },
}


if __name__ == "__main__":
    main()
