"""Split and dividend factors: from a raw series to an adjusted one.

A factor file has the columns date, price factor, split factor and reference price (date as 20140606 or 2014-06-06), one
row per corporate action, the last far in the future. A bar takes the row with the first date on or after its own.
Source: the factor files of QuantConnect's Lean, https://github.com/QuantConnect/Lean/tree/master/Data/equity/usa
"""

import csv
import io
import math
from datetime import date
from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.domain.errors import Fault
from engine.domain.values import Floats, Ints, Series
from marketdata.faultlog import FaultLog

LARGEST_BYTES = 1 << 20
_EPOCH_DAY = date(1970, 1, 1).toordinal()


class Factors(NamedTuple):
    """Rising ``day`` (days since 1970-01-01), and what prices of bars up to that day are multiplied by."""

    day: Ints
    price: Floats
    split: Floats


def read(file: BinaryIO) -> tuple[Factors, tuple[Fault, ...]]:
    """The rows of a factor file, and what is wrong with it."""
    log = FaultLog("/factors")
    try:
        text = file.read(LARGEST_BYTES).decode("utf-8-sig")
        rows = [
            row for number, cells in enumerate(csv.reader(io.StringIO(text)), 1) if (row := _row(cells, number, log))
        ]
    except (UnicodeDecodeError, csv.Error) as error:
        log.add("unreadable_file", f"The factor file is not CSV in UTF-8: {error}.")
        rows = []
    days = np.array([row[0] for row in rows], np.int64)
    if np.any(np.diff(days) <= 0):
        log.add("out_of_order", "The factor file's dates must rise.")
    if not rows and not log.faults():
        log.add("no_rows", "The factor file holds no rows.")
    columns = [np.array([row[place] for row in rows], np.float64) for place in (1, 2)]
    return Factors(days, *columns), log.faults()


def adjust(series: Series, factors: Factors, day: NDArray[np.int32]) -> Series:
    """Bars on today's scale: prices times both factors, volume over the split factor. ``day``: each bar's session.

    Bars after the last row are on today's scale already.
    """
    place = np.searchsorted(factors.day, day)
    price = np.append(factors.price * factors.split, 1.0)[place]
    split = np.append(factors.split, 1.0)[place]
    opened, high, low, close = (column * price for column in series[1:5])
    return Series(series.open_ms, opened, high, low, close, np.rint(series.volume / split))


def _row(cells: list[str], line: int, log: FaultLog) -> tuple[int, float, float] | None:
    if not cells or cells[0].startswith("#") or (line == 1 and not cells[0][:1].isdigit()):
        return None
    try:
        day = date.fromisoformat(cells[0].strip()).toordinal() - _EPOCH_DAY
        price, split = float(cells[1]), float(cells[2])
    except (ValueError, IndexError):
        log.add("unparseable_row", f"{cells[:4]} is not date, price factor, split factor.", row=line, got=cells[:4])
        return None
    if not (math.isfinite(price) and math.isfinite(split) and price > 0 and split > 0):
        log.add("factor_out_of_range", f"factors {price} and {split} must be above 0.", row=line, got=[price, split])
        return None
    return day, price, split
