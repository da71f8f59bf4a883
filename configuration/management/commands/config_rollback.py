"""``manage.py config_rollback --undo 17 --reason "..."``: take decisions back, as a new one."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from configuration import services
from configuration.management import terminal
from configuration.scopes import GLOBAL


class Command(BaseCommand):
    help = "Take decisions back: to a version, to just before one, or one change-set alone. A new change-set each time."

    def add_arguments(self, parser: ArgumentParser) -> None:
        what = parser.add_mutually_exclusive_group(required=True)
        what.add_argument("--to", type=int, metavar="VERSION", help="everything as it was when it was the newest")
        what.add_argument("--before", type=int, metavar="VERSION", help="everything as it was just before it")
        what.add_argument("--undo", type=int, metavar="VERSION", help="that change-set alone")
        terminal.add_scope(parser)
        parser.add_argument("--only-global", action="store_true", help="only what is set at the global scope")
        parser.add_argument("--namespace", default="", help="only this namespace")
        parser.add_argument(
            "--override-newer", action="store_true", help="with --undo: over what was changed since, too"
        )
        parser.add_argument("--only-possible", action="store_true", help="leave out, and name, what cannot be restored")
        terminal.add_decision(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        actor = terminal.actor_of(options)
        scope = terminal.scope_of(options)
        limited = None if scope == GLOBAL and not options["only_global"] else scope
        names = ("to", "before", "undo", "namespace", "override_newer", "only_possible")
        what = {**{name: options[name] for name in names}, "scope": limited}
        with terminal.refusals_told():
            course = services.course(**what)
            if options["dry_run"]:
                found = services.preview(
                    course.operations, actor=actor, kind="rollback", reason=options["reason"] or None
                )
                lines = terminal.previewed(found)
            else:
                done = services.roll_back(actor=actor, reason=options["reason"], now=timezone.now(), **what)
                lines = terminal.applied(done)
            self.stdout.write("\n".join(lines))
        for fault in course.left_out:
            self.stdout.write(f"  left as it is: {fault.code}  {fault.pointer}  {fault.message}")
