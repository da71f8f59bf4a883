"""What is allowed and may yet surprise: said beside a preview, never in the way. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from configuration import values
from configuration.catalogue import Catalogue
from configuration.effects import Shift, Touched, deciding, depth_of
from configuration.image import Image, Path
from configuration.planning import Changed
from configuration.ports import ReachedBot
from configuration.scopes import GLOBAL, Scope

BRACKETS: Final = ("stop_loss_pct", "take_profit_pct", "risk_management_enabled")
"""What the stop and the target of a position are made of, when it is opened or added to."""

OF_THE_ACCOUNT: Final = (
    "max_daily_loss_pct",
    "max_portfolio_exposure_pct",
    "max_daily_trades",
    "max_concurrent_positions",
)
"""Limits that hold for the account whatever a symbol or side adds: no override shadows the global one."""


class Caution(NamedTuple):
    """Something to know before a change is made.

    ``code``: shadowed, reaches_no_bot, pins_inherited, brackets_stay, not_installed.
    """

    code: str
    namespace: str
    parameter: str
    scope: Scope
    message: str


def cautions(
    changes: Sequence[Changed],
    shifts: Iterable[Shift],
    touched: Touched,
    *,
    before: Image,
    paths: Mapping[str, Sequence[Path]],
    bots: Iterable[ReachedBot],
) -> tuple[Caution, ...]:
    """Every caution, in the order of the changes. ``paths``: what was looked at in each namespace."""
    heard = _heard(shifts)
    known = {bot.id for bot in bots}
    neighbours = {namespace: _neighbours(found) for namespace, found in paths.items()}
    found: list[Caution] = []
    for change in changes:
        mine = heard.get((change.namespace, change.parameter, *change.scope), ())
        if not before.catalogue.about(change.namespace).is_installed:
            found.append(_not_installed(change, before))
        else:
            near = neighbours[change.namespace].get((change.scope.bot, change.scope.symbol), ())
            found += _without_effect(change, mine, near, known, before.catalogue)
        found += _pinned(change, before)
        found += _brackets_kept(change, mine, touched)
    return tuple(found)


def _heard(shifts: Iterable[Shift]) -> Mapping[tuple[str, ...], list[Shift]]:
    """The shifts by namespace, parameter and the parts of the scope their values came or will come from."""
    heard: defaultdict[tuple[str, ...], list[Shift]] = defaultdict(list)
    for shift in shifts:
        for parts in {shift.before.origin[:_PARTS], shift.after.origin[:_PARTS]}:
            heard[shift.namespace, shift.parameter, *parts].append(shift)
    return heard


def _neighbours(paths: Iterable[Path]) -> Mapping[tuple[str, str], list[Path]]:
    """The paths by the (bot, symbol) of every scope that may speak for them."""
    near: defaultdict[tuple[str, str], list[Path]] = defaultdict(list)
    for path in paths:
        near["", ""].append(path)
        if path.symbol:
            near["", path.symbol].append(path)
        if path.bot:
            near[path.bot, ""].append(path)
    return near


def _below(scope: Scope, near: Iterable[Path]) -> list[Path]:
    """The paths the scope speaks for, beside its own."""
    own = Path.of(scope)
    return [path for path in near if path != own and (not scope.side or path.side == scope.side)]


_PARTS: Final = 4  # of an origin: those of a scope


def _said(code: str, change: Changed, message: str) -> Caution:
    return Caution(code, change.namespace, change.parameter, change.scope, message)


def _not_installed(change: Changed, before: Image) -> Caution:
    title = before.catalogue.about(change.namespace).title
    return _said("not_installed", change, f"{title} is not installed yet: nothing acts on its parameters.")


def _without_effect(
    change: Changed, heard: Sequence[Shift], near: Sequence[Path], known: set[str], catalogue: Catalogue
) -> Iterator[Caution]:
    """Nobody below the scope hears it: all of them have their own word, or there is nobody."""
    scope, namespace = change.scope, change.namespace
    below = _below(scope, near)
    name = f"{change.parameter} at {scope}"
    is_for_bots = scope != GLOBAL and depth_of(namespace, catalogue) != "global"
    if is_for_bots and scope.bot not in known and not any(path.bot in known for path in below):
        yield _said("reaches_no_bot", change, f"{name}: no bot in service is configured there.")
        return
    if change.parameter in OF_THE_ACCOUNT:
        return
    # Where bots trade is what counts; without any, whatever else is configured there.
    listeners = deciding(below, namespace, catalogue) or set(below)
    if listeners and all(listeners.isdisjoint(shift.paths) for shift in heard):
        message = (
            f"{name} reaches nothing below it: {_counted(len(listeners))} there set {change.parameter} themselves."
        )
        yield _said("shadowed", change, message)


def _counted(number: int) -> str:
    return "the one configuration" if number == 1 else f"all {number} configurations"


def _pinned(change: Changed, before: Image) -> Iterator[Caution]:
    if change.op != "set" or change.old_version:
        return
    inherited = before.explain(change.namespace, change.parameter, Path.of(change.scope))
    if inherited.value == change.new:
        origin = inherited.origin
        source = origin.name or str(Scope(origin.scope, origin.bot, origin.symbol, origin.side))
        message = (
            f"{change.parameter} at {change.scope} is {values.shown(change.new)} already, from {source}: setting it "
            "pins it, and what is changed there later will not be heard here."
        )
        yield _said("pins_inherited", change, message)


def _brackets_kept(change: Changed, heard: Iterable[Shift], touched: Touched) -> Iterator[Caution]:
    if change.parameter not in BRACKETS:
        return
    sides = {path for shift in heard if shift.changes_value for path in shift.paths}
    kept = sum(
        Path(bot.id, position.symbol, position.side) in sides for bot in touched.bots for position in bot.positions
    )
    if kept:
        held = "1 open position keeps its" if kept == 1 else f"{kept} open positions keep their"
        message = f"{held} stop and target: {change.parameter} is heard when a position is opened or added to."
        yield _said("brackets_stay", change, message)
