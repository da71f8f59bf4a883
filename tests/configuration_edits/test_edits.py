"""The short form of ``python -m tests.configuration_edits``: threads, not processes, and every rule of the oracle."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from configuration import services
from configuration.documents import FORMAT, scope_name
from configuration.models import ChangeSet, Override
from configuration.tests.examples import BEN, NOON, put, undone
from engine.domain.errors import InputError, StaleVersion
from tests.configuration_edits.editors import SCOPES, Answer, Editor
from tests.configuration_edits.hierarchies import disagreements
from tests.configuration_edits.judging import violations
from tests.configuration_edits.oracle import Oracle
from tests.people import a_person

EDITORS, EDITS = 4, 20


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_edits__by_many_at_once_through_every_door__are_all_in_the_ledger_and_in_force() -> None:
    user = a_person("editor", role="owner", is_staff=True, is_superuser=True)
    editors = [Editor(number, seed=1, user=user) for number in range(EDITORS)]
    with ThreadPoolExecutor(EDITORS) as pool:
        answers = [answer for found in pool.map(lambda editor: editor.work(EDITS), editors) for answer in found]
    assert list(violations(answers)) == []
    assert len(answers) == EDITORS * EDITS
    assert {answer.door for answer in answers} == {"services", "api", "admin"}
    assert Counter(answer.outcome for answer in answers)["done"] > EDITORS * EDITS / 2


@pytest.mark.django_db
def test_judging__an_edit_lost_altered_or_never_asked_for__is_told() -> None:
    # Given two versions; when the answers say something else of them
    put(SCOPES[0], leverage=11)  # each put has the reason "because"
    one = Answer("because", "services", ("set", [("trading", tuple(SCOPES[0]), {"leverage": 11})]), "done")
    assert list(violations([one])) == []
    assert list(violations([])) == ["version 1 was never answered as done: because"]
    lost = one._replace(reason="lost")
    assert list(violations([one, lost])) == [f"accepted, and not in the ledger: {lost}"]
    (other,) = violations([one._replace(asked=("set", [("trading", tuple(SCOPES[0]), {"leverage": 12})]))])
    assert other.startswith("version 1 is not what was asked")
    put(SCOPES[0], leverage=12)
    assert "in the ledger twice: because" in list(violations([one]))
    Override.objects.all().delete()
    assert "replaying the ledger does not give what is in force" in list(violations([one]))


def test_hierarchies__at_random__resolve_as_the_oracle_says() -> None:
    assert disagreements(300, seed=7) == []


# --- one editor, any sequence, against the oracle

_SCOPE = st.sampled_from(SCOPES)
_VALUES = st.fixed_dictionaries(
    {},
    optional={
        "leverage": st.integers(1, 20),
        "stop_loss_pct": st.sampled_from([1.0, 2.5]),
        "override_min_qty": st.sampled_from([None, 0.5]),
    },
)
_PLACES = st.dictionaries(_SCOPE, _VALUES, min_size=1, max_size=3)


class Edits(RuleBasedStateMachine):
    """Set, clear, clear a scope, batch, roll back, import, and writes on what was read before."""

    def __init__(self) -> None:
        super().__init__()
        self.oracle = Oracle()
        self.room = undone()
        self.room.__enter__()

    def teardown(self) -> None:
        self.room.__exit__(None, None, None)

    def _done(self, asked: tuple[Any, ...], call: Any, **more: Any) -> None:
        wanted = self.oracle.after(asked)
        said = {"actor": BEN, "reason": "because", "now": NOON, **more}
        if wanted is None:
            with pytest.raises(StaleVersion):
                call(**said)
            return
        applied = call(**said)
        assert bool(applied.changes) == (wanted != self.oracle.states[-1])
        if applied.changes:
            self.oracle.states.append(wanted)
        assert applied.version == len(self.oracle.states) - 1

    def _version(self, back: int) -> int:
        return max(0, len(self.oracle.states) - 1 - back)

    @rule(places=_PLACES)
    def batch(self, places: Any) -> None:
        operations = [
            services.SetValue(scope, "trading", name, value)
            for scope, values in places.items()
            for name, value in values.items()
        ]
        asked = ("set", [("trading", tuple(scope), values) for scope, values in places.items()])
        self._done(asked, services.change, operations=operations, source="api", kind="batch")

    @rule(scope=_SCOPE, name=st.sampled_from(["leverage", "stop_loss_pct", "override_min_qty"]))
    def clear(self, scope: Any, name: str) -> None:
        operations = [services.ClearValue(scope, "trading", name)]
        self._done(("clear", ("trading", tuple(scope), name)), services.change, operations=operations, source="api")

    @rule(scope=_SCOPE)
    def clear_scope(self, scope: Any) -> None:
        operations = [services.ClearScope(scope, "trading")]
        self._done(("set", [("trading", tuple(scope), None)]), services.change, operations=operations, source="api")

    @rule(back=st.integers(0, 5))
    def roll_back(self, back: int) -> None:
        self._done(("to", self._version(back)), services.roll_back, to=self._version(back))

    @rule(back=st.integers(0, 5))
    def undo(self, back: int) -> None:
        version = self._version(back)
        if version:
            self._done(("undo", version), services.roll_back, undo=version)

    @rule(places=_PLACES, mode=st.sampled_from(["merge", "replace"]))
    def bring_in(self, places: Any, mode: Any) -> None:
        written = {scope_name(scope): values for scope, values in places.items()}
        stated = {
            ("trading", tuple(scope), name): value for scope, values in places.items() for name, value in values.items()
        }
        merged = ("set", [("trading", tuple(scope), values) for scope, values in places.items()])
        asked = merged if mode == "merge" else ("replace", "trading", stated)
        document = {"format": FORMAT, "namespaces": {"trading": written}}
        self._done(asked, services.import_document, document=document, mode=mode)

    @rule(scope=_SCOPE, value=st.integers(1, 20), back=st.integers(0, 4))
    def set_on_what_was_read(self, scope: Any, value: int, back: int) -> None:
        key, base = ("trading", tuple(scope), "leverage"), self._version(back)
        seen = self.oracle.states[base:]
        call = {
            "operations": [services.SetValue(scope, "trading", "leverage", value)],
            "source": "api",
            "base_version": base,
        }
        moved = any(state.get(key) != seen[0].get(key) for state in seen)
        if moved and self.oracle.states[-1].get(key) != value:
            with pytest.raises(StaleVersion):
                services.change(actor=BEN, reason="because", now=NOON, **call)  # type: ignore[arg-type]
        else:
            self._done(("set", [("trading", tuple(scope), {"leverage": value})]), services.change, **call)

    @rule(scope=_SCOPE)
    def refused(self, scope: Any) -> None:
        with pytest.raises(InputError):
            services.change(
                actor=BEN, reason="x", now=NOON, source="api",
                operations=[
                    services.SetValue(scope, "trading", "leverage", 7),
                    services.SetValue(scope, "trading", "stop_loss_pct", True),
                ],
            )  # fmt: skip

    @invariant()
    def in_force_is_what_the_oracle_says(self) -> None:
        stored = {(row.namespace, tuple(row.scope), row.parameter): row.value for row in Override.objects.all()}
        assert stored == self.oracle.states[-1]
        assert ChangeSet.objects.count() == len(self.oracle.states) - 1


@pytest.mark.django_db
def test_edits__any_sequence_of_any_kind__is_what_the_oracle_says() -> None:
    run_state_machine_as_test(
        Edits,
        settings=settings(
            max_examples=25, stateful_step_count=15, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
