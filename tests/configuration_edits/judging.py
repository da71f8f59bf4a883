"""The ledger against what the editors were answered, version by version."""

from collections.abc import Iterable, Iterator
from typing import Any

from configuration.models import Change, ChangeSet, ConfigHead, Override
from tests.configuration_edits.editors import Answer
from tests.configuration_edits.oracle import Key, Oracle


def violations(answers: Iterable[Answer]) -> Iterator[str]:
    """Everything that must not be; nothing where all is well."""
    told = {answer.reason: answer for answer in answers}
    oracle = Oracle()
    done: list[str] = []
    set_at: dict[Key, int] = {}
    for number, change_set in enumerate(ChangeSet.objects.order_by("version"), 1):
        if change_set.version != number:
            yield f"version {change_set.version} stands where {number} should"
            return
        answer = told.get(change_set.reason)
        rows = list(change_set.changes.order_by("ordinal"))
        yield from _wrong_befores(number, rows, oracle, set_at)
        now = _folded(rows, oracle)
        if answer is None or answer.outcome != "done":
            yield f"version {number} was never answered as done: {change_set.reason}"
        elif oracle.after(answer.asked) != now:
            yield f"version {number} is not what was asked: {answer}"
        set_at |= {_key(row): number for row in rows if row.op == "set"}
        oracle.states.append(now)
        done.append(change_set.reason)
    yield from (f"in the ledger twice: {reason}" for reason in set(done) if done.count(reason) > 1)
    lost = {answer.reason for answer in told.values() if answer.outcome == "done"} - set(done)
    yield from (f"accepted, and not in the ledger: {told[reason]}" for reason in sorted(lost))
    yield from _wrong_ends(oracle, set_at)


def _key(row: Change | Override) -> Key:
    return row.namespace, (row.scope_kind, row.bot, row.symbol, row.side), row.parameter


def _folded(rows: Iterable[Change], oracle: Oracle) -> dict[Key, Any]:
    rows = list(rows)
    now = {key: value for key, value in oracle.states[-1].items() if key not in {_key(row) for row in rows}}
    return now | {_key(row): row.new for row in rows if row.op == "set"}


def _wrong_befores(version: int, rows: Iterable[Change], oracle: Oracle, set_at: dict[Key, int]) -> Iterator[str]:
    state = oracle.states[-1]
    for row in rows:
        was_set = _key(row) in state
        if row.old_version != (set_at[_key(row)] if was_set else 0) or (was_set and row.old != state[_key(row)]):
            yield f"version {version} says of {_key(row)} that it was {row.old} of version {row.old_version}"


def _wrong_ends(oracle: Oracle, set_at: dict[Key, int]) -> Iterator[str]:
    stored = {_key(row): (row.value, row.version) for row in Override.objects.all()}
    if stored != {key: (value, set_at[key]) for key, value in oracle.states[-1].items()}:
        yield "replaying the ledger does not give what is in force"
    head = ConfigHead.objects.values_list("version", flat=True).first() or 0
    if head != len(oracle.states) - 1:
        yield f"the head is {head}, the ledger has {len(oracle.states) - 1}"
