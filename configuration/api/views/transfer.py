"""Configuration as a file: out as YAML or JSON, the same bytes for the same values, and in again by a plan."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.settings import api_settings

from configuration import documents, selectors, services
from configuration.api import examples
from configuration.api.requests import body, places, query, wishes
from configuration.api.schemas import answers, bodies
from configuration.api.schemas.describing import (
    ABSENT,
    CONDITIONS,
    REFUSED,
    WRITE_REFUSED,
    chosen,
    described,
    document,
    named,
)
from configuration.api.views import writing
from configuration.api.views.base import ConfigurationView
from configuration.api.views.ledger import decided, foreseen
from configuration.scopes import scope_faults
from engine.domain.errors import Fault, InputError

_EXPORTED: Final[Mapping[str, query.Reader]] = {
    "format": query.choice("yaml", "json"),
    "namespace": query.text,
    "scope": query.text,
    "at_version": query.whole(0),
}
_IMPORTED: Final[Mapping[str, body.Field]] = {
    "document": body.Field((dict, str), {}, is_required=True),
    "mode": body.Field((str,), "merge"),
    **body.WRITING,
}
_ENVELOPED: Final[Sequence[Any]] = api_settings.DEFAULT_RENDERER_CLASSES
_OF_DOCUMENT: Final = tuple(f"/{name}" for name in documents.FIELDS)
# A document as large as an import reads, as a text inside JSON, every character of it escaped.
_LARGEST_BODY: Final = 2 * documents.LARGEST_BYTES


class YamlRenderer(BaseRenderer):
    """Lets a caller that accepts YAML alone come in. What it renders is a refusal: JSON is YAML too."""

    media_type = "application/yaml"
    format = "yaml"

    def render(self, data: Any, accepted_media_type: Any = None, renderer_context: Any = None) -> bytes:
        return json.dumps(data, default=str).encode()


class Export(ConfigurationView):
    """Everything that is set, as a file to keep, to compare and to import: no envelope around it."""

    renderer_classes = (*_ENVELOPED, YamlRenderer)

    @document(
        example=examples.DOCUMENT,
        text=examples.DOCUMENT_YAML,
        reads=(
            named("format", "yaml where it is left out.", enum=["yaml", "json"]),
            named("namespace", "One or more, separated by commas; all where it is left out."),
            named("scope", "Only these: global, symbol:AAPL, symbol_side:AAPL/LONG, separated by commas."),
            *chosen("at_version"),
        ),
        refused={404: ABSENT, 422: REFUSED},
    )
    def get(self, request: Request) -> HttpResponseBase:
        asked = query.read(request, _EXPORTED)
        document = selectors.exported(
            namespaces=_names(asked["namespace"]), scopes=_scopes(asked["scope"]), at_version=asked["at_version"]
        )
        form = asked["format"] or "yaml"
        text = selectors.as_json(document) if form == "json" else selectors.as_yaml(document)
        name = f"configuration-v{document['header']['version']}.{form}"
        return HttpResponse(
            text,
            content_type=f"application/{form}; charset=utf-8",
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )


class Import(ConfigurationView):
    """A document brought in as one decision; with validate_only the plan of it, counted."""

    body_limit_bytes = _LARGEST_BODY

    @described(
        body=bodies.ImportBody,
        body_example=examples.IMPORT_BODY,
        answer=answers.Decided,
        example=examples.IMPORTED,
        reads=CONDITIONS,
        refused=WRITE_REFUSED,
    )
    def post(self, request: Request) -> HttpResponseBase:
        wish = wishes.wished(request, _IMPORTED)
        mode, document = wish.asked["mode"], wish.asked["document"]
        if isinstance(document, str):
            document, faults = _read(document)
            wish = wish._replace(faults=(*wish.faults, *faults))
        if wish.faults:
            also = services.plan_import(document, mode=mode).faults if document else ()
            raise InputError("The configuration was not changed.", faults=(*wish.faults, *map(_inside, also)))
        try:
            if not wish.validate_only:
                done = services.import_document(document, mode=mode, **writing.circumstances(request, wish))
                return decided(done.version, done.changes, action="import", mode=mode, **_counted(done.changes))
            operations = services.operations_of(document, mode=mode)
            preview, told = writing.previewed(request, wish, operations, kind="import")
        except InputError as error:
            error.faults = tuple(map(_inside, error.faults))
            raise
        return foreseen(preview, told, action="import", mode=mode, **_counted(preview.plan.changes))


def _names(given: str | None) -> list[str] | None:
    if given is None:
        return None
    return [places.namespace_of(name.strip()).name for name in given.split(",") if name.strip()]


def _scopes(given: str | None) -> list[services.Scope] | None:
    """``global,symbol:AAPL``: as documents name them."""
    if given is None:
        return None
    scopes = [documents.named_scope(name.strip()) for name in given.split(",")]
    faults = [fault for scope in scopes for fault in scope_faults(scope, pointer="/scope")]
    if faults:
        raise InputError("The query names no scope.", faults=faults)
    return scopes


def _read(text: str) -> tuple[dict[str, Any], tuple[Fault, ...]]:
    try:
        return services.read_document(text), ()
    except InputError as error:
        return {}, tuple(fault._replace(pointer=f"/document{fault.pointer}") for fault in error.faults)


def _inside(fault: Fault) -> Fault:
    """The fault with its pointer into the request, where it points into the document."""
    if fault.pointer == "" or fault.pointer.startswith(_OF_DOCUMENT):
        return fault._replace(pointer=f"/document{fault.pointer}")
    return fault


def _counted(changes: Sequence[services.Changed]) -> dict[str, int]:
    created = sum(change.op == "set" and not change.old_version for change in changes)
    deleted = sum(change.op == "clear" for change in changes)
    return {"created": created, "updated": len(changes) - created - deleted, "deleted": deleted}
