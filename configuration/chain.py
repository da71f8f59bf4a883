"""Is the ledger what was written? Judged row by row, from version 1 on. Pure: entries in, findings out.

``scripts/verify_ledger.py`` judges an export by the same rules, written a second time on purpose.
"""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from configuration import canonical, seal


class Entry(NamedTuple):
    """One version as its columns say. ``columns`` and ``changes`` hold JSON values; the rest is the seal."""

    version: int
    columns: Mapping[str, Any]
    changes: Sequence[Mapping[str, Any]]
    canonical: str
    prev_hash: str
    hash: str

    def rebuilt(self) -> str:
        """The canonical text, from the columns alone."""
        return seal.text(self.columns, self.changes)

    def is_sealed(self) -> bool:
        """Whether text, previous hash and hash belong together, whatever the columns say."""
        return seal.chained(self.prev_hash, self.canonical) == self.hash

    def told_version(self) -> int:
        """The version that the sealed text gives itself."""
        return int(json.loads(self.canonical)["version"])


class Finding(NamedTuple):
    """The first version that is not what was written, and how one can tell."""

    version: int
    words: str


class Anchor(NamedTuple):
    """What the ledger ended with at some time, as written down elsewhere."""

    version: int
    hash: str
    at: str


class Chain:
    """The ledger read so far: where it ended, and what the anchors say of the versions to come."""

    def __init__(self, anchors: Sequence[Anchor] = ()) -> None:
        self.version, self.hash = 0, ""
        self._anchors: defaultdict[int, list[Anchor]] = defaultdict(list)
        for anchor in anchors:
            self._anchors[anchor.version].append(anchor)

    def add(self, entry: Entry) -> Finding | None:
        """Judge the next version; None: it is what was written, as far as its neighbours can tell."""
        found = self._order(entry) or _seal(entry) or self._anchor(entry.version, entry.hash)
        self.version, self.hash = entry.version, entry.hash
        return found

    def end(self) -> Finding | None:
        """Whether an anchor knows of versions after the last."""
        beyond = max(self._anchors, default=0)
        if beyond <= self.version:
            return None
        anchor = self._anchors[beyond][0]
        return Finding(
            self.version + 1, f"The ledger ends at version {self.version}; at {anchor.at} it reached version {beyond}."
        )

    def _order(self, entry: Entry) -> Finding | None:
        expected = self.version + 1
        if entry.version != expected:
            return Finding(expected, f"Version {expected} is missing: version {entry.version} stands in its place.")
        if entry.prev_hash == self.hash:
            return None
        told = entry.told_version() if entry.is_sealed() else 0
        if told == entry.version > 1:
            # It is whole, and was chained to another one: what stands before it is not that one.
            return Finding(self.version, f"Version {self.version} is not the one that {entry.version} was chained to.")
        if told and told != entry.version:
            first = min(told, entry.version)
            return Finding(first, f"Versions were moved: what was version {told} stands as {entry.version}.")
        return Finding(entry.version, f"The prev_hash of version {entry.version} is not the hash of the one before.")

    def _anchor(self, version: int, own_hash: str) -> Finding | None:
        others = [anchor.at for anchor in self._anchors.get(version, ()) if anchor.hash != own_hash]
        if not others:
            return None
        return Finding(
            version, f"Version {version} is not the one of the anchor of {others[0]}: history was rewritten."
        )


def _seal(entry: Entry) -> Finding | None:
    rebuilt = entry.rebuilt()
    if entry.canonical == rebuilt:
        if entry.is_sealed():
            return None
        return Finding(entry.version, f"The hash of version {entry.version} is not that of its text.")
    if not entry.is_sealed() and seal.chained(entry.prev_hash, rebuilt) == entry.hash:
        return Finding(
            entry.version, f"The canonical text of version {entry.version} was altered; its columns were not."
        )
    return Finding(
        entry.version,
        f"Version {entry.version} is not what was sealed: {_differing(entry.canonical, rebuilt)}.",
    )


def _differing(sealed: str, rebuilt: str) -> str:
    """Which columns say something else than the sealed text."""
    try:
        before = json.loads(sealed, parse_float=seal.number)
    except ValueError:
        before = None
    if not isinstance(before, dict):
        return "the canonical text cannot be read"
    after = json.loads(rebuilt, parse_float=seal.number)
    names = [
        name
        for name in sorted(before.keys() | after.keys())
        if name not in before or name not in after or canonical.text(before[name]) != canonical.text(after[name])
    ]
    return ", ".join(names) + (" differs" if len(names) == 1 else " differ")
