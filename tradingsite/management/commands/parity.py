"""``manage.py parity``: would the backtest have done the same?

Runs the backtest of a live run over the very bars it stepped, and compares decisions, orders, fills
and round trips column by column with ``==``, as the engine wrote them and as the tables tell them.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from numpy.typing import NDArray

from backtests import records, tasks
from backtests import services as backtests
from backtests.services import queueing
from bots import selectors
from bots.selectors import EngineRun
from engine.domain.enums import Side
from engine.domain.errors import InputError
from engine.domain.events import DECISION, FILL, ORDER, ROUND_TRIP

Records = NDArray[np.void]
_KINDS: Mapping[str, tuple[str, Any]] = {
    "decisions": ("decided", DECISION),
    "orders": ("orders", ORDER),
    "fills": ("fills", FILL),
    "trips": ("trips", ROUND_TRIP),
}
_STORED: Mapping[str, str] = {"decisions": "decision", "orders": "order", "fills": "fill", "trips": "trip"}


class Command(BaseCommand):
    help = "Compare live runs with the backtest over the same bars. Exit code 1 where a column differs."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--bot", help="only the bot of this name")
        parser.add_argument("--all-runs", action="store_true", help="ended runs as well")
        parser.add_argument("--least", type=int, default=0, metavar="BARS", help="fail below so many stepped bars")

    def handle(self, *args: Any, bot: str | None, least: int, **options: Any) -> None:
        wrong, seen = 0, 0
        for run in selectors.runs(bot_name=bot, open_only=not options["all_runs"]):
            seen += 1
            wrong += self._compared(run, least)
        if not seen:
            raise CommandError("There is no run to compare.", returncode=1)
        if wrong:
            raise CommandError(f"{wrong} runs differ from their backtest.", returncode=1)

    def _compared(self, run: EngineRun, least: int) -> bool:
        cycles = list(selectors.decided_cycles(run))
        if run.last_open_ms is None or run.rows < least:
            self.stdout.write(f"{run.bot.name}: {run.rows} bars stepped, fewer than {max(least, 1)}")
            return True
        if len({cycle.snapshot_id for cycle in cycles}) > 1:
            self.stdout.write(
                f"{run.bot.name}: its configuration changed while it ran; one backtest cannot be the same"
            )
            return True
        try:
            found = self._backtest(run)
        except InputError as refused:
            raise CommandError(str(refused), returncode=2) from refused
        differing = [name for name in _KINDS if not _equal(_live(cycles, name), found[name])]
        differing += [f"table of {name}" for name, rows in _tables(run) if not _equal(rows, _told(found, name))]
        counts = ", ".join(f"{len(found[name])} {name}" for name in _KINDS)
        verdict = f"DIFFER in {', '.join(differing)}" if differing else "equal in every column"
        self.stdout.write(f"{run.bot.name}, run {run.number}: {run.rows} bars, {counts}: {verdict}")
        return bool(differing)

    def _backtest(self, run: EngineRun) -> dict[str, Records]:
        form = {
            "bot": run.bot_id,
            "start": _moment((run.after_ms or 0) + 1),
            "datasets": {one["symbol"]: one["id"] for one in run.datasets},
            "accept_suspected_splits": True,
        }
        made = queueing.record(form=form, owner_id=run.bot.owner_id, bots_of=None, now=timezone.now())
        backtests.run_chunked(backtest_id=made.id, worker=tasks.worker_name())
        return {name: _until(records.everything(made.id, kind), run) for name, kind in _STORED.items()}


def _until(found: Records, run: EngineRun) -> Records:
    """What the backtest, which goes on to the end of the series, did up to the run's last bar."""
    time = "exit_ms" if "exit_ms" in (found.dtype.names or ()) else "open_ms"
    return found[found[time] <= run.last_open_ms]


def _live(cycles: Any, name: str) -> Records:
    column, dtype = _KINDS[name]
    parts = [np.frombuffer(bytes(getattr(cycle, column)), dtype) for cycle in cycles]
    return np.concatenate(parts) if parts else np.zeros(0, dtype)


def _equal(live: Records, found: Records) -> bool:
    """Every column, bit for bit; NaN equals NaN."""
    if len(live) != len(found):
        return False
    names = live.dtype.names or ()
    return all(np.array_equal(live[name], found[name], equal_nan=live[name].dtype.kind == "f") for name in names)


def _tables(run: EngineRun) -> Iterator[tuple[str, Records]]:
    """Decisions and fills as their tables tell them, in the columns both sides have."""
    index = {symbol: place for place, symbol in enumerate(run.symbols)}
    decisions = [
        tuple(_number(name, value, index) for name, value in row.items())
        for row in selectors.decision_facts(run, _DECISION_COLUMNS)
    ]
    yield "decisions", np.array(decisions, [(name, DECISION[name]) for name in _DECISION_COLUMNS])
    fills = [
        (row["bar_open_ms"], index[row["symbol"]], Side[row["side"].upper()], row["leg"], *_money(row))
        for row in selectors.fill_facts(run)
    ]
    yield "fills", np.array(fills, [(name, FILL[name]) for name in _FILL_COLUMNS])


def _number(name: str, value: Any, index: Mapping[str, int]) -> Any:
    if name == "symbol":
        return index[value]
    return float(value) if name in _MONEY else value


def _money(row: Mapping[str, Any]) -> tuple[float, float, float]:
    return float(row["qty"]), float(row["price"]), float(row["fee"])


def _moment(at_ms: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at_ms)


_DECISION_COLUMNS = tuple(DECISION.names or ())
_MONEY = ("price", "equity", "long_qty", "short_qty")
_FILL_COLUMNS = ("open_ms", "symbol", "side", "leg", "qty", "price", "fee")
_PLACES = 9


def _told(found: Mapping[str, Records], name: str) -> Records:
    """The backtest's records in the table's columns, money to the table's nine places."""
    columns = _DECISION_COLUMNS if name == "decisions" else _FILL_COLUMNS
    rows = np.zeros(len(found[name]), [(column, found[name].dtype[column]) for column in columns])
    for column in columns:
        values = found[name][column]
        # As the table keeps it: equity is a sum of products and may have more places.
        rows[column] = [round(float(value), _PLACES) for value in values] if column in _MONEY else values
    return rows
