"""The platform's configuration by section, as document 000 has it, over the namespaces that hold it.

``api_keys`` are deployment settings: shown masked, judged by their form, and never stored here.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from django.conf import settings

from configuration import keys
from configuration.api.requests.naming import pointer, unknown_name
from configuration.catalogue import CATALOGUE, ENGINE, WEATHER
from configuration.image import Image, Path
from configuration.planning import ClearValue, Operation, SetValue
from configuration.scopes import GLOBAL
from engine.domain.errors import Fault

API_KEYS: Final = "api_keys"
EXECUTION_MODE: Final = "execution_mode"
_GROUPS: Final = {"Trading": "trading", "Probability model": "probability_model", "Dynamic trading": "dynamic_trading"}


class Place(NamedTuple):
    """Where a field of a section is kept."""

    namespace: str
    parameter: str


def _places() -> dict[str, dict[str, Place]]:
    """Section and field to their places; a section that is one value has the field ''."""
    found: dict[str, dict[str, Place]] = {name: {} for name in (*_GROUPS.values(), EXECUTION_MODE)}
    for namespace in (WEATHER, ENGINE):
        for parameter in CATALOGUE.parameters(namespace):
            section = _GROUPS.get(parameter.group, "")
            if parameter.name == EXECUTION_MODE:
                found[EXECUTION_MODE][""] = Place(namespace, parameter.name)
            elif section:
                found[section][parameter.name] = Place(namespace, parameter.name)
    return found


SECTIONS: Final = _places()
_FIELDS: Final = {
    place: f"{section}.{field}" if field else section
    for section, fields in SECTIONS.items()
    for field, place in fields.items()
}
NAMESPACES: Final = (WEATHER, ENGINE)


def values(image: Image) -> dict[str, Any]:
    """The values in force by section, the keys masked."""
    found = {namespace: image.values(namespace, Path()) for namespace in NAMESPACES}
    return {
        **_by_section({place: found[place.namespace][place.parameter] for place in _FIELDS}),
        API_KEYS: shown_keys(),
    }


def defaults() -> dict[str, Any]:
    """The documented defaults by section."""
    return _by_section({place: CATALOGUE.get(*place).default for place in _FIELDS})


def field_of(namespace: str, parameter: str) -> str:
    """The "section.field" of a parameter."""
    return _FIELDS[Place(namespace, parameter)]


def operations(body: Mapping[str, Any]) -> tuple[list[Operation], list[Fault]]:
    """What the sections of a body ask to be set; null lets a field be its default again. Unknown names are faults."""
    faults: list[Fault] = []
    asked: list[Operation] = []
    for section, given in body.items():
        if section == API_KEYS:
            faults += _key_faults(given)
        elif section not in SECTIONS:
            faults.append(unknown_name(str(section), [*SECTIONS, API_KEYS]))
        elif section == EXECUTION_MODE:
            asked.append(_operation(SECTIONS[section][""], given, pointer(section)))
        elif isinstance(given, Mapping):
            for field, value in given.items():
                place = SECTIONS[section].get(field)
                if place is None:
                    faults.append(unknown_name(str(field), list(SECTIONS[section]), at=pointer(section)))
                else:
                    asked.append(_operation(place, value, pointer(section, field)))
        else:
            message = f"{section} must be a map of its fields."
            faults.append(Fault("invalid_type", pointer(section), message, "map", str(given)[:80]))
    return asked, faults


def shown_keys() -> dict[str, Any]:
    """Which keys the deployment has: masked, and null where there is none."""
    return {name: keys.masked(value) for name, value in settings.API_KEYS.items()}


def _by_section(found: Mapping[Place, Any]) -> dict[str, Any]:
    return {
        section: found[fields[""]] if "" in fields else {field: found[place] for field, place in fields.items()}
        for section, fields in SECTIONS.items()
    }


def _operation(place: Place, value: Any, at: str) -> Operation:
    if value is None:
        return ClearValue(GLOBAL, place.namespace, place.parameter, at)
    return SetValue(GLOBAL, place.namespace, place.parameter, value, at)


def _key_faults(given: Any) -> Iterator[Fault]:
    if not isinstance(given, Mapping):
        yield Fault("invalid_type", pointer(API_KEYS), "api_keys must be a map.", "map", None)
        return
    for name, value in given.items():
        at = pointer(API_KEYS, name)
        if name not in settings.API_KEYS:
            yield unknown_name(str(name), list(settings.API_KEYS), at=pointer(API_KEYS))
        elif value == keys.masked(settings.API_KEYS[name]):
            continue  # what was read comes back
        elif wrong := keys.complaint(name, value):
            yield Fault("invalid_key", at, f"{name} {wrong}.", keys.expected(name))
        else:
            variable = name.upper()
            message = (
                f"{name} is a deployment setting: write {variable} into .env.local and restart; it is not stored here."
            )
            yield Fault("deployment_setting", at, message, variable)
