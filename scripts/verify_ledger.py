"""Verify an exported ledger of configuration: ``python verify_ledger.py LEDGER.jsonl [--anchor ANCHORS.jsonl]``.

Needs this file and Python 3.12 or newer, nothing else. Every version must be what was sealed, chained to the one
before, and met by its anchor; the file must end with its head. Names the first bad version; exit code 1 then.
"""

import argparse
import hashlib
import json
import os
import sys
from collections.abc import Callable, Iterable
from decimal import Decimal
from functools import partial
from multiprocessing import Pool
from typing import Any

SEALS = ("canonical", "prev_hash", "hash")
Facts = tuple[int, str, bool]  # of a line: version, hash, whether it is the head
Anchors = dict[int, set[str]]  # by version; more than one hash means that there were two histories


class Bad(Exception):
    """A version, and what is wrong with it."""


def number(written: str) -> Any:
    """Whole numbers as int, others as the shortest float; what is neither exactly stays text, and equals nothing."""
    exact = Decimal(written)
    if exact.adjusted() > 308:
        return written
    if exact == exact.to_integral_value():
        return int(exact)
    return float(written) if Decimal(repr(float(written))) == exact else written


encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode
decode = json.JSONDecoder(parse_float=number).decode


def cut(line: str, name: str) -> tuple[str, str]:
    """The text of a field that holds a string, in its quotes, and the line without the field."""
    start = line.index(f'"{name}":"')
    stop = line.index('","', start) + 1
    return line[start + len(name) + 3 : stop], line[:start] + line[stop + 1 :]


def read(line: str) -> tuple[int, str, str, str, str]:
    """Version, text rebuilt from the columns, and the seals: canonical text, previous hash, hash."""
    try:  # as config_ledger writes it, a line without its seals is the text itself
        text, rest = cut(line, "canonical")
        own, rest = cut(rest, "hash")
        prev_hash, rest = cut(rest, "prev_hash")
        if text == encode(rest):
            return int(rest[rest.rindex('"version":') + 10 : -1]), rest, rest, prev_hash[1:-1], own[1:-1]
    except ValueError:
        pass
    row = decode(line)  # as anybody may write it
    text, prev_hash, own = [row.pop(name) for name in SEALS]
    return row["version"], encode(row), text, prev_hash, own


def judge(line: bytes, before: Facts | None, anchors: Anchors) -> Facts:
    """What a line says of itself. ``before``: the same of the line above; None: not known, judged elsewhere."""
    try:
        if line.startswith(b'{"head":'):
            return judge_head(decode(line.decode())["head"], before)
        version, rebuilt, text, prev_hash, own = read(line.decode().rstrip("\n"))
        is_sealed = hashlib.sha256(f"{prev_hash}\n{text}".encode()).hexdigest() == own
        if before:
            if version != before[0] + 1 or before[2]:
                raise Bad(before[0] + 1, f"is missing, version {version} stands in its place")
            if prev_hash != before[1]:
                # A whole version that was chained to another one: what stands before it is not that one.
                told = decode(text)["version"] if is_sealed else 0
                bad = (before[0] or 1) if told == version else min(told or version, version)
                raise Bad(bad, "is not chained to its neighbour")
        if rebuilt != text:
            raise Bad(version, "does not say in its columns what was sealed")
        if not is_sealed:
            raise Bad(version, "has a hash that is not that of its text")
        if anchors.get(version, {own}) != {own}:
            raise Bad(version, "is not the one that was anchored: history was rewritten")
    except (ValueError, TypeError, KeyError, AttributeError, ArithmeticError):
        raise Bad(before[0] + 1 if before else 1, "cannot be read") from None
    return version, own, False


def judge_head(head: dict[str, Any], before: Facts | None) -> Facts:
    """The last line: it must name the version and the hash of the line above."""
    version, own = head["version"], head["hash"]
    if before and version != before[0]:
        raise Bad(min(version, before[0]) + 1, f"is where rows and head part: {before[0]} rows, the head at {version}")
    if before and own != before[1]:
        raise Bad(version, "does not have the hash of the head")
    return version, own, True


def judge_part(part: tuple[int, int], path: str, anchors: Anchors) -> Facts | Bad:
    """Judge the lines from one offset to another, and the link to the line that follows them."""
    offset, end = part
    before = None if offset else (0, "", False)
    with open(path, "rb") as file:
        file.seek(offset)
        try:
            for line in file:
                at, offset = offset, offset + len(line)
                facts = judge(line, before, anchors)
                if at >= end:
                    break
                before = facts
        except Bad as bad:
            return bad
    return before or (0, "", False)


def parts_of(path: str, count: int) -> list[tuple[int, int]]:
    """The file in about ``count`` parts that begin where lines begin."""
    size, starts = os.path.getsize(path), [0]
    with open(path, "rb") as file:
        for number in range(1, count):
            file.seek(max(size * number // count, starts[-1]))
            file.readline()
            if starts[-1] < file.tell() < size:
                starts.append(file.tell())
    return list(zip(starts, [*starts[1:], size], strict=True))


def verify(path: str, anchors: Anchors, *, parts: int, each: Callable[..., Iterable[Facts | Bad]]) -> int:
    """The last version, where all is well. Raises Bad for the first that is not. ``each``: map, of a pool perhaps."""
    last: Facts = (0, "", False)
    for found in each(partial(judge_part, path=path, anchors=anchors), parts_of(path, parts)):
        if isinstance(found, Bad):
            raise found
        last = found
    if not last[2]:
        raise Bad(last[0] + 1, "may be missing: the file does not end with its head")
    if max(anchors, default=0) > last[0]:
        raise Bad(last[0] + 1, f"is missing: the anchors know version {max(anchors)}, the tail was cut")
    return last[0]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ledger", help="what manage.py config_ledger wrote")
    parser.add_argument("--anchor", help="what manage.py config_anchor wrote, one line or many")
    options = parser.parse_args()
    anchors: Anchors = {}
    if options.anchor:
        with open(options.anchor, encoding="utf-8") as lines:
            for anchor in map(json.loads, filter(str.strip, lines)):
                anchors.setdefault(anchor["version"], set()).add(anchor["hash"])
    anchors.pop(0, None)  # written before the first version
    try:
        with Pool() as pool:
            version = verify(options.ledger, anchors, parts=8 * (os.cpu_count() or 1), each=pool.imap)
    except Bad as bad:
        sys.stdout.write(f"BROKEN  version {bad.args[0]} {bad.args[1]}\n")
        return 1
    sys.stdout.write(f"ok  {version} versions, {len(anchors)} anchors\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
