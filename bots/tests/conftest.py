"""What the tests of bots share: people, and instruments to trade."""

from decimal import Decimal
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIClient

from bots.tests import builders
from bots.tests.little_platform import LittlePlatform
from tests.people import a_person


@pytest.fixture
def owner(db) -> User:
    return a_person("olga", role="risk_admin", is_staff=True)


@pytest.fixture
def stranger(db) -> User:
    return a_person("sven", role="risk_admin", is_staff=True)


@pytest.fixture
def root(db) -> User:
    return User.objects.create_superuser("root")


@pytest.fixture
def instruments(db) -> None:
    for symbol in ("AAPL", "GOOG", "IBM", "MSFT"):
        builders.an_equity(symbol)


@pytest.fixture
def client_of():
    """A client of the API, logged in as somebody."""

    def made(user: User) -> APIClient:
        client = APIClient()
        client.force_login(user)
        return client

    return made


@pytest.fixture
def little(instruments: None, settings, tmp_path: Path) -> LittlePlatform:
    """A feed and a worker in this process; a pace that never holds anybody up."""
    settings.DATA_DIR = tmp_path
    settings.REPLAY_BARS_PER_SECOND = Decimal(1000)
    return LittlePlatform()
