"""One form per scope, built from the catalogue: a row left empty is inherited."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from django import forms
from django.forms.boundfield import BoundField

from configuration import canonical, values
from configuration.catalogue import CATALOGUE, TRADING
from configuration.planning import ClearValue, Operation, SetValue
from configuration.scopes import SIDES, Origin, Resolved, Scope, scope_faults
from engine.domain.declarations import Parameter
from engine.domain.errors import Fault

POINTER: Final = "/parameters/"
_NOTHING: Final = ("none", "null", "not set")


class Row(NamedTuple):
    """One line of the form: the field, its declaration, and what is in force without it."""

    field: BoundField
    parameter: Parameter
    limits: str
    inherited: str
    inherited_from: str
    is_set: bool
    version: int


class ConfigurationForm(forms.Form):
    """Every parameter that a scope may set, the reason, and the version the values were read at."""

    base_version = forms.IntegerField(widget=forms.HiddenInput, min_value=0)
    reason = forms.CharField(
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 2, "cols": 80}),
        help_text="Why is this changed? Kept with the change for ever.",
    )

    def __init__(
        self,
        *,
        scope: Scope,
        resolved: Mapping[str, Resolved],
        base_version: int,
        data: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(data, initial={"base_version": base_version, **_texts(_own(scope, resolved))})
        self.scope = scope
        self.resolved = resolved
        for name, parameter in _offered(scope):
            self.fields[name] = _field(parameter, inherited=_inherited(scope, resolved[name])[0])

    def sections(self) -> Iterator[tuple[str, list[Row]]]:
        """The rows under their headings, in the catalogue's order."""
        sections: dict[str, list[Row]] = {}
        for name, parameter in _offered(self.scope):
            sections.setdefault(_heading(name, parameter), []).append(self._row(name, parameter))
        yield from sections.items()

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        for name, parameter in _offered(self.scope):
            text = str(cleaned.get(name, "")).strip()
            judged = _read(parameter, text)
            for fault in judged.faults:
                self.add_error(name, fault.message)
            cleaned[name] = judged.value if text else _INHERIT
        return cleaned

    def operations(self, before: Mapping[str, Any]) -> list[Operation]:
        """What the person changed, against the values (by qualified name) they were shown."""
        operations: list[Operation] = []
        for name, _ in _offered(self.scope):
            namespace, parameter = name.split(".", 1)
            value, pointer = self.cleaned_data[name], POINTER + name
            if value is _INHERIT:
                if name in before:
                    operations.append(ClearValue(self.scope, namespace, parameter, pointer))
            elif name not in before or canonical.text(before[name]) != canonical.text(value):
                operations.append(SetValue(self.scope, namespace, parameter, value, pointer))
        return operations

    def rebased(self, operations: list[Operation], *, today: "ConfigurationForm") -> "ConfigurationForm":
        """This form over today's values: rows the person changed keep their text, the others are today's."""
        touched = {operation.pointer.removeprefix(POINTER) for operation in operations}
        kept = {name: self.data.get(name, "") for name in (*touched, "reason")}
        return ConfigurationForm(
            scope=self.scope,
            resolved=today.resolved,
            base_version=today.initial["base_version"],
            data={**today.initial, **kept},
        )

    def report(self, faults: tuple[Fault, ...]) -> None:
        """Put each fault at its row, or on top where it belongs to none."""
        for fault in faults:
            name = fault.pointer.removeprefix(POINTER).split("/")[0]
            self.add_error(name if name in self.fields else None, fault.message)

    def _row(self, name: str, parameter: Parameter) -> Row:
        resolved = self.resolved[name]
        inherited, source = _inherited(self.scope, resolved)
        is_set = _is_own(self.scope, resolved.origin)
        return Row(
            field=self[name],
            parameter=parameter,
            limits=_limits(parameter),
            inherited=inherited,
            inherited_from=source,
            is_set=is_set,
            version=resolved.origin.version if is_set else 0,
        )


