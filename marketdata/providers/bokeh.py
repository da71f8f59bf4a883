"""The sample: daily bars of AAPL, GOOG, IBM and MSFT, 2000 to 2013, from the package ``bokeh_sampledata``.

Real prices (Quandl WIKI, marked public domain in the package's register), raw in the file; scaled here by adjusted
close over close, so that splits and dividends are no crashes. Volume is divided by the same factor and rounded to
whole shares: price times volume stays what was traded. Only the data file is opened: importing the package's modules
would pull in libraries nobody needs.
"""

import csv
import gzip
import io
from collections import defaultdict
from datetime import date
from importlib import resources

import numpy as np

from engine.domain.values import Series
from marketdata.timeframes import DAY_MS

PACKAGE = "bokeh_sampledata"
NAME = "bokeh_sampledata"
COMPANIES: dict[str, str] = {
    "AAPL": "Apple",
    "GOOG": "Google",
    "IBM": "International Business Machines",
    "MSFT": "Microsoft",
}
_EPOCH_DAY = date(1970, 1, 1).toordinal()


def adjusted_series() -> dict[str, Series]:
    """Adjusted daily bars by symbol, unrounded prices, stamped 00:00Z of their session date."""
    file = resources.files(PACKAGE).joinpath("_data", "stocks.csv.gz")
    rows: dict[str, list[list[str]]] = defaultdict(list)
    for row in csv.reader(io.StringIO(gzip.decompress(file.read_bytes()).decode())):
        if row and row[0] in COMPANIES:
            rows[row[0]].append(row)
    return {symbol: _series(found) for symbol, found in sorted(rows.items())}


def _series(rows: list[list[str]]) -> Series:
    open_ms = np.array([(date.fromisoformat(row[1]).toordinal() - _EPOCH_DAY) * DAY_MS for row in rows], np.int64)
    raw = np.array([row[2:8] for row in rows], dtype=np.float64)
    factor = raw[:, 5] / raw[:, 3]
    prices = raw[:, :4] * factor[:, None]
    opened, high, low, close = (np.ascontiguousarray(column) for column in prices.T)
    return Series(open_ms, opened, high, low, close, np.rint(raw[:, 4] / factor))
