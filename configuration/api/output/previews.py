"""What a change would do, as JSON: values in force before and after, whom they touch, what stands in the way."""

from collections.abc import Sequence
from typing import Any, Final

from configuration.api.output.configurations import resolved_output
from configuration.api.output.places import scope_output
from configuration.cautions import Caution
from configuration.effects import Effect, Touched
from configuration.ports import HeldPosition, ReachedBot, RestingOrder
from configuration.services import Preview

MOST_EFFECTS: Final = 200
"""How many effects an answer holds; ``effects_total`` says how many there are."""


def preview_output(preview: Preview, gates: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The plan's effects, whom they touch, and its hash: sent back as plan_hash, exactly this is done or nothing."""
    return {
        "applies": not gates,
        "effects": [effect_output(effect) for effect in preview.effects[:MOST_EFFECTS]],
        "effects_total": len(preview.effects),
        "touched": touched_output(preview.touched),
        "requires_restart": list(preview.requires_restart),
        "warnings": [caution_output(caution) for caution in preview.warnings],
        "plan_hash": preview.plan_hash,
        "gates": list(gates),
    }


def effect_output(effect: Effect) -> dict[str, Any]:
    """One effective value before and after, where it holds, and when it is taken up.

    What changes for a bot changes on a symbol or a side of it: the scope names these beside the bot.
    """
    parts = {name: part for name, part in effect.path._asdict().items() if part}
    return {
        "namespace": effect.namespace,
        "parameter": effect.parameter,
        "scope": {"kind": effect.path.narrowest().kind, **parts},
        "before": resolved_output(effect.before),
        "after": resolved_output(effect.after),
        "reload": effect.reload,
    }


def touched_output(touched: Touched) -> dict[str, Any]:
    """Whose values change: symbols, sides, bots, open positions and resting orders."""
    return {
        "symbols": list(touched.symbols),
        "sides": [{"symbol": symbol, "side": side} for symbol, side in touched.sides],
        "bots": [bot_output(bot) for bot in touched.bots],
        "positions": [position_output(position) for position in touched.positions],
        "orders": [order_output(order) for order in touched.orders],
    }


def bot_output(bot: ReachedBot) -> dict[str, Any]:
    """A bot, and how many of its positions and orders are touched."""
    return {
        "id": bot.id,
        "name": bot.name,
        "strategy": bot.strategy,
        "status": bot.status,
        "positions": len(bot.positions),
        "orders": len(bot.orders),
    }


def position_output(position: HeldPosition) -> dict[str, Any]:
    """An open position, its quantity as text."""
    return {"id": position.id, "symbol": position.symbol, "side": position.side, "qty": format(position.qty, "f")}


def order_output(order: RestingOrder) -> dict[str, Any]:
    """A resting order, its quantity as text."""
    return {
        "id": order.id,
        "symbol": order.symbol,
        "side": order.side,
        "leg": order.leg,
        "qty": format(order.qty, "f"),
    }


def caution_output(caution: Caution) -> dict[str, Any]:
    """Something to know before the change is made."""
    return {
        "code": caution.code,
        "namespace": caution.namespace,
        "parameter": caution.parameter,
        "scope": scope_output(caution.scope),
        "message": caution.message,
    }
