"""``manage.py verify_bars``: are the stored bars, and this machine's cache of them, still what was imported?"""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from marketdata import selectors


class Command(BaseCommand):
    help = "Check every chunk of bars, and the cached files, against their checksums."

    def handle(self, *args: Any, **options: Any) -> None:
        broken = 0
        for info in selectors.datasets(current=False):
            faults = selectors.stored_faults(info.id)
            broken += bool(faults)
            title = f"{info.symbol} {info.timeframe} {info.source} {info.adjustment} r{info.revision}"
            self.stdout.write(f"{title}: {'; '.join(faults) if faults else f'{info.bar_count} bars sound'}")
        if broken:
            raise CommandError(f"{broken} datasets are damaged. Restore the database, or delete the cache named above.")
