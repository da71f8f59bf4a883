"""One scope of a namespace, whatever the namespace: read, merge, replace, clear."""

from collections.abc import Iterator, Mapping
from typing import Any

from django.http.response import HttpResponseBase
from rest_framework.request import Request
from rest_framework.response import Response

from configuration import selectors, services, store
from configuration.api import examples, output
from configuration.api.requests import places, query, wishes
from configuration.api.schemas import answers, bodies
from configuration.api.schemas.describing import (
    ABSENT,
    CLEARING,
    CLEARS,
    CONDITIONS,
    GETS,
    MERGES,
    REFUSED,
    REPLACES,
    WRITE_REFUSED,
    chosen,
    described,
)
from configuration.api.views import writing
from configuration.api.views.base import ConfigurationView, answer, now, unchanged, versioned
from configuration.planning import Changed
from configuration.scopes import Scope
from configuration.store import Read
from engine.domain.errors import NotFound, PlatformError


class ScopeView(ConfigurationView):
    """GET answers what is in force; POST merges, PUT replaces, null clears one key, DELETE clears the scope."""

    namespace = ""

    def place(self) -> tuple[str, Scope]:
        """The namespace and scope that the path names. Raises NotFound, InputError."""
        namespace = self.named()
        return namespace, places.scope_of_path(namespace, self.kwargs.get("symbol"), self.kwargs.get("side"))

    def named(self) -> str:
        """The namespace that the path names. Raises NotFound."""
        return self.namespace or places.namespace_of(self.kwargs["namespace"]).name

    def about(self) -> tuple[str, Scope | None]:
        try:
            return self.place()
        except PlatformError:  # the path is what was refused
            return "", None

    @described(
        answer=answers.Configuration,
        example=examples.CONFIGURATION,
        metadata=examples.SCOPE_METADATA,
        reads=chosen("If-None-Match"),
        refused={404: ABSENT, 422: REFUSED},
        description=GETS,
    )
    def get(self, request: Request, **path: str) -> HttpResponseBase:
        query.read(request, {})
        namespace, scope = self.place()
        read = store.read()
        known = None if read.is_degraded else unchanged(request, read.image)
        return known or self.told(namespace, scope, read, action="get")

    @described(
        body=bodies.ScopeBody,
        body_example=examples.SCOPE_BODY,
        answer=answers.ConfigurationWritten,
        example=examples.WRITTEN,
        reads=CONDITIONS,
        refused=WRITE_REFUSED,
        description=MERGES,
    )
    def post(self, request: Request, **path: str) -> HttpResponseBase:
        namespace, scope = self.place()
        wish = wishes.merging(request)
        return self.write(request, wish, list(_merging(namespace, scope, wish.asked["parameters"])))

    @described(
        body=bodies.ScopeBody,
        body_example=examples.SCOPE_BODY,
        answer=answers.ConfigurationWritten,
        example=examples.WRITTEN,
        reads=CONDITIONS,
        refused=WRITE_REFUSED,
        description=REPLACES,
    )
    def put(self, request: Request, **path: str) -> HttpResponseBase:
        namespace, scope = self.place()
        wish = wishes.replacing(request)
        posted = {name: value for name, value in wish.asked["parameters"].items() if value is not None}
        clearing = services.ClearScope(scope, namespace, "/parameters")
        return self.write(request, wish, [clearing, *_merging(namespace, scope, posted)])

    @described(
        answer=answers.ConfigurationWritten,
        example=examples.CLEARED,
        reads=(*CLEARING, *CONDITIONS),
        refused=WRITE_REFUSED,
        description=CLEARS,
    )
    def delete(self, request: Request, **path: str) -> HttpResponseBase:
        namespace, scope = self.place()
        wish = wishes.clearing(request)
        return self.write(request, wish, [services.ClearScope(scope, namespace)], kind="delete")

    def write(
        self, request: Request, wish: wishes.Wish, operations: list[services.Operation], *, kind: str = "set"
    ) -> HttpResponseBase:
        """Do it, or say what doing it would answer."""
        namespace, scope = self.place()
        if wish.validate_only:
            preview, told = writing.previewed(request, wish, operations, kind=kind)
            changes = preview.plan.changes
        else:
            changes, told = writing.applied(request, wish, operations, kind=kind).changes, None
        if kind == "delete" and not changes:
            raise NotFound(f"Nothing is set for {namespace} at {scope}: there is nothing to clear.")
        action = kind.replace("set", "update") if changes else "none"
        if told is None:
            return self.told(namespace, scope, store.read(), action=action, changes=changes)
        foreseen = output.foreseen(store.read(), changes)
        return self.told(namespace, scope, foreseen, action=action, changes=changes, preview=told)

    def told(
        self,
        namespace: str,
        scope: Scope,
        read: Read,
        *,
        action: str,
        changes: tuple[Changed, ...] | None = None,
        preview: Mapping[str, Any] | None = None,
    ) -> Response:
        """The scope as it is, or with a preview as it would be."""
        # Where the database is away what is in memory is still told; who wrote it when cannot be asked.
        facts = selectors.scope_facts(scope, namespace=namespace) if read.is_confirmed else None
        if facts is not None and preview is not None and changes:
            at = now()
            facts = facts._replace(created_at=facts.created_at or at, updated_at=at, writes=facts.writes + 1)
        data = {**self.named_in_answer(), **output.configuration_output(namespace, scope, read, facts)}
        if changes is not None:
            data["changes"] = [output.changed_output(change) for change in changes]
        metadata: dict[str, Any] = {"action": action, "scope": output.scope_output(scope)}
        if preview is not None:
            # What is foreseen has no hash yet, so no ETag either.
            return answer({**data, "preview": preview}, **metadata, validation="passed")
        return versioned(read.image, answer(data, **metadata))

    def named_in_answer(self) -> dict[str, Any]:
        """What an answer says about the namespace before all else."""
        return {}


def _merging(namespace: str, scope: Scope, posted: Mapping[str, Any]) -> Iterator[services.Operation]:
    """null lets the parameter be inherited again: also where null is a value the parameter may have."""
    for name, value in posted.items():
        at = places.at_parameter(name)
        if value is None:
            yield services.ClearValue(scope, namespace, name, at)
        else:
            yield services.SetValue(scope, namespace, name, value, at)
