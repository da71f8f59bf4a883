"""Numbers as people read them, with the exact value beside."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from tradingsite.templatetags import display

MINUS = "\N{MINUS SIGN}"
THIN = "\N{NARROW NO-BREAK SPACE}"


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        ("14708.42", "money", "14,708.42"),
        ("0.470842", "signed_percent", f"+47.08{THIN}%"),
        ("-0.025", "signed_percent", f"{MINUS}2.50{THIN}%"),
        ("0.178681793", "percent", f"17.87{THIN}%"),
        (451, "count", "451"),
        ("-3.456", "number", f"{MINUS}3.46"),
        ("129600000", "days", f"1.50{THIN}d"),  # 1.5 x 86 400 000 ms
    ],
)
def test_figure__of_a_kind__is_rounded_for_the_eye_and_exact_in_the_markup(value, kind, text) -> None:
    markup = display.figure(value, kind)

    assert f">{text}</data>" in markup
    assert f'value="{value}"' in markup


def test_figure__gains_and_losses__carry_sign_and_arrow_and_nothing_for_zero() -> None:
    assert 'class="up arrow">+' in display.figure("1", "signed")
    assert f'class="down arrow">{MINUS}' in display.figure("-1", "signed")
    assert 'class="">0.00<' in display.figure("0", "signed")


def test_figure__not_defined__is_a_dash_that_says_so() -> None:
    assert 'title="not defined"' in display.figure(None, "percent")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "not set"),
        (True, "on"),
        (False, "off"),
        (0.1, "0.1"),
        (100000, "100,000"),
        ("10000", "10,000"),  # money is stored as text
        ("strongest_wins", "strongest_wins"),
        (["RSI", "MACD"], "RSI, MACD"),
        ({"1h": 1.0, "1d": 1.6}, "1h 1, 1d 1.6"),
        ([], "none"),
    ],
)
def test_setting__of_any_kind__reads_as_a_person_would_write_it(value, text) -> None:
    assert display.setting(value) == text


def test_words__codes__keep_acronyms_and_leave_the_unit_to_the_value() -> None:
    assert display.words("stop_loss_pct") == "Stop loss"
    assert display.words("rsi_period") == "RSI period"
    assert display.words("max_position_size_usd") == "Max position size USD"


def test_moments__in_any_form__are_shown_in_utc() -> None:
    at = datetime(2013, 3, 1, 14, 30, tzinfo=UTC)

    shown = {display.moment(one) for one in (at, at.isoformat(), int(at.timestamp() * 1000))}

    assert len(shown) == 1
    assert ">2013-03-01 14:30<" in shown.pop()
    assert ">2013-03-01<" in display.session(at)
    assert display.moment(None) == display.NOTHING


def test_plain__decimals__lose_only_the_zeros_at_their_end() -> None:
    assert display.plain(Decimal("2.500")) == "2.5"
    assert display.plain(Decimal("1000")) == "1,000"
