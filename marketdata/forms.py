"""The admin's forms: they ask the same services as API and commands, and show the services' faults at their fields."""

from collections.abc import Iterable
from typing import Any

from django import forms

from engine.domain.errors import Fault
from marketdata import calendars
from marketdata.models import Adjustment, Instrument
from marketdata.selectors import known_symbols
from marketdata.services import InstrumentDefinition, instrument_faults
from marketdata.timeframes import TIMEFRAMES

FAULTS_SHOWN = 50


def show_faults(form: forms.BaseForm, faults: Iterable[Fault]) -> None:
    """Put each fault at the field its pointer names, the others above the form."""
    for fault in list(faults)[:FAULTS_SHOWN]:
        field = fault.pointer.strip("/").split("/")[0]
        form.add_error(field if field in form.fields else None, forms.ValidationError(fault.message, code=fault.code))


class InstrumentForm(forms.ModelForm):
    """An instrument; judged by the service that will save it."""

    calendar = forms.ChoiceField(choices=[(code, f"{code} ({zone})") for code, zone in calendars.ZONES.items()])

    class Meta:
        model = Instrument
        fields = (
            "symbol", "name", "asset_class", "calendar", "currency", "price_tick", "qty_step", "min_qty",
            "min_notional", "max_leverage", "is_tradable", "filters_known",
        )  # fmt: skip

    def definition(self) -> InstrumentDefinition:
        """What the fields say, for the service."""
        values = {name: self.cleaned_data[name] for name in self._meta.fields or () if name in self.cleaned_data}
        return InstrumentDefinition(**{"symbol": self.instance.symbol, **values})

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if not self.errors:
            show_faults(self, instrument_faults(self.definition()))
        return cleaned


class ImportForm(forms.Form):
    """A CSV file to import."""

    file = forms.FileField(help_text="CSV, plain or gzipped: timestamp, open, high, low, close, volume.")
    symbol = forms.ChoiceField(help_text="Define the instrument first if it is not here.")
    timeframe = forms.ChoiceField(choices=[(name, name) for name in TIMEFRAMES], initial="1d")
    source = forms.CharField(max_length=32, initial="csv", help_text="Where the bars come from, such as bitfinex.")
    adjustment = forms.ChoiceField(choices=Adjustment.choices, help_text="Adjusted: splits and dividends are no jumps.")
    factors = forms.FileField(required=False, help_text="For raw bars: date, price factor, split factor, reference.")
    timezone = forms.CharField(required=False, help_text="Of timestamps without a zone, such as America/New_York.")
    name = forms.CharField(required=False, max_length=120)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        symbol = self.fields["symbol"]
        assert isinstance(symbol, forms.ChoiceField)
        symbol.choices = [(known, known) for known in known_symbols()]
