"""Production services under seeded faults: whatever dies, sleeps or gets lost, every invariant holds in the end."""

import random
import re
import time
from functools import cache
from pathlib import Path

import pytest
from django.db import connection, transaction
from django.db.models.functions import Now

from bots import services
from bots.models import Bot
from tests.simulation.stage import Actor, Killed
from tests.simulation.theatre import Played, Theatre

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "broker"])

# Much happens in them: series that end, dozens of kills and sleepers, lost answers, an order that is adopted.
REMEMBERED = (16, 18, 111, 152, 154)
FRESH_SECONDS = 20.0


@cache
def remembered(stage: Theatre, seed: int) -> tuple[Played, tuple[str, ...]]:
    lines: list[str] = []
    return stage.play(seed, say=lines.append), tuple(lines)


@pytest.mark.parametrize("seed", REMEMBERED)
def test_world__remembered_seed__keeps_every_invariant(stage: Theatre, seed: int) -> None:
    assert remembered(stage, seed)[0].violations == ()


@pytest.mark.slow
def test_world__seeds_nobody_has_seen__keep_every_invariant(stage: Theatre) -> None:
    first, played, until = random.SystemRandom().randrange(10**6, 10**9), 0, time.monotonic() + FRESH_SECONDS
    while time.monotonic() < until:
        found = stage.play(first + played)
        assert found.violations == (), f"python -m tests.simulation --seed {first + played} --verbose"
        played += 1
    assert played > 0


def test_world__the_same_seed__plays_the_same_schedule(stage: Theatre) -> None:
    one, lines = remembered(stage, 16)
    assert one.steps > 100
    again: list[str] = []
    played = stage.play(16, say=again.append)
    # The lines first: they say where two schedules part.
    assert [pair for pair in zip(lines, again, strict=False) if pair[0] != pair[1]] == []
    assert one._replace(seconds=0) == played._replace(seconds=0)


def test_world__another_seed__plays_another_schedule(stage: Theatre) -> None:
    assert remembered(stage, 16)[0].schedule != remembered(stage, 18)[0].schedule


def test_checkpoints__of_every_service__are_reached(stage: Theatre) -> None:
    folder = Path(services.__file__).parent
    source = "".join(path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.py")))
    named = set(re.findall(r"checkpoint\(\"(\w+)\"\)", source))
    assert {"taken", "claimed", "answered", "published", "events_read"} <= named
    lines = [line for seed in REMEMBERED for line in remembered(stage, seed)[1]]
    reached = {found for line in lines for found in re.findall(r" at (\w+) ", line)}
    assert named - reached == set()


# --- the tools of the simulation


def test_actor__checkpoint_inside_a_transaction__is_noticed(stage: Theatre) -> None:
    actor = Actor("careless")

    def play() -> None:
        with transaction.atomic():
            Bot.objects.count()
            actor.checkpoint("inside")
        actor.checkpoint("outside")

    actor.begin(play)
    assert (actor.where, actor.open_at) == ("inside", ["inside (default)"])
    actor.go_on()
    assert (actor.where, actor.open_at) == ("outside", ["inside (default)"])
    actor.leave()


def test_actor__killed__goes_no_further_and_can_play_again(stage: Theatre) -> None:
    actor, seen = Actor("mortal"), []

    def play() -> None:
        try:
            actor.checkpoint("here")
            seen.append("after")
        except Exception:  # what catches everything in the platform does not catch this
            seen.append("caught")

    actor.begin(play)
    actor.kill()
    assert actor.is_idle
    assert isinstance(actor.ended, Killed)
    actor.begin(play)
    actor.go_on()
    assert (actor.ended, seen) == (None, ["after"])
    actor.leave()


def test_clock__of_the_database__stands_still_until_it_is_advanced(stage: Theatre) -> None:
    def read() -> list[object]:
        with connection.cursor() as cursor:
            cursor.execute("SELECT now(), statement_timestamp(), clock_timestamp()")
            return [*cursor.fetchone(), Bot.objects.annotate(at=Now()).values_list("at", flat=True)[0]]

    before = read()
    time.sleep(0.01)
    assert read() == before
    assert len(set(before)) == 1
    stage.clock.advance(7.5)
    assert {(late - early).total_seconds() for early, late in zip(before, read(), strict=True)} == {7.5}  # type: ignore[operator]
