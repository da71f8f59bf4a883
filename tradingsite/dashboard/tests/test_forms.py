"""From what a browser sends to what the API takes, and faults back to their fields."""

from django.http import QueryDict

from engine.domain.errors import Fault
from tradingsite.dashboard.forms import Field, bound, values_of

FIELDS = (
    Field("symbols", "Symbols", "choices", initial=["AAPL"]),
    Field("start", "From", "date"),
    Field("fee_bps", "Fee", "decimal", initial="1"),
    Field("latency_bars", "Latency", "int"),
    Field("rounding", "Round", "bool", initial=True),
)


def test_values__of_a_posted_form__are_the_kinds_the_api_takes() -> None:
    posted = QueryDict("symbols=AAPL&symbols=IBM&start=2010-01-01&fee_bps=1.5&latency_bars=2&rounding=on")

    assert values_of(FIELDS, posted) == {
        "symbols": ["AAPL", "IBM"],
        "start": "2010-01-01",
        "fee_bps": 1.5,
        "latency_bars": 2,
        "rounding": True,
    }


def test_values__empty_or_unreadable__are_left_out_or_left_to_the_service() -> None:
    posted = QueryDict("start=&fee_bps=abc&latency_bars=true")

    # "true" is JSON, but no number: the service must see the text and refuse it.
    assert values_of(FIELDS, posted) == {
        "symbols": [],
        "fee_bps": "abc",
        "latency_bars": "true",
        "rounding": False,
    }


def test_bound__with_faults__keeps_what_was_typed_and_puts_each_fault_beside_its_field() -> None:
    posted = QueryDict("symbols=IBM&fee_bps=abc")
    faults = [
        Fault("invalid_type", "/fee_bps", "fee_bps must be a number."),
        Fault("unknown_symbol", "/symbols/0", "IBM is not a symbol of it."),
        Fault("unknown_bot", "/bot", "There is no bot."),
    ]

    form = bound(FIELDS, posted=posted, faults=faults)

    by_name = {one.field.name: one for one in form.fields}
    assert by_name["fee_bps"].value == "abc"
    assert by_name["fee_bps"].errors == ("fee_bps must be a number.",)
    assert by_name["symbols"].errors == ("IBM is not a symbol of it.",)
    assert by_name["symbols"].chosen == {"IBM"}
    assert by_name["rounding"].value is False  # a box that was not ticked is not sent
    assert form.other == ("There is no bot.",)
    assert form.fault_count == 3


def test_bound__nothing_posted__shows_the_initial_values() -> None:
    form = bound(FIELDS)

    assert [one.value for one in form.fields] == [["AAPL"], "", "1", "", True]
    assert not form.is_refused
