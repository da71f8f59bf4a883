"""``manage.py replay --check``: compute stored cycles again. ``--status``, ``--pause`` ...: the replay's clock."""

from decimal import Decimal
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from bots import selectors
from bots.mappers import moment_of
from bots.services import recomputing
from marketdata import selectors as marketdata
from marketdata.services import replay


class Command(BaseCommand):
    help = "Compute the stored cycles of bots again and compare every byte; or look after the replay's clock."

    def add_arguments(self, parser: CommandParser) -> None:
        what = parser.add_mutually_exclusive_group(required=True)
        what.add_argument("--check", action="store_true", help="exit code 1 where a cycle comes out differently")
        what.add_argument("--status", action="store_true", help="where each clock stands")
        what.add_argument("--pause", action="store_true", help="publish no more bars")
        what.add_argument("--resume", action="store_true", help="go on publishing")
        what.add_argument("--pace", type=Decimal, metavar="BARS", help="bars a second, 0.1 to 1000")
        parser.add_argument("--bot", help="with --check: only the bot of this name")
        parser.add_argument("--all-runs", action="store_true", help="with --check: ended runs as well")
        parser.add_argument("--timeframe", default="1d", help="which clock; default 1d")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["check"]:
            self._check(options)
        elif options["pause"]:
            replay.pause(options["timeframe"])
        elif options["resume"]:
            replay.resume(options["timeframe"])
        elif options["pace"] is not None:
            replay.set_pace(options["timeframe"], options["pace"])
        self._status()

    def _check(self, options: dict[str, Any]) -> None:
        differ = 0
        for engine_run in selectors.runs(bot_name=options["bot"], open_only=not options["all_runs"]):
            found = recomputing.check(engine_run)
            differ += len(found.differences)
            self.stdout.write(
                f"{engine_run.bot.name}, run {engine_run.number}: {found.cycles} cycles, {found.bars} bars, "
                f"{found.facts} order facts computed again, {len(found.differences)} differ"
            )
            for one in found.differences[:10]:
                self.stdout.write(f"  cycle {one.cycle} due {one.due_at}: {', '.join(one.what)}")
        if differ:
            raise CommandError(f"{differ} cycles do not come out as they were stored.", returncode=1)

    def _status(self) -> None:
        for feed in marketdata.feeds().values():
            state = "running" if feed.is_running else "paused"
            where = "at its start" if feed.now_ms is None else f"at the bar of {moment_of(feed.now_ms):%Y-%m-%d %H:%M}"
            self.stdout.write(
                f"{feed.timeframe}: epoch {feed.epoch}, {where}, {feed.bars_per_second} bars a second, {state}"
            )
