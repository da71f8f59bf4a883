"""What is in force for whom, now or at any moment, and why."""

from collections.abc import Mapping
from typing import Any, Final

from django.http.response import HttpResponseBase
from rest_framework.request import Request

from configuration import selectors, store
from configuration.api import examples, output
from configuration.api.requests import naming, places, query
from configuration.api.schemas import answers
from configuration.api.schemas.describing import ABSENT, REFUSED, chosen, described
from configuration.api.views.base import ConfigurationView, answer, unchanged, versioned
from configuration.catalogue import CATALOGUE, TRADING
from configuration.image import Image, Path
from configuration.scopes import Resolved, Scope
from configuration.store import Read
from engine.domain.errors import Fault, InputError

_PLACE: Final[Mapping[str, query.Reader]] = {
    "namespace": query.text,
    "symbol": query.upper,
    "side": query.upper,
    "bot": query.text,
    "at_version": query.whole(0),
    "at_time": query.instant,
}


class Resolve(ConfigurationView):
    """Every value in force for a symbol, a side or a bot on them; explain=full adds who decided, and what it beats."""

    @described(
        answer=answers.ResolvedConfiguration,
        example=examples.RESOLVED,
        reads=chosen(*_PLACE, "explain", "If-None-Match"),
        refused={404: ABSENT, 422: REFUSED},
    )
    def get(self, request: Request) -> HttpResponseBase:
        asked = query.read(request, {**_PLACE, "explain": query.choice("full")})
        scope, read = _asked_for(asked)
        if not asked["explain"] and (known := unchanged(request, read.image)):
            return known
        namespace = asked["namespace"] or TRADING
        values = _values(read.image, namespace, scope)
        data: dict[str, Any] = {
            "namespace": namespace,
            **{part: getattr(scope, part) or None for part in ("symbol", "side", "bot")},
            "parameters": {name: value.value for name, value in values.items()},
            "origins": {name: value.origin.as_json() for name, value in values.items()},
            "version": read.image.version,
            "source": output.source_of(values),
            **output.freshness_output(read),
        }
        if asked["explain"]:
            decided = _decided(read, values.values())
            data["explained"] = {name: output.layered_output(value, decided) for name, value in values.items()}
        return versioned(read.image, answer(data))


class Explain(ConfigurationView):
    """Why one value is what it is, in full, and the calls that change it, undo it or show its history."""

    @described(
        answer=answers.Explanation,
        example=examples.EXPLANATION,
        reads=chosen(*_PLACE, "parameter"),
        refused={404: ABSENT, 422: REFUSED},
    )
    def get(self, request: Request) -> HttpResponseBase:
        asked = query.read(request, {**_PLACE, "parameter": query.text})
        scope, read = _asked_for(asked)
        namespace = asked["namespace"] or TRADING
        values = _values(read.image, namespace, scope)
        if asked["parameter"] not in values:
            raise _unknown_parameter(namespace, asked["parameter"], list(values))
        resolved = values[asked["parameter"]]
        parameter = read.image.catalogue.get(namespace, asked["parameter"])
        told = output.explained_output(namespace, parameter, scope, resolved, _decided(read, [resolved]))
        return versioned(read.image, answer({**told, "version": read.image.version, **output.freshness_output(read)}))


def _asked_for(asked: Mapping[str, Any]) -> tuple[Scope, Read]:
    """Whose values, and when."""
    scope = places.scope_of_query(asked)
    if asked["at_version"] is None and asked["at_time"] is None:
        return scope, store.read()
    namespace = asked["namespace"] or TRADING
    # Probed for this scope alone; the whole image of a long ledger is folded for what only an old catalogue knows.
    narrowed = scope if namespace in CATALOGUE.namespaces() else None
    image = selectors.image_at(
        version=asked["at_version"], time=asked["at_time"], scope=narrowed, namespaces=(namespace,)
    )
    return scope, Read(image, is_cache_hit=False, load_ms=0.0, is_degraded=False, confirmed_at=None)


def _values(image: Image, namespace: str, scope: Scope) -> Mapping[str, Resolved]:
    known = image.catalogue.namespaces()
    if namespace not in known:
        message = f"There is no namespace {namespace[:60]!r}."
        fault = Fault("unknown_namespace", "/namespace", message, list(known), namespace[:60])
        raise InputError("The query names no namespace.", faults=[fault])
    return image.resolve(namespace, Path.of(scope))


def _decided(read: Read, values: Any) -> dict[int, Any]:
    """The decisions behind the values; nothing while the database is away, the values are told all the same."""
    if not read.is_confirmed:
        return {}
    origins = [one.origin for value in values for one in (value, *value.shadowed)]
    return selectors.decided({origin.version for origin in origins})


def _unknown_parameter(namespace: str, name: str | None, known: list[str]) -> InputError:
    if not name:
        return InputError("Which parameter?", faults=[Fault("empty", "/parameter", "parameter is needed.", known, "")])
    meant = naming.nearest(name, known)
    hint = f" Did you mean {meant[0]}?" if meant else ""
    message = f"There is no parameter {namespace}.{name[:60]}.{hint}"
    return InputError(message, faults=[Fault("unknown_parameter", "/parameter", message, known, name[:60])])
