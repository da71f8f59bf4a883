"""A backtest as the API shows it."""

from typing import Any

from backtests import mappers, selectors
from backtests.models import Backtest
from backtests.selectors import Candles, Curve, Explanation


def backtest_line(run: Backtest) -> dict[str, Any]:
    """What a list shows of a run."""
    return {
        "id": str(run.id),
        "bot_id": str(run.bot_id),
        "bot_name": run.bot_name,
        "status": run.status,
        "progress": run.progress,
        "symbols": selectors.symbols(run),
        "timeframe": run.request["timeframe"],
        "start_at": mappers.at(run.request["start_ms"]),
        "end_at": mappers.at(run.request["end_ms"] - 1),
        "metrics": run.metrics,
        "error_code": run.error_code,
        "error_message": run.error_message,
        "created_at": run.created_at,
        "started_at": run.started_at,
        "finished_at": run.finished_at,
    }


def backtest_output(run: Backtest) -> dict[str, Any]:
    """Everything about a run but its records."""
    return {
        **backtest_line(run),
        "rows_done": run.rows_done,
        "rows_total": run.rows_total,
        "cancel_requested_at": run.cancel_requested_at,
        "request": run.request,
        "snapshot": run.snapshot_id,
        "engine_fingerprint": run.engine_fingerprint,
        "data_fingerprint": run.data_fingerprint,
    }


def curve_output(curve: Curve) -> dict[str, Any]:
    """The equity curve as two columns."""
    return {"at_ms": curve.at_ms.tolist(), "equity": curve.equity.tolist(), "points": curve.points}


def candles_output(candles: Candles) -> dict[str, Any]:
    """Bars as columns, and the fills that mark them."""
    columns = {name: column.tolist() for name, column in candles.series._asdict().items()}
    return {**columns, "bars_per_candle": candles.bars_per_candle, "fills": [one._asdict() for one in candles.fills]}


def explanation_output(explanation: Explanation) -> dict[str, Any]:
    """One row of a run with everything that led to it."""
    return {
        "row": explanation.row,
        "symbol": explanation.symbol,
        "bar": explanation.bar._asdict(),
        "decisions": [one._asdict() for one in explanation.decisions],
        "fills": [one._asdict() for one in explanation.fills],
        "orders": [one._asdict() for one in explanation.orders],
        "snapshot": explanation.snapshot,
        "values": {node: [one._asdict() for one in rows] for node, rows in explanation.values.items()},
    }
