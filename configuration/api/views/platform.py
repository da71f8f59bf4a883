"""The platform's configuration by section, as document 000 has it: read, change some of it, judge, reload, reset."""

from collections.abc import Mapping
from typing import Any, Final

from django.http.response import HttpResponseBase
from rest_framework.request import Request
from rest_framework.response import Response

from configuration import services, store
from configuration.api import examples, output, sections
from configuration.api.requests import body, query, wishes
from configuration.api.schemas import answers, bodies
from configuration.api.schemas.describing import CONDITIONS, WRITE_REFUSED, chosen, described
from configuration.api.views import writing
from configuration.api.views.base import ConfigurationView, actor_of, answer, unchanged, versioned
from configuration.scopes import GLOBAL
from configuration.store import Read
from engine.domain.errors import Fault

_ANYTHING: Final = body.Field((object,))
# What a section may hold is judged with its fields.
_SECTIONS: Final[Mapping[str, body.Field]] = {
    **dict.fromkeys((*sections.SECTIONS, sections.API_KEYS), _ANYTHING),
    **body.WRITING,
}


class Platform(ConfigurationView):
    """Every section with its values in force; PUT changes the fields it names and leaves the others."""

    @described(answer=answers.PlatformConfiguration, example=examples.PLATFORM, reads=chosen("If-None-Match"))
    def get(self, request: Request) -> HttpResponseBase:
        query.read(request, {})
        read = store.read()
        return (None if read.is_degraded else unchanged(request, read.image)) or _told(
            read, sections.values(read.image)
        )

    @described(
        body=bodies.PlatformBody,
        body_example=examples.PLATFORM_BODY,
        answer=answers.PlatformUpdated,
        example=examples.PLATFORM_UPDATED,
        reads=CONDITIONS,
        refused=WRITE_REFUSED,
    )
    def put(self, request: Request) -> HttpResponseBase:
        wish = wishes.wished(request, _SECTIONS)
        operations, faults = _asked(request)
        wish = wish._replace(faults=(*wish.faults, *faults, *_empty(operations, faults)))
        if wish.validate_only:
            preview, told = writing.previewed(request, wish, operations, kind="batch")
            return _updated(output.foreseen(store.read(), preview.plan.changes), preview.plan.changes, preview=told)
        done = writing.applied(request, wish, operations, kind="batch")
        return _updated(store.read(), done.changes)


class PlatformDefaults(ConfigurationView):
    """The documented defaults by section."""

    @described(answer=answers.PlatformSections, example=examples.PLATFORM_DEFAULTS)
    def get(self, request: Request) -> Response:
        query.read(request, {})
        return answer(sections.defaults())


class PlatformValidate(ConfigurationView):
    """Whether a PUT with this body would pass: always 200, with every fault. Writes nothing."""

    @described(
        body=bodies.PlatformBody,
        body_example=examples.PLATFORM_BODY,
        answer=answers.PlatformJudged,
        example=examples.PLATFORM_JUDGED,
    )
    def post(self, request: Request) -> Response:
        read = body.read(request, _SECTIONS)
        operations, faults = _asked(request)
        preview = services.preview(operations, actor=actor_of(request))
        errors = [*read.faults, *faults, *preview.plan.faults]
        return answer({"valid": not errors, "errors": [fault._asdict() for fault in errors]})


class PlatformReload(ConfigurationView):
    """Read everything anew from the database; other processes look at its version before each read anyway."""

    @described(answer=answers.PlatformConfiguration, example=examples.PLATFORM)
    def post(self, request: Request) -> HttpResponseBase:
        body.refuse_fields(request)
        read = store.refresh()
        return _told(read, sections.values(read.image), message="Configuration read anew.")


class PlatformReset(ConfigurationView):
    """Let every field be its default again, or what the environment supplies."""

    @described(
        body=bodies.ResetBody,
        body_example=examples.RESET_BODY,
        answer=answers.PlatformUpdated,
        example=examples.PLATFORM_UPDATED,
        reads=CONDITIONS,
        refused=WRITE_REFUSED,
    )
    def post(self, request: Request) -> HttpResponseBase:
        wish = wishes.wished(request, body.WRITING)
        operations = [services.ClearScope(GLOBAL, namespace) for namespace in sections.NAMESPACES]
        if wish.validate_only:
            preview, told = writing.previewed(request, wish, operations, kind="delete")
            return _updated(output.foreseen(store.read(), preview.plan.changes), preview.plan.changes, preview=told)
        done = writing.applied(request, wish, operations, kind="delete")
        return _updated(store.read(), done.changes)


def _asked(request: Request) -> tuple[list[services.Operation], list[Fault]]:
    """What the sections of the body ask for; whatever else it says has been judged already."""
    given = request.data if isinstance(request.data, Mapping) else {}
    known = (*sections.SECTIONS, sections.API_KEYS)
    return sections.operations({name: value for name, value in given.items() if name in known})


def _empty(operations: list[services.Operation], faults: list[Fault]) -> list[Fault]:
    if operations or faults:
        return []
    return [Fault("empty", "", "The body names nothing to change.", list(sections.SECTIONS), None)]


def _updated(
    read: Read, changes: tuple[services.Changed, ...], *, preview: Mapping[str, Any] | None = None
) -> HttpResponseBase:
    """What was updated, whether a restart is needed for it, and every section as it is then."""
    catalogue = read.image.catalogue
    restarting = [
        sections.field_of(change.namespace, change.parameter)
        for change in changes
        if (parameter := catalogue.find(change.namespace, change.parameter)) and parameter.reload == "restart"
    ]
    fields = [sections.field_of(change.namespace, change.parameter) for change in changes]
    data = {
        "message": f"{len(fields)} updated." if fields else "Nothing had to be changed.",
        "requires_restart": bool(restarting),
        "restart_fields": restarting,
        "updated_fields": fields,
        "config": sections.values(read.image),
        "version": read.image.version,
    }
    if preview is not None:
        return answer({**data, "preview": preview}, validation="passed")
    return versioned(read.image, answer(data))


def _told(read: Read, values: Mapping[str, Any], **metadata: Any) -> Response:
    data = {**values, "version": read.image.version, **output.freshness_output(read)}
    return versioned(read.image, answer(data, **metadata))
