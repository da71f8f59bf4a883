"""``manage.py config_export > configuration.yaml``: what is set, as a document."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from configuration import selectors
from configuration.management import terminal


class Command(BaseCommand):
    help = "Write everything that is set as one document, the same bytes for the same values but for its header."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--format", choices=("yaml", "json"), default="yaml")
        parser.add_argument("--at-version", type=int, help="as it was when this version was the newest")
        parser.add_argument("--namespace", action="append", help="only this one; may be given several times")
        parser.add_argument("--output", type=Path, help="a file; else it is printed")

    def handle(self, *args: Any, **options: Any) -> None:
        with terminal.refusals_told():
            document = selectors.exported(namespaces=options["namespace"], at_version=options["at_version"])
        text = selectors.as_json(document) if options["format"] == "json" else selectors.as_yaml(document)
        if options["output"] is None:
            self.stdout.write(text, ending="")
            return
        try:
            options["output"].write_text(text, encoding="utf-8", newline="\n")
        except OSError as error:
            raise CommandError(f"{error.filename}: {error.strerror}.") from error
