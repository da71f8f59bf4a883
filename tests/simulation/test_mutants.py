"""The checker is checked: each promise of the protocol that is broken on purpose is noticed."""

from functools import cache

import pytest

from tests.simulation import mutants
from tests.simulation.mutants import MUTANTS
from tests.simulation.theatre import Played, Theatre

pytestmark = [pytest.mark.django_db(transaction=True, databases=["default", "broker"]), pytest.mark.slow]


@cache
def unbroken(stage: Theatre, seed: int) -> Played:
    return stage.play(seed)


@pytest.mark.parametrize("name", MUTANTS)
def test_mutant__its_seed__is_caught_and_the_protocol_is_not(stage: Theatre, name: str) -> None:
    seed = MUTANTS[name].seed
    with mutants.applied(name):
        broken = stage.play(seed)
    assert broken.violations != ()
    assert unbroken(stage, seed).violations == ()
