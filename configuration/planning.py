"""From what is asked to what would change, and everything wrong with it. Pure: an image in, a plan out."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from configuration import canonical, rules, values
from configuration.image import Image, Path, Place, Stored
from configuration.scopes import Scope, scope_faults
from engine.domain.errors import Fault


class SetValue(NamedTuple):
    """Set a parameter at a scope. ``pointer``: where the request said so, for its faults."""

    scope: Scope
    namespace: str
    parameter: str
    value: Any
    pointer: str = ""


class ClearValue(NamedTuple):
    """Let a parameter be inherited again at a scope. Nothing happens where nothing is set."""

    scope: Scope
    namespace: str
    parameter: str
    pointer: str = ""


class ClearScope(NamedTuple):
    """Let every parameter of a namespace be inherited again at a scope."""

    scope: Scope
    namespace: str
    pointer: str = ""


Operation = SetValue | ClearValue | ClearScope


class Changed(NamedTuple):
    """One value before and after. None stands for nothing set, or for null: ``op`` and ``old_version`` tell.

    ``op`` is set or clear; ``old_version`` is the version that had set the old value, 0 if none had.
    """

    scope: Scope
    namespace: str
    parameter: str
    op: str
    old: Any
    old_version: int
    new: Any


class Plan(NamedTuple):
    """What would change, in a settled order, and every fault found. With faults nothing may be written."""

    changes: tuple[Changed, ...]
    faults: tuple[Fault, ...]


def plan(operations: Sequence[Operation], image: Image) -> Plan:
    """Apply the operations in their order to what is stored; judge every value and every rule.

    Setting the very value that is stored, or clearing what is not set, changes nothing and is left
    out. Setting at a symbol the value it would inherit anyway does change something: it pins it.
    """
    faults: list[Fault] = []
    places: dict[Place, dict[str, Stored]] = {}
    pointers: dict[tuple[Place, str], str] = {}
    broken: set[tuple[str, str]] = set()
    for index, operation in enumerate(operations):
        judged = _judged(operation, image, at=operation.pointer or f"/operations/{index}")
        faults += judged.faults
        if judged.faults:
            broken.add((operation.namespace, getattr(operation, "parameter", "")))
        else:
            _apply(operation, judged.value, image=image, places=places)
            if not isinstance(operation, ClearScope):
                place = (operation.namespace, operation.scope)
                pointers[place, operation.parameter] = operation.pointer or f"/operations/{index}"
    changes = tuple(_changes(places, image))
    faults += _rule_faults(changes, image.replaced(places), pointers, broken)
    return Plan(changes, tuple(faults))


def _judged(operation: Operation, image: Image, *, at: str) -> values.Judged:
    place_faults = scope_faults(operation.scope, pointer=at)
    if operation.namespace not in image.catalogue.namespaces():
        return values.Judged(None, (*place_faults, _unknown_namespace(operation.namespace, image, at)))
    if isinstance(operation, ClearScope):
        return values.Judged(None, place_faults)
    name = operation.parameter
    parameter = image.catalogue.find(operation.namespace, name)
    if parameter is None:
        return _unknown_parameter(operation, image, at, place_faults)
    if not isinstance(operation, SetValue):
        return values.Judged(None, place_faults)
    if operation.scope.kind not in parameter.scopes and not place_faults:
        allowed = list(parameter.scopes)
        message = f"{name} can be set for {', '.join(allowed)}, not for {operation.scope.kind}."
        place_faults = (Fault("scope_not_allowed", at, message, allowed, operation.scope.kind),)
    judged = values.judge(parameter, operation.value, pointer=at)
    return values.Judged(judged.value, place_faults + judged.faults)


def _unknown_namespace(namespace: str, image: Image, at: str) -> Fault:
    allowed = list(image.catalogue.namespaces())
    message = f"There is no namespace {namespace[:60]!r}, only {', '.join(allowed)}."
    return Fault("unknown_namespace", at, message, allowed, namespace[:200])


def _unknown_parameter(
    operation: SetValue | ClearValue, image: Image, at: str, place_faults: tuple[Fault, ...]
) -> values.Judged:
    # A parameter that was retired may still be stored: it can be cleared, not set.
    retired = operation.parameter in image.stored(operation.namespace, operation.scope)
    if retired and isinstance(operation, ClearValue):
        return values.Judged(None, place_faults)
    allowed = [parameter.name for parameter in image.catalogue.parameters(operation.namespace)]
    name = operation.parameter[:60]
    message = f"There is no parameter {operation.namespace}.{name}."
    return values.Judged(None, (*place_faults, Fault("unknown_parameter", at, message, allowed, name)))


def _apply(operation: Operation, value: Any, *, image: Image, places: dict[Place, dict[str, Stored]]) -> None:
    place = (operation.namespace, operation.scope)
    stored = places.setdefault(place, dict(image.stored(*place)))
    if isinstance(operation, ClearScope):
        stored.clear()
    elif isinstance(operation, ClearValue):
        stored.pop(operation.parameter, None)
    else:
        stored[operation.parameter] = Stored(value, 0)


def _changes(places: dict[Place, dict[str, Stored]], image: Image) -> Iterator[Changed]:
    for (namespace, scope), after in sorted(places.items()):
        before = image.stored(namespace, scope)
        for name in sorted(before.keys() | after.keys()):
            old, new = before.get(name), after.get(name)
            if old and new and canonical.text(old.value) == canonical.text(new.value):
                continue
            if old or new:
                was, since = old or Stored(None, 0)
                op, value = ("set", new.value) if new else ("clear", None)
                yield Changed(scope, namespace, name, op, was, since, value)


def _rule_faults(
    changes: Iterable[Changed],
    after: Image,
    pointers: dict[tuple[Place, str], str],
    broken: set[tuple[str, str]],
) -> Iterator[Fault]:
    """Every rule that a change touches, in every configuration in force under the changed scopes."""
    touched: defaultdict[str, set[str]] = defaultdict(set)
    edited: defaultdict[str, set[Scope]] = defaultdict(set)
    for change in changes:
        touched[change.namespace].add(change.parameter)
        edited[change.namespace].add(change.scope)
    for namespace, names in touched.items():
        for rule in rules.rules(namespace):
            reads = set(rule.parameters)
            if reads & names and not any((namespace, name) in broken for name in reads):
                yield from _complaints(rule, namespace, edited[namespace], after, pointers)


def _complaints(
    rule: rules.Rule,
    namespace: str,
    edited: set[Scope],
    after: Image,
    pointers: dict[tuple[Place, str], str],
) -> Iterator[Fault]:
    where: defaultdict[str, list[Path]] = defaultdict(list)
    for path in _paths_under(namespace, edited, rule, after):
        complaint = rule.complaint(after.values(namespace, path))
        if complaint:
            where[complaint].append(path)
    for complaint, paths in where.items():
        named = ", ".join(str(path) for path in paths[:5])
        more = f" and {len(paths) - 5} more" if len(paths) > 5 else ""
        pointer = next(
            (at for ((ns, _), name), at in pointers.items() if ns == namespace and name in rule.parameters), ""
        )
        yield Fault(
            rule.code, pointer, f"{complaint} (in force for {named}{more}).", None, [str(p) for p in paths[:50]]
        )


def _paths_under(namespace: str, edited: set[Scope], rule: rules.Rule, after: Image) -> list[Path]:
    """Whose configuration an edit can reach: every combination of scopes that sets what the rule reads."""
    setting = {
        scope
        for owner, scope in after.places()
        if owner == namespace and after.stored(owner, scope).keys() & set(rule.parameters)
    } | edited
    markets = {("", "")} | {(scope.symbol, scope.side) for scope in setting}
    bots = {""} | {scope.bot for scope in setting}
    paths = (Path(bot, symbol, side) for bot in bots for symbol, side in markets)
    return sorted(path for path in paths if not edited.isdisjoint(path.scopes()))
