"""A change of configuration on its way: its preview for people, its collisions side by side, its application."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from configuration import rules, services
from configuration.catalogue import CATALOGUE
from configuration.cautions import Caution
from configuration.effects import Shift
from configuration.errors import StalePlan
from configuration.planning import Operation
from configuration.ports import ReachedBot
from configuration.scopes import Scope, bot_scope
from configuration.services import Actor, Applied, Preview
from engine.domain.errors import Fault, InputError, PlatformError, StaleVersion
from tradingsite.dashboard import places
from tradingsite.dashboard.configuration_forms import address_of

SHOWN_CHANGES: Final = 100
SHOWN_EFFECTS: Final = 40
NAMED_PLACES: Final = 4
_TOLD_FAULTS: Final = 5
NO_REASON: Final = "Say why: the reason is kept with the change for ever."
ANOTHER_PLAN: Final = (
    "Nothing was changed. What was sent would not have done what its preview said, because the values or the form "
    "changed in between. This is what it would do now."
)


class Wish(NamedTuple):
    """What a person asks for: the operations, the version they were shown, and why."""

    operations: Sequence[Operation]
    base_version: int
    reason: str
    kind: str


class Value(NamedTuple):
    """A value that is set, which may itself be None."""

    value: Any


class Line(NamedTuple):
    """One value that would be set or cleared. ``before``, ``after``: None where it is inherited."""

    name: str
    place: str
    unit: str
    risk: str
    before: Value | None
    after: Value | None


class Outcome(NamedTuple):
    """One value in force that would become another, and for whom."""

    name: str
    unit: str
    shift: Shift
    places: tuple[str, ...]
    more: int


class Reached(NamedTuple):
    """A bot whose values would change, with how much of what it holds is concerned."""

    name: str
    status: str
    positions: int
    orders: int


class Warned(NamedTuple):
    """Something that may surprise, said for the first change it holds for, and how many more there are."""

    first: str
    more: int


class Shown(NamedTuple):
    """A preview as a page draws it.

    ``at_fields``: complaints by parameter. ``together``: values that do not fit each other. ``other``:
    complaints about neither. ``note``: what to say on top. ``is_ready``: it can be applied as it is.
    """

    preview: Preview
    note: str
    lines: tuple[Line, ...]
    more_lines: int
    outcomes: tuple[Outcome, ...]
    more_outcomes: int
    pinned: int
    bots: tuple[Reached, ...]
    warnings: tuple[Warned, ...]
    at_fields: Mapping[str, tuple[str, ...]]
    together: tuple[str, ...]
    other: tuple[str, ...]

    @property
    def is_ready(self) -> bool:
        return bool(self.preview.plan.changes) and self.preview.refusal is None

    @property
    def fault_count(self) -> int:
        return len(self.together) + len(self.other) + sum(map(len, self.at_fields.values()))

    @property
    def worst_risk(self) -> str:
        """The highest risk among the changes; '' for none."""
        found = {line.risk for line in self.lines}
        return next((risk for risk in ("critical", "guarded", "low") if risk in found), "")


class Collision(NamedTuple):
    """One value that two people changed: what both had seen, what the other made of it, what is asked for now.

    ``key``: what the form calls it. ``version`` to ``reason``: the other's decision.
    """

    key: str
    name: str
    place: str
    unit: str
    base: Value | None
    theirs: Value | None
    yours: Value | None
    version: int
    by: str
    at: str
    reason: str


class Refused(NamedTuple):
    """Why nothing was changed: a sentence for the top of the page, the HTTP status, and whether to merge."""

    note: str
    status: int
    is_collision: bool


def look(wish: Wish, *, actor: Actor, bot_names: Mapping[str, str], note: str = "", spoken: bool = True) -> Shown:
    """What the wish would do now. ``spoken``: the reason is judged too."""
    preview = services.preview(
        wish.operations,
        actor=actor,
        base_version=wish.base_version,
        kind=wish.kind,
        reason=wish.reason if spoken else None,
    )
    changes, shifts = preview.plan.changes, preview.effects.shifts
    moved = [shift for shift in shifts if shift.changes_value]
    at_fields, together, other = _sorted(preview.plan.faults)
    return Shown(
        preview=preview,
        note=note,
        lines=tuple(_line(change, bot_names) for change in changes[:SHOWN_CHANGES]),
        more_lines=max(len(changes) - SHOWN_CHANGES, 0),
        outcomes=tuple(_outcome(shift, bot_names) for shift in moved[:SHOWN_EFFECTS]),
        more_outcomes=max(len(moved) - SHOWN_EFFECTS, 0),
        pinned=sum(len(shift.paths) for shift in shifts if not shift.changes_value),
        bots=tuple(_reached(bot, bot_names) for bot in preview.touched.bots),
        warnings=tuple(_warned(preview.warnings)),
        at_fields=at_fields,
        together=together,
        other=other,
    )


def apply(wish: Wish, *, actor: Actor, plan_hash: str, now: datetime, request_id: str) -> Applied | Refused:
    """Do exactly what was previewed under the hash, or say why not; then nothing has changed."""
    if not wish.reason.strip():
        return Refused(f"Nothing was changed. {NO_REASON}", 422, False)
    try:
        return services.change(
            actor=actor,
            source="admin",
            kind=wish.kind,
            reason=wish.reason,
            operations=wish.operations,
            base_version=wish.base_version,
            plan_hash=plan_hash,
            now=now,
            request_id=request_id,
        )
    except StalePlan as other:
        return Refused(ANOTHER_PLAN, other.status, False)
    except StaleVersion as stale:
        return Refused("Somebody else changed what you were changing.", stale.status, True)
    except InputError as refused:
        return Refused(refused.message, refused.status, False)


def collisions(preview: Preview, bot_names: Mapping[str, str]) -> list[Collision]:
    """What was changed since the person looked, and would be overwritten."""
    gates = (obstacle.gate for obstacle in preview.collisions)
    return [_collision(gate, preview.kind, bot_names) for gate in gates if gate["code"] == "changed_since"]


def why_not(refused: PlatformError) -> str:
    """Why nothing was changed, with the first of what is wrong, for the top of a page."""
    if isinstance(refused, StalePlan):
        return ANOTHER_PLAN
    return " ".join([refused.message, *(fault.message for fault in refused.faults[:_TOLD_FAULTS])])


def done(applied: Applied) -> SafeString:
    """What was done, in a sentence that leads to it."""
    count = len(applied.changes)
    places_count = len({change.scope for change in applied.changes})
    values = f"{count} value{'s' if count != 1 else ''}"
    where = f" at {places_count} places" if places_count > 1 else ""
    address = reverse("pages:config-change", args=[applied.version])
    sentence = 'Changed {}{}, as one decision: <a href="{}">version {}</a>.'
    return format_html(sentence, values, where, address, applied.version)


def _line(change: services.Changed, bot_names: Mapping[str, str]) -> Line:
    declared = CATALOGUE.find(change.namespace, change.parameter)
    return Line(
        name=change.parameter,
        place=places.words_of(change.scope, bot_names),
        unit=_unit(change.namespace, change.parameter),
        risk=declared.risk if declared else "critical",
        before=_said(change.old, is_set=change.old_version > 0),
        after=_said(change.new, is_set=change.op == "set"),
    )


def _outcome(shift: Shift, bot_names: Mapping[str, str]) -> Outcome:
    named = tuple(places.words_of(Scope("bot", *path), bot_names) for path in shift.paths[:NAMED_PLACES])
    unit = _unit(shift.namespace, shift.parameter)
    return Outcome(shift.parameter, unit, shift, named, max(len(shift.paths) - NAMED_PLACES, 0))


def _warned(cautions: Iterable[Caution]) -> Iterator[Warned]:
    """Twenty symbols without a bot are one warning, not twenty."""
    alike: defaultdict[tuple[str, str], list[Caution]] = defaultdict(list)
    for caution in cautions:
        alike[caution.code, caution.parameter].append(caution)
    for members in alike.values():
        yield Warned(members[0].message, len(members) - 1)


def _reached(bot: ReachedBot, bot_names: Mapping[str, str]) -> Reached:
    name = places.words_of(bot_scope(bot.id), bot_names)
    return Reached(name, bot.status, len(bot.positions), len(bot.orders))


def _collision(gate: Mapping[str, Any], kind: str, bot_names: Mapping[str, str]) -> Collision:
    scope = Scope(**gate["scope"])
    said = {column: _said(gate[column], is_set=gate["is_set"][column]) for column in ("base", "theirs", "yours")}
    return Collision(
        key=address_of(scope) if kind == "batch" else gate["parameter"],
        name=gate["parameter"],
        place=places.words_of(scope, bot_names),
        unit=_unit(gate["namespace"], gate["parameter"]),
        version=gate["version"],
        by=gate["by"],
        at=gate["at"],
        reason=gate["reason"],
        **said,
    )


def _said(value: Any, *, is_set: bool) -> Value | None:
    return Value(value) if is_set else None


def _sorted(faults: Iterable[Fault]) -> tuple[dict[str, tuple[str, ...]], tuple[str, ...], tuple[str, ...]]:
    """Complaints about one field, about fields together, and the rest; each said once."""
    between = {rule.code for namespace in CATALOGUE.namespaces() for rule in rules.rules(namespace)}
    at_fields: defaultdict[str, dict[str, None]] = defaultdict(dict)
    together: dict[str, None] = {}
    other: dict[str, None] = {}
    for fault in faults:
        _, kind, *rest = fault.pointer.split("/") if fault.pointer.startswith("/") else ("", "")
        if fault.code in between:
            together[fault.message] = None
        elif kind == "parameters" and rest:
            at_fields[rest[0]][_worded(fault)] = None
        else:
            other[fault.message] = None
    return {name: tuple(told) for name, told in at_fields.items()}, tuple(together), tuple(other)


def _worded(fault: Fault) -> str:
    if fault.got == "" and fault.code in ("invalid_type", "empty"):
        return f"No value is given. Write one ({fault.allowed or 'text'}), or let it be inherited."
    return fault.message


def _unit(namespace: str, name: str) -> str:
    declared = CATALOGUE.find(namespace, name)
    return declared.unit if declared and declared.kind != "list" else ""
