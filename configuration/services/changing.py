"""The one write path of configuration: decide, record and take effect in one transaction.

Writers queue on the head row; what was there before is read under that lock; values and rules are
judged inside it; the change-set, its changes, the overrides and the new head are written together.
"""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import reduce
from operator import or_
from typing import Any, Final, NamedTuple

from django.db import connection, models, transaction

from configuration import canonical, seal, store
from configuration.actors import Actor
from configuration.catalogue import CATALOGUE
from configuration.errors import IdempotencyMismatch
from configuration.models import CatalogueEdition, Change, ChangeSet, ConfigHead, Override
from configuration.planning import Changed, Operation, Plan, plan
from configuration.services import gating
from engine.domain.errors import Fault

CHANNEL: Final = "tradingsite_config"
NOT_GIVEN: Final = "not given"
_LONGEST: Final = {"reason": 2000, "on_behalf_of": 200, "idempotency_key": 200}


class Applied(NamedTuple):
    """What was done. Where nothing changed, ``changes`` is empty and ``version`` is the head's."""

    version: int
    changes: tuple[Changed, ...]


class Recipe(NamedTuple):
    """Operations that follow from what is stored: worked out once more under the lock.

    ``asked`` is what was asked for, in JSON's terms: an idempotency key stands for that, not for
    the operations, which are others once it has been done.
    """

    asked: Sequence[Any]
    operations: Callable[[], Sequence[Operation]]


class _Decision(NamedTuple):
    """Everything about a change-set but its changes and its place in the chain."""

    actor: Actor
    on_behalf_of: str
    source: str
    kind: str
    reason: str
    request_id: str
    idempotency_key: str | None
    base_version: int | None
    reverts_version: int | None
    now: datetime
    request_digest: str


def change(
    *,
    actor: Actor,
    source: str,
    reason: str,
    operations: Sequence[Operation] | Recipe,
    now: datetime,
    base_version: int | None = None,
    idempotency_key: str | None = None,
    request_id: str = "",
    on_behalf_of: str = "",
    kind: str = "set",
    reverts_version: int | None = None,
    plan_hash: str | None = None,
) -> Applied:
    """Apply the operations, in their order, as one decision; or raise, and nothing has changed.

    ``base_version``: the version the caller had read; a parameter changed since then, by whomever,
    is not overwritten. Other parameters of the same scope do not collide. ``idempotency_key``: the
    same request again answers what it did the first time. ``source``: admin, api, cli, import, rollback,
    system. ``reverts_version``: what a rollback takes back. ``operations`` may be a Recipe.
    ``plan_hash``: of a preview; only what was previewed is done. Where nothing would change, no
    change-set is written and the version stays.

    Raises: InputError with every fault (unknown_parameter, invalid_type, out_of_range,
    not_a_choice, not_finite, unknown_key, scope_not_allowed, empty, duplicate, unknown_namespace,
    unknown_scope, reason_required, ...); NotAllowed naming every change the actor's grant does not
    cover; StaleVersion naming the parameters, with three columns each; StalePlan; IdempotencyMismatch.
    """
    _refuse(_length_faults(reason=reason, on_behalf_of=on_behalf_of, idempotency_key=idempotency_key))
    decision = _Decision(
        actor=actor,
        on_behalf_of=on_behalf_of,
        source=source,
        kind=kind,
        reason=reason.strip(),
        request_id=request_id[:64],
        idempotency_key=idempotency_key or None,
        base_version=base_version,
        reverts_version=reverts_version,
        now=now.astimezone(UTC),
        request_digest=_request_digest(actor, on_behalf_of, reason, operations),
    )
    earlier = _earlier_answer(decision)
    if earlier is not None:
        return earlier
    # Most mistakes are found here, before anybody waits for the lock.
    first = worked_out(operations)
    _judge(decision, plan(first, store.current()), first)
    with transaction.atomic():
        return _decide(decision, operations, plan_hash)


def validate(operations: Sequence[Operation]) -> tuple[Changed, ...]:
    """What the operations would change now. Writes nothing. Raises InputError with every fault."""
    planned = plan(operations, store.current())
    _refuse(planned.faults)
    return planned.changes


def _refuse(faults: tuple[Fault, ...]) -> None:
    if refused := gating.refusal(faults):
        raise refused


