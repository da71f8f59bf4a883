"""Requests made from the description, sent by people of every role: what is answered is what the description says.

schemathesis makes them, right and wrong ones, for every operation; the application answers in this process. A few for
each operation here; ``CONTRACT_EXAMPLES=100 pytest tests/contract/test_described.py`` sends as many, others each time.
"""

import os
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import schemathesis
from django.contrib.auth.models import User
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import load_all_checks, not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance

from bots.models import Bot
from configuration import selectors
from configuration.catalogue import CATALOGUE
from configuration.models import Override
from tests.contract.stage import Samples, seeded
from tests.people import a_person
from tradingsite.access import services
from tradingsite.access.models import SCOPES, ApiToken

pytestmark = pytest.mark.django_db

EXAMPLES = int(os.environ.get("CONTRACT_EXAMPLES", "0"))
CHECKS = [not_a_server_error, content_type_conformance, response_schema_conformance]
SCHEMA = "/api/v1/schema"
# What a viewer may do beside reading, written down here apart from the matrix: ask, and make and end tokens of theirs.
OF_A_VIEWER = {"POST /api/v1/config/validate", "POST /api/v1/tokens", "DELETE /api/v1/tokens/{token_id}"}
# The simulated broker keeps its books on a connection of its own, which sees nothing of a test's transaction:
# whoever may call these is answered in bots/tests/test_leverage.py.
BEYOND_THE_TEST = {"POST /api/v1/leverage/{symbol}/force", "POST /api/v1/leverage/sync"}
# Before the first bar of a symbol there is no price. That is told as not there yet, with a code of its own.
NOT_YET = ("GET /api/v1/market-data/{symbol}", 503)
# What a closed door answers, whatever was sent: 400, 404 and 405 where the address itself is none.
CLOSED = (400, 401, 403, 404, 405)
ROLES = ("", "viewer", "operator", "risk_admin", "owner")

load_all_checks()


@pytest.fixture(autouse=True)
def one_connection() -> Iterator[None]:
    """Requests are answered in the transaction of the test, so none of them may close its connection."""
    signals = (request_started, request_finished)
    for signal in signals:
        signal.disconnect(close_old_connections)
    yield
    for signal in signals:
        signal.connect(close_old_connections)


class Caller:
    """Somebody with a token, and what they may not do."""

    def __init__(self, role: str) -> None:
        self.role = role
        self.user: User = a_person("caller", role=role)
        made = services.make_token(owner=self.user, name="contract", scopes=list(SCOPES), days=1, now=datetime.now(UTC))
        self.token = made.row
        self.headers = {"Authorization": f"Bearer {made.value}"}

    def may(self, label: str) -> bool:
        """Whether a good answer to this operation can be right at all."""
        return {"": False, "viewer": label.startswith("GET ") or label in OF_A_VIEWER}.get(self.role, True)


def described() -> Any:
    """The description as it is served, its operations sent straight to the application."""
    reader = Caller("viewer")
    schema = schemathesis.openapi.from_wsgi(SCHEMA, get_wsgi_application(), headers=reader.headers)
    reader.token.delete()
    reader.user.delete()
    return schema


def requests(operation: Any) -> st.SearchStrategy[Any]:
    """Right ones, wrong ones where there is anything to get wrong."""
    right: st.SearchStrategy[Any] = operation.as_strategy(generation_mode=schemathesis.GenerationMode.POSITIVE)
    if not (operation.body or operation.query or operation.path_parameters):
        return right
    wrong: st.SearchStrategy[Any] = operation.as_strategy(generation_mode=schemathesis.GenerationMode.NEGATIVE)
    return right | wrong


class Attack:
    """Everything sent by one caller, and everything that was wrong with the answers."""

    def __init__(self, caller: Caller, schema: Any, samples: Samples, foreign: Samples) -> None:
        self.caller, self.schema = caller, schema
        self.samples, self.foreign = samples, foreign
        self.found: dict[tuple[str, str], str] = {}
        self.statuses: Counter[int] = Counter()
        self.turn = 0

    def run(self, *, examples: int) -> None:
        for result in self.schema.get_all_operations():
            operation = result.ok()
            if operation.label in BEYOND_THE_TEST and self.caller.role in ("operator", "risk_admin", "owner"):
                continue

            @settings(
                max_examples=examples,
                deadline=None,
                database=None,
                derandomize=not EXAMPLES,
                phases=[Phase.explicit, Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            @given(requests(operation))
            def send(case: Any) -> None:
                self.send(case)

            self.turn = 0
            send()

    def send(self, case: Any) -> None:
        """What stands in the path is a stranger's first, then the caller's or anybody's, then as it was made."""
        whose = ({**self.samples, **self.foreign}, self.samples, {})[self.turn % 3]
        names = set(case.path_parameters or {}) & set(whose)
        for name in names:
            case.path_parameters[name] = whose[name][self.turn // 3 % len(whose[name])]
        is_foreign = self.turn % 3 == 0 and bool(names & set(self.foreign))
        self.turn += 1
        response = case.call(headers=self.caller.headers)
        self.statuses[response.status_code] += 1
        self.judge(case, response, is_foreign=is_foreign)

    def judge(self, case: Any, response: Any, *, is_foreign: bool) -> None:
        label, status = case.operation.label, response.status_code
        try:
            case.validate_response(response, checks=CHECKS, headers=self.caller.headers)
        except FailureGroup as failures:
            for failure in failures.exceptions:
                if (label, status) == NOT_YET and response.json()["error"]["code"] == "DATA_ERROR":
                    continue
                self.note(label, f"{status} {type(failure).__name__}: {failure}", case, response)
        if status not in CLOSED and not self.caller.may(label):
            self.note(label, f"{status} for a caller without the right", case, response)
        # A snapshot is known by its hash alone, and an owner sees everybody's tokens.
        is_open = "{hash}" in label or ("{token_id}" in label and self.caller.role == "owner")
        if is_foreign and status < 300 and not is_open:
            self.note(label, f"{status} for what is another's", case, response)

    def note(self, label: str, what: str, case: Any, response: Any) -> None:
        self.found.setdefault((label, what[:300]), f"{case.as_curl_command()}\n  {response.text[:300]}")


@pytest.mark.parametrize("role", ROLES)
def test_answers__to_requests_made_from_the_description__are_as_described_and_keep_to_the_role(role: str) -> None:
    schema = described()
    caller = Caller(role)
    attack = Attack(caller, schema, *seeded(caller.user))
    head, others = selectors.head().version, bots_of_others(caller)

    attack.run(examples=EXAMPLES or 2)

    assert "\n".join(f"{label}: {what}\n  {call}" for (label, what), call in attack.found.items()) == ""
    assert bots_of_others(caller) == others
    written = Override.objects.filter(version__gt=head)
    if role in ("", "viewer"):
        assert selectors.head().version == head
        assert not ApiToken.objects.exclude(owner=caller.user).exclude(revoked_at=None).exists()
    if role == "operator":
        risks = {CATALOGUE.get(row.namespace, row.parameter).risk for row in written if row.namespace != "bot"}
        assert risks <= {"low"}
    # It was no empty exercise: much went through, and much was refused for what was sent.
    assert attack.statuses[200 if role else 403] > 50
    assert attack.statuses[422] >= {"": 0, "viewer": 5}.get(role, 20)


def bots_of_others(caller: Caller) -> list[Any]:
    return list(Bot.objects.exclude(owner=caller.user).order_by("pk").values())
