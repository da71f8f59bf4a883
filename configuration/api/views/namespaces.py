"""What there is to configure, and every namespace by one pair of addresses: trading, strategies, weather, engine."""

from typing import Any

from django.http.response import HttpResponseBase
from rest_framework.request import Request
from rest_framework.response import Response

from configuration import schema
from configuration.api import examples, output
from configuration.api.requests import places, query
from configuration.api.schemas import answers
from configuration.api.schemas.describing import ABSENT, REFUSED, chosen, described, named
from configuration.api.views.base import ConfigurationView, answer
from configuration.api.views.scopes import ScopeView
from configuration.catalogue import CATALOGUE, TRADING, Namespace

_EXTRAS = {"extras": query.flag}


class Described(ConfigurationView):
    """A view about a whole namespace, which its path names."""

    namespace = ""

    def named(self) -> Namespace:
        """What the catalogue says about it. Raises NotFound."""
        return places.namespace_of(self.namespace or self.kwargs["namespace"])


class NamespaceSchema(Described):
    """Every parameter with its type, limits, unit and words; as JSON Schema 2020-12 with ?format=jsonschema."""

    @described(
        answer=answers.Schema,
        example=examples.SCHEMA,
        metadata={"total_parameters": 31, "extra_parameters": 6},
        reads=(
            named("format", "jsonschema: one JSON Schema 2020-12 instead of a list.", enum=["list", "jsonschema"]),
            *chosen("extras"),
        ),
        refused={404: ABSENT, 422: REFUSED},
    )
    def get(self, request: Request, **path: str) -> Response:
        asked = query.read(request, {"format": query.choice("list", "jsonschema"), **_EXTRAS})
        about = self.named()
        if asked["format"] == "jsonschema":
            return answer(schema.json_schema(about.name), **_counts(about), catalogue=CATALOGUE.fingerprint)
        chosen = about.parameters if asked["extras"] else about.documented
        groups: dict[str, int] = {}
        for parameter in chosen:
            groups[parameter.group] = groups.get(parameter.group, 0) + 1
        told = [output.parameter_output(parameter) for parameter in chosen]
        return answer(told, **_counts(about), groups=groups, catalogue=CATALOGUE.fingerprint)


class NamespaceDefaults(Described):
    """The default of every parameter."""

    @described(
        answer=answers.Defaults,
        example=examples.DEFAULTS,
        metadata={"total_parameters": 31, "extra_parameters": 6},
        reads=chosen("extras"),
        refused={404: ABSENT, 422: REFUSED},
    )
    def get(self, request: Request, **path: str) -> Response:
        asked = query.read(request, _EXTRAS)
        about = self.named()
        chosen = about.parameters if asked["extras"] else about.documented
        defaults = {parameter.name: parameter.default for parameter in chosen}
        return answer(defaults, **_counts(about), **self.named_in_metadata(about))

    def named_in_metadata(self, about: Namespace) -> dict[str, Any]:
        """What the answer says about the namespace beside the values."""
        return {"namespace": about.name}


class NamespaceConfiguration(ScopeView):
    """One scope of a namespace: read, merge, replace, clear."""


class Namespaces(ConfigurationView):
    """Every namespace: what it is, where it is described, read and changed."""

    @described(answer=answers.NamespaceDescribed(many=True), example=examples.NAMESPACES)
    def get(self, request: Request) -> Response:
        query.read(request, {})
        known = [output.namespace_output(CATALOGUE.about(name)) for name in CATALOGUE.namespaces()]
        return answer(known, total=len(known), catalogue=CATALOGUE.fingerprint)


class Search(ConfigurationView):
    """Parameters by name, by what else people call them, or by meaning: ?q=stop loss."""

    @described(
        answer=answers.Found(many=True),
        example=examples.FOUND,
        reads=(
            named("q", "One or more words: a name, a synonym, what it is about."),
            named("limit", "How many at most, 20 where it is left out.", int),
        ),
    )
    def get(self, request: Request) -> HttpResponseBase:
        asked = query.read(request, {"q": query.text, "limit": query.whole(1, 100)})
        found = CATALOGUE.search(asked["q"] or "")
        shown = [output.found_output(*one) for one in found[: asked["limit"] or 20]]
        return answer(shown, total=len(found))


class TradingSchema(NamespaceSchema):
    """Every trading parameter with its type, limits, unit and words."""

    namespace = TRADING


class TradingDefaults(NamespaceDefaults):
    """The default of every trading parameter."""

    namespace = TRADING


class TradingConfiguration(NamespaceConfiguration):
    """One scope of trading: global, a symbol, or a side of a symbol."""

    namespace = TRADING


def _counts(about: Namespace) -> dict[str, int]:
    """How many there are: the documented set, and what goes beyond it."""
    return {"total_parameters": len(about.documented), "extra_parameters": len(about.extras)}
