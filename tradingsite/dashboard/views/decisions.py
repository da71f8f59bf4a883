"""One decision of a bot: why it did one thing, or did not."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from bots import payloads
from bots.selectors import decisions
from bots.selectors.decisions import Followed
from configuration.selectors import Explained
from engine.domain.enums import Action, Side, Target
from marketdata import selectors as marketdata
from marketdata.timeframes import is_session_based
from tradingsite.dashboard import parameters
from tradingsite.dashboard.access import owner_seen_by, page

_LONGS = int(Target.ENTER_LONG | Target.EXIT_LONG)
_SHORTS = int(Target.ENTER_SHORT | Target.EXIT_SHORT)


@page
def show(request: HttpRequest, decision_id: int) -> HttpResponse:
    """Why a bot did one thing, or did not: bar, votes, signal, reason, orders and fills, every value that applied."""
    found = decisions.one(decision_id, owner_id=owner_seen_by(request))
    made = found.decision
    told = payloads.decision_payload(made)
    sides = _sides(made.target, made.signal)
    nodes = [f"{made.symbol}/{side}" for side in sides]
    wanted = request.GET.get("node", "")
    node = wanted if wanted in nodes else nodes[0]
    votes = list(told["votes"].values())
    context = {
        "section": "bots",
        "bot": made.bot,
        "made": made,
        "cycle": made.cycle,
        "run": made.run,
        "told": told,
        "bar": _bar_of(found),
        "is_daily": is_session_based(made.run.timeframe),
        "vote_counts": {kind: votes.count(kind) for kind in ("buy", "sell", "hold")},
        "orders": [{**payloads.order_payload(order), "row": order} for order in found.orders],
        "fills": found.fills,
        "nodes": [(one, parameters.place_of(one)) for one in nodes] if len(nodes) > 1 else [],
        "chosen_node": node,
        "parameters": parameters.explained(_around(decisions.explained(made), made.symbol, node)),
        "values_title": f"Every value that applied to {parameters.place_of(node)}",
    }
    return render(request, "bots/decision.html", context)


def _sides(target: int, signal: int) -> list[str]:
    """Whose values decided: the sides whose target was to change, else the one the signal points to."""
    sides = [side.name for side, bits in ((Side.LONG, _LONGS), (Side.SHORT, _SHORTS)) if target & bits]
    return sides or [Side.SHORT.name if signal == Action.SELL else Side.LONG.name]


def _around(explained: list[Explained], symbol: str, node: str) -> list[Explained]:
    """The bot's own values, the strategy's at the symbol, the trading ones at the side."""
    return [
        value
        for value in explained
        if (value.node, value.namespace) == ("", "bot")
        or (value.node == symbol and value.namespace not in ("trading", "bot"))
        or value.node == node
    ]


def _bar_of(found: Followed) -> dict[str, float] | None:
    """The bar a decision was made on; None where the run's series is gone or unknown."""
    made = found.decision
    dataset_id = next((one["id"] for one in made.run.datasets if one["symbol"] == made.symbol), None)
    if dataset_id is None:
        return None
    bars = marketdata.closed_bars(dataset_id, start_ms=made.open_ms, end_ms=made.open_ms + 1)
    return {name: float(column[0]) for name, column in bars._asdict().items()} if len(bars.open_ms) else None
