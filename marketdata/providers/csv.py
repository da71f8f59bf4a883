"""Bars from a CSV file, plain or gzipped, without pandas: exact numbers, every bad row named by its line.

Header (any case): a timestamp and open, high, low, close, volume, or the short names below; other columns are ignored.
Lines that start with ``#`` and empty lines are skipped. Timestamps are ISO-8601 with a zone, epoch seconds, epoch
milliseconds, or plain dates for bars of a day or more; without a zone they are refused unless ``timezone`` says which.
"""

import csv
import gzip
import io
import re
import zlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import BinaryIO, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from engine.domain.errors import Fault
from engine.domain.values import Series
from marketdata.faultlog import FaultLog
from marketdata.providers.ports import Reading
from marketdata.timeframes import is_session_based

ALIASES: dict[str, tuple[str, ...]] = {
    "timestamp": ("timestamp", "datetime", "date", "time", "open_time", "ts", "t"),
    "open": ("open", "o"),
    "high": ("high", "h"),
    "low": ("low", "l"),
    "close": ("close", "c"),
    "volume": ("volume", "vol", "v"),
}
PRICES: tuple[str, ...] = ("open", "high", "low", "close", "volume")
LARGEST_BYTES = 1 << 30
BLOCK_ROWS = 65_536
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_EPOCH_SECONDS = re.compile(r"\d{9,11}(\.\d+)?")
_EPOCH_MILLISECONDS = re.compile(r"\d{12,14}")


