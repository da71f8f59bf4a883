"""The form and its parameters: there and back."""

from bots import mappers
from bots.tests.builders import a_form


def test_form__there_and_back__is_the_same() -> None:
    form = a_form(
        voting="majority",
        indicators={"RSI": {"period": 10, "oversold": 25.0, "overbought": 75.0}, "OBV": {}},
        risk_management={"stop_loss": 2, "take_profit": 5, "max_concurrent_positions": 4},
    )
    definition, faults = mappers.definition_of(form)
    assert faults == ()
    assert mappers.form_of(definition) == form


def test_form__a_parameter_of_the_catalogue__has_one_field_and_one_pointer() -> None:
    fields = mappers.form_fields("indicator_voting")
    assert fields["indicators", "MACD", "fast"] == ("indicator_voting", "macd_fast")
    assert fields["risk_management", "stop_loss"] == ("trading", "stop_loss_pct")
    assert fields["long_only",] == ("bot", "long_only")
    assert len(set(fields.values())) == len(fields)
    assert (
        mappers.pointer_of("indicator_voting", ("indicator_voting", "stoch_k_period")) == "/indicators/STOCH/k_period"
    )


def test_key__of_a_pointer__is_the_nearest_parameter_above_it() -> None:
    assert mappers.key_at("indicator_voting", "/indicators/RSI/period") == ("indicator_voting", "rsi_period")
    assert mappers.key_at("indicator_voting", "/indicators/0") == ("indicator_voting", "indicators")
    assert mappers.key_at("indicator_voting", "/symbols/1") is None


def test_timeframes__a_tick__is_not_one_of_them() -> None:
    assert "tick" not in mappers.known_timeframes()
    assert "1d" in mappers.known_timeframes()


def test_strategies__declared_ahead_of_their_code__cannot_be_given_to_a_bot() -> None:
    assert mappers.known_strategies() == ("indicator_voting", "external")
