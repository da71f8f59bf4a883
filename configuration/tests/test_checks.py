"""What stops the start: values of the environment that no parameter allows."""

import pytest

from configuration import checks, environment, store
from configuration.catalogue import CATALOGUE, Catalogue
from configuration.image import Image, Path, Stored
from configuration.scopes import GLOBAL, Candidate, Origin
from engine.domain.errors import SetupError

# No trading parameter documents a variable today; this catalogue gives two of them one.
WITH_NAMES = Catalogue(
    {
        "trading": [
            parameter._replace(
                environment={"leverage": "EXAMPLE_LEVERAGE", "enabled": "EXAMPLE_ON"}.get(parameter.name)
            )
            for parameter in CATALOGUE.parameters("trading")
        ]
    }
)


def test_variables__two_bad_ones__are_two_errors_with_name_and_limit() -> None:
    errors = checks.bad_variables(WITH_NAMES, {"EXAMPLE_LEVERAGE": "130", "EXAMPLE_ON": "maybe", "HOME": "/"})

    assert [error.id for error in errors] == ["configuration.E001", "configuration.E001"]
    assert "EXAMPLE_LEVERAGE: leverage is 130, allowed 1-125 x." in errors[0].msg
    assert "EXAMPLE_ON" in errors[1].msg


def test_variables__not_set_or_blank__supply_nothing() -> None:
    assert environment.read(WITH_NAMES, {"EXAMPLE_LEVERAGE": " "}) == ({}, ())


def test_environment__below_global_above_default__is_named_as_origin() -> None:
    # Given: the environment says 7; globally nothing, then 9
    supplied = environment.read(WITH_NAMES, {"EXAMPLE_LEVERAGE": "7"}).supplied
    bare = Image(catalogue=WITH_NAMES, version=0, head_hash="", places={}, environment=supplied)
    told = bare.replaced({("trading", GLOBAL): {"leverage": Stored(9, 1)}})

    from_environment = bare.resolve("trading", Path())["leverage"]
    from_global = told.resolve("trading", Path())["leverage"]

    assert from_environment[:2] == (7, Origin("environment", name="EXAMPLE_LEVERAGE"))
    assert from_global[:2] == (9, Origin("global", version=1))
    assert from_global.shadowed == (
        Candidate(7, Origin("environment", name="EXAMPLE_LEVERAGE")),
        Candidate(10, Origin("default")),
    )
    assert bare.values("trading", Path())["leverage"] == 7


@pytest.mark.django_db
def test_store__bad_variable__refuses_to_serve(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "CATALOGUE", WITH_NAMES)
    monkeypatch.setenv("EXAMPLE_LEVERAGE", "many")
    store.forget()

    with pytest.raises(SetupError, match="leverage is 'many', expected int"):
        store.current()

    monkeypatch.undo()
    assert store.current().version == 0


def test_defaults__outside_their_own_limits__are_an_error() -> None:
    broken = Catalogue({"trading": [CATALOGUE.get("trading", "leverage")._replace(default=0)]})
    assert [error.id for error in checks.bad_defaults(broken)] == ["configuration.E002"]


def test_rules__about_what_nobody_declared__are_an_error() -> None:
    broken = Catalogue({"trading": [CATALOGUE.get("trading", "leverage")]})
    assert {error.id for error in checks.bad_rules(broken)} == {"configuration.E003"}


def test_examples__outside_their_own_limits__are_an_error() -> None:
    broken = Catalogue({"trading": [CATALOGUE.get("trading", "leverage")._replace(example=126)]})
    (error,) = checks.bad_defaults(broken)
    assert (error.id, "The example of trading.leverage" in error.msg) == ("configuration.E002", True)


def test_variables__one_name_for_two_parameters__is_an_error_that_names_both() -> None:
    size = CATALOGUE.get("trading", "leverage")._replace(environment="SIZE", environment_aliases=("OLD_SIZE",))
    other = size._replace(name="other", environment="OTHER", environment_aliases=("OLD_SIZE",))

    errors = list(checks.shared_variables(Catalogue({"trading": [size], "bot": [other]})))

    assert [error.id for error in errors] == ["configuration.E004"]
    assert errors[0].msg == "OLD_SIZE would supply trading.leverage and bot.other."


@pytest.mark.parametrize(
    "missing",
    [{"description": ""}, {"impact": " "}, {"when_to_change": ""}, {"example": None}],
    ids=lambda one: next(iter(one)),
)
def test_words__missing__are_an_error(missing: dict[str, str | None]) -> None:
    leverage = CATALOGUE.get("trading", "leverage")

    assert list(checks.missing_words(Catalogue({"trading": [leverage]}))) == []
    (error,) = checks.missing_words(Catalogue({"trading": [leverage._replace(**missing)]}))
    assert (error.id, error.msg.split(" ")[0]) == ("configuration.E005", "trading.leverage")


def test_names__declared_twice__are_an_error() -> None:
    leverage = CATALOGUE.get("trading", "leverage")
    (error,) = checks.repeated_names(Catalogue({"trading": [leverage, leverage]}))
    assert (error.id, error.msg) == ("configuration.E006", "trading.leverage is declared 2 times.")


def test_consistency__of_our_catalogue__has_nothing_to_say() -> None:
    assert checks.catalogue_consistent(None) == []