def _judge(
    decision: _Decision, planned: Plan, operations: Sequence[Operation], *, head_version: int | None = None
) -> None:
    """Raise whatever stands in the way of the plan; what was changed meanwhile only against a head that is held."""
    changes, base = planned.changes, decision.base_version
    faults = planned.faults + gating.reason_faults(decision.reason, changes, operations)
    collisions: Sequence[gating.Obstacle] = ()
    if head_version is not None:
        faults += gating.base_version_faults(base, head_version=head_version)
        collisions = gating.changed_since(base, head_version=head_version, changes=changes, operations=operations)
    barred = gating.not_granted(changes, operations, decision.actor)
    if refused := gating.refusal(faults, barred=barred, collisions=collisions):
        raise refused


def _length_faults(**texts: str | None) -> tuple[Fault, ...]:
    return tuple(
        Fault(
            "too_long",
            f"/{name}",
            f"{name} has {len(text)} characters, allowed {_LONGEST[name]}.",
            _LONGEST[name],
            len(text),
        )
        for name, text in texts.items()
        if text is not None and len(text) > _LONGEST[name]
    )


def worked_out(operations: Sequence[Operation] | Recipe) -> Sequence[Operation]:
    """The operations, or what the recipe makes of what is stored now."""
    return operations.operations() if isinstance(operations, Recipe) else operations


def _request_digest(actor: Actor, on_behalf_of: str, reason: str, operations: Sequence[Operation] | Recipe) -> str:
    asked: Sequence[Any]
    if isinstance(operations, Recipe):
        asked = operations.asked
    else:
        asked = [[type(operation).__name__, *operation._replace(pointer="")] for operation in operations]
    # Nothing has been judged yet: what is no JSON must not fail here.
    return canonical.digest(json.dumps([actor[:3], on_behalf_of, reason.strip(), asked], sort_keys=True, default=repr))


def _decide(decision: _Decision, asked: Sequence[Operation] | Recipe, plan_hash: str | None) -> Applied:
    head = _locked_head()
    earlier = _earlier_answer(decision)
    if earlier is not None:
        return earlier
    operations = worked_out(asked)
    planned = plan(operations, store.current())
    _judge(decision, planned, operations, head_version=head.version)
    gating.refuse_another_plan(plan_hash, planned.changes, operations)
    if not planned.changes:
        return Applied(head.version, ())
    change_set = _recorded(decision, head, planned.changes)
    _take_effect(change_set, planned.changes)
    return Applied(change_set.version, planned.changes)


def hold_head() -> int:
    """The newest version, which stays the newest until the caller's transaction ends.

    Readers hold it together; a write waits for them all. Whoever records a decision under a snapshot
    holds the head, so that no decision is recorded on a value whose replacement has been answered.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT version FROM configuration_confighead WHERE id = 1 FOR SHARE")
        row = cursor.fetchone()
        if row is None:  # nothing was ever written: give the next reader and the first writer a row to meet on
            ConfigHead.objects.bulk_create([ConfigHead()], ignore_conflicts=True)
            cursor.execute("SELECT version FROM configuration_confighead WHERE id = 1 FOR SHARE")
            row = cursor.fetchone()
    return int(row[0])


def mark(*, actor: Actor, source: str, kind: str, reason_of: Callable[[int], str | None], now: datetime) -> Applied:
    """Write a change-set that changes no stored value, so that what happened has its place in the ledger.

    ``reason_of`` is asked under the lock, with the newest version; None: there is nothing to record.
    """
    with transaction.atomic():
        head = _locked_head()
        reason = reason_of(head.version)
        if reason is None:
            return Applied(head.version, ())
        decision = _Decision(
            actor=actor,
            on_behalf_of="",
            source=source,
            kind=kind,
            reason=reason,
            request_id="",
            idempotency_key=None,
            base_version=None,
            reverts_version=None,
            now=now.astimezone(UTC),
            request_digest=_request_digest(actor, "", reason, ()),
        )
        change_set = _recorded(decision, head, ())
        _take_effect(change_set, ())
        return Applied(change_set.version, ())


def keep_edition(now: datetime) -> None:
    """Keep what the running catalogue's parameters mean, once for each fingerprint."""
    # Its text is long: asked for first, so that it is sent only once.
    if not CatalogueEdition.objects.filter(fingerprint=CATALOGUE.fingerprint).exists():
        content = canonical.text(CATALOGUE.edition())
        kept = CatalogueEdition(fingerprint=CATALOGUE.fingerprint, content=content, first_seen_at=now)
        CatalogueEdition.objects.bulk_create([kept], ignore_conflicts=True)


def _locked_head() -> ConfigHead:
    head = ConfigHead.objects.select_for_update().filter(id=1).first()
    if head is None:  # the first write of all
        ConfigHead.objects.bulk_create([ConfigHead()], ignore_conflicts=True)
        head = ConfigHead.objects.select_for_update().get(id=1)
    return head


