"""What stands between a plan and its application: the reason, the right to, newer changes, another plan.

Each obstacle is a fault, for whoever reads, and a gate, for whoever has to act: what is needed and
how to get it. A preview lists them, the write path raises them.
"""

from collections.abc import Iterable, Sequence
from functools import reduce
from operator import or_
from typing import Any, Final, NamedTuple

from django.conf import settings
from django.db import models

from configuration import values
from configuration.actors import Actor, pattern_of
from configuration.catalogue import CATALOGUE
from configuration.errors import StalePlan, gated
from configuration.models import Change, ChangeSet
from configuration.planning import Changed, ClearScope, ClearValue, Operation, SetValue, plan_hash
from configuration.scopes import Scope
from engine.domain.errors import Fault, InputError, NotAllowed, StaleVersion

_UNCHANGED: Final = "The configuration was not changed."
_RISK_OF_RETIRED: Final = "critical"
"""Nobody says any more what a retired parameter could do."""

_Key = tuple[str, Scope, str]


class Obstacle(NamedTuple):
    """One thing in the way, said twice: ``fault`` as every fault is said, ``gate`` with what clears it."""

    fault: Fault
    gate: dict[str, Any]


def refusal(
    faults: Sequence[Fault], *, barred: Sequence[Obstacle] = (), collisions: Sequence[Obstacle] = ()
) -> InputError | None:
    """What is raised for these: NotAllowed before InputError before StaleVersion; None for nothing.

    One that is not allowed also hears what else is wrong, so that whoever may needs no second round.
    """
    if barred:
        told = [*(one.fault for one in barred), *faults]
        return gated(NotAllowed(f"You may not change this. {_UNCHANGED}", faults=told), (one.gate for one in barred))
    if faults:
        return InputError(_UNCHANGED, faults=faults)
    if collisions:
        told = [one.fault for one in collisions if one.gate["code"] == "changed_since"]
        message = "Changed since the version you had read: read again and decide anew."
        return gated(StaleVersion(message, faults=told), (one.gate for one in collisions))
    return None


def reason_faults(reason: str, changes: Iterable[Changed], operations: Sequence[Operation]) -> tuple[Fault, ...]:
    """reason_required, where there is none and a guarded or critical parameter is changed, or the site asks always."""
    if reason.strip():
        return ()
    risky = risky_names(changes, operations)
    if not risky and settings.CONFIG_REQUIRE_REASON != "always":
        return ()
    message = "A reason is required" + (f" to change {', '.join(risky)}." if risky else ".")
    return (Fault("reason_required", "/reason", message, None, reason),)


def reason_obstacles(reason: str, changes: Iterable[Changed], operations: Sequence[Operation]) -> list[Obstacle]:
    """``reason_faults`` with what clears them."""
    gate = {"code": "reason_required", "needs": "reason", "how": "Say in a sentence why; it is kept with the change."}
    return [Obstacle(fault, gate) for fault in reason_faults(reason, changes, operations)]


def risky_names(changes: Iterable[Changed], operations: Sequence[Operation]) -> list[str]:
    """The guarded and critical parameters that would change, or are named to be changed."""
    named = {(one.namespace, one.parameter) for one in changes}
    named |= {(one.namespace, one.parameter) for one in operations if not isinstance(one, ClearScope)}
    found = {qualified: CATALOGUE.find(*qualified) for qualified in named}
    return sorted(".".join(name) for name, parameter in found.items() if parameter and parameter.risk != "low")


def not_granted(changes: Iterable[Changed], operations: Sequence[Operation], actor: Actor) -> list[Obstacle]:
    """What the actor may not change: risk_not_granted, scope_not_granted, for each of the changes."""
    at = _pointers(operations)
    found: list[Obstacle] = []
    for change in changes:
        pointer = at.get(_key(change)) or f"/parameters/{change.parameter}"
        risk = _risk_of(change)
        if risk not in actor.grant.risks:
            found.append(_risk_obstacle(change, risk, actor, pointer))
        if not actor.grant.covers(change.scope):
            found.append(_scope_obstacle(change, actor, pointer))
    return found


def changed_since(
    base_version: int | None, *, head_version: int, changes: Sequence[Changed], operations: Sequence[Operation]
) -> list[Obstacle]:
    """What somebody changed after ``base_version`` and these changes would overwrite. One query, or none.

    Each gate has three columns: yours, theirs, and base, what both had seen. The last gate, "rebase",
    is the same change put upon the newest version: sent like this it overrules what was changed.
    """
    if base_version is None or base_version >= head_version or not changes:
        return []
    mine = {_key(change): change for change in changes}
    # The newest of each says what it is now, the oldest what it was.
    newest: dict[_Key, Change] = {}
    oldest: dict[_Key, Change] = {}
    since = Change.objects.filter(_any_of({change.scope for change in changes}), change_set__gt=base_version)
    for row in since.select_related("change_set").order_by("-change_set", "ordinal"):
        if _key(row) in mine:
            newest.setdefault(_key(row), row)
            oldest[_key(row)] = row
    at = _pointers(operations)
    found = [
        _collision(mine[key], row, oldest[key], base_version, at.get(key) or f"/parameters/{row.parameter}")
        for key, row in newest.items()
    ]
    return [*found, _rebased(changes, found[0].fault, head_version)] if found else []


def base_version_faults(base_version: int | None, *, head_version: int) -> tuple[Fault, ...]:
    """out_of_range, where somebody says to have read a version there is not yet."""
    if base_version is None or base_version <= head_version:
        return ()
    message = f"base_version is {base_version}, the newest is {head_version}."
    return (Fault("out_of_range", "/base_version", message, head_version, base_version),)


