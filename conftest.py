"""What every test of the project needs of its database."""

import pytest

from tests import emptying


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker) -> None:
    """pytest-django's database, which Django's own tidying may empty between tests."""
    with django_db_blocker.unblock():
        emptying.allow()
