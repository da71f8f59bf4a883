"""The checker is checked: each promise of the protocol that is broken on purpose is noticed."""

import pytest

from tests.simulation import mutants
from tests.simulation.mutants import MUTANTS
from tests.simulation.theatre import Theatre

pytestmark = [pytest.mark.django_db(transaction=True, databases=["default", "broker"]), pytest.mark.slow]


TRIES = 12


@pytest.mark.parametrize("name", MUTANTS)
def test_mutant__its_seeds__are_caught_and_the_protocol_is_not(stage: Theatre, name: str) -> None:
    mutant = MUTANTS[name]
    # A change of the services shifts schedules: then a neighbour of the known seed has to do.
    for seed in range(mutant.seed, mutant.seed + TRIES):
        with mutants.applied(name):
            broken = stage.play(seed, weather=mutant.weather)
        if broken.violations:
            assert stage.play(seed, weather=mutant.weather).violations == ()
            return
    raise AssertionError(f"{mutant.words}: nobody noticed.")
