"""Verifying the ledger, and writing down elsewhere what it ended with.

The chain makes tampering evident, not impossible: docs/evidence.md says what each layer stops.
"""

import json
import os
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import structlog

from configuration import canonical
from configuration.chain import Anchor, Chain, Entry, Finding
from configuration.models import LedgerCheck
from configuration.scopes import Scope
from configuration.selectors import evidence as reading
from configuration.selectors.evidence import Checked, InForce, anchor, read_anchors

__all__ = ["Checked", "anchor", "append_anchor", "append_daily_anchor", "verify"]

logger = structlog.get_logger(__name__)

_Folded = dict[tuple[str, Scope, str], tuple[Any, int]]


def verify(*, now: datetime, anchors: Sequence[Anchor] = ()) -> Checked:
    """Read the whole ledger, judge it, and record the verdict as the newest LedgerCheck.

    Versions must follow each other from 1, each chained to the one before; each text must hash to its
    hash and be the text of its columns; the head must be the last; the overrides must be the ledger
    folded up; every anchor must be met. The first version that breaks any of it ends the reading.
    """
    began = time.perf_counter()
    with reading.one_moment():
        head = reading.head_row()
        found = _judged(head, anchors)
    checked = Checked(
        checked_at=now,
        version=head[0],
        head_hash=head[1],
        first_bad_version=found.version if found else None,
        finding=found.words if found else "",
        took_ms=(time.perf_counter() - began) * 1000,
    )
    LedgerCheck.objects.create(**checked._asdict())
    if found:
        logger.error("config.ledger_broken", version=found.version, finding=found.words)
    return checked


def append_anchor(file: Path, line: dict[str, Any]) -> None:
    """Add one anchor to a file, and let it reach the disk before answering."""
    with file.open("a", encoding="utf-8") as anchors:
        anchors.write(canonical.text(line) + "\n")
        anchors.flush()
        os.fsync(anchors.fileno())


def append_daily_anchor(file: Path, *, now: datetime) -> dict[str, Any] | None:
    """Add today's anchor to the file and to the log, unless the file has one of today already."""
    if file.exists():
        kept = read_anchors(file.read_text(encoding="utf-8"))
        if kept and kept[-1].at[:10] == now.date().isoformat():
            return None
    line = anchor(now)
    append_anchor(file, line)
    logger.info("config.anchor", version=line["version"], hash=line["hash"], at=line["at"])
    return line


def _judged(head: tuple[int, str], anchors: Sequence[Anchor]) -> Finding | None:
    chain, folded = Chain(anchors), _Folded()
    for entry in reading.entries():
        found = chain.add(entry)
        if found:
            return found
        _fold(entry, folded)
    return chain.end() or _head(head, chain) or _strays() or _overrides(folded)


def _fold(entry: Entry, folded: _Folded) -> None:
    for change in entry.changes:
        scope = Scope(change["scope_kind"], change["bot"], change["symbol"], change["side"])
        key = change["namespace"], scope, change["parameter"]
        if change["op"] == "set":
            folded[key] = change["new"], entry.version
        else:
            folded.pop(key, None)


def _head(head: tuple[int, str], chain: Chain) -> Finding | None:
    version, head_hash = head
    if version > chain.version:
        return Finding(chain.version + 1, f"The ledger ends at version {chain.version}, its head is at {version}.")
    if version < chain.version:
        return Finding(version + 1, f"The head is at version {version}, the ledger goes on to {chain.version}.")
    if head_hash != chain.hash:
        return Finding(version, f"The head's hash is not that of version {version}.")
    return None


def _strays() -> Finding | None:
    version = reading.stray_version()
    return None if version is None else Finding(version, f"There are changes of version {version}, but no change-set.")


def _overrides(folded: _Folded) -> Finding | None:
    """The first parameter whose override is not what the ledger says."""
    stored = {(row.namespace, row.scope, row.parameter): row for row in reading.in_force()}
    for key in sorted(stored.keys() | folded.keys()):
        row, last = stored.get(key), folded.get(key)
        if row is None or last is None or (row.value, row.version) != (canonical.text(last[0]), last[1]):
            return _override(key, row, last)
    return None


def _override(key: tuple[str, Scope, str], row: InForce | None, last: tuple[Any, int] | None) -> Finding:
    namespace, scope, parameter = key
    stored = f"{row.value} of version {row.version}" if row else "not there"
    ledger = f"{json.dumps(last[0])} of version {last[1]}" if last else "that nothing is set"
    return Finding(
        last[1] if last else row.version if row else 0,
        f"The override of {namespace}.{parameter} at {scope} is {stored}; the ledger says {ledger}.",
    )
