"""``manage.py import_bars FILE``: a CSV file of bars, plain or gzipped."""

from argparse import ArgumentParser
from contextlib import ExitStack
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from engine.domain.errors import InputError
from marketdata import calendars, services
from marketdata.models import AssetClass
from marketdata.selectors import known_symbols
from marketdata.timeframes import TIMEFRAMES

FAULTS_SHOWN = 20


class Command(BaseCommand):
    help = "Import bars from a CSV file. With --calendar an unknown symbol is defined first."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--symbol", required=True)
        parser.add_argument("--timeframe", required=True, choices=TIMEFRAMES)
        parser.add_argument("--source", required=True, help="where the bars come from, such as bitfinex")
        parser.add_argument("--adjustment", default="raw", choices=("raw", "adjusted"))
        parser.add_argument("--factors", type=Path, help="factor file; stores the adjusted series too")
        parser.add_argument("--timezone", help="of timestamps that carry none, such as America/New_York")
        parser.add_argument("--name", default="")
        parser.add_argument("--calendar", choices=sorted(calendars.ZONES), help="define the symbol if it is unknown")
        parser.add_argument("--asset-class", choices=AssetClass.values, help="of a new symbol")
        parser.add_argument("--price-tick", default="0.01", help="of a new symbol")
        parser.add_argument("--qty-step", help="of a new symbol; 1 for shares, 0.00000001 elsewhere")

    def handle(self, *args: Any, **options: Any) -> None:
        now = timezone.now()
        try:
            self._define(options, now)
            with ExitStack() as files:
                request = services.ImportRequest(
                    symbol=options["symbol"].upper(),
                    timeframe=options["timeframe"],
                    source=options["source"],
                    adjustment=options["adjustment"],
                    name=options["name"],
                    timezone=options["timezone"],
                    factors=files.enter_context(options["factors"].open("rb")) if options["factors"] else None,
                )
                imported = services.import_csv(files.enter_context(options["file"].open("rb")), request, now=now)
        except OSError as error:
            raise CommandError(f"{error.filename}: {error.strerror}.") from error
        except InputError as error:
            raise CommandError(_listing(error)) from error
        for found in imported:
            state = "imported" if found.is_new else "was there already"
            self.stdout.write(f"{found.adjustment} revision {found.revision} {state}: dataset {found.dataset_id}")

    def _define(self, options: dict[str, Any], now: Any) -> None:
        symbol, calendar = options["symbol"].upper(), options["calendar"]
        if calendar is None or symbol in known_symbols():
            return
        usual = {calendars.ALWAYS: "crypto", calendars.FOREX: "forex"}.get(calendar, "equity")
        asset_class = options["asset_class"] or usual
        step = options["qty_step"] or ("1" if asset_class == "equity" else "0.00000001")
        try:
            tick, step = Decimal(options["price_tick"]), Decimal(step)
        except InvalidOperation as error:
            raise CommandError("--price-tick and --qty-step must be numbers.") from error
        definition = services.InstrumentDefinition(
            symbol=symbol, asset_class=asset_class, calendar=calendar, price_tick=tick, qty_step=step
        )
        services.define_instrument(definition, now=now)


def _listing(error: InputError) -> str:
    shown = [f"  {fault.code} {fault.pointer}: {fault.message}" for fault in error.faults[:FAULTS_SHOWN]]
    rest = len(error.faults) - len(shown)
    return "\n".join([error.message, *shown, *([f"  and {rest} more"] if rest > 0 else [])])
