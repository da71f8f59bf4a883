"""What the tests of the pages share: people, and bars to run over."""

import pytest
from django.contrib.auth.models import User

from backtests.tests import builders


@pytest.fixture
def owner(db) -> User:
    return User.objects.create_user("olga", is_staff=True)


@pytest.fixture
def stranger(db) -> User:
    return User.objects.create_user("sven", is_staff=True)


@pytest.fixture
def ten_days(db) -> None:
    """ACME: ten daily bars, known to the cent."""
    builders.an_equity("ACME")
    builders.a_dataset("ACME", builders.TEN_DAYS)
