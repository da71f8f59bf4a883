"""What is allowed and may yet surprise: said beside a preview, never in the way. Pure."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from configuration import values
from configuration.effects import Effect, Touched, depth_of, is_decisive, looked_at
from configuration.image import Image, Path
from configuration.planning import Changed
from configuration.ports import ReachedBot
from configuration.scopes import Origin, Scope

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
    effects: Sequence[Effect],
    touched: Touched,
    *,
    before: Image,
    after: Image,
    bots: Sequence[ReachedBot],
) -> tuple[Caution, ...]:
    """Every caution, in the order of the changes."""
    of: defaultdict[tuple[str, str], list[Effect]] = defaultdict(list)
    for effect in effects:
        of[effect.namespace, effect.parameter].append(effect)
    paths = {name: looked_at(name, before, after, bots) for name in {change.namespace for change in changes}}
    known = {bot.id for bot in bots}
    found: list[Caution] = []
    for change in changes:
        mine = of[change.namespace, change.parameter]
        if not before.catalogue.about(change.namespace).is_installed:
            found.append(_not_installed(change, before))
        else:
            found += _without_effect(change, mine, paths[change.namespace], known, before)
        found += _pinned(change, before)
        found += _brackets_kept(change, mine, touched)
    return tuple(found)


def _said(code: str, change: Changed, message: str) -> Caution:
    return Caution(code, change.namespace, change.parameter, change.scope, message)


def _not_installed(change: Changed, before: Image) -> Caution:
    title = before.catalogue.about(change.namespace).title
    return _said("not_installed", change, f"{title} is not installed yet: nothing acts on its parameters.")


def _without_effect(
    change: Changed, effects: Sequence[Effect], paths: Sequence[Path], known: set[str], before: Image
) -> Iterator[Caution]:
    """Nobody below the scope hears it: all of them have their own word, or there is nobody."""
    scope = change.scope
    own = Path(scope.bot, scope.symbol, scope.side)
    below = [path for path in paths if path != own and scope in path.scopes()]
    name = f"{change.parameter} at {scope}"
    is_for_bots = scope.kind != "global" and depth_of(change.namespace, before.catalogue) != "global"
    if is_for_bots and not any(path.bot in known for path in (own, *below)):
        yield _said("reaches_no_bot", change, f"{name}: no bot in service is configured there.")
        return
    if change.parameter in OF_THE_ACCOUNT:
        return
    # Where bots trade is what counts; without any, whatever else is configured there.
    below = [path for path in below if is_decisive(path, change.namespace, before.catalogue)] or below
    heard = {effect.path for effect in effects if _comes_from(scope, effect)}
    if below and heard.isdisjoint(below):
        message = f"{name} changes nothing in force: {_counted(below)} below it set {change.parameter} themselves."
        yield _said("shadowed", change, message)


def _counted(below: Sequence[Path]) -> str:
    return "the one configuration" if len(below) == 1 else f"all {len(below)} configurations"


def _comes_from(scope: Scope, effect: Effect) -> bool:
    return scope in (_place(effect.before.origin), _place(effect.after.origin))


def _place(origin: Origin) -> Scope:
    return Scope(origin.scope, origin.bot, origin.symbol, origin.side)


def _pinned(change: Changed, before: Image) -> Iterator[Caution]:
    if change.op != "set" or change.old_version or before.catalogue.find(change.namespace, change.parameter) is None:
        return
    inherited = before.explain(
        change.namespace, change.parameter, Path(change.scope.bot, change.scope.symbol, change.scope.side)
    )
    if inherited.value == change.new:
        source = inherited.origin.name or str(_place(inherited.origin))
        message = (
            f"{change.parameter} at {change.scope} is {values.shown(change.new)} already, from {source}: setting it "
            "pins it, and what is changed there later will not be heard here."
        )
        yield _said("pins_inherited", change, message)


def _brackets_kept(change: Changed, effects: Sequence[Effect], touched: Touched) -> Iterator[Caution]:
    if change.parameter not in BRACKETS:
        return
    sides = {effect.path for effect in effects if effect.changes_value and _comes_from(change.scope, effect)}
    kept = sum(
        Path(bot.id, position.symbol, position.side) in sides for bot in touched.bots for position in bot.positions
    )
    if kept:
        held = "1 open position keeps its" if kept == 1 else f"{kept} open positions keep their"
        message = f"{held} stop and target: {change.parameter} is heard when a position is opened or added to."
        yield _said("brackets_stay", change, message)
