"""Compute stored cycles again, from what they stored, and compare every byte.

What a cycle saw is kept: snapshot, bars, order facts, what else the account held. The same engine
over the same facts must say the same; where it does not, either the engine changed or the record did.
"""

from collections.abc import Iterator
from typing import NamedTuple

from bots.models import Cycle, CycleKind, CycleState, EngineRun, OrderFact
from bots.services import booking, runs, stepping, trading
from bots.services.runs import Setting
from configuration import selectors as configuration
from configuration.selectors import Frozen
from engine import run
from engine.domain.state import State
from engine.domain.values import Others
from marketdata.timeframes import DURATION_MS

_RECORDS = {"orders": "orders", "fills": "fills", "trips": "trips", "decided": "decisions"}


class Difference(NamedTuple):
    """A cycle that does not come out as it was stored. ``what``: which of its parts."""

    cycle: int
    due_at: str
    what: tuple[str, ...]


class Checked(NamedTuple):
    """What was found of one run."""

    run_id: int
    cycles: int
    bars: int
    facts: int
    differences: tuple[Difference, ...]


class _Point(NamedTuple):
    """How far the computation has come."""

    state: State
    snapshot_hash: str
    last_open_ms: int | None


def check(engine_run: EngineRun) -> Checked:
    """Every decided cycle of a run, computed again from the run's beginning."""
    cycles, bars, facts, differences = 0, 0, 0, list[Difference]()
    for cycle, what in _compared(engine_run):
        cycles += 1
        bars += cycle.bars
        facts += cycle.facts
        if what:
            differences.append(Difference(cycle.number, cycle.due_at.isoformat(), what))
    return Checked(engine_run.id, cycles, bars, facts, tuple(differences))


def _compared(engine_run: EngineRun) -> Iterator[tuple[Cycle, tuple[str, ...]]]:
    decided = Cycle.objects.filter(run=engine_run, state__in=[CycleState.DECIDED, CycleState.DONE])
    point: _Point | None = None
    for cycle in decided.order_by("number").iterator(chunk_size=200):
        setting = _setting(engine_run, cycle)
        if point is None:
            point = _Point(run.start(setting.plan).state, setting.frozen.hash, None)
        point, what = _again(engine_run, cycle, setting, point)
        yield cycle, what


def _setting(engine_run: EngineRun, cycle: Cycle) -> Setting:
    frozen = Frozen(str(cycle.snapshot_id), configuration.snapshot(str(cycle.snapshot_id)))
    return Setting(frozen, cycle.config_version or 0, runs.plan_of(frozen, runs.instruments_of(engine_run)))


def _again(engine_run: EngineRun, cycle: Cycle, setting: Setting, point: _Point) -> tuple[_Point, tuple[str, ...]]:
    wrong = []
    if cycle.checkpoint is not None and bytes(cycle.checkpoint) != stepping.to_bytes(point.state, setting.plan):
        wrong.append("checkpoint")
    after_ms = engine_run.after_ms if point.last_open_ms is None else point.last_open_ms
    to_ms = cycle.last_open_ms if cycle.kind == CycleKind.BARS and cycle.bars else after_ms
    bars = runs.bars_between(engine_run, after_ms=after_ms, to_ms=to_ms)
    if trading.bars_sha256(bars) != cycle.bars_sha256:
        wrong.append("bars")
    rows = list(OrderFact.objects.filter(cycle=cycle).select_related("intent", "fill__broker_order").order_by("place"))
    state = runs.adapted(
        point.state,
        engine_run=engine_run,
        snapshot_hash=point.snapshot_hash,
        setting=setting,
        last_open_ms=point.last_open_ms,
    )
    walk = stepping.walk(
        plan=setting.plan,
        state=state,
        facts=trading.facts_of(engine_run, rows, before_cycle=cycle.number),
        bars=bars,
        others=Others(**cycle.others),
        newest_ms=int(cycle.due_at.timestamp() * 1000) - DURATION_MS[engine_run.timeframe],
        tradable=runs.tradable(engine_run, setting, bars),
    )
    for column, name in _RECORDS.items():
        if bytes(getattr(cycle, column)) != booking.packed(walk.records(name)):
            wrong.append(column)
    if stepping.sha256(walk.state, setting.plan) != cycle.state_sha256:
        wrong.append("state")
    last = int(bars.open_ms[-1]) if len(bars.open_ms) else point.last_open_ms
    return _Point(walk.state, setting.frozen.hash, last), tuple(wrong)