def _earlier_answer(decision: _Decision) -> Applied | None:
    if decision.idempotency_key is None:
        return None
    earlier = ChangeSet.objects.filter(idempotency_key=decision.idempotency_key).first()
    if earlier is None:
        return None
    if earlier.request_digest != decision.request_digest:
        raise IdempotencyMismatch(
            f"The idempotency key {decision.idempotency_key} was used for version {earlier.version}, "
            "for another request. Use a new key for a new request."
        )
    rows = earlier.changes.order_by("ordinal")
    return Applied(
        earlier.version,
        tuple(Changed(r.scope, r.namespace, r.parameter, r.op, r.old, r.old_version, r.new) for r in rows),
    )


def _recorded(decision: _Decision, head: ConfigHead, changes: tuple[Changed, ...]) -> ChangeSet:
    """Write the change-set and its changes into the ledger, chained to the one before."""
    change_set = ChangeSet(
        version=head.version + 1,
        created_at=decision.now,
        kind=decision.kind,
        actor_kind=decision.actor.kind,
        actor_id=decision.actor.id,
        actor_label=decision.actor.label,
        on_behalf_of=decision.on_behalf_of,
        source=decision.source,
        reason=decision.reason or NOT_GIVEN,
        request_id=decision.request_id,
        idempotency_key=decision.idempotency_key,
        request_digest=decision.request_digest,
        base_version=decision.base_version,
        reverts_version=decision.reverts_version,
        catalogue_fingerprint=CATALOGUE.fingerprint,
        prev_hash=head.hash,
    )
    rows = [_row(change_set, ordinal, change) for ordinal, change in enumerate(changes)]
    change_set.canonical = _sealed(change_set, rows)
    change_set.hash = seal.chained(head.hash, change_set.canonical)
    change_set.save(force_insert=True)
    keep_edition(decision.now)
    Change.objects.bulk_create(rows)
    return change_set


def _sealed(change_set: ChangeSet, rows: list[Change]) -> str:
    """The text under the hash: every column of the change-set and its changes, as ``seal`` says."""
    facts = {name: getattr(change_set, name) for name in seal.CHANGE_SET_COLUMNS}
    facts["created_at"] = seal.instant(change_set.created_at)
    return seal.text(facts, [_sealed_change(row) for row in rows])


def _sealed_change(row: Change) -> dict[str, Any]:
    facts = {name: getattr(row, name) for name in seal.CHANGE_COLUMNS}
    for name in ("old", "new"):
        value = getattr(row, name)
        if value is not None:  # None would be SQL NULL: there was none
            facts[name] = None if isinstance(value, models.JSONNull) else seal.plain(value)
    return facts


def _row(change_set: ChangeSet, ordinal: int, change: Changed) -> Change:
    return Change(
        change_set=change_set,
        ordinal=ordinal,
        namespace=change.namespace,
        scope_kind=change.scope.kind,
        bot=change.scope.bot,
        symbol=change.scope.symbol,
        side=change.scope.side,
        parameter=change.parameter,
        op=change.op,
        old=_json(change.old) if change.old_version else None,
        old_version=change.old_version,
        new=_json(change.new) if change.op == "set" else None,
    )


def _json(value: Any) -> Any:
    """None as a JSON null, which is a value; a plain None would be stored as NULL, which is none."""
    return models.JSONNull() if value is None else value


def _take_effect(change_set: ChangeSet, changes: tuple[Changed, ...]) -> None:
    """Fold the changes into the overrides, move the head, and wake whoever listens, on commit."""
    key = ["namespace", "scope_kind", "bot", "symbol", "side", "parameter"]
    cleared = [change for change in changes if change.op == "clear"]
    if cleared:
        Override.objects.filter(reduce(or_, (models.Q(**_key(change)) for change in cleared))).delete()
    Override.objects.bulk_create(
        (
            Override(**_key(change), value=_json(change.new), version=change_set.version)
            for change in changes
            if change.op == "set"
        ),
        update_conflicts=True,
        unique_fields=key,
        update_fields=["value", "version"],
    )
    ConfigHead.objects.filter(id=1).update(version=change_set.version, hash=change_set.hash)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify(%s, %s)", [CHANNEL, str(change_set.version)])
    transaction.on_commit(store.Wake(), robust=True)


def _key(change: Changed) -> dict[str, str]:
    scope = change.scope
    return {
        "namespace": change.namespace,
        "scope_kind": scope.kind,
        "bot": scope.bot,
        "symbol": scope.symbol,
        "side": scope.side,
        "parameter": change.parameter,
    }
