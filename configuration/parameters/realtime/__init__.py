"""The six realtime strategies: what each can be told. Declared before the code that will trade on it.

None is installed: their parameters can be set, read and rolled back like any other, and no bot can
be given one until a kernel of that name is among ``engine.strategies``.
"""

from typing import Final

from configuration.parameters.realtime import (
    btc_dominance,
    cross_exchange_spread,
    onchain_metrics,
    orderbook_skew,
    ticker_velocity,
    trade_momentum,
)
from engine.domain.declarations import StrategyDeclaration

DECLARED: Final[dict[str, StrategyDeclaration]] = {
    declaration.name: declaration
    for declaration in (
        orderbook_skew.DECLARATION,
        trade_momentum.DECLARATION,
        ticker_velocity.DECLARATION,
        btc_dominance.DECLARATION,
        cross_exchange_spread.DECLARATION,
        onchain_metrics.DECLARATION,
    )
}
