"""What changes market data: each function one transaction, used by admin, API, commands and tasks alike."""

from marketdata.services.imports import Imported, ImportRequest, import_csv, import_samples
from marketdata.services.instruments import InstrumentDefinition, define_instrument
from marketdata.services.tails import append_bars, open_dataset, retire_dataset

__all__ = [
    "ImportRequest",
    "Imported",
    "InstrumentDefinition",
    "append_bars",
    "define_instrument",
    "import_csv",
    "import_samples",
    "open_dataset",
    "retire_dataset",
]
