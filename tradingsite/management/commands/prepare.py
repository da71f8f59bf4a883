"""Everything between "the servers run" and "the processes may start", in one process."""

import hashlib
import os
import time
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from django.conf import settings
from django.contrib.staticfiles import finders
from django.core import management
from django.core.management.base import BaseCommand
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from tradingsite.health import heartbeats
from tradingsite.management.commands import create_first_admin

# Any constant that nobody else uses: "prep" in ASCII.
_LOCK = 0x70726570
# Commands of the apps, each doing nothing where its work is done already.
_FIRST_CONTENT = ("import_samples", "create_demo_bots")


class Command(BaseCommand):
    help = "Check, migrate, import the sample bars, create the first administrator and the demo bots."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--secrets-to", type=int, help="file descriptor that is told a new password")

    def handle(self, *args: Any, secrets_to: int | None, **options: Any) -> None:
        with _alone():
            self._step("settings and models are sound", self._check)
            self._step("migrations applied", self._migrate)
            # Before anything is decided under the new code's defaults.
            self._step("catalogue of parameters", self._adopt)
            self._step("static files collected", self._collect)
            # Before the content: demo bots belong to an administrator.
            self._step("first administrator", lambda: self._administrator(secrets_to))
            for command in _FIRST_CONTENT:
                self._step(command.replace("_", " "), partial(management.call_command, command, stdout=self.stdout))
            heartbeats.forget()

    def _step(self, name: str, do: Callable[[], Any]) -> None:
        started = time.perf_counter()
        if do() is not False:
            self.stdout.write(f"{name} ({time.perf_counter() - started:.1f} s)")

    def _check(self) -> None:
        self.check(display_num_errors=True)

    def _migrate(self) -> bool:
        executor = MigrationExecutor(connection)
        if not executor.migration_plan(executor.loader.graph.leaf_nodes()):
            return False  # asking costs 0.1 s, migrate's own rounds a second
        management.call_command("migrate", interactive=False, verbosity=0)
        return True

    def _adopt(self) -> None:
        management.call_command("config_catalogue", stdout=self.stdout)

    def _collect(self) -> bool:
        if settings.DEBUG or getattr(settings, "WHITENOISE_USE_FINDERS", False):
            settings.STATIC_ROOT.mkdir(parents=True, exist_ok=True)
            return False  # served from their sources
        stamp, wanted = settings.STATIC_ROOT / ".collected", _state_of_static_files()
        if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
            return False
        management.call_command("collectstatic", interactive=False, verbosity=0)
        stamp.write_text(wanted, encoding="utf-8")
        return True

    def _administrator(self, secrets_to: int | None) -> bool:
        password = create_first_admin.create("admin")
        if password is None:
            return False
        lines = create_first_admin.notice("admin", password)
        if secrets_to is None:
            self.stdout.write("\n".join(lines))
        else:
            # Standard output goes into the log file; a password must not.
            with os.fdopen(secrets_to, "w", encoding="utf-8") as shown_once:
                shown_once.write("\n".join(lines))
        return True


def _state_of_static_files() -> str:
    """Changes when a source of the static files does: their names, sizes and times."""
    digest = hashlib.sha256()
    for finder in finders.get_finders():
        for path, storage in sorted(finder.list([]), key=lambda found: found[0]):
            facts = os.stat(storage.path(path))
            digest.update(f"{path} {facts.st_size} {facts.st_mtime_ns}\n".encode())
    return digest.hexdigest()


@contextmanager
def _alone() -> Iterator[None]:
    """Two machines that start at once prepare one after the other."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
        try:
            yield
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [_LOCK])
