"""Bars as column chunks in PostgreSQL, opened through a cache of memory-mapped files.

A chunk is one row of up to 32,768 bars: each column's raw little-endian bytes and one sha256 over all of them. The
cache holds one ``.npy`` file per column under ``<DATA_DIR>/bars/<sealed key>/``; the key is a hash of the chunks'
hashes, so a folder, once it exists, is right for ever, and every process on a machine shares its pages. A process
that finds no folder builds one beside it, verifies every checksum on the way, and renames it into place.
"""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import numpy as np
import psycopg
from django.conf import settings
from django.db import connection
from numpy.typing import NDArray

from engine.domain.values import Series
from marketdata.errors import BarsCorrupted
from marketdata.models import TailBar

CHUNK_BARS = 32_768
COLUMNS: tuple[str, ...] = Series._fields
DTYPES: dict[str, np.dtype[Any]] = {
    column: np.dtype("<i8") if column == "open_ms" else np.dtype("<f8") for column in COLUMNS
}
EMPTY_KEY = hashlib.sha256(b"").hexdigest()

_QUOTED = ", ".join(f'"{column}"' for column in COLUMNS)
_INSERT = (  # column names only
    f"INSERT INTO marketdata_barchunk (dataset_id, ordinal, first_open_ms, last_open_ms, count, sha256, {_QUOTED}) "  # noqa: S608
    f"VALUES (%s, %s, %s, %s, %s, %s, {', '.join(['%b'] * len(COLUMNS))})"
)
_FETCHED_AT_ONCE = 8
_SELECT = (
    f"SELECT ordinal, count, sha256, {_QUOTED} FROM marketdata_barchunk "  # noqa: S608
    f"WHERE dataset_id = %s AND ordinal > %s ORDER BY ordinal LIMIT {_FETCHED_AT_ONCE}"
)


class Chunk(NamedTuple):
    """One sealed chunk as stored: its place, its length, the hash it was sealed with, and each column's bytes."""

    ordinal: int
    bar_count: int
    sha256: str
    columns: tuple[bytes, ...]


def as_series(*columns: Any) -> Series:
    """Six columns as a Series of contiguous little-endian arrays."""
    return Series._make(
        np.ascontiguousarray(column, DTYPES[name]) for name, column in zip(COLUMNS, columns, strict=True)
    )


def cut(series: Series, start: int, stop: int) -> Series:
    """Rows ``[start, stop)``, without copying."""
    return Series._make(column[start:stop] for column in series)


def chunk_hash(columns: Sequence[bytes]) -> str:
    """sha256 over the columns' bytes in the order of COLUMNS."""
    digest = hashlib.sha256()
    for column in columns:
        digest.update(column)
    return digest.hexdigest()


def sealed_key(hashes: Iterable[str]) -> str:
    """The name of the sealed bars: sha256 over the chunks' hashes in order."""
    return hashlib.sha256(b"".join(bytes.fromhex(value) for value in hashes)).hexdigest()


def series_hashes(series: Series) -> list[str]:
    """The hashes ``write`` would seal these bars with."""
    return [chunk_hash(columns) for columns in _pieces(series)]


def extend_digest(digest: str, bars: Series) -> str:
    """The running hash of a live tail after ``bars``, from the one before; "" stands for an empty tail."""
    state = bytes.fromhex(digest)
    for row in zip(*(column.tolist() for column in bars), strict=True):
        state = hashlib.sha256(state + np.array(row[:1], "<i8").tobytes() + np.array(row[1:], "<f8").tobytes()).digest()
    return state.hex()


def fingerprint(key: str, tail_digest: str) -> str:
    """The hash that names sealed bars and tail together; the sealed key itself while there is no tail."""
    return hashlib.sha256(bytes.fromhex(key) + bytes.fromhex(tail_digest)).hexdigest() if tail_digest else key


