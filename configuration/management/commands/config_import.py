"""``manage.py config_import FILE --dry-run``: bring a document in, or say what it would change."""

import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from configuration import services
from configuration.documents import LARGEST_BYTES
from configuration.management import terminal


class Command(BaseCommand):
    help = "Apply a document of configuration as one change-set; with --dry-run say what it would change."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", help="YAML or JSON; - reads what is piped in")
        parser.add_argument(
            "--mode",
            choices=("merge", "replace"),
            default="merge",
            help="replace: also clear what the document does not name, in the namespaces it names",
        )
        terminal.add_decision(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        actor, mode = terminal.actor_of(options), options["mode"]
        with terminal.refusals_told():
            document = services.read_document(_content(options["file"]))
            if options["dry_run"]:
                lines = _planned(document, actor=actor, mode=mode, reason=options["reason"])
            else:
                done = services.import_document(
                    document, actor=actor, reason=options["reason"], now=timezone.now(), mode=mode
                )
                lines = terminal.applied(done)
            self.stdout.write("\n".join(lines))


def _planned(document: dict[str, Any], *, actor: services.Actor, mode: services.Mode, reason: str) -> Iterator[str]:
    operations = services.operations_of(document, mode=mode)
    yield from terminal.previewed(services.preview(operations, actor=actor, kind="import", reason=reason or None))
    plan = services.plan_import(document, mode=mode)
    yield f"{plan.created} created, {plan.updated} updated, {plan.deleted} deleted, {plan.unchanged} unchanged."


def _content(name: str) -> bytes:
    """One byte more than is read at most, so that a larger file is told from one that just fits."""
    try:
        if name == "-":
            return sys.stdin.buffer.read(LARGEST_BYTES + 1)
        with Path(name).open("rb") as file:
            return file.read(LARGEST_BYTES + 1)
    except OSError as error:
        raise CommandError(f"{error.filename}: {error.strerror}.") from error
