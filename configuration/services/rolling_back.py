"""Taking decisions back: to a version, to just before one, or one change-set alone.

What was decided stays in the ledger; taking it back is a new change-set of kind ``rollback``, from
source ``rollback``. Its values are judged by today's catalogue: what has been retired, or lies
outside a range tightened since, is a fault that names the parameter, and nothing is changed.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

from configuration import rules, store
from configuration.actors import Actor
from configuration.catalogue import CATALOGUE
from configuration.image import Image
from configuration.models import Change
from configuration.planning import ClearValue, SetValue, plan
from configuration.scopes import Scope, scope_faults
from configuration.services.changing import Applied, Recipe, change
from engine.domain.errors import Fault, InputError, StaleVersion

_KEY: Final = ("namespace", "scope_kind", "bot", "symbol", "side", "parameter")

Restoring = SetValue | ClearValue


class Course(NamedTuple):
    """What taking back would do now. ``left_out``: what it would not touch, and why.

    ``reverts_version`` is the earliest version that is taken back.
    """

    operations: tuple[Restoring, ...]
    left_out: tuple[Fault, ...]
    reverts_version: int


class _Aim(NamedTuple):
    """What is asked back: exactly one of the first three."""

    to: int | None
    before: int | None
    undo: int | None
    scope: Scope | None
    namespace: str
    override_newer: bool
    only_possible: bool


def to_version(version: int, *, scope: Scope | None = None, namespace: str = "") -> list[Restoring]:
    """What makes every value what it was when ``version`` was the newest. Version 0: nothing set at all.

    ``scope``, ``namespace``: only there, at exactly that scope. Raises InputError (out_of_range, ...).
    """
    return list(course(to=version, scope=scope, namespace=namespace).operations)


def to_just_before(version: int, *, scope: Scope | None = None, namespace: str = "") -> list[Restoring]:
    """As ``to_version`` of the version before."""
    return list(course(before=version, scope=scope, namespace=namespace).operations)


def undoing(version: int, *, scope: Scope | None = None, namespace: str = "") -> list[Restoring]:
    """What takes back that one change-set and keeps whatever was decided since.

    Raises StaleVersion (changed_since) naming each of its parameters that has another value by now
    than the change-set gave it: see ``course``.
    """
    return list(course(undo=version, scope=scope, namespace=namespace).operations)


def course(
    *,
    to: int | None = None,
    before: int | None = None,
    undo: int | None = None,
    scope: Scope | None = None,
    namespace: str = "",
    override_newer: bool = False,
    only_possible: bool = False,
) -> Course:
    """The operations that take back what is asked, as of now. Exactly one of to, before and undo.

    Undoing compares three values, as ``git revert`` does: where the value in force is still the one
    the change-set gave, it is put back; where it is the old one already, nothing is to be done;
    where it is a third one, somebody has decided anew, and that is a conflict. ``override_newer``
    puts back the old value even so. ``only_possible`` leaves out, and names in ``left_out``,
    conflicts and whatever today's catalogue refuses; the rules between parameters still hold.

    Raises: InputError (out_of_range, invalid_type, unknown_namespace, faults of the scope);
    StaleVersion (changed_since).
    """
    return _course(_Aim(to, before, undo, scope, namespace, override_newer, only_possible))


def roll_back(
    *,
    actor: Actor,
    reason: str,
    now: datetime,
    to: int | None = None,
    before: int | None = None,
    undo: int | None = None,
    scope: Scope | None = None,
    namespace: str = "",
    override_newer: bool = False,
    only_possible: bool = False,
    base_version: int | None = None,
    idempotency_key: str | None = None,
    request_id: str = "",
    on_behalf_of: str = "",
    plan_hash: str | None = None,
) -> Applied:
    """Take back what is asked, as one new change-set; or raise, and nothing has changed.

    ``course`` says what each argument means; it is worked out under the lock, so that nothing
    decided meanwhile is missed. A reason is always required. Where nothing would change, no
    change-set is written.

    Raises: as ``course`` and ``services.change``.
    """
    aim = _Aim(to, before, undo, scope, namespace, override_newer, only_possible)
    if not reason.strip():
        missing = Fault("reason_required", "/reason", "A reason is required to roll back.", None, reason)
        also = plan(_course(aim).operations, store.current()).faults
        raise InputError("The configuration was not changed.", faults=(missing, *also))
    return change(
        actor=actor,
        source="rollback",
        kind="rollback",
        reason=reason,
        operations=Recipe(["roll_back", *aim], lambda: _course(aim).operations),
        now=now,
        base_version=base_version,
        reverts_version=_first_taken_back(aim),
        idempotency_key=idempotency_key,
        request_id=request_id,
        on_behalf_of=on_behalf_of,
        plan_hash=plan_hash,
    )


def _course(aim: _Aim) -> Course:
    image = store.current()
    faults = (*_version_faults(aim, image.version), *_limit_faults(aim))
    if faults:
        raise InputError("Nothing was rolled back.", faults=faults)
    if aim.undo is None:
        wanted = [_restoring(row) for row in _oldest_since(aim)]
        conflicts: list[Fault] = []
    else:
        wanted, conflicts = _undoing(aim, image)
    # What changes nothing is left out here already: a retired value that is back must be no fault.
    wanted = [operation for operation in wanted if _differs(operation, image)]
    impossible: list[Fault] = []
    if aim.only_possible:
        wanted, impossible = _possible(wanted, image)
    return Course(tuple(wanted), (*conflicts, *impossible), _first_taken_back(aim))


def _version_faults(aim: _Aim, head: int) -> Iterator[Fault]:
    given = {
        name: version for name, version in zip(("to", "before", "undo"), aim[:3], strict=True) if version is not None
    }
    if len(given) != 1:
        names = [f"{name}_version" for name in ("to", "before", "undo")]
        yield Fault("one_of", f"/{names[0]}", f"Give exactly one of {', '.join(names)}.", names, list(given.values()))
        return
    for name, version in given.items():
        least = 0 if name == "to" else 1
        if not least <= version <= head:
            message = f"{name}_version is {version}, there are {least} to {head}."
            yield Fault("out_of_range", f"/{name}_version", message, {"minimum": least, "maximum": head}, version)


def _limit_faults(aim: _Aim) -> Iterator[Fault]:
    if aim.scope is not None:
        yield from scope_faults(aim.scope, pointer="/scope")
    if aim.namespace and aim.namespace not in CATALOGUE.namespaces():
        allowed = list(CATALOGUE.namespaces())
        message = f"There is no namespace {aim.namespace[:60]!r}, only {', '.join(allowed)}."
        yield Fault("unknown_namespace", "/namespace", message, allowed, aim.namespace[:60])


def _first_taken_back(aim: _Aim) -> int:
    if aim.to is not None:
        return aim.to + 1
    return aim.before or aim.undo or 0


def _limits(aim: _Aim) -> dict[str, Any]:
    limits: dict[str, Any] = {"namespace": aim.namespace} if aim.namespace else {}
    if aim.scope is not None:
        kind, bot, symbol, side = aim.scope
        limits |= {"scope_kind": kind, "bot": bot, "symbol": symbol, "side": side}
    return limits


def _oldest_since(aim: _Aim) -> Iterable[Change]:
    """Of each parameter changed since, the first change: what it replaced is what was in force before."""
    rows = Change.objects.filter(change_set__gte=_first_taken_back(aim), **_limits(aim))
    return rows.order_by(*_KEY, "change_set").distinct(*_KEY)


def _undoing(aim: _Aim, image: Image) -> tuple[list[Restoring], list[Fault]]:
    wanted: list[Restoring] = []
    conflicting: dict[tuple[str, Scope, str], Restoring] = {}
    for row in Change.objects.filter(change_set=aim.undo, **_limits(aim)).order_by("ordinal"):
        restoring = _restoring(row)
        if _in_force(restoring, image) != _left(row) and _differs(restoring, image) and not aim.override_newer:
            conflicting[row.namespace, row.scope, row.parameter] = restoring
        else:
            wanted.append(restoring)
    faults = [_conflict(row, conflicting, aim) for row in _newest_of(conflicting, aim)]
    if faults and not aim.only_possible:
        message = f"Version {aim.undo} cannot be undone as it stands: what it set was changed since."
        raise StaleVersion(message, faults=faults)
    return wanted, faults


def _newest_of(conflicting: Mapping[tuple[str, Scope, str], Restoring], aim: _Aim) -> Iterator[Change]:
    """Who changed each of them last."""
    if not conflicting:
        return
    rows = Change.objects.filter(change_set__gt=aim.undo, parameter__in={name for *_, name in conflicting})
    newest = rows.order_by(*_KEY, "-change_set").distinct(*_KEY).select_related("change_set")
    yield from (row for row in newest if (row.namespace, row.scope, row.parameter) in conflicting)


def _conflict(row: Change, conflicting: Mapping[tuple[str, Scope, str], Restoring], aim: _Aim) -> Fault:
    by = row.change_set
    message = (
        f"{row.namespace}.{row.parameter} at {row.scope} was changed again in version {by.version} "
        f"by {by.actor_label}: {by.reason}"
    )
    pointer = conflicting[row.namespace, row.scope, row.parameter].pointer
    return Fault("changed_since", pointer, message, aim.undo, by.version)


def _restoring(row: Change) -> Restoring:
    """What makes the value again what it was before this change."""
    parts = (row.namespace, str(row.scope), row.parameter)
    pointer = "/restored/" + "/".join(part.replace("~", "~0").replace("/", "~1") for part in parts)
    if row.old_version:
        return SetValue(row.scope, row.namespace, row.parameter, row.old, pointer)
    return ClearValue(row.scope, row.namespace, row.parameter, pointer)


# A value in a list of its own; no value is an empty list. So null, which may be a value, is told from nothing.
def _left(row: Change) -> list[Any]:
    return [row.new] if row.op == "set" else []


def _in_force(operation: Restoring, image: Image) -> list[Any]:
    stored = image.stored(operation.namespace, operation.scope).get(operation.parameter)
    return [stored.value] if stored else []


def _differs(operation: Restoring, image: Image) -> bool:
    return _in_force(operation, image) != ([operation.value] if isinstance(operation, SetValue) else [])


def _possible(wanted: list[Restoring], image: Image) -> tuple[list[Restoring], list[Fault]]:
    """Those whose value today's catalogue takes, and the faults of the others. Rules are not asked here."""
    of_rules = {rule.code for namespace in image.catalogue.namespaces() for rule in rules.rules(namespace)}
    faults = [fault for fault in plan(wanted, image).faults if fault.code not in of_rules]
    at = {fault.pointer for fault in faults}
    refused = at | {pointer.rpartition("/")[0] for pointer in at}
    return [operation for operation in wanted if operation.pointer not in refused], faults
