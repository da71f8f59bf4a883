"""What every test of the contract needs: somebody with a token."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from tests.people import a_person
from tradingsite.access import services
from tradingsite.access.models import SCOPES

Issue = Callable[[str], str]


@pytest.fixture
def token_of() -> Issue:
    """A token with every scope, of a new person with that role."""

    def issue(role: str) -> str:
        person = a_person(f"with-{role or 'nothing'}", role=role)
        made = services.make_token(owner=person, name="contract", scopes=list(SCOPES), days=1, now=datetime.now(UTC))
        return made.value

    return issue