def refuse_another_plan(expected: str | None, changes: Sequence[Changed], operations: Sequence[Operation]) -> None:
    """Raise StalePlan unless these changes are those previewed under the hash ``expected``. None: any will do."""
    if expected is None:
        return
    actual = plan_hash(changes, catalogue=CATALOGUE.fingerprint)
    if expected == actual:
        return
    decided = ChangeSet.objects.in_bulk({change.old_version for change in changes} - {0})
    at = _pointers(operations)
    # What changed last comes first: that is most likely what the preview did not show yet.
    latest = sorted(changes, key=lambda change: -change.old_version)
    told = [_planned_now(change, decided.get(change.old_version), at.get(_key(change), "")) for change in latest]
    if not told:
        message = "Nothing would change any more: everything asked for is in force."
        told = [Obstacle(Fault("plan_changed", "/plan_hash", message, actual, expected[:64]), {"code": "plan_changed"})]
    again = {
        "code": "preview_again",
        "needs": "plan_hash",
        "plan_hash": actual,
        "how": "Look at the preview again (validate_only), then send its plan_hash.",
    }
    raise gated(
        StalePlan(
            "The change would not do any more what its preview said. Below is what it would do now.",
            faults=[one.fault for one in told],
        ),
        [*(one.gate for one in told), again],
    )


def scope_json(scope: Scope) -> dict[str, str]:
    """A scope without its absent parts."""
    return {name: part for name, part in scope._asdict().items() if part}


def _risk_of(change: Changed) -> str:
    parameter = CATALOGUE.find(change.namespace, change.parameter)
    return parameter.risk if parameter else _RISK_OF_RETIRED


def _risk_obstacle(change: Changed, risk: str, actor: Actor, pointer: str) -> Obstacle:
    allowed = sorted(actor.grant.risks)
    may = f"{actor.label} may change {' and '.join(allowed)} ones" if allowed else f"{actor.label} may change none"
    message = f"{change.parameter} is a {risk} parameter; {may}."
    how = f"Have it changed by somebody who may change {risk} parameters, or be given that right."
    fault = Fault("risk_not_granted", pointer, message, allowed, risk)
    return Obstacle(fault, _gate(fault.code, change, needs=f"risk:{risk}", how=how))


def _scope_obstacle(change: Changed, actor: Actor, pointer: str) -> Obstacle:
    allowed = list(actor.grant.patterns)
    may = f"only {', '.join(allowed)}" if allowed else "nothing"
    message = f"{change.parameter} at {change.scope}: {actor.label} may change {may}."
    needs = pattern_of(change.scope)
    how = f"Have it changed by somebody whose scopes include {needs}, or be given that scope."
    fault = Fault("scope_not_granted", pointer, message, allowed, needs)
    return Obstacle(fault, _gate(fault.code, change, needs=f"scope:{needs}", how=how))


def _gate(code: str, change: Changed, **more: Any) -> dict[str, Any]:
    place = {"namespace": change.namespace, "parameter": change.parameter, "scope": scope_json(change.scope)}
    return {"code": code, **place, **more}


def _collision(mine: Changed, theirs: Change, first: Change, base_version: int, pointer: str) -> Obstacle:
    by = theirs.change_set
    message = f"{mine.parameter} at {mine.scope} was changed in version {by.version} by {by.actor_label}: {by.reason}"
    gate = _gate(
        "changed_since",
        mine,
        yours=mine.new,
        theirs=theirs.new,
        base=first.old,
        is_set={"yours": mine.op == "set", "theirs": theirs.op == "set", "base": first.old_version > 0},
        base_version=base_version,
        **_decision_facts(by),
    )
    return Obstacle(Fault("changed_since", pointer, message, base_version, by.version), gate)


def _decision_facts(by: ChangeSet) -> dict[str, Any]:
    return {"version": by.version, "by": by.actor_label, "at": by.created_at.isoformat(), "reason": by.reason}


def _rebased(changes: Sequence[Changed], fault: Fault, head_version: int) -> Obstacle:
    operations = [
        {
            "scope": scope_json(change.scope),
            "namespace": change.namespace,
            "parameter": change.parameter,
            **({"value": change.new} if change.op == "set" else {"clear": True}),
        }
        for change in changes
    ]
    how = (
        "Send these operations with this base_version, as one batch, to overrule what was changed; leave out the rest."
    )
    gate = {"code": "rebase", "needs": "base_version", "how": how, "base_version": head_version}
    return Obstacle(fault, {**gate, "operations": operations})


def _planned_now(change: Changed, since: ChangeSet | None, pointer: str) -> Obstacle:
    before = f"is {values.shown(change.old)}" if change.old_version else "is not set there"
    by = f" since version {since.version} by {since.actor_label} ({since.reason})" if since else ""
    what = f"would be set to {values.shown(change.new)}" if change.op == "set" else "would be cleared"
    message = f"{change.parameter} at {change.scope} {before}{by}, and {what}."
    gate = _gate(
        "plan_changed", change, yours=change.new, theirs=change.old, **(_decision_facts(since) if since else {})
    )
    return Obstacle(Fault("plan_changed", pointer or f"/parameters/{change.parameter}", message), gate)


def _key(row: Changed | Change | SetValue | ClearValue) -> _Key:
    return row.namespace, row.scope, row.parameter


def _pointers(operations: Sequence[Operation]) -> dict[_Key, str]:
    return {_key(one): one.pointer for one in operations if not isinstance(one, ClearScope)}


def _any_of(scopes: set[Scope]) -> models.Q:
    return reduce(
        or_,
        (models.Q(scope_kind=s.kind, bot=s.bot, symbol=s.symbol, side=s.side) for s in sorted(scopes)),
    )
