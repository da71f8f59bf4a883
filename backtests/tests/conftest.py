"""What the tests of backtests share: people, and bars to run over."""

import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIClient

from backtests.tests import builders
from marketdata import services as marketdata
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
def client_of():
    """A client of the API, logged in as somebody."""

    def made(user: User) -> APIClient:
        client = APIClient()
        client.force_login(user)
        return client

    return made


@pytest.fixture
def samples(db) -> None:
    """AAPL, GOOG, IBM and MSFT, daily, 2000 to 2013: real bars."""
    marketdata.import_samples(builders.NOW)


@pytest.fixture
def ten_days(db) -> None:
    """ACME: ten daily bars, known to the cent."""
    builders.an_equity("ACME")
    builders.a_dataset("ACME", builders.TEN_DAYS)
