"""What the commands of configuration share: who decides, where, and how plans and faults are told."""

import getpass
from argparse import ArgumentParser
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from django.core.management.base import CommandError

from configuration import services, values
from configuration.actors import Actor
from configuration.planning import Changed
from configuration.scopes import GLOBAL, Scope
from engine.domain.errors import PlatformError

REFUSED: Final = 2
"""Exit code where what was asked is refused, as argparse ends on bad arguments."""

_BOTS_NAMED: Final = 5


def add_scope(parser: ArgumentParser) -> None:
    """--symbol, --side and --bot."""
    parser.add_argument("--symbol", default="", help="a symbol, such as AAPL")
    parser.add_argument("--side", default="", help="LONG or SHORT, with --symbol")
    parser.add_argument("--bot", default="", help="a bot's id")


def add_decision(parser: ArgumentParser) -> None:
    """--reason, --as and --dry-run."""
    parser.add_argument("--reason", default="", help="why; kept with the change for ever")
    parser.add_argument("--as", dest="label", default="", metavar="NAME", help="who decides, if not the system's user")
    parser.add_argument("--dry-run", action="store_true", help="say what would change, and change nothing")


def scope_of(options: dict[str, Any]) -> Scope:
    """The scope that --symbol, --side and --bot name; it may have faults, which the services find."""
    bot, symbol, side = options["bot"].strip(), options["symbol"].strip().upper(), options["side"].strip().upper()
    if bot:
        return Scope("bot", bot, symbol, side)
    if side:
        return Scope("symbol_side", "", symbol, side)
    return Scope("symbol", "", symbol) if symbol else GLOBAL


def actor_of(options: dict[str, Any]) -> Actor:
    """Whoever can run commands here may change everything: the system, in the name of its user or of --as."""
    user = getpass.getuser()
    return Actor("system", user[:64], (options["label"].strip() or user)[:200])


@contextmanager
def refusals_told() -> Iterator[None]:
    """Every fault on a line of its own, exit code 2."""
    try:
        yield
    except PlatformError as refused:
        raise CommandError(listing(refused), returncode=REFUSED) from refused


def listing(refused: PlatformError) -> str:
    """The refusal and each of its faults, with its code and its place."""
    lines = [f"  {fault.code}  {fault.pointer}  {fault.message}" for fault in refused.faults]
    return "\n".join([refused.message, *lines])


def told(changes: Iterable[Changed]) -> Iterator[str]:
    """Each change on a line: ``trading.leverage at AAPL: inherited -> 20``."""
    for change in changes:
        old = values.shown(change.old) if change.old_version else "inherited"
        new = values.shown(change.new) if change.op == "set" else "inherited"
        yield f"  {change.namespace}.{change.parameter} at {change.scope}: {old} -> {new}"


def applied(found: services.Applied) -> Iterator[str]:
    """What was done."""
    if not found.changes:
        yield f"Nothing to change; version {found.version} stays the newest."
        return
    yield f"Version {found.version}: {len(found.changes)} changed."
    yield from told(found.changes)


def previewed(found: services.Preview) -> Iterator[str]:
    """What would be done and whom it touches. Raises what the real call would."""
    if found.refusal is not None:
        raise found.refusal
    yield f"Would change {len(found.plan.changes)}, after version {found.version}. Nothing was changed."
    yield from told(found.plan.changes)
    yield from (f"  warning: {caution.message}" for caution in found.warnings)
    if found.touched.bots:
        yield f"  bots touched: {_some([bot.name for bot in found.touched.bots])}"
    if found.requires_restart:
        yield f"  needs a restart: {', '.join(found.requires_restart)}"


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _BOTS_NAMED} more" if len(names) > _BOTS_NAMED else ""
    return ", ".join(names[:_BOTS_NAMED]) + more
