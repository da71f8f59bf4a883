"""``manage.py config_set trading.leverage 20 --symbol AAPL --reason "..."``: set or clear one value."""

from argparse import ArgumentParser
from typing import Any, Final

from django.core.management.base import BaseCommand
from django.utils import timezone

from configuration import services, values
from configuration.catalogue import CATALOGUE
from configuration.management import terminal
from engine.domain.errors import Fault, InputError

_NOTHING: Final = ("none", "null")


class Command(BaseCommand):
    help = "Set one parameter at one scope (global unless another is named), or let it be inherited again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", metavar="NAMESPACE.PARAMETER")
        parser.add_argument("value", nargs="?", help="lists: RSI,MACD; maps: 1h=1.0,4h=1.2; none where it may be unset")
        parser.add_argument("--clear", action="store_true", help="let it be inherited again")
        terminal.add_scope(parser)
        terminal.add_decision(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        actor, reason = terminal.actor_of(options), options["reason"]
        with terminal.refusals_told():
            operations = [_operation(options)]
            if options["dry_run"]:
                lines = terminal.previewed(services.preview(operations, actor=actor, reason=reason or None))
            else:
                done = services.change(
                    actor=actor,
                    source="cli",
                    reason=reason,
                    operations=operations,
                    kind="delete" if options["clear"] else "set",
                    now=timezone.now(),
                )
                lines = terminal.applied(done)
            self.stdout.write("\n".join(lines))


def _operation(options: dict[str, Any]) -> services.Operation:
    namespace, _, name = options["name"].partition(".")
    scope, text = terminal.scope_of(options), options["value"]
    if options["clear"] == (text is not None):
        message = "Give either a value or --clear."
        raise InputError("Nothing was changed.", faults=[Fault("one_of", "/value", message, ["value", "--clear"])])
    if options["clear"]:
        return services.ClearValue(scope, namespace, name, f"/{options['name']}")
    return services.SetValue(scope, namespace, name, _read(namespace, name, text), f"/{options['name']}")


def _read(namespace: str, name: str, text: str) -> Any:
    """The text as the parameter's kind reads it. Whether it is allowed is the services' to say."""
    parameter = CATALOGUE.find(namespace, name)
    if parameter is None:
        return text
    return None if parameter.nullable and text.strip().lower() in _NOTHING else values.read(parameter, text)
