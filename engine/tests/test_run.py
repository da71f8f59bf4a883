"""The doors of a run: what they refuse, how bars are put in order, and that importing stays light."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine import run, step
from engine.domain import reasons
from engine.domain.enums import Reason
from engine.domain.errors import InputError
from engine.domain.values import Bars, Series
from engine.tests import scenes, worlds

ROOT = Path(__file__).resolve().parents[2]


def python(code: str, *, root: Path = ROOT, **environment: str) -> str:
    """What a fresh interpreter prints."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


# --- bars that must not be stepped


def changed(**columns: dict[int, float]) -> Bars:
    """Five good bars with single values replaced: column={row: value}."""
    bars = worlds.flat_bars(5)
    fresh = {name: getattr(bars, name).copy() for name in columns}
    for name, values in columns.items():
        for row, value in values.items():
            fresh[name][row] = value
    return bars._replace(**fresh)


@pytest.mark.parametrize(
    ("bars", "row"),
    [
        (changed(close={2: np.nan}), 2),
        (changed(open={3: np.nan}), 3),
        (changed(high={1: np.inf}), 1),
        (changed(low={4: 0.0}), 4),
        (changed(close={0: -1.0}), 0),
        (changed(high={2: 99.0}), 2),  # below the low of 100
        (changed(volume={1: np.nan}), 1),
        (changed(volume={1: -1.0}), 1),
        (changed(symbol={3: 1}), 3),
        (changed(symbol={3: -1}), 3),
    ],
)
def test_check__one_bad_value__names_its_row(bars: Bars, row: int) -> None:
    with pytest.raises(InputError) as refused:
        run.check(bars, 1)
    assert [(fault.code, fault.pointer) for fault in refused.value.faults] == [("bad_bars", f"/bars/{row}")]


@pytest.mark.parametrize("times", [{2: 0}, {2: worlds.MINUTE}])
def test_check__times_that_fall_or_repeat__are_refused(times: dict[int, float]) -> None:
    with pytest.raises(InputError, match="rise by time"):
        run.check(changed(open_ms=times), 1)


def test_check__several_kinds_of_fault__names_the_first_row_of_each() -> None:
    bars = changed(open_ms={1: -1}, symbol={3: 7}, close={2: np.nan, 4: np.nan})
    with pytest.raises(InputError) as refused:
        run.check(bars, 1)
    assert [fault.pointer for fault in refused.value.faults] == ["/bars/0", "/bars/3", "/bars/2"]


def test_run__bad_bars__changes_nothing() -> None:
    plan = worlds.external_plan(worlds.wishes())
    state = run.start(plan)
    before = state.to_bytes()
    with pytest.raises(InputError):
        run.run(changed(close={2: np.nan}), plan=plan, state=state, signals=worlds.said(1, 0, 0, 0, 0))
    assert state.to_bytes() == before


def test_run__no_bars__gives_nothing_and_the_same_state() -> None:
    plan = worlds.external_plan(worlds.wishes())
    told = run.run(worlds.part_of(worlds.flat_bars(2), 0, 0), plan=plan, state=run.start(plan), signals=worlds.said())
    assert len(told.equity) == len(told.orders) == len(told.fills) == len(told.decisions) == 0
    assert told.state.to_bytes() == run.start(plan).to_bytes()


@pytest.mark.parametrize("rows", [0, 4, 6])
def test_run__signals_for_another_number_of_bars__are_refused(rows: int) -> None:
    plan = worlds.external_plan(worlds.wishes())
    with pytest.raises(InputError, match="5 rows and 1 columns") as refused:
        run.run(worlds.flat_bars(5), plan=plan, state=run.start(plan), signals=worlds.said(*[1] * rows))
    assert [fault.code for fault in refused.value.faults] == ["bad_signals"]


def test_run__signals_of_another_number_of_strategies__are_refused() -> None:
    plan = worlds.external_plan(worlds.wishes(strategies=2))
    with pytest.raises(InputError, match="5 rows and 2 columns"):
        run.run(worlds.flat_bars(5), plan=plan, state=run.start(plan), signals=worlds.said(*[1] * 5))


# --- a run that cannot be set up


def test_setup__nothing_given__names_every_fault() -> None:
    with pytest.raises(InputError) as refused:
        run.setup(symbols=[], params=worlds.wishes(), strategies=[])
    assert [fault.pointer for fault in refused.value.faults] == ["/symbols", "/strategies", "/params", "/params"]
    assert {fault.code for fault in refused.value.faults} == {"bad_plan"}


def test_setup__parameters_of_another_shape__are_refused() -> None:
    external = run.StrategySetup("external", [{}, {}])
    with pytest.raises(InputError, match="shaped for 2 symbols"):
        run.setup(symbols=["A", "B"], params=worlds.wishes(symbols=1), strategies=[external])
    with pytest.raises(InputError, match="shaped for 2 strategies"):
        run.setup(symbols=["A"], params=worlds.wishes(), strategies=[external, external])


# --- putting bars in order


