"""Bringing a document of configuration in: what it would change, counted, and then exactly that.

``merge`` sets what the document names and leaves the rest. ``replace`` also clears what it does not
name: in the namespaces it names, and only at its ``scopes`` where it is limited to some. So a
replaced namespace is the document's, and importing an export changes nothing.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple

from configuration import store
from configuration.actors import Actor
from configuration.documents import FIELDS, FORMAT, escaped, named_scope, read_document, scope_name
from configuration.image import Image
from configuration.planning import Changed, ClearValue, Operation, SetValue, plan
from configuration.scopes import Scope, scope_faults
from configuration.services.changing import Applied, Recipe, change
from engine.domain.errors import Fault, InputError

__all__ = ["ImportPlan", "Mode", "import_document", "operations_of", "plan_import", "read_document"]

Mode = Literal["merge", "replace"]
MODES: Final = ("merge", "replace")


class ImportPlan(NamedTuple):
    """What an import would do now: how many values it creates, updates, deletes and leaves, and each change.

    With ``faults`` nothing may be imported.
    """

    created: int
    updated: int
    deleted: int
    unchanged: int
    changes: tuple[Changed, ...]
    faults: tuple[Fault, ...]


def plan_import(document: Mapping[str, Any], *, mode: Mode = "merge") -> ImportPlan:
    """What ``import_document`` would do now. Writes nothing; what is wrong is in ``faults``."""
    image = store.current()
    try:
        operations = _operations(document, mode=mode, image=image)
    except InputError as refused:
        return ImportPlan(0, 0, 0, 0, (), refused.faults)
    planned = plan(operations, image)
    created = sum(1 for each in planned.changes if each.op == "set" and not each.old_version)
    deleted = sum(1 for each in planned.changes if each.op == "clear")
    updated = len(planned.changes) - created - deleted
    unchanged = 0 if planned.faults else len(operations) - len(planned.changes)
    return ImportPlan(created, updated, deleted, unchanged, planned.changes, planned.faults)


def import_document(
    document: Mapping[str, Any],
    *,
    actor: Actor,
    reason: str,
    now: datetime,
    mode: Mode = "merge",
    base_version: int | None = None,
    idempotency_key: str | None = None,
    request_id: str = "",
    on_behalf_of: str = "",
    plan_hash: str | None = None,
) -> Applied:
    """Apply a document as one change-set of kind and source ``import``; or raise, and nothing has changed.

    A reason is always required. What ``replace`` clears is worked out under the lock.
    Raises: as ``operations_of`` and ``services.change``.
    """
    if not reason.strip():
        missing = Fault("reason_required", "/reason", "A reason is required to import.", None, reason)
        raise InputError(
            "The configuration was not changed.", faults=(missing, *plan_import(document, mode=mode).faults)
        )
    return change(
        actor=actor,
        source="import",
        kind="import",
        reason=reason,
        operations=Recipe(
            ["import", mode, {name: document.get(name) for name in FIELDS if name != "header"}],
            lambda: operations_of(document, mode=mode),
        ),
        now=now,
        base_version=base_version,
        idempotency_key=idempotency_key,
        request_id=request_id,
        on_behalf_of=on_behalf_of,
        plan_hash=plan_hash,
    )


def operations_of(document: Mapping[str, Any], *, mode: Mode = "merge") -> list[Operation]:
    """What the document asks for, as of now. null is a value: it is set, and clears nothing.

    Raises InputError with every fault of the document's form: unknown_field, invalid_type, required,
    not_a_choice (format or mode), outside_scopes, given_twice, and those of a scope. Values are judged
    by the plan, with pointers into the document.
    """
    return _operations(document, mode=mode, image=store.current())


def _operations(document: Mapping[str, Any], *, mode: Mode, image: Image) -> list[Operation]:
    faults = [*_head_faults(document, mode)]
    limits, limit_faults = _limits(document)
    faults += limit_faults
    setting: list[SetValue] = []
    namespaces = document.get("namespaces")
    for namespace, scopes in (namespaces if isinstance(namespaces, Mapping) else {}).items():
        for scope, values, at in _scopes(scopes, f"/namespaces/{escaped(namespace)}", limits, faults):
            setting += [SetValue(scope, namespace, name, values[name], f"{at}/{escaped(name)}") for name in values]
        if namespace not in image.catalogue.namespaces() and not scopes:
            message = f"There is no namespace {namespace[:60]!r}."
            allowed = list(image.catalogue.namespaces())
            faults.append(Fault("unknown_namespace", f"/namespaces/{escaped(namespace)}", message, allowed))
    faults += _twice_faults(setting)
    if faults:
        raise InputError("The document cannot be imported.", faults=faults)
    if mode == "merge":
        return [*setting]
    return [*setting, *_clearing(setting, namespaces or {}, limits, image)]


def _head_faults(document: Mapping[str, Any], mode: str) -> Iterator[Fault]:
    for name in document:
        if name not in FIELDS:
            message = f"A document has no field {str(name)[:60]!r}."
            yield Fault("unknown_field", f"/{escaped(str(name))}", message, list(FIELDS), str(name)[:60])
    for name in ("format", "namespaces"):
        if name not in document:
            yield Fault("required", f"/{name}", f"A document needs the field {name}.")
    if document.get("format", FORMAT) != FORMAT:
        got = str(document["format"])[:60]
        yield Fault("not_a_choice", "/format", f"format is {got!r}, this reads {FORMAT}.", [FORMAT], got)
    if "namespaces" in document and not isinstance(document["namespaces"], Mapping):
        yield _not_a_map("/namespaces", document["namespaces"])
    if mode not in MODES:
        yield Fault("not_a_choice", "/mode", f"mode is {str(mode)[:60]!r}, merge or replace.", list(MODES), str(mode))


def _limits(document: Mapping[str, Any]) -> tuple[frozenset[Scope] | None, list[Fault]]:
    """The scopes a document is limited to; None: it is not."""
    given = document.get("scopes")
    if "scopes" not in document:
        return None, []
    if not isinstance(given, list) or not all(isinstance(name, str) for name in given):
        return None, [Fault("invalid_type", "/scopes", "scopes must be a list of scopes.", "list")]
    faults = [
        fault
        for index, name in enumerate(given)
        for fault in scope_faults(named_scope(name), pointer=f"/scopes/{index}")
    ]
    return frozenset(map(named_scope, given)), faults


def _scopes(
    scopes: Any, at: str, limits: frozenset[Scope] | None, faults: list[Fault]
) -> Iterator[tuple[Scope, Mapping[str, Any], str]]:
    """Each scope of a namespace with its values and where they stand; what is no such thing is a fault."""
    if not isinstance(scopes, Mapping):
        faults.append(_not_a_map(at, scopes))
        return
    for name, values in scopes.items():
        scope, pointer = named_scope(name), f"{at}/{escaped(name)}"
        found = [*scope_faults(scope, pointer=pointer)]
        if not found and limits is not None and scope not in limits:
            message = f"{name} is not one of the document's scopes."
            found.append(Fault("outside_scopes", pointer, message, sorted(map(scope_name, limits)), name))
        if not isinstance(values, Mapping):
            found.append(_not_a_map(pointer, values))
        faults += found
        if not found:
            yield scope, values, pointer


def _not_a_map(pointer: str, got: Any) -> Fault:
    return Fault("invalid_type", pointer, f"{pointer} must be a map.", "map", type(got).__name__)


def _twice_faults(setting: list[SetValue]) -> Iterator[Fault]:
    """``symbol:aapl`` and ``symbol:AAPL`` are two keys and one scope."""
    seen: set[tuple[str, Scope, str]] = set()
    for each in setting:
        key = (each.namespace, each.scope, each.parameter)
        if key in seen:
            message = f"{each.namespace}.{each.parameter} at {each.scope} is given twice."
            yield Fault("given_twice", each.pointer, message)
        seen.add(key)


def _clearing(
    setting: list[SetValue], namespaces: Mapping[str, Any], limits: frozenset[Scope] | None, image: Image
) -> Iterator[ClearValue]:
    named = {(each.namespace, each.scope, each.parameter) for each in setting}
    for namespace, scope in sorted(image.places()):
        if namespace not in namespaces or (limits is not None and scope not in limits):
            continue
        for name in image.stored(namespace, scope):
            # What has been retired cannot stand in a document, so it is not missing from one.
            is_declared = image.catalogue.find(namespace, name) is not None
            if is_declared and (namespace, scope, name) not in named:
                yield ClearValue(scope, namespace, name, f"/namespaces/{escaped(namespace)}")
