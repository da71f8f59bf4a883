"""``manage.py backtest run|list|show``: backtests from a shell, through the same door as everywhere."""

import json
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from backtests import ports, selectors, services, tasks
from backtests.models import Backtest, BacktestStatus
from backtests.ports import BotDefinition
from backtests.services import queueing, running
from engine.domain.errors import InputError

_NUMBERS = {"--fee-bps": float, "--slippage-bps": float, "--max-volume-share": float, "--latency-bars": int}
_FLAGS = ("--stops-from-next-bar", "--stop-beats-signal", "--size-at-fill", "--accept-suspected-splits")


class Command(BaseCommand):
    help = (
        "Run a bot over stored bars, list runs, or show one. Exit code 0: completed; 1: it did not; 2: asked wrongly."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        run = actions.add_parser("run", help="run a bot's backtest here, or with --queue in a worker")
        run.add_argument("bot", help="id or name of a bot")
        run.add_argument("--start", help="first day or time, 2000-01-01 or 2000-01-01T09:30Z; default: first bar")
        run.add_argument("--end", help="last day (included) or time (not included); default: last bar")
        run.add_argument(
            "--symbol", action="append", dest="symbols", help="only this symbol; may be given several times"
        )
        for name, kind in _NUMBERS.items():
            run.add_argument(name, type=kind)
        for name in _FLAGS:
            run.add_argument(name, action="store_true", default=None)
        run.add_argument("--no-rounding", dest="rounding", action="store_false", default=None)
        run.add_argument("--signals", type=Path, help="CSV with symbol,at,action,confidence")
        run.add_argument("--queue", action="store_true", help="let a worker run it, and return at once")
        actions.add_parser("list", help="the newest runs").add_argument("--limit", type=int, default=20)
        actions.add_parser("show", help="one run with its metrics").add_argument("backtest", type=UUID)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            {"run": self._run, "list": self._list, "show": self._show}[options["action"]](options)
        except InputError as refused:
            raise CommandError(_in_lines(refused), returncode=2) from refused

    def _run(self, options: dict[str, Any]) -> None:
        bot = _bot(options["bot"])
        asked: dict[str, Any] = {"form": _form(bot, options), "owner_id": bot.owner_id, "bots_of": None}
        if options["queue"]:
            queued = services.queue(**asked, now=timezone.now())
            self.stdout.write(f"Queued {queued.id}.")
            return
        run = queueing.record(**asked, now=timezone.now())
        self.stdout.write(f"Running {run.id}: {run.bot_name} over {run.rows_total:,} bars.")
        services.run_chunked(backtest_id=run.id, worker=tasks.worker_name(), checkpoint=self._progress(run.id))
        self._report(selectors.backtest(run.id))

    def _progress(self, backtest_id: UUID) -> running.Checkpoint:
        def tell(name: str) -> None:
            if name == "stored":
                self.stdout.write(f"  {selectors.backtest(backtest_id).progress:.0%}")

        return tell

    def _list(self, options: dict[str, Any]) -> None:
        for run in selectors.backtests()[: options["limit"]]:
            made = run.metrics.get("total_return") or ""
            self.stdout.write(f"{run.id}  {run.created_at:%Y-%m-%d %H:%M}  {run.status:9}  {run.bot_name}  {made}")

    def _show(self, options: dict[str, Any]) -> None:
        self._report(selectors.backtest(options["backtest"]))

    def _report(self, run: Backtest) -> None:
        self.stdout.write(f"{run.bot_name}: {run.status}, {run.rows_done:,} of {run.rows_total:,} bars")
        self.stdout.write(
            f"snapshot {run.snapshot_id}\nengine   {run.engine_fingerprint}\ndata     {run.data_fingerprint}"
        )
        self.stdout.write(json.dumps(run.metrics, indent=2))
        if run.status in (BacktestStatus.FAILED, BacktestStatus.CANCELLED):
            raise CommandError(f"{run.status} {run.error_code}: {run.error_message}")


def _bot(text: str) -> BotDefinition:
    definitions = ports.bot_definitions()
    try:
        return definitions.definition_of(UUID(text), owner_id=None)
    except ValueError:
        return definitions.definition_named(text, owner_id=None)


def _form(bot: BotDefinition, options: dict[str, Any]) -> dict[str, Any]:
    names = [name.removeprefix("--").replace("-", "_") for name in (*_NUMBERS, *_FLAGS)]
    given = {name: options[name] for name in ("start", "end", "symbols", "rounding", *names)}
    if options["signals"] is not None:
        given["signals_csv"] = _text(options["signals"])
    return {"bot": str(bot.id), **{name: value for name, value in given.items() if value is not None}}


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as unreadable:
        raise CommandError(f"{path} cannot be read: {unreadable}", returncode=2) from unreadable


def _in_lines(refused: InputError) -> str:
    faults = [f"  {fault.pointer or '/'}: {fault.message}" for fault in refused.faults]
    return "\n".join([refused.message, *faults])
