"""Where bars come from: one adapter per source behind one Protocol, ``BarSource``."""

from marketdata.providers.csv import CsvFile
from marketdata.providers.ports import BarSource, Reading

SOURCES: dict[str, type[BarSource]] = {"csv": CsvFile}

__all__ = ["SOURCES", "BarSource", "CsvFile", "Reading"]
