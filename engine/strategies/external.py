"""Signals that come from outside: an import, a webhook, a conformance vector."""

from engine.domain.declarations import StrategyDeclaration

DECLARATION = StrategyDeclaration(
    name="external",
    title="External signals",
    description="Trades signals it is given; the same pipeline, risk and ledger as every strategy.",
    parameters=(),
    needs_signals=True,
)
