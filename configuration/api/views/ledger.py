"""Decisions: listed, read one by one, compared, taken back, and many changes made as one."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from rest_framework.request import Request
from rest_framework.response import Response

from configuration import documents, selectors, services, store
from configuration.api import examples, output
from configuration.api.requests import body, naming, places, query, wishes
from configuration.api.schemas import answers, bodies
from configuration.api.schemas.describing import (
    ABSENT,
    CONDITIONS,
    REFUSED,
    WRITE_REFUSED,
    chosen,
    described,
    named,
)
from configuration.api.views import writing
from configuration.api.views.base import ConfigurationList, ConfigurationView, answer, versioned
from configuration.image import Image
from configuration.scopes import Scope, scope_faults
from configuration.selectors import Sought
from engine.domain.errors import Fault, InputError

_SOUGHT: Final[Mapping[str, query.Reader]] = {
    "namespace": query.text,
    "parameter": query.text,
    "scope": query.choice("global", "symbol", "symbol_side", "bot"),
    "symbol": query.upper,
    "side": query.choice("LONG", "SHORT", "long", "short"),
    "bot": query.text,
    "actor": query.text,
    "source": query.text,
    "kind": query.text,
    "reason": query.text,
    "since": query.instant,
    "until": query.instant,
    "since_version": query.whole(0),
}
_COMPARED: Final[Mapping[str, query.Reader]] = {
    "from": query.moment,
    "to": query.moment,
    "from_scope": query.text,
    "to_scope": query.text,
    "namespace": query.text,
    "symbol": query.upper,
    "side": query.upper,
    "bot": query.text,
}
_ROLLBACK: Final[Mapping[str, body.Field]] = {
    "to_version": body.Field((int,)),
    "before_version": body.Field((int,)),
    "undo_version": body.Field((int,)),
    "scope": body.Field((dict, str)),
    "namespace": body.Field((str,), ""),
    "override_newer": body.Field((bool,), False),
    "only_possible": body.Field((bool,), False),
    **body.WRITING,
}
_BATCH: Final[Mapping[str, body.Field]] = {"operations": body.Field((list,), [], is_required=True), **body.WRITING}
_OPERATION: Final[Mapping[str, body.Field]] = {
    "scope": body.Field((dict, str)),
    "namespace": body.Field((str,), "trading"),
    "parameter": body.Field((str,), ""),
    "value": body.Field((object,)),
    "clear": body.Field((bool,), False),
}
MOST_OPERATIONS: Final = 2000
MOST_CHANGES: Final = 2000
"""How many changes an answer holds; ``changes_total`` says how many there are."""


class Changes(ConfigurationList):
    """The decisions about configuration, newest first; with since_version the newer ones, oldest first."""

    @described(
        answer=answers.ChangeSet(many=True),
        example=[examples.CHANGE_SET],
        reads=(
            *chosen("namespace", "parameter", "symbol", "side", "bot", "page", "page_size"),
            named("scope", "The kind of scope.", enum=["global", "symbol", "symbol_side", "bot"]),
            named("actor", "Who decided, as the ledger names them."),
            named("source", "admin, api, cli, import, rollback or system."),
            named("kind", "set, delete, batch, rollback, import or migrate."),
            named("reason", "Any part of the reason."),
            named("since", "Decided then or later.", OpenApiTypes.DATETIME),
            named("until", "Decided before.", OpenApiTypes.DATETIME),
            named("since_version", "Only newer decisions, oldest first.", OpenApiTypes.INT64),
        ),
    )
    def get(self, request: Request) -> Response:
        asked = query.read(request, _SOUGHT, pages=self.paginator)
        if asked["side"] and not asked["symbol"]:
            raise InputError("The query cannot be answered.", faults=[_needs_symbol()])
        said: dict[str, Any] = {name: value for name, value in asked.items() if value is not None}
        if "side" in said:
            said["side"] = said["side"].upper()
        rows = self.paginate_queryset(selectors.decisions(Sought(**said)))
        return self.get_paginated_response([output.change_set_output(row) for row in rows or []])


class OneChange(ConfigurationView):
    """One decision: every value before and after, its place in the chain, and the call that takes it back."""

    @described(answer=answers.WholeChangeSet, example=examples.WHOLE_CHANGE_SET, refused={404: ABSENT, 422: REFUSED})
    def get(self, request: Request, version: int) -> Response:
        query.read(request, {})
        return answer(output.whole_change_set_output(selectors.decision(version)))


class Diff(ConfigurationList):
    """What is in force differently: between two versions or instants, or between two scopes."""

    @described(
        answer=answers.Diff,
        example=examples.DIFF,
        reads=(
            named("from", "A version, or an instant with its time zone."),
            named("to", "The same; now where it is left out."),
            named("from_scope", "global, symbol:AAPL, symbol_side:AAPL/LONG or bot:<id>, compared with to_scope."),
            named("to_scope", "The other scope."),
            *chosen("namespace", "symbol", "side", "bot", "page", "page_size"),
        ),
        refused={404: ABSENT, 422: REFUSED},
    )
    def get(self, request: Request) -> Response:
        asked = query.read(request, _COMPARED, pages=self.paginator)
        found, sides = _compared(asked)
        if asked["namespace"]:
            found = [one for one in found if one.namespace == asked["namespace"]]
        page = self.paginate_queryset(found) or []
        response = self.get_paginated_response([])
        response.data = {**sides, "differences": [output.difference_output(one) for one in page]}
        return response


class Rollback(ConfigurationView):
    """Take decisions back: to a version, to just before one, or one alone. A new decision; nothing is erased."""

    @described(
        body=bodies.RollbackBody,
        body_example=examples.ROLLBACK_BODY,
        answer=answers.Decided,
        example=examples.ROLLED_BACK,
        reads=CONDITIONS,
        refused=WRITE_REFUSED,
    )
    def post(self, request: Request) -> HttpResponseBase:
        wish = wishes.wished(request, _ROLLBACK)
        scope, faults = _optional_scope(wish.asked["scope"])
        wish = wish._replace(faults=(*wish.faults, *faults))
        if wish.faults:
            writing.refuse(request, wish, ())
        asked = {
            "to": wish.asked["to_version"],
            "before": wish.asked["before_version"],
            "undo": wish.asked["undo_version"],
            "scope": scope,
            **{name: wish.asked[name] for name in ("namespace", "override_newer", "only_possible")},
        }
        if not wish.validate_only:
            done = services.roll_back(**asked, **writing.circumstances(request, wish))
            return decided(done.version, done.changes, action="rollback")
        course = services.course(**asked)
        preview, told = writing.previewed(request, wish, course.operations, kind="rollback")
        left_out = [fault._asdict() for fault in course.left_out]
        return foreseen(preview, told, action="rollback", left_out=left_out)


class Batch(ConfigurationView):
    """Many changes over many scopes and namespaces as one decision: all of them, or none."""

    @described(
        body=bodies.BatchBody,
        body_example=examples.BATCH_BODY,
        answer=answers.Decided,
        example=examples.DECIDED,
        reads=CONDITIONS,
        refused=WRITE_REFUSED,
    )
    def post(self, request: Request) -> HttpResponseBase:
        wish = wishes.wished(request, _BATCH)
        operations, faults = _operations(wish.asked["operations"])
        wish = wish._replace(faults=(*wish.faults, *faults))
        if wish.validate_only:
            preview, told = writing.previewed(request, wish, operations, kind="batch")
            return foreseen(preview, told, action="batch")
        done = writing.applied(request, wish, operations, kind="batch")
        return decided(done.version, done.changes, action="batch")


class OneSnapshot(ConfigurationView):
    """Every value of a snapshot with its origin, who set it, why and when."""

    @described(answer=answers.SnapshotExplained, example=examples.SNAPSHOT, refused={404: ABSENT, 422: REFUSED})
    def get(self, request: Request, hash: str) -> Response:
        query.read(request, {})
        content = selectors.snapshot(hash)
        rows = [row._asdict() for row in selectors.explain_snapshot(hash)]
        return answer(
            {"hash": hash, "catalogue": content["catalogue"], "bot": content["bot"], "rows": rows}, rows=len(rows)
        )


def decided(version: int, changes: Sequence[services.Changed], *, action: str, **more: Any) -> Response:
    """What a decision over several scopes did."""
    told = _decision_output(version, changes, more)
    return versioned(store.current(), answer(told, action=action if changes else "none"))


def foreseen(preview: services.Preview, told: Mapping[str, Any], *, action: str, **more: Any) -> Response:
    """What a decision over several scopes would do."""
    changes = preview.plan.changes
    version = preview.version + 1 if changes else preview.version
    data = {**_decision_output(version, changes, more), "preview": told}
    return answer(data, action=action if changes else "none", validation="passed")


def _decision_output(version: int, changes: Sequence[services.Changed], more: Mapping[str, Any]) -> dict[str, Any]:
    shown = [output.changed_output(change) for change in changes[:MOST_CHANGES]]
    undo = {"undo": output.undo_call(version)} if changes else {}
    return {"version": version, "changes": shown, "changes_total": len(changes), **more, **undo}


def _operations(given: Sequence[Any]) -> tuple[list[services.Operation], list[Fault]]:
    faults: list[Fault] = []
    operations: list[services.Operation] = []
    if not given:
        faults.append(Fault("empty", "/operations", "operations names nothing to do.", "at least one", []))
    if len(given) > MOST_OPERATIONS:
        message = f"There are {len(given)} operations, allowed {MOST_OPERATIONS} at once; import a document instead."
        return [], [Fault("too_long", "/operations", message, MOST_OPERATIONS, len(given))]
    for index, one in enumerate(given):
        at = naming.pointer("operations", index)
        if not isinstance(one, Mapping):
            faults.append(Fault("invalid_type", at, "An operation must be a map.", "map", str(one)[:80]))
            continue
        read = body.judged(one, _OPERATION, at=at)
        scope, scope_wrong = places.scope_of_body(read["scope"], at=f"{at}/scope")
        found = [*read.faults, *scope_wrong, *_operation_faults(read, at)]
        faults += found
        if not found:
            operations.append(_operation(scope, read, at))
    return operations, faults


def _operation_faults(read: body.Body, at: str) -> Iterator[Fault]:
    if read["clear"] and read["value"] is not None:
        yield Fault("given_twice", f"{at}/clear", "Either clear it or give it a value.", None, read["value"])
    if not read["parameter"] and not read["clear"]:
        yield Fault("empty", f"{at}/parameter", "parameter is needed; without it only clear is possible.", None, "")
    if read["parameter"] and not read["clear"] and "value" not in read.given:
        yield Fault("empty", f"{at}/value", "Give a value, null, or clear.", None, None)


def _operation(scope: Scope, read: body.Body, at: str) -> services.Operation:
    namespace, name = read["namespace"], read["parameter"]
    if not name:
        return services.ClearScope(scope, namespace, at)
    if read["clear"] or read["value"] is None:
        return services.ClearValue(scope, namespace, name, at)
    return services.SetValue(scope, namespace, name, read["value"], at)


def _optional_scope(given: Any) -> tuple[Scope | None, tuple[Fault, ...]]:
    if given is None:
        return None, ()
    scope, faults = places.scope_of_body(given, at="/scope")
    return scope, faults


def _compared(asked: Mapping[str, Any]) -> tuple[Sequence[selectors.Difference], dict[str, Any]]:
    """The differences, and what was compared."""
    if asked["from_scope"] or asked["to_scope"]:
        return _scopes_compared(asked)
    if asked["from"] is None:
        message = "Give from, a version or an instant (to is now where it is left out), or from_scope and to_scope."
        raise InputError("Nothing to compare.", faults=[Fault("empty", "/from", message, None, None)])
    before = _image_at(asked["from"])
    after = store.current() if asked["to"] is None else _image_at(asked["to"])
    scope = places.scope_of_query(asked) if any(asked[part] for part in ("symbol", "side", "bot")) else None
    found = selectors.difference(before, after, scope=scope)
    return found, {"from": {"version": before.version}, "to": {"version": after.version}}


def _scopes_compared(asked: Mapping[str, Any]) -> tuple[Sequence[selectors.Difference], dict[str, Any]]:
    faults: list[Fault] = []
    scopes = []
    for name in ("from_scope", "to_scope"):
        scope = documents.named_scope(asked[name] or "")
        faults += scope_faults(scope, pointer=f"/{name}")
        scopes.append(scope)
    if asked["to"] is not None:
        faults.append(Fault("given_twice", "/to", "Two scopes are compared at one moment: from.", None, asked["to"]))
    if faults:
        raise InputError("The query names no scopes.", faults=faults)
    image = store.current() if asked["from"] is None else _image_at(asked["from"])
    found = selectors.scope_difference(image, before=scopes[0], after=scopes[1])
    sides = [{"version": image.version, "scope": output.scope_output(scope)} for scope in scopes]
    return found, {"from": sides[0], "to": sides[1]}


def _image_at(moment: int | datetime) -> Image:
    if isinstance(moment, datetime):
        return selectors.image_at(time=moment)
    return selectors.image_at(version=moment)


def _needs_symbol() -> Fault:
    return Fault("empty", "/symbol", "side needs a symbol.", None, None)