class ScopeForm(forms.Form):
    """Which symbol, and for a side's configuration which side of it."""

    symbol = forms.CharField(max_length=32, help_text="For example AAPL or BTCUSD.")
    side = forms.ChoiceField(choices=[(side, side) for side in SIDES])

    def __init__(self, *, kind: str, data: Mapping[str, Any] | None = None) -> None:
        super().__init__(data)
        self.kind = kind
        if kind == "symbol":
            del self.fields["side"]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if "symbol" in cleaned:
            scope = Scope(self.kind, symbol=cleaned["symbol"].strip().upper(), side=cleaned.get("side", ""))
            for fault in scope_faults(scope, pointer="/symbol"):
                self.add_error("symbol", fault.message)
            cleaned["scope"] = scope
        return cleaned


class ReasonForm(forms.Form):
    """Why a scope is cleared, and the version at which the person saw it."""

    base_version = forms.IntegerField(widget=forms.HiddenInput, min_value=0)
    reason = forms.CharField(max_length=2000, widget=forms.Textarea(attrs={"rows": 2, "cols": 80}))


_INHERIT: Final = object()


def namespaces(scope: Scope) -> list[str]:
    """The namespaces of which a scope may set something: trading, and the strategies'."""
    return [name for name in CATALOGUE.namespaces() if any(scope.kind in p.scopes for p in CATALOGUE.parameters(name))]


def _offered(scope: Scope) -> Iterator[tuple[str, Parameter]]:
    for namespace in namespaces(scope):
        for parameter in CATALOGUE.parameters(namespace):
            if scope.kind in parameter.scopes:
                yield f"{namespace}.{parameter.name}", parameter


def _heading(name: str, parameter: Parameter) -> str:
    namespace = name.split(".", 1)[0]
    if namespace == TRADING:
        return parameter.group
    about = CATALOGUE.about(namespace)
    return f"{about.title}{'' if about.is_installed else ' (not installed yet)'}: {parameter.group}"


def _field(parameter: Parameter, *, inherited: str) -> forms.Field:
    label = parameter.name
    if parameter.kind == "bool" or (parameter.choices and parameter.kind == "str"):
        offered = parameter.choices or ("true", "false")
        choices = [("", f"inherit ({inherited})"), *((item, item) for item in offered)]
        # A choice that is none must reach our own judge, which says what is allowed.
        return forms.CharField(required=False, label=label, widget=forms.Select(choices=choices))
    if parameter.kind == "map":
        widget: forms.Widget = forms.Textarea(attrs={"rows": 4, "cols": 40, "placeholder": inherited})
    else:
        widget = forms.TextInput(attrs={"placeholder": inherited, "autocomplete": "off", "size": 24})
    return forms.CharField(required=False, label=label, widget=widget, max_length=4000)


def _read(parameter: Parameter, text: str) -> values.Judged:
    if not text or (parameter.nullable and text.lower() in _NOTHING):
        return values.Judged(None)
    return values.from_text(parameter, text, pointer=parameter.name)


def _own(scope: Scope, resolved: Mapping[str, Resolved]) -> dict[str, Any]:
    return {name: value.value for name, value in resolved.items() if _is_own(scope, value.origin)}


def _is_own(scope: Scope, origin: Origin) -> bool:
    return (origin.scope, origin.bot, origin.symbol, origin.side) == scope


def _texts(own: Mapping[str, Any]) -> dict[str, str]:
    return {
        name: "\n".join(values.shown({key: number}) for key, number in value.items())
        if isinstance(value, dict)
        else values.shown(value)
        for name, value in own.items()
    }


def _inherited(scope: Scope, resolved: Resolved) -> tuple[str, str]:
    """The value in force were the row empty, and where it comes from."""
    if _is_own(scope, resolved.origin):
        below = resolved.shadowed[0]
        return values.shown(below.value), _named(below.origin)
    return values.shown(resolved.value), _named(resolved.origin)


def _named(origin: Origin) -> str:
    if origin.scope == "environment":
        return f"environment variable {origin.name}"
    if origin.scope == "symbol":
        return f"{origin.symbol}, version {origin.version}"
    return f"{origin.scope}, version {origin.version}" if origin.version else origin.scope


def _limits(parameter: Parameter) -> str:
    if parameter.kind in ("int", "float", "decimal") and parameter.minimum is not None:
        limits = values.limits(parameter)
    elif parameter.kind == "map":
        limits = "pairs like 1h=1.0, one per line, numbers from 0"
    elif parameter.kind == "list":
        limits = "names separated by commas" + (": " + ", ".join(parameter.choices) if parameter.choices else "")
    else:
        limits = ""
    return limits + ("; none for not set" if parameter.nullable else "")
