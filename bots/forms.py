"""The admin's form of a bot: one field for each parameter of the catalogue, judged by the service.

An empty field is inherited. The fields of every strategy are there; those of the chosen one count.
"""

from collections.abc import Iterable
from typing import Any

from django import forms

from bots import mappers
from bots.mappers import Definition, Key
from bots.models import Bot
from bots.selectors import described
from bots.services import definition
from configuration import selectors as configuration
from configuration.catalogue import CATALOGUE
from engine.domain.declarations import Parameter
from engine.domain.errors import Fault, InputError
from marketdata import selectors as marketdata

INHERITED = [("", "inherited")]
# What a form must say itself, though the catalogue has a default for other scopes.
_REQUIRED = ("capital", "indicators")
_YES_NO = [*INHERITED, ("true", "yes"), ("false", "no")]


def field_name(key: Key) -> str:
    """The name of a parameter's field in the page."""
    return ".".join(key)


def groups() -> list[tuple[str, list[str]]]:
    """The parameters' fields under the headings they are shown with: the bot's, then each strategy's."""
    found = [("Money, limits and timetable", list(mappers.form_fields("").values()))]
    for strategy in mappers.known_strategies():
        own = [key for key in mappers.form_fields(strategy).values() if key[0] == strategy]
        found += [(f"Strategy {strategy}", own)] if own else []
    return [(title, [field_name(key) for key in keys]) for title, keys in found]


def _field(parameter: Parameter) -> forms.Field:
    label = f"{parameter.name.replace('_', ' ')}{f' ({parameter.unit})' if parameter.unit else ''}"
    shared: dict[str, Any] = {"label": label, "help_text": _help(parameter), "required": False}
    if parameter.kind == "bool":
        return forms.ChoiceField(choices=_YES_NO, **shared)
    if parameter.kind == "list" and parameter.choices:
        choices = [(choice, choice) for choice in parameter.choices]
        return forms.MultipleChoiceField(choices=choices, widget=forms.CheckboxSelectMultiple, **shared)
    if parameter.choices:
        return forms.ChoiceField(choices=[*INHERITED, *((choice, choice) for choice in parameter.choices)], **shared)
    return forms.CharField(**shared)


def _help(parameter: Parameter) -> str:
    bounds = "" if parameter.minimum is None else f" {parameter.minimum:g} to {parameter.maximum:g}."
    unset = " 0: no limit." if parameter.nullable else ""
    empty = "Required." if parameter.name in _REQUIRED else f"Default {_shown(parameter.default)}."
    return f"{parameter.description}{bounds}{unset} {empty}"


class _BotForm(forms.ModelForm):  # type: ignore[type-arg]  # Django's is not generic at run time
    """Who trades, and how. Saved by ``definition.define`` and ``definition.redefine``."""

    strategy = forms.ChoiceField(choices=[(name, name) for name in mappers.known_strategies()])
    timeframe = forms.ChoiceField(choices=[(name, name) for name in mappers.known_timeframes()], initial="1d")
    symbols = forms.MultipleChoiceField(choices=())
    reason = forms.CharField(max_length=2000, help_text="Why: written into the ledger beside every value changed.")
    base_version = forms.IntegerField(widget=forms.HiddenInput, required=False)

    class Meta:
        model = Bot
        fields = ("name", "strategy", "timeframe", "symbols")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        known = [(symbol, symbol) for symbol in marketdata.known_symbols()]
        self.fields["symbols"].choices = known  # type: ignore[attr-defined]  # a MultipleChoiceField
        self.initial.setdefault("base_version", configuration.head().version)
        if not self.instance._state.adding:
            self._show(self.instance)

    def _show(self, bot: Bot) -> None:
        """What the bot sets itself stands in the fields; what it inherits beside them."""
        found = described([bot])[0]
        for key, resolved in found.resolved.items():
            name = field_name(key)
            if key in found.own:
                self.initial[name] = _shown(resolved.value)
            else:
                self.fields[name].help_text += f" Inherited: {_shown(resolved.value)} ({resolved.origin.scope})."

    def definition_form(self) -> dict[str, Any]:
        """What the fields say, in the shape the service reads."""
        cleaned = self.cleaned_data
        strategy = cleaned.get("strategy", "")
        keys = mappers.form_fields(strategy).values()
        values = {key: _value(CATALOGUE.get(*key), cleaned.get(field_name(key))) for key in keys}
        said = Definition(
            name=cleaned.get("name", ""),
            strategy=strategy,
            timeframe=cleaned.get("timeframe", ""),
            symbols=tuple(cleaned.get("symbols", ())),
            parameters={key: value for key, value in values.items() if value is not None},
        )
        return mappers.form_of(said)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        bot_id = None if self.instance._state.adding else self.instance.id
        try:
            definition.check(form=self.definition_form(), reason=cleaned.get("reason", ""), bot_id=bot_id)
        except InputError as refused:
            self._show_faults(refused.faults or [Fault(refused.code, "", refused.message)])
        return cleaned

    def _show_faults(self, faults: Iterable[Fault]) -> None:
        strategy = self.cleaned_data.get("strategy", "")
        for fault in faults:
            key = mappers.key_at(strategy, fault.pointer)
            name = field_name(key) if key else fault.pointer.strip("/").split("/")[0]
            # A field that Django refused already has said so.
            if name not in self.errors:
                error = forms.ValidationError(fault.message, code=fault.code)
                self.add_error(name if name in self.fields else None, error)


def _value(parameter: Parameter, entered: Any) -> Any:
    """The value as a JSON client would have sent it; what cannot be read goes on for the service to name."""
    if entered in (None, "", []):
        return None
    if parameter.kind == "bool":
        return entered == "true"
    if parameter.kind not in ("int", "float"):
        return entered
    for read in (int, float):
        try:
            return read(entered)
        except ValueError:
            continue
    return entered


def _shown(value: Any) -> Any:
    if value is None:
        return "0"
    return str(value).lower() if isinstance(value, bool) else value


BotForm = type(
    "BotForm",
    (_BotForm,),
    {
        field_name((namespace, parameter.name)): _field(parameter)
        for namespace, parameter in (
            (key[0], CATALOGUE.get(*key))
            for strategy in mappers.known_strategies()
            for key in mappers.form_fields(strategy).values()
        )
    },
)
