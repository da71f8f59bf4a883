"""What new code makes of the parameters is in the ledger before anything is decided under it."""

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command

from configuration import canonical, selectors, services
from configuration.actors import Actor
from configuration.catalogue import CATALOGUE, Catalogue
from configuration.image import Path
from configuration.models import CatalogueEdition, ChangeSet
from configuration.scopes import GLOBAL
from configuration.services import changing, editions, evidence
from configuration.tests.examples import NOON, put

pytestmark = pytest.mark.django_db
DEPLOYMENT = Actor("system", "deployment", "deployment")


def adopted(hours: int = 0) -> services.Applied:
    return services.adopt_catalogue(now=NOON + timedelta(hours=hours), actor=DEPLOYMENT)


def code_with(monkeypatch: pytest.MonkeyPatch, catalogue: Catalogue) -> Catalogue:
    """From here on the running code is one that declares these parameters."""
    for module in (changing, editions):
        monkeypatch.setattr(module, "CATALOGUE", catalogue)
    return catalogue


def varied(*, without: str = "", **fields: dict[str, Any]) -> Catalogue:
    """Today's trading parameters, some of them declared otherwise."""
    trading = [
        one._replace(**fields.get(one.name, {})) for one in CATALOGUE.parameters("trading") if one.name != without
    ]
    return Catalogue({"trading": trading, "bot": CATALOGUE.parameters("bot")})


def test_adopt__first_start_of_all__keeps_the_edition_and_records_nothing() -> None:
    assert adopted() == services.Applied(0, ())
    assert ChangeSet.objects.count() == 0
    edition = CatalogueEdition.objects.get()
    assert edition.fingerprint == CATALOGUE.fingerprint == canonical.digest(edition.content)
    assert edition.first_seen_at == NOON


def test_adopt__same_code_again__records_nothing() -> None:
    adopted()
    put(GLOBAL, leverage=11)
    assert adopted(hours=1) == services.Applied(1, ())
    assert (ChangeSet.objects.count(), CatalogueEdition.objects.count()) == (1, 1)


def test_adopt__code_with_another_default__records_a_migration_that_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given: a decision under code whose leverage was 5, at most 50, and which had another limit
    before = varied(leverage={"default": 5, "maximum": 50}, without="max_retries")
    code_with(monkeypatch, before)
    put(GLOBAL, stop_loss_pct=1.5)
    # When: code starts that says 7, at most 40, and no longer has slow things but max_retries
    code_with(monkeypatch, varied(leverage={"default": 7, "maximum": 40}, without="enabled"))
    applied = adopted(hours=1)

    decided = selectors.decision(applied.version)
    assert (decided.version, decided.kind, decided.source, decided.actor_label) == (
        2,
        "migrate",
        "system",
        "deployment",
    )
    assert decided.reason == (
        "The code brings another catalogue: trading.leverage: default 5 -> 7, maximum 50 -> 40; "
        "trading.enabled is gone (default was true); trading.max_retries is new (default 3)."
    )
    assert list(decided.changes.all()) == []
    assert selectors.head().version == 2
    # and what was stored is in force as before
    assert selectors.image_at(version=2).values("trading", Path())["stop_loss_pct"] == 1.5
    assert [selectors.image_at(version=v).values("trading", Path())["leverage"] for v in (0, 1, 2)] == [5, 5, 7]
    assert adopted(hours=2).version == 2


def test_adopt__other_code_before_any_decision__is_recorded_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    code_with(monkeypatch, varied(leverage={"default": 5}))
    adopted()
    code_with(monkeypatch, varied(leverage={"default": 6}))
    assert adopted(hours=1).version == 1
    assert ChangeSet.objects.get().reason == "The code brings another catalogue: trading.leverage: default 5 -> 6."


def test_adopt__back_to_the_code_before__is_a_migration_too(monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = varied(leverage={"default": 5}), varied(leverage={"default": 6})
    code_with(monkeypatch, one)
    put(GLOBAL, stop_loss_pct=1.5)
    for hours, code in ((1, other), (2, one)):
        code_with(monkeypatch, code)
        adopted(hours)
    assert [selectors.image_at(version=v).values("trading", Path())["leverage"] for v in (1, 2, 3)] == [5, 6, 5]
    assert CatalogueEdition.objects.count() == 2


def test_adopt__everything_is_new__says_as_much_as_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    code_with(monkeypatch, Catalogue({}))
    put(GLOBAL, leverage=11)
    code_with(monkeypatch, CATALOGUE)
    adopted(hours=1)

    reason = selectors.decision(2).reason
    total = sum(len(CATALOGUE.parameters(namespace)) for namespace in CATALOGUE.namespaces())
    assert 1800 < len(reason) <= 2000
    assert reason.endswith(f"; and {total - reason.count(' is new')} more.")


def test_adopt__catalogue_before_was_never_kept__says_that(monkeypatch: pytest.MonkeyPatch) -> None:
    before = code_with(monkeypatch, varied(leverage={"default": 9}))
    with monkeypatch.context() as then:
        then.setattr(changing, "keep_edition", lambda now: None)
        put(GLOBAL, stop_loss_pct=1.5)
    code_with(monkeypatch, CATALOGUE)
    adopted(hours=1)
    assert selectors.decision(2).reason.endswith(f"under {before.fingerprint[:12]} was not kept.")


def test_adopt__in_the_chain__verifies(monkeypatch: pytest.MonkeyPatch) -> None:
    code_with(monkeypatch, varied(leverage={"default": 5}))
    put(GLOBAL, stop_loss_pct=1.5)
    code_with(monkeypatch, CATALOGUE)
    adopted(hours=1)
    put(GLOBAL, stop_loss_pct=2.5)

    checked = evidence.verify(now=NOON)
    assert (checked.version, checked.first_bad_version) == (3, None)


def test_change__catalogue_not_kept_yet__keeps_it_once() -> None:
    put(GLOBAL, leverage=11)
    put(GLOBAL, leverage=12)
    assert CatalogueEdition.objects.get().fingerprint == CATALOGUE.fingerprint


def test_command__says_what_it_recorded_or_that_there_was_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def said() -> str:
        words = StringIO()
        call_command("config_catalogue", stdout=words)
        return words.getvalue()

    assert said() == f"Catalogue {CATALOGUE.fingerprint[:12]} is in force; nothing to record.\n"
    with monkeypatch.context() as then:
        code_with(then, varied(leverage={"default": 5}))
        put(GLOBAL, stop_loss_pct=1.5)
    assert said().startswith("Version 2: The code brings another catalogue: trading.leverage: default 5 -> 10; ")
