"""A bot that trades live does what its backtest does, in every column; and a record that was altered does not pass."""

import random
from decimal import Decimal
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from bots.models import Bot, BotStatus, Cycle, CycleState, EngineRun, OrderIntent, Trade
from bots.services import demo, recomputing
from bots.services.checkpoints import Checkpoint
from bots.services.feeding import Did
from bots.tests.builders import NOW, an_equity
from bots.tests.little_platform import Killed, LittlePlatform, a_trader, configure, run_of, simulated_bars
from configuration.services import GLOBAL
from engine.domain.events import DECISION
from marketdata import services as marketdata
from tests.people import a_person

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "broker"])

BARS = 300


@pytest.fixture
def owner(db: None) -> User:
    return a_person("olga", role="risk_admin")


@pytest.fixture
def little(settings, tmp_path: Path) -> LittlePlatform:
    settings.DATA_DIR = tmp_path
    settings.REPLAY_BARS_PER_SECOND = Decimal(1000)
    return LittlePlatform()


def compared(*arguments: str) -> str:
    """What the command says; it raises where anything differs."""
    out = StringIO()
    call_command("parity", *arguments, stdout=out)
    return out.getvalue()


def refused(*arguments: str) -> str:
    out = StringIO()
    with pytest.raises(CommandError) as error:
        call_command("parity", *arguments, stdout=out)
    assert error.value.returncode == 1
    return f"{out.getvalue()}{error.value}"


class Dying:
    """A worker that dies about once in every so many checkpoints, by the dice of a seed."""

    def __init__(self, seed: int, *, odds: float) -> None:
        self.dice = random.Random(seed)
        self.odds = odds
        self.places: list[str] = []

    def __call__(self, name: str) -> None:
        if self.dice.random() < self.odds:
            self.places.append(name)
            raise Killed(name)


def trade(little: LittlePlatform, bars: int, checkpoint: Checkpoint) -> None:
    """So many bars, each begun again by another worker as often as one dies."""
    for number in range(bars + 1):
        if number:
            assert little.publish().did == Did.PUBLISHED
        while not _worked(little, checkpoint):
            little.lapse()


def _worked(little: LittlePlatform, checkpoint: Checkpoint) -> bool:
    try:
        little.advance_all(checkpoint)
    except Killed:
        return False
    return True


@pytest.fixture
def demo_bots(owner: User, little: LittlePlatform) -> list[Bot]:
    """The bots a newcomer finds, on the real daily bars of four companies."""
    marketdata.import_samples(NOW)
    made = demo.create_demo_bots(owner_id=owner.pk, now=NOW)
    assert [bot.status for bot in made] == [BotStatus.RUNNING, BotStatus.RUNNING]
    return made


@pytest.mark.slow
def test_demo_bots__over_real_bars_with_workers_that_die__do_what_their_backtests_do(
    demo_bots: list[Bot], little: LittlePlatform
) -> None:
    # Given
    dying = Dying(20261121, odds=0.01)
    # When
    trade(little, BARS, dying)
    # Then: it was worth comparing
    assert len(dying.places) > 20
    assert len(set(dying.places)) > 6
    assert set(Cycle.objects.values_list("state", flat=True)) == {CycleState.DONE}
    for bot in demo_bots:
        assert Trade.objects.filter(bot=bot).count() > 10
        assert run_of(bot).rows >= BARS
        assert recomputing.check(run_of(bot)).differences == ()
    # and: the same decisions, orders, fills and round trips
    told = compared("--least", str(BARS))
    assert told.count("equal in every column") == 2
    # and: nobody ordered twice
    ids = list(OrderIntent.objects.values_list("client_order_id", flat=True))
    assert len(ids) == len(set(ids))
    _altered_decision_is_found(demo_bots[0])


def _altered_decision_is_found(bot: Bot) -> None:
    cycle = Cycle.objects.filter(bot=bot).exclude(decided=b"").order_by("-number")[0]
    decided = np.frombuffer(bytes(cycle.decided), DECISION).copy()
    decided["confidence"][-1] += 1e-9
    Cycle.objects.filter(id=cycle.id).update(decided=decided.tobytes())
    told = refused()
    assert "DIFFER in decisions\n" in told
    assert told.count("equal in every column") == 1


# --- a small market, for what may be wrong with a record

CLOSES = [100, 100, 100, 100, 100, 101, 102, 100, 100, 103, 90, 90]


@pytest.fixture
def bot(owner: User, little: LittlePlatform) -> Bot:
    """A bot that made two round trips on made-up prices."""
    an_equity("AAPL")
    simulated_bars("AAPL", [*CLOSES, 90, 90])
    made = a_trader(owner)
    little.bars(len(CLOSES))
    return made


@pytest.mark.parametrize("column", ["orders", "fills", "trips", "decided"])
def test_parity__a_record_that_is_missing__is_named(bot: Bot, column: str) -> None:
    assert "12 bars, 6 decisions, 7 orders, 4 fills, 2 trips: equal in every column" in compared()
    cycle = Cycle.objects.filter(bot=bot).exclude(**{column: b""})[0]
    Cycle.objects.filter(id=cycle.id).update(**{column: b""})
    name = "decisions" if column == "decided" else column
    assert f"DIFFER in {name}\n" in refused()


def test_parity__too_few_bars__is_refused(bot: Bot) -> None:
    assert "12 bars stepped, fewer than 13" in refused("--least", "13")


def test_parity__the_configuration_changed_meanwhile__is_refused(bot: Bot, little: LittlePlatform) -> None:
    configure(GLOBAL, trading__position_size_pct=0.05)
    little.bars()
    assert "its configuration changed while it ran" in refused()


def test_parity__no_run__is_refused(bot: Bot) -> None:
    EngineRun.objects.update(ended_at=NOW)
    assert refused() == "There is no run to compare."