class _Unreadable(Exception):
    """The file as a whole cannot be read; carries the fault."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message)
        self.fault = fault


class _Layout(NamedTuple):
    """Where each wanted column stands, and how many cells a row has."""

    places: tuple[int, ...]
    width: int


class _Block(NamedTuple):
    open_ms: NDArray[np.int64]
    numbers: NDArray[np.float64]  # (columns, rows)
    rows: NDArray[np.int64]


class CsvFile:
    """A CSV file as a source of bars. ``timezone``: an IANA name for timestamps that carry none."""

    def __init__(self, file: BinaryIO, *, timezone: str | None = None) -> None:
        self._file = file
        self._zone = ZoneInfo(timezone) if timezone else None

    def read(self, *, timeframe: str) -> Reading:
        """All rows that can be read, with a fault for each that cannot."""
        log = FaultLog()
        try:
            blocks = list(self._blocks(log, timeframe))
        except _Unreadable as problem:
            return Reading(_series_of([]), np.empty(0, np.int64), (*log.faults(), problem.fault))
        rows = np.concatenate([np.empty(0, np.int64), *(block.rows for block in blocks)])
        return Reading(_series_of(blocks), rows, log.faults())

    def _blocks(self, log: FaultLog, timeframe: str) -> Iterator[_Block]:
        """Rows in blocks: a block without oddities is converted column by column, any other cell by cell."""
        text = io.TextIOWrapper(_content_of(self._file), encoding="utf-8-sig", newline="")
        reader = csv.reader(text, strict=True)
        stamps = _Timestamps(self._zone, dates=is_session_based(timeframe))
        try:
            layout = _layout_of(reader)
            while True:
                first_line = reader.line_num + 1
                if not (cells := list(islice(reader, BLOCK_ROWS))):
                    return
                yield _fast_block(cells, layout, first_line, stamps) or _slow_block(
                    cells, layout, first_line, stamps, log
                )
        except (csv.Error, UnicodeDecodeError) as error:
            message = f"The file is not CSV in UTF-8 from about line {reader.line_num + 1} on: {error}."
            raise _Unreadable(Fault("unreadable_file", "/file", message)) from error


class _Timestamps:
    """Reads one timestamp at a time. ``dates``: a date alone is a session date (bars of a day or more)."""

    def __init__(self, zone: ZoneInfo | None, *, dates: bool) -> None:
        self._zone = zone
        self._dates = dates

    def ms(self, text: str) -> int:
        """UTC milliseconds. Raises ValueError("unparseable_timestamp" or "naive_timestamp")."""
        if text.isdigit() and len(text) != 8:
            return _epoch_ms(text)
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            return _epoch_ms(text)
        if moment.tzinfo is None:
            moment = self._located(moment)
        return (moment - EPOCH) // _MILLISECOND

    def _located(self, moment: datetime) -> datetime:
        if self._dates and moment.hour == moment.minute == moment.second == 0:
            return moment.replace(tzinfo=UTC)
        if self._zone is None:
            raise ValueError("naive_timestamp")
        return moment.replace(tzinfo=self._zone)


def _epoch_ms(text: str) -> int:
    if _EPOCH_MILLISECONDS.fullmatch(text):
        return int(text)
    if _EPOCH_SECONDS.fullmatch(text):
        return round(float(text) * 1000)
    raise ValueError("unparseable_timestamp")


def _content_of(file: BinaryIO) -> io.BytesIO:
    try:
        content = file.read(LARGEST_BYTES + 1)
        if content[:2] == b"\x1f\x8b":
            with gzip.open(io.BytesIO(content)) as unzipped:
                content = unzipped.read(LARGEST_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise _Unreadable(Fault("unreadable_file", "/file", f"The file cannot be unpacked: {error}.")) from error
    if len(content) > LARGEST_BYTES:
        message = f"The file holds more than {LARGEST_BYTES} bytes unpacked; split it."
        raise _Unreadable(Fault("file_too_large", "/file", message, allowed=LARGEST_BYTES))
    return io.BytesIO(content)


def _layout_of(reader: Iterator[list[str]]) -> _Layout:
    header = next((cells for cells in reader if not _is_skipped(cells)), None)
    if header is None:
        raise _Unreadable(Fault("no_rows", "/file", "The file is empty; a header and at least one bar are expected."))
    names = [cell.strip().lower() for cell in header]
    places = {column: _place(names, aliases) for column, aliases in ALIASES.items()}
    missing = [column for column, place in places.items() if place is None]
    if missing:
        expected = "timestamp, open, high, low, close, volume"
        message = f"Column {', '.join(missing)} is missing; the header is {names[:20]}, expected {expected}."
        raise _Unreadable(Fault("missing_column", "/file", message, allowed=list(ALIASES), got=names[:20]))
    return _Layout(tuple(place for place in places.values() if place is not None), len(names))


def _place(names: Sequence[str], aliases: Sequence[str]) -> int | None:
    return next((names.index(alias) for alias in aliases if alias in names), None)


def _is_skipped(cells: Sequence[str]) -> bool:
    return not cells or cells[0].startswith("#") or (len(cells) == 1 and not cells[0].strip())


def _fast_block(cells: list[list[str]], layout: _Layout, first_line: int, stamps: _Timestamps) -> _Block | None:
    """The whole block, or None when a row is odd in any way."""
    if any(len(row) != layout.width for row in cells):
        return None
    columns = list(zip(*cells, strict=True))
    try:
        open_ms = np.fromiter(map(stamps.ms, columns[layout.places[0]]), np.int64, len(cells))
        numbers = np.array([np.fromiter(map(float, columns[place]), np.float64) for place in layout.places[1:]])
    except (ValueError, OverflowError):
        return None
    return _Block(open_ms, numbers, np.arange(first_line, first_line + len(cells)))


def _slow_block(cells: list[list[str]], layout: _Layout, first_line: int, stamps: _Timestamps, log: FaultLog) -> _Block:
    kept: list[tuple[int, int, list[float]]] = []
    for line, row in enumerate(cells, start=first_line):
        if _is_skipped(row):
            continue
        if len(row) != layout.width:
            log.add("unparseable_row", f"has {len(row)} cells, the header has {layout.width}.", row=line, got=len(row))
            continue
        instant = _instant(row[layout.places[0]].strip(), stamps, line, log)
        found = [
            _number(name, row[place].strip(), line, log) for name, place in zip(PRICES, layout.places[1:], strict=True)
        ]
        numbers = [number for number in found if number is not None]
        if instant is not None and len(numbers) == len(found):
            kept.append((line, instant, numbers))
    return _Block(
        np.array([instant for _, instant, _ in kept], np.int64),
        np.array([numbers for _, _, numbers in kept], np.float64).reshape(-1, len(PRICES)).T,
        np.array([line for line, _, _ in kept], np.int64),
    )


def _instant(text: str, stamps: _Timestamps, line: int, log: FaultLog) -> int | None:
    try:
        return stamps.ms(text)
    except (ValueError, OverflowError) as error:
        if str(error) == "naive_timestamp":
            message = f'timestamp "{text[:40]}" has no zone; add one (…Z), or say which zone the file is in.'
            log.add("naive_timestamp", message, row=line, got=text[:40])
        else:
            message = f'timestamp "{text[:40]}" is not ISO-8601, epoch seconds or epoch milliseconds.'
            log.add("unparseable_timestamp", message, row=line, got=text[:40])
        return None


def _number(name: str, text: str, line: int, log: FaultLog) -> float | None:
    if not text:
        log.add("missing_value", f"{name} is empty.", row=line)
        return None
    try:
        return float(text)
    except ValueError:
        log.add("unparseable_number", f'{name} "{text[:40]}" is not a number.', row=line, got=text[:40])
        return None


def _series_of(blocks: list[_Block]) -> Series:
    open_ms = np.concatenate([np.empty(0, np.int64), *(block.open_ms for block in blocks)])
    numbers = np.concatenate([np.empty((len(PRICES), 0)), *(block.numbers for block in blocks)], axis=1)
    return Series(open_ms, *(np.ascontiguousarray(column) for column in numbers))