def write(dataset_id: UUID, series: Series, *, first_ordinal: int = 0) -> list[str]:
    """Store bars as sealed chunks inside the caller's transaction; their hashes in order."""
    rows, hashes = [], []
    for offset, columns in enumerate(_pieces(series)):
        times = np.frombuffer(columns[0], DTYPES["open_ms"])
        hashes.append(chunk_hash(columns))
        ends = (int(times[0]), int(times[-1]))
        rows.append((dataset_id, first_ordinal + offset, *ends, times.size, hashes[-1], *columns))
    with _raw_cursor() as cursor:
        cursor.executemany(_INSERT, rows)
    return hashes


def chunks(dataset_id: UUID) -> Iterator[Chunk]:
    """The stored chunks in order, a few fetched at a time, unverified."""
    last = -1
    while rows := _fetch(dataset_id, last):
        yield from rows
        last = rows[-1].ordinal


def sealed(dataset_id: UUID, *, key: str, count: int) -> Series:
    """The sealed bars as read-only memory-mapped arrays; the first caller on a machine fills the cache.

    Raises: BARS_CORRUPTED when a chunk does not match its checksum.
    """
    if not count:
        return as_series(*([()] * len(COLUMNS)))
    folder = cache_folder(key)
    if not _is_complete(folder, count):
        _fill(folder, dataset_id, key=key, count=count)
    return _opened(folder, count)


def tail(dataset_id: UUID, *, start_ms: int | None = None, end_ms: int | None = None) -> Series:
    """The live bars not yet sealed with ``start_ms <= open_ms < end_ms``, in order."""
    rows = TailBar.objects.filter(dataset_id=dataset_id)
    if start_ms is not None:
        rows = rows.filter(open_ms__gte=start_ms)
    if end_ms is not None:
        rows = rows.filter(open_ms__lt=end_ms)
    values = list(rows.order_by("open_ms").values_list(*COLUMNS))
    return as_series(*(zip(*values, strict=True) if values else [()] * len(COLUMNS)))


def cache_folder(key: str) -> Path:
    """Where the columns of the sealed bars of this key lie, or would."""
    return Path(settings.DATA_DIR) / "bars" / key


def faults_of_chunks(dataset_id: UUID, *, key: str) -> list[str]:
    """What is wrong with the stored chunks, one sentence each; empty when every checksum matches."""
    hashes, found = [], []
    for chunk in chunks(dataset_id):
        hashes.append(chunk.sha256)
        if fault := _fault_of(chunk):
            found.append(fault)
    if sealed_key(hashes) != key:
        found.append(f"{len(hashes)} chunks do not add up to the dataset's key {key[:12]}; one is missing or foreign")
    return found


def faults_of_cache(dataset_id: UUID, *, key: str, count: int) -> list[str]:
    """What is wrong with the cached files, one sentence each; empty when sound or not there at all."""
    folder = cache_folder(key)
    if not folder.exists():
        return []
    if not _is_complete(folder, count):
        return [f"the cache {folder} is incomplete"]
    series = _opened(folder, count)
    hashes = series_hashes_by(series, [chunk.bar_count for chunk in chunks(dataset_id)])
    return [] if sealed_key(hashes) == key else [f"the cache {folder} differs from the database"]


def series_hashes_by(series: Series, counts: Sequence[int]) -> list[str]:
    """The hashes of these bars cut into chunks of the given lengths."""
    edges = np.cumsum([0, *counts]).tolist()
    return [chunk_hash([column[start:stop].tobytes() for column in series]) for start, stop in pairwise(edges)]


def drop_cache(key: str) -> None:
    """Forget the cached files of this key; the next reader fills them again. Open arrays stay valid."""
    shutil.rmtree(cache_folder(key), ignore_errors=True)
    _opened.cache_clear()


def _pieces(series: Series) -> Iterator[tuple[bytes, ...]]:
    for start in range(0, series.open_ms.size, CHUNK_BARS):
        yield tuple(
            np.ascontiguousarray(column[start : start + CHUNK_BARS], DTYPES[name]).tobytes()
            for name, column in zip(COLUMNS, series, strict=True)
        )