def test_merge__several_series__rise_by_time_then_symbol() -> None:
    def series(*minutes: int) -> Series:
        times = np.array(minutes, np.int64) * worlds.MINUTE
        prices = np.array(minutes, np.float64) + 1.0
        return Series(times, prices, prices, prices, prices, prices)

    bars = run.merge([series(0, 2, 3), series(1, 2)], [np.array([7, 7, 8], np.int32), np.array([7, 7], np.int32)])
    assert (bars.open_ms // worlds.MINUTE).tolist() == [0, 1, 2, 2, 3]
    assert bars.symbol.tolist() == [0, 1, 0, 1, 0]
    assert bars.day.tolist() == [7, 7, 7, 7, 8]
    assert bars.close.tolist() == [1.0, 2.0, 3.0, 3.0, 4.0]
    assert not bars.close.flags.writeable


def test_equity_curve__several_symbols__has_one_value_for_each_timestamp() -> None:
    plan, bars, signals = scenes.external("several_one_way", seed=1, count=50)
    told = run.run(bars, plan=plan, state=run.start(plan), signals=signals)
    assert told.equity_ms.tolist() == sorted(set(bars.open_ms.tolist()))
    assert len(told.equity) == len(told.equity_ms)


# --- buffers and the record


def test_run__more_events_than_the_first_buffers_hold__loses_none() -> None:
    # Given: a buy or a close on every bar, so that each bar brings a fill, an order and a decision
    rows = 3 * run._FIRST_ROOM * step.ROOM_PER_ROW // 2
    plan = worlds.external_plan(worlds.wishes(**worlds.LONG_ONLY))
    signals = worlds.said(*[1, 2] * (rows // 2))
    told = run.run(worlds.flat_bars(rows), plan=plan, state=run.start(plan), signals=signals)
    assert len(told.orders) == rows
    assert told.fills["row"].tolist() == list(range(1, rows))
    assert len(told.trips) == rows // 2 - 1
    assert len(told.decisions) == rows


def test_rows__of_a_continued_run__count_from_its_start() -> None:
    plan = worlds.external_plan(worlds.wishes(**worlds.LONG_ONLY))
    first = run.run(worlds.flat_bars(3), plan=plan, state=run.start(plan), signals=worlds.said(0, 0, 1))
    bars = worlds.flat_bars(2)
    later = bars._replace(open_ms=bars.open_ms + 3 * worlds.MINUTE)
    second = run.run(later, plan=plan, state=first.state, signals=worlds.said(2, 0))
    assert [int(row) for row in second.fills["row"]] == [3, 4]
    assert (int(second.trips["entry_row"][0]), int(second.trips["exit_row"][0])) == (3, 4)


def test_decisions__quiet_bars__write_none() -> None:
    plan = worlds.external_plan(worlds.wishes())
    told = run.run(worlds.flat_bars(50), plan=plan, state=run.start(plan), signals=worlds.said(*[0] * 50))
    assert len(told.decisions) == 0
    assert told.equity.tolist() == [10_000.0] * 50


def test_decision__of_an_entry_and_its_fill__says_what_was_wanted_held_and_worth() -> None:
    bars = worlds.bars_of((100.0,) * 4, (101.0, 103.0, 101.0, 102.0), (102.0,) * 4)
    plan = worlds.external_plan(worlds.wishes(**worlds.LONG_ONLY))
    told = run.run(bars, plan=plan, state=run.start(plan), signals=worlds.said(1, 0, -1, confidence=0.8))
    asked, filled, left = told.decisions
    assert (asked["row"], asked["signal"], asked["target"], asked["orders"], asked["fills"]) == (0, 1, 1, 1, 0)
    assert (asked["price"], asked["equity"], asked["long_qty"], asked["confidence"]) == (100.0, 10_000.0, 0.0, 0.8)
    # ten bought at 101, worth 102: a record although nothing was signalled, because something was filled
    assert (filled["row"], filled["signal"], filled["fills"], filled["equity"]) == (1, 0, 1, 10_010.0)
    assert Reason(int(filled["reason"])) is Reason.NO_SIGNAL
    assert filled["long_qty"] == 10.0
    # a sell of a long-only bot closes: ENTER_SHORT | EXIT_LONG, and the exit is what was asked
    assert (left["row"], left["signal"], left["target"], left["orders"]) == (2, -1, 6, 1)
    assert Reason(int(left["reason"])) is Reason.NONE


@pytest.mark.parametrize(
    ("actions", "last"),
    [
        ((1, 0, 1), Reason.ALREADY_HELD),
        ((2, 0, 0), Reason.NOTHING_TO_CLOSE),
        ((-1, 0, 0), Reason.SHORTS_DISABLED),
        ((1, 2, 2), Reason.NOTHING_TO_CLOSE),
    ],
)
def test_decision__nothing_to_be_done__says_why(actions: tuple[int, ...], last: Reason) -> None:
    plan = worlds.external_plan(worlds.wishes(**worlds.LONG_ONLY))
    told = run.run(worlds.flat_bars(3), plan=plan, state=run.start(plan), signals=worlds.said(*actions))
    spoken = [Reason(int(d["reason"])) for d in told.decisions if d["signal"] != 0]
    assert spoken[-1] is last


def test_order_closed__by_the_broker__frees_the_leg_and_says_why() -> None:
    plan = worlds.external_plan(worlds.wishes(**worlds.LONG_ONLY))
    waiting = run.run(worlds.flat_bars(1), plan=plan, state=run.start(plan), signals=worlds.said(1)).state.state
    assert waiting.account["working_entries"][0] == 1
    answer = step.on_order_closed(waiting, symbol=0, side=0, leg=0, reason=Reason.REJECTED)
    assert answer.state.account["working_entries"][0] == answer.state.account["working"][0] == 0
    assert answer.state.legs["notional"][0, 0, 0] == 0.0
    assert [Reason(int(reason)) for reason in answer.decisions["reason"]] == [Reason.REJECTED]
    # the state given is not touched
    assert waiting.account["working_entries"][0] == 1


def test_reasons__each__has_a_code_and_a_sentence_of_its_own() -> None:
    assert set(reasons.SENTENCES) == set(Reason)
    assert len(set(reasons.SENTENCES.values())) == len(Reason)
    assert reasons.code(30) == "max_daily_loss"
    assert reasons.sentence(30).startswith("The bot has lost")


# --- which engine, and what importing it brings along


def test_import__every_room__does_not_load_the_compiler() -> None:
    rooms = "engine.run, engine.step, engine.venue, engine.metrics, engine.warm, engine.strategies"
    assert (
        python(f"import sys, {rooms}; print(sorted({{'numba', 'llvmlite', 'pandas', 'django'}} & set(sys.modules)))")
        == "[]"
    )


def test_ready__before_run_is_imported__run_is_compiled_when_it_comes() -> None:
    # A worker that has stepped a live bot meets its first backtest.
    code = (
        "from engine import _jit, step; _jit.ready(); from engine import run, warm; warm.main();"
        "print(type(run.drive).__name__, type(step.close_rows).__name__)"
    )
    assert python(code).splitlines()[-1] == "CPUDispatcher CPUDispatcher"


def test_fingerprint__a_source_changes__changes_and_a_test_does_not(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "engine", tmp_path / "engine", ignore=shutil.ignore_patterns("__pycache__", "tests"))
    ask = "from engine import run; print(run.fingerprint())"
    before = python(ask, root=tmp_path)
    assert before == run.fingerprint()
    (tmp_path / "engine" / "tests").mkdir()
    (tmp_path / "engine" / "tests" / "test_new.py").write_text("")
    assert python(ask, root=tmp_path) == before
    with (tmp_path / "engine" / "indicators" / "rsi.py").open("a") as source:
        source.write("\n")
    assert python(ask, root=tmp_path) != before


def test_cache_directory__is_named_after_the_sources(tmp_path: Path) -> None:
    ask = "from engine import _jit; print(_jit.cache_directory(), _jit.fingerprint())"
    folder, fingerprint = python(ask, ENGINE_CACHE_DIR=str(tmp_path)).split()
    assert Path(folder) == tmp_path / fingerprint[:16]
    assert Path(folder).is_dir()


def test_errors__the_tree__has_a_code_for_each_and_lists_every_fault() -> None:
    def below(kind: type) -> list[Any]:
        return [kind, *(each for child in kind.__subclasses__() for each in below(child))]

    from engine.domain import errors

    tree = [kind for kind in below(errors.PlatformError) if kind.__module__ == "engine.domain.errors"]
    assert len({kind.code for kind in tree}) == len(tree)
    fault = errors.Fault("bad", "/x", "x is 3, allowed 1-2.")
    assert str(InputError("Refused.", faults=[fault, fault])) == "Refused. x is 3, allowed 1-2.; x is 3, allowed 1-2."
    assert str(InputError("Refused.")) == "Refused."
    assert InputError("Refused.", code="SPECIAL").specific_code == "SPECIAL"


def test_run__rows_outside_the_trading_window__acts_as_if_nothing_was_said_there() -> None:
    # Given: the same bars and signals twice, once with a window, once with those signals taken away by hand
    bars, plan = worlds.random_bars(7, 400), worlds.external_plan(worlds.wishes())
    said = worlds.random_signals(7, 400, density=0.6)
    tradable = np.arange(400) % 3 != 0
    silent = said._replace(action=np.where(tradable[:, np.newaxis], said.action, 0).astype(np.int8))
    # When
    windowed = run.run(bars, plan=plan, state=run.start(plan), signals=said, tradable=tradable)
    by_hand = run.run(bars, plan=plan, state=run.start(plan), signals=silent)
    everywhere = run.run(bars, plan=plan, state=run.start(plan), signals=said)
    # Then: no order is decided on a row outside, and leaving the window out would have been another run
    worlds.assert_same_result(windowed, by_hand)
    assert tradable[windowed.orders["row"][windowed.orders["leg"] == 0]].all()
    assert len(everywhere.orders) != len(windowed.orders)
