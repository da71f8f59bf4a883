"""One theatre for all tests of this folder: a market takes longer to make than a seed to play."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import call_command
from django.test import override_settings

from tests.simulation import theatre
from tests.simulation.theatre import Theatre


@pytest.fixture(scope="package")
def stage(django_db_setup: None, django_db_blocker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Theatre]:
    folder: Path = tmp_path_factory.mktemp("simulation")
    with django_db_blocker.unblock(), override_settings(DATA_DIR=folder):
        with theatre.opened() as opened:
            yield opened
        call_command("flush", interactive=False, verbosity=0)


@pytest.fixture
def _django_db_helper(stage: Theatre) -> None:
    """In place of pytest-django's, which would empty the tables after each test: every seed does so itself."""