def _fetch(dataset_id: UUID, after: int) -> list[Chunk]:
    with _raw_cursor() as cursor:
        rows = cursor.execute(_SELECT, (dataset_id, after), binary=True).fetchall()
    return [Chunk(ordinal, count, sha256, tuple(columns)) for ordinal, count, sha256, *columns in rows]


def _raw_cursor() -> psycopg.Cursor[Any]:
    # Django's cursor speaks the text protocol, where bytea travels as hexadecimal: twice the bytes.
    connection.ensure_connection()
    return psycopg.Cursor(connection.connection)


def _fault_of(chunk: Chunk) -> str | None:
    expected = chunk.bar_count * 8
    if any(len(column) != expected for column in chunk.columns):
        return f"chunk {chunk.ordinal}: a column is not {expected} bytes long"
    if chunk_hash(chunk.columns) != chunk.sha256:
        return f"chunk {chunk.ordinal}: content does not match its checksum {chunk.sha256[:12]}"
    return None


def _is_complete(folder: Path, count: int) -> bool:
    """Sizes tell a folder damaged by a full disk or a power cut; content is what ``verify_bars`` is for."""
    try:
        return all((folder / f"{name}.npy").stat().st_size == 8 * count + _HEADER_BYTES for name in COLUMNS)
    except OSError:
        return False


# numpy pads the header of a one-dimensional .npy file of 8-byte numbers to two cache lines.
_HEADER_BYTES = 128


def _fill(folder: Path, dataset_id: UUID, *, key: str, count: int) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=f".{key[:12]}-", dir=folder.parent))
    try:
        _build(building, dataset_id, key=key, count=count)
        _move_into_place(building, folder, count)
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _build(building: Path, dataset_id: UUID, *, key: str, count: int) -> None:
    files = [
        np.lib.format.open_memmap(  # type: ignore[no-untyped-call]  # numpy ships it without types
            building / f"{name}.npy", mode="w+", dtype=DTYPES[name], shape=(count,)
        )
        for name in COLUMNS
    ]
    row, hashes = 0, []
    for chunk in chunks(dataset_id):
        if row == count:
            break  # sealed by another process since the caller read the dataset's row
        if (fault := _fault_of(chunk)) or row + chunk.bar_count > count:
            raise BarsCorrupted(f"Dataset {dataset_id}, {fault or 'more bars than its row says'}.")
        hashes.append(chunk.sha256)
        for file, name, data in zip(files, COLUMNS, chunk.columns, strict=True):
            file[row : row + chunk.bar_count] = np.frombuffer(data, DTYPES[name])
        row += chunk.bar_count
    if row != count or sealed_key(hashes) != key:
        raise BarsCorrupted(f"Dataset {dataset_id} has {row} sealed bars; {count} under key {key[:12]} are expected.")


def _move_into_place(building: Path, folder: Path, count: int) -> None:
    """Rename; if another process was first, its folder holds the same bytes, and ours is thrown away."""
    building.chmod(0o755)
    if folder.exists() and not _is_complete(folder, count):
        shutil.rmtree(folder, ignore_errors=True)
    try:
        os.rename(building, folder)
    except OSError:
        if not _is_complete(folder, count):
            raise


@lru_cache(maxsize=256)
def _opened(folder: Path, count: int) -> Series:
    """Six mapped columns; kept, because an open mapping costs descriptors and a page table, not memory."""
    columns: list[NDArray[Any]] = [np.load(folder / f"{name}.npy", mmap_mode="r").view(np.ndarray) for name in COLUMNS]
    if any(column.size != count for column in columns):
        raise BarsCorrupted(
            f"The cache {folder} does not hold {count} bars; delete the folder to have it filled again."
        )
    return Series(*columns)
