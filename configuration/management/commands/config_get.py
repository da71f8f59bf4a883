"""``manage.py config_get trading.leverage --symbol AAPL``: what is in force, and where it comes from."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from configuration import selectors, values
from configuration.catalogue import CATALOGUE
from configuration.management import terminal
from configuration.scopes import Origin, Resolved, scope_faults
from engine.domain.errors import InputError


class Command(BaseCommand):
    help = "Print values in force with where each comes from; of one parameter, also the values it shadows."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", metavar="NAMESPACE[.PARAMETER]")
        terminal.add_scope(parser)
        parser.add_argument("--at-version", type=int, help="as it was when this version was the newest")

    def handle(self, *args: Any, **options: Any) -> None:
        namespace, _, name = options["name"].partition(".")
        scope = terminal.scope_of(options)
        with terminal.refusals_told():
            # A bot is asked about together with a symbol: each part by itself must be one.
            parts = [scope] if scope.kind != "bot" else [scope._replace(symbol="", side="")]
            faults = [fault for part in parts for fault in scope_faults(part, pointer="/scope")]
            if faults:
                raise InputError("There is no such scope.", faults=faults)
            if name and options["at_version"] is None:
                CATALOGUE.get(namespace, name)
            found = selectors.resolve(scope, (namespace,), at_version=options["at_version"])
        for qualified, resolved in found.items():
            if not name or qualified == f"{namespace}.{name}":
                self.stdout.write(f"{qualified} = {values.shown(resolved.value)}  ({_named(resolved.origin)})")
                self._shadowed(resolved if name else None)

    def _shadowed(self, resolved: Resolved | None) -> None:
        for candidate in resolved.shadowed if resolved else ():
            self.stdout.write(f"  shadows {values.shown(candidate.value)}  ({_named(candidate.origin)})")


def _named(origin: Origin) -> str:
    if origin.scope == "environment":
        return f"environment variable {origin.name}"
    if not origin.version:
        return origin.scope
    where = "/".join(filter(None, (origin.symbol, origin.side))) or (f"bot {origin.bot}" if origin.bot else "global")
    return f"{where}, version {origin.version}"
