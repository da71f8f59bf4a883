"""From rows to the engine's values: the one place where decimals of an instrument become floats."""

from engine.domain.values import Instrument as EngineInstrument
from marketdata.models import Instrument


def engine_instrument(row: Instrument) -> EngineInstrument:
    """The instrument as the engine reads it; every float the nearest to the row's decimal."""
    return EngineInstrument(
        symbol=row.symbol,
        price_tick=float(row.price_tick),
        qty_step=float(row.qty_step),
        min_qty=float(row.min_qty),
        min_notional=float(row.min_notional),
        max_leverage=float(row.max_leverage),
        filters_known=row.filters_known,
    )
