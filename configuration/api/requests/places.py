"""Where a request points: a namespace and a scope of it, in the path, the query or the body."""

from collections.abc import Mapping
from typing import Any, Final

from configuration.api.output.places import API, address_of
from configuration.api.requests import body
from configuration.api.requests.naming import nearest, pointer
from configuration.catalogue import CATALOGUE, Namespace
from configuration.errors import gated
from configuration.scopes import GLOBAL, Scope, bot_scope, scope_faults, side_scope, symbol_scope
from engine.domain.errors import Fault, InputError, NotFound

SCOPE_FIELDS: Final[Mapping[str, body.Field]] = {
    "kind": body.Field((str,), ""),
    "symbol": body.Field((str,), ""),
    "side": body.Field((str,), ""),
    "bot": body.Field((str,), ""),
}


def scope_of_path(namespace: str, symbol: str | None = None, side: str | None = None) -> Scope:
    """The scope a path names in a namespace.

    Raises NotFound (no such namespace), InputError (invalid_symbol, not_a_choice, scope_not_allowed).
    """
    about = namespace_of(namespace)
    scope = _scope(symbol, side)
    faults = scope_faults(scope, pointer="/path") or _unfit_faults(about, scope)
    if faults:
        raise gated(InputError("The path names no scope.", faults=faults), _ways_out(about, scope, faults))
    return scope


def namespace_of(name: str) -> Namespace:
    """What the catalogue says about a namespace. Raises NotFound, naming the likest."""
    if name not in CATALOGUE.namespaces():
        meant = nearest(name, CATALOGUE.namespaces())
        hint = f" Did you mean {meant[0]}?" if meant else ""
        error = NotFound(f"There is no namespace {name[:60]!r}.{hint}")
        raise gated(error, [_listing("unknown_namespace", f"{API}/config/namespaces", meant)])
    return CATALOGUE.about(name)


def strategy_of(name: str) -> Namespace:
    """What the catalogue says about a strategy. Raises NotFound, naming the likest."""
    known = {about.name: about for about in CATALOGUE.strategies()}
    if name not in known:
        meant = nearest(name, list(known))
        hint = f" Did you mean {meant[0]}?" if meant else ""
        error = NotFound(f"There is no strategy {name[:60]!r}.{hint}")
        raise gated(error, [_listing("unknown_strategy", f"{API}/strategies", meant)])
    return known[name]


def scope_of_query(asked: Mapping[str, Any]) -> Scope:
    """The scope that ``symbol``, ``side`` and ``bot`` of a query name together; all absent: global.

    A bot on a symbol hears every layer, so its parts may all be given. Raises InputError.
    """
    bot, symbol, side = (asked.get(part) or "" for part in ("bot", "symbol", "side"))
    faults = (
        *(scope_faults(bot_scope(bot), pointer="/bot") if bot else ()),
        *(scope_faults(symbol_scope(symbol), pointer="/symbol") if symbol else ()),
        *_side_faults(symbol, side),
    )
    if faults:
        raise InputError("The query names no scope.", faults=faults)
    kind = "bot" if bot else "symbol_side" if side else "symbol" if symbol else "global"
    return Scope(kind, bot, symbol, side)


def scope_of_body(given: Any, *, at: str) -> tuple[Scope, tuple[Fault, ...]]:
    """The scope of an operation: null or {} is global, "kind" may be left out. Faults are told, not raised."""
    if given is None or given == "global":
        return GLOBAL, ()
    if not isinstance(given, Mapping):
        message = 'scope must be a map such as {"symbol": "AAPL", "side": "LONG"}, or "global".'
        return GLOBAL, (Fault("invalid_type", at, message, "map", str(given)[:80]),)
    read = body.judged(given, SCOPE_FIELDS, at=at)
    bot, symbol, side = read["bot"], read["symbol"].strip().upper(), read["side"].strip().upper()
    kind = read["kind"] or ("bot" if bot else "symbol_side" if side else "symbol" if symbol else "global")
    scope = Scope(kind, bot, symbol, side)
    # The kind and the parts are judged once the operation is planned.
    return scope, read.faults


def _scope(symbol: str | None, side: str | None) -> Scope:
    if symbol is None:
        return GLOBAL
    return symbol_scope(symbol) if side is None else side_scope(symbol, side)


def _side_faults(symbol: str, side: str) -> tuple[Fault, ...]:
    if not side:
        return ()
    if not symbol:
        return (Fault("empty", "/symbol", "side needs a symbol.", None, None),)
    return tuple(fault for fault in scope_faults(side_scope("A", side), pointer="/side"))


def _listing(code: str, path: str, meant: list[str]) -> dict[str, Any]:
    return {"code": code, "how": "These exist.", "method": "GET", "path": path, "nearest": meant}


def _ways_out(about: Namespace, scope: Scope, faults: tuple[Fault, ...]) -> list[dict[str, Any]]:
    """Where the namespace can be set instead, if that is what was wrong."""
    if faults[0].code != "scope_not_allowed":
        return []
    if about.kind == "bot":
        how = "Only a bot has these: read the bot, then PUT it with its parameters."
        return [{"code": "scope_not_allowed", "how": how, "method": "GET", "path": f"{API}/bots"}]
    wider = symbol_scope(scope.symbol) if "symbol" in about.scopes else GLOBAL
    path = address_of(about.name, wider)
    return [{"code": "scope_not_allowed", "how": f"Ask at {wider} instead.", "method": "GET", "path": path}]


def _unfit_faults(about: Namespace, scope: Scope) -> tuple[Fault, ...]:
    if scope.kind in about.scopes:
        return ()
    allowed = list(about.scopes)
    message = f"{about.name} can be set for {', '.join(allowed)}, not for {scope.kind}."
    return (Fault("scope_not_allowed", "/path", message, allowed, scope.kind),)


def at_parameter(name: str) -> str:
    """The pointer to a parameter of a posted map."""
    return pointer("parameters", name)
