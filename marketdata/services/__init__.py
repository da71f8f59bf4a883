"""What changes market data: each function one transaction, used by admin, API, commands and tasks alike."""

from marketdata.services.imports import Imported, ImportRequest, import_csv, import_samples
from marketdata.services.instruments import InstrumentDefinition, define_instrument, instrument_faults
from marketdata.services.studies import RequestedStudy, compute_study, request_study
from marketdata.services.tails import append_bars, open_dataset, retire_dataset

__all__ = [
    "ImportRequest",
    "Imported",
    "InstrumentDefinition",
    "RequestedStudy",
    "append_bars",
    "compute_study",
    "define_instrument",
    "import_csv",
    "import_samples",
    "instrument_faults",
    "open_dataset",
    "request_study",
    "retire_dataset",
]
