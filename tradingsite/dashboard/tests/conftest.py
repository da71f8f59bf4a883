"""What the tests of the pages share: people, and bars to run over."""

import pytest
from django.contrib.auth.models import User

from backtests.tests import builders
from tests.people import a_person


@pytest.fixture
def owner(db) -> User:
    return a_person("olga", role="risk_admin", is_staff=True)


@pytest.fixture
def stranger(db) -> User:
    return a_person("sven", role="risk_admin", is_staff=True)


@pytest.fixture
def ten_days(db) -> None:
    """ACME: ten daily bars, known to the cent."""
    builders.an_equity("ACME")
    builders.a_dataset("ACME", builders.TEN_DAYS)
